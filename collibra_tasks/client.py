"""The tenant's endpoints, one method each."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import httpx

from collibra_tasks import auth
from collibra_tasks.deadline import Deadline
from collibra_tasks.errors import (
    AccessDeniedError,
    CollibraError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    UnexpectedAnswerError,
)
from collibra_tasks.models import (
    Account,
    FinalizationStrategy,
    ImportFailure,
    ImportSummary,
    Job,
    Status,
    TenantVersion,
    Upload,
)
from collibra_tasks.settings import CollibraConnection
from collibra_tasks.wire import answers, calls
from collibra_tasks.wire.answers import Answer
from collibra_tasks.wire.calls import Call

Read = TypeVar("Read")
_Page = tuple[list[dict[str, Any]], "Callable[[], _Page] | None"]
"""The rows of a page, and how to get the next one."""

NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""What httpx raises before the first byte of a request is on its way."""


class CollibraClient:
    """A tenant, as this library sees it.

    It never waits and never sends a write twice. Redirects are not followed, so credentials go to
    the configured host only. Each request has a connection of its own: one that was kept open and
    then dropped by a gateway would make a write's outcome unknown for no reason.

    Every method may raise ``NotSentError``, ``OutcomeUnknownError``, ``RefusedError`` and its kin,
    and ``UnexpectedAnswerError``.
    """

    def __init__(
        self, connection: CollibraConnection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            connection: Where the tenant is and how to authenticate.
            transport: What carries the requests instead of the network, for tests.

        Raises:
            NotSentError: If the CA bundle can't be read or the proxy makes no sense.
        """
        self._connection = connection
        self._tenant_time: datetime | None = None
        self._http = _http_client(connection, transport)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def base_url(self) -> str:
        """The tenant's address."""
        return self._connection.base_url

    @property
    def tenant_time(self) -> datetime:
        """The tenant's clock at its last answer; ours if it has not shown one."""
        return self._tenant_time or datetime.now(tz=UTC)

    def get_version(self) -> TenantVersion | None:
        """Return the tenant's release; ``None`` if it does not say it in a form we can read."""
        call = calls.application_info_call()
        try:
            return answers.read_version(answers.read_object(call, self._ask(call)))
        except (NotFoundError, AccessDeniedError, UnexpectedAnswerError):
            return None

    def get_account(self) -> Account | None:
        """Return the account behind our credentials; ``None`` if the tenant does not tell."""
        call = calls.current_user_call()
        try:
            return answers.read_account(answers.read_object(call, self._ask(call)))
        except (NotFoundError, AccessDeniedError):
            return None

    def get_status(self, status_id: str) -> Status:
        """Return a status; ``NotFoundError`` if there is none with this id."""
        call = calls.status_call(status_id)
        return answers.read_status(answers.read_object(call, self._ask(call)))

    def synchronization_exists(self, synchronization_id: str) -> bool:
        """Tell whether the tenant knows a synchronization."""
        call = calls.synchronization_exists_call(synchronization_id)
        return answers.read_flag(call, self._ask(call))

    def iter_synchronizations(self) -> Iterator[str]:
        """Yield the IDs of all synchronizations."""
        call = calls.synchronizations_call
        for row in self._iter_rows(lambda offset: call(offset=offset), calls.RESULT_PAGE_SIZE):
            yield str(row.get("synchronizationId"))

    def evict_synchronization(self, synchronization_id: str) -> None:
        """Clear the hash cache: the next cycle's commands all run, unchanged ones too."""
        self._ask(calls.evict_call(synchronization_id))

    def forget_synchronization(self, synchronization_id: str) -> None:
        """Forget a synchronization. Its assets stay, and no later cycle can find them missing."""
        self._ask(calls.forget_call(synchronization_id))

    def submit_finalization(
        self,
        synchronization_id: str,
        *,
        strategy: FinalizationStrategy,
        missing_asset_status_id: str | None = None,
        send_notification: bool = False,
        version: TenantVersion | None = None,
    ) -> Job:
        """Close a cycle; return the job that does it, of which only the id is known.

        Raises:
            FinalizationRefusedError: If the request would not mean one thing; nothing was sent.
            OutcomeUnknownError: If no clear answer came; never send it again.
        """
        call = calls.finalization_call(
            synchronization_id,
            strategy=strategy,
            missing_asset_status_id=missing_asset_status_id,
            send_notification=send_notification,
            version=version,
        )
        return answers.read_submitted_job(call, self._ask(call))

    def submit_batch(
        self,
        synchronization_id: str,
        *,
        file_name: str,
        content: bytes | IO[bytes],
        file_format: str = "json",
        continue_on_error: bool = False,
        options: dict[str, str] | None = None,
    ) -> Job:
        """Send one batch of a cycle; return the job that imports it, of which only the id is known.

        Raises:
            OutcomeUnknownError: If no clear answer came.
        """
        call = calls.batch_call(
            synchronization_id,
            file_name=file_name,
            content=content,
            file_format=file_format,
            continue_on_error=continue_on_error,
            options=options,
        )
        return answers.read_submitted_job(call, self._ask(call))

    def submit_synchronization(
        self,
        synchronization_id: str,
        upload: Upload,
        *,
        strategy: FinalizationStrategy,
        missing_asset_status_id: str | None = None,
    ) -> Job:
        """Send a whole cycle and close it, in one call; return the job that does both.

        Raises:
            FinalizationRefusedError: If the request would not mean one thing; nothing was sent.
            OutcomeUnknownError: If no clear answer came.
        """
        call = calls.synchronization_call(
            synchronization_id,
            upload,
            strategy=strategy,
            missing_asset_status_id=missing_asset_status_id,
        )
        return answers.read_submitted_job(call, self._ask(call))

    def get_job(self, job_id: str) -> Job:
        """Return a job, from whichever job API knows it.

        Raises:
            NotFoundError: If neither of the two knows it (any more, or not yet).
        """
        return self._either(
            lambda: self._get_job(calls.job_call(job_id)),
            lambda: self._get_job(calls.legacy_job_call(job_id)),
        )

    def _get_job(self, call: Call) -> Job:
        return answers.read_job(answers.read_object(call, self._ask(call)))

    def iter_jobs(self, user_id: str) -> Iterator[Job]:
        """Yield an account's jobs, newest first, from whichever job API the tenant serves.

        A state or result that this library does not know is left as it is here.
        """
        rows, following = self._either(
            lambda: self._jobs_page(user_id), lambda: self._legacy_jobs_page(user_id)
        )
        yield from map(answers.read_listed_job, rows)
        while following:
            rows, following = following()
            yield from map(answers.read_listed_job, rows)

    def _jobs_page(self, user_id: str, cursor: str | None = None) -> _Page:
        rows, following = self._page(calls.jobs_call(user_id=user_id, cursor=cursor))
        return rows, (lambda: self._jobs_page(user_id, following)) if following else None

    def _legacy_jobs_page(self, user_id: str, offset: int = 0) -> _Page:
        rows, _ = self._page(calls.legacy_jobs_call(user_id=user_id, offset=offset))
        full = len(rows) >= calls.LEGACY_JOB_PAGE_SIZE
        following = offset + len(rows)
        return rows, (lambda: self._legacy_jobs_page(user_id, following)) if full else None

    def cancel_job(self, job_id: str, *, message: str) -> None:
        """Ask the tenant to stop a job. What then becomes of it, only a look at the job tells."""
        self._either(
            lambda: self._ask(calls.cancel_call(job_id, message=message)),
            lambda: self._ask(calls.legacy_cancel_call(job_id)),
        )

    def get_summary(self, job_id: str) -> ImportSummary:
        """Return Collibra's counters of an ended job."""
        call = calls.summary_call(job_id)
        return answers.read_summary(answers.read_object(call, self._ask(call)))

    def iter_failures(self, job_id: str) -> Iterator[ImportFailure]:
        """Yield what an ended job could not import."""
        call = calls.failures_call
        size = calls.RESULT_PAGE_SIZE
        for row in self._iter_rows(lambda offset: call(job_id, offset=offset), size):
            yield answers.read_failure(row)

    def _page(self, call: Call) -> tuple[list[dict[str, Any]], str | None]:
        return answers.read_page(call, self._ask(call))

    def _iter_rows(self, page: Callable[[int], Call], size: int) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            rows, _ = self._page(page(offset))
            yield from rows
            offset += len(rows)
            if len(rows) < size:
                return

    def _either(self, current: Callable[[], Read], older: Callable[[], Read]) -> Read:
        """Ask the current API, then the older one; of two refusals the one that says more wins."""
        try:
            return current()
        except CollibraError as trouble:
            if not _may_mean_absent(trouble):
                raise
            try:
                return older()
            except CollibraError as older_trouble:
                if _may_mean_absent(older_trouble) and not older_trouble.transient:
                    raise trouble from None
                if isinstance(older_trouble, UnexpectedAnswerError) and older_trouble.transient:
                    raise trouble from None
                raise

    def _ask(self, call: Call) -> Answer:
        header = self._authorization(call)
        answer = self._send(call, header)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            renewed = auth.renew(self._connection, header)
            if renewed and not call.write:
                answer = self._send(call, self._authorization(call))
        if refusal := answers.read_refusal(call, answer):
            raise refusal
        return answer

    def _authorization(self, call: Call) -> str:
        try:
            return auth.authorization(self._connection, self._ask_for_token)
        except CollibraError as error:
            if call.write and error.transient:
                message = f"could not {call.purpose}, nothing was sent: {error}"
                raise NotSentError(message) from error
            raise

    def _ask_for_token(self, authorization: str) -> dict[str, Any]:
        call = calls.token_call(authorization=authorization)
        answer = self._send(call, authorization)
        if refusal := answers.read_refusal(call, answer):
            raise refusal
        return answers.read_object(call, answer)

    def _send(self, call: Call, authorization: str) -> Answer:
        headers = {"Accept": "application/json", "Authorization": authorization}
        try:
            answer = self._exchange(call, headers)
        except NEVER_LEFT as error:
            message = (
                f"could not {call.purpose}: {self.base_url} was not reached "
                f"({error or type(error).__name__}), so nothing happened there"
            )
            raise NotSentError(message) from None
        except httpx.HTTPError as error:
            raise _lost(call, error) from None
        self._tenant_time = answer.tenant_time or self._tenant_time
        return answer

    def _exchange(self, call: Call, headers: dict[str, str]) -> Answer:
        with (
            Deadline(self._connection.request_timeout_seconds) as deadline,
            self._http.stream(
                call.method,
                call.path,
                params=call.params or None,
                files=call.parts,
                data=call.form,
                headers=headers,
                extensions={"trace": deadline.trace},
            ) as response,
        ):
            return Answer(
                status_code=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                content=response.read(),
            )


def _lost(call: Call, error: httpx.HTTPError) -> OutcomeUnknownError:
    # Only the kind is told: the text of a protocol error can quote a header, and so a secret.
    told = f"could not {call.purpose}: the answer got lost ({type(error).__name__})"
    if call.write:
        told += "; whether the tenant carried it out is not known, so it must not be repeated"
    return OutcomeUnknownError(told)


def _may_mean_absent(trouble: CollibraError) -> bool:
    """Whether an API that the tenant does not serve could answer so."""
    if isinstance(trouble, AccessDeniedError):
        return False
    return trouble.transient or isinstance(trouble, RefusedError)


def _http_client(
    connection: CollibraConnection, transport: httpx.BaseTransport | None
) -> httpx.Client:
    try:
        return httpx.Client(
            base_url=connection.base_url,
            timeout=connection.request_timeout_seconds,
            verify=_certificates(connection) if transport is None else True,
            proxy=connection.proxy.get_secret_value() or None,
            transport=transport,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
    except OSError:
        message = f"nothing was sent: the CA bundle {connection.ca_bundle!r} can't be read"
    except (ValueError, httpx.InvalidURL):
        message = "nothing was sent: the proxy is not an address like http://proxy.example.com:3128"
    raise NotSentError(message)


def _certificates(connection: CollibraConnection) -> ssl.SSLContext:
    if connection.ca_bundle:
        return ssl.create_default_context(cafile=connection.ca_bundle)
    return httpx.create_ssl_context()
