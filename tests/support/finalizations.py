"""Finalizations on in-memory ports: batches of scripts, and people who resolve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import httpx

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.api.requests import Request
from collibra_tasks.api.responses import Response
from collibra_tasks.api.session import Session as ApiSession
from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.resolution import resolve
from collibra_tasks.ledger.entry import LedgerEntry, Resolution, ResolutionRecord
from collibra_tasks.sandbox import Sandbox
from tests.support.clients import connection_to
from tests.support.memory_store import CrashError
from tests.support.sessions import NIGHTLY, TenantFacts, World, tables

QUICK_URL = "https://collibra.example"

Params = tuple[tuple[str, Any], ...]


class FinalizationWorld(World):
    """A world in which scripts fill the cycles."""

    def batch(self, *names: str, synchronization_id: str = NIGHTLY) -> str:
        """Send a batch as a script does; return its job ID after its end."""
        job = self.sandbox.import_by_hand(synchronization_id, tables(*(names or ("t1", "t2"))))
        self.clock.advance(2)
        return job.id

    def teach(self, synchronization_id: str = NIGHTLY) -> str:
        """Run one cycle, so that the name of finalization jobs is learned; return its job."""
        batch = self.batch(synchronization_id=synchronization_id)
        return self.finalize(batch, synchronization_id=synchronization_id).id

    def curl(self, synchronization_id: str = NIGHTLY, *, user_id: str | None = None) -> str:
        """Finalize as a person with curl does, by default with our login; return the job ID."""
        job = self.sandbox.finalize_by_hand(synchronization_id, strategy="IGNORE", user_id=user_id)
        self.clock.advance(2)
        return job.id

    def newest(self, synchronization_id: str = NIGHTLY) -> LedgerEntry | None:
        """Return the newest entry of the ledger."""
        with self.session(synchronization_id=synchronization_id) as session:
            return session.ledger.newest()

    def entry(self, synchronization_id: str = NIGHTLY) -> LedgerEntry:
        """Return the newest entry of a ledger that is not empty."""
        newest = self.newest(synchronization_id)
        assert newest is not None
        return newest

    def newest_is_intent(self) -> bool:
        """Whether the newest entry waits for its request; nothing is counted."""
        entries = [
            (name, value)
            for name, value in self.store.snapshot().items()
            if value.get("synchronization_id") == NIGHTLY and "phase" in value
        ]
        return bool(entries) and max(entries)[1]["phase"] == "intended"

    def resolve(
        self,
        resolution: str,
        *,
        job_id: str | None = None,
        excluded: Sequence[str] = (),
        by: str = "ada",
        reason: str = "checked in Collibra",
        synchronization_id: str = NIGHTLY,
    ) -> LedgerEntry:
        """Decide as a person does with the resolve flow."""
        record = ResolutionRecord(
            resolution=Resolution(resolution),
            by=by,
            on=self.clock.now(),
            reason=reason,
            job_id=job_id,
            excluded_job_ids=tuple(excluded),
        )
        with self.session(synchronization_id=synchronization_id) as session:
            return resolve(session, record)

    @property
    def sent(self) -> int:
        """Number of finalizations of this library that Collibra took."""
        return self.sandbox.finalizations

    @property
    def logged(self) -> str:
        """Return the log as one text."""
        return "\n".join(self.log)


class QuickSession(ApiSession):
    """Sender of requests that calls the sandbox directly, without httpx's client.

    Credentials, errors and lost responses take the usual way. Timeouts do not exist.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox.transport()
        super().__init__(connection_to(sandbox, base_url=QUICK_URL), self._sandbox)

    def _transfer(self, request: Request, authorization: str | None) -> Response:
        line = (request.method, request.path, tuple(request.params.items()), authorization or "")
        has_body = request.form_fields is not None or request.form is not None
        message = (
            _message(*line, files=request.form_fields, data=request.form)
            if has_body
            else _message_without_body(*line)
        )
        response = self._sandbox.handle_request(message)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(status_code=response.status_code, headers=headers, content=response.content)


def _message(
    method: str, path: str, params: Params, authorization: str, **body: Any
) -> httpx.Request:
    url = path if "://" in path else QUICK_URL + path
    headers = {"Accept": "application/json", "Authorization": authorization}
    return httpx.Request(method, url, params=params or None, headers=headers, **body)


# The same reads are repeated; the sandbox changes no message.
_message_without_body = lru_cache(maxsize=1_000)(_message)


class QuickClient(CollibraClient):
    """A client of the sandbox for thousands of histories."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._session = QuickSession(sandbox)


class QuickWorld(FinalizationWorld):
    """A world for thousands of histories: what never changes is created or read once.

    A process has a client of its own while it runs; another process gets it afterwards.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._idle: list[CollibraClient] = []
        self._facts: TenantFacts | None = None

    @contextmanager
    def client(self) -> Iterator[CollibraClient]:
        client = self._idle.pop() if self._idle else self._new_client()
        try:
            yield client
        finally:
            self._idle.append(client)

    def _new_client(self) -> CollibraClient:
        return QuickClient(self.sandbox)

    def describe_tenant(self, client: CollibraClient) -> TenantFacts:
        if self._facts is None:
            self._facts = super().describe_tenant(client)
        return self._facts


def outcome_of(action: Callable[[], Any]) -> Any:
    """Return the result of an action, or the error or crash that it raises."""
    try:
        return action()
    except (CollibraError, CrashError) as error:
        return error
