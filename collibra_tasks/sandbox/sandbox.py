"""The stand-in tenant, as tests and demos hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from collibra_tasks.sandbox import kinds
from collibra_tasks.sandbox.accounts import TOKEN_SECONDS, Accounts
from collibra_tasks.sandbox.catalog import Asset
from collibra_tasks.sandbox.importing import FAILURES_BEFORE_ABORT
from collibra_tasks.sandbox.job_book import JobBook
from collibra_tasks.sandbox.job_stage import JobStage
from collibra_tasks.sandbox.messages import Answer, Query, Request, read_request
from collibra_tasks.sandbox.seen import SeenJob, see_job
from collibra_tasks.sandbox.server import Server
from collibra_tasks.sandbox.stage import RequestStage
from collibra_tasks.sandbox.state import Clock, State
from collibra_tasks.sandbox.tenant import FinalizationRequest, Tenant
from collibra_tasks.sandbox.version import Version

Place = tuple[str, str, str]


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Sandbox(RequestStage, JobStage):
    """A stand-in Collibra tenant on loopback; a context manager, or `start` and `stop`."""

    def __init__(
        self,
        *,
        job_seconds: float = 0.0,
        version: str | None = "2026.07.0",
        port: int = 0,
        clock: Clock = utc_now,
        token_seconds: int = TOKEN_SECONDS,
        failures_before_abort: int = FAILURES_BEFORE_ABORT,
        jobs_name_synchronization: bool = False,
    ) -> None:
        """Build an empty tenant.

        Args:
            job_seconds: How long each job takes by the tenant's clock; 0 ends it at first look.
            version: What the tenant says of itself; decides a few defaults where it is readable.
            port: The port; 0 finds a free one.
            clock: The tenant's own clock, in UTC.
            token_seconds: How long an OAuth token holds.
            failures_before_abort: After how many failed commands an import stops after all.
            jobs_name_synchronization: Whether a job's name tells the synchronization id.
        """
        self._port = port
        self._server: Server | None = None
        self._tenant = Tenant(
            State(
                clock=clock,
                accounts=Accounts(clock=clock, token_seconds=token_seconds),
                version=Version(version),
                jobs=JobBook(job_seconds, jobs_name_synchronization),
                failures_before_abort=failures_before_abort,
            )
        )

    def __enter__(self) -> Self:
        """Start serving."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Serve no more."""
        self.stop()

    def start(self) -> Self:
        """Serve on loopback, from threads of its own."""
        self._tenant.closing.clear()
        self._server = Server(self._tenant, self._port)
        self._tenant.state.url = self._server.url
        self._server.start()
        return self

    def stop(self) -> None:
        """Serve no more; requests that are held or slow go unanswered."""
        self._tenant.close()
        if self._server:
            self._server.stop()
            self._server = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        query: Query = "",
    ) -> Answer | None:
        """Answer without a socket, as a transport for tests may want; None is a cut connection."""
        return self._tenant.answer(
            read_request(method, path, headers=headers, body=body, query=query)
        )

    def environment(self, auth_type: str = "basic") -> dict[str, str]:
        """Return the variables that let a client connect in one of the three ways."""
        credentials = {
            "basic": {"COLLIBRA_USERNAME": self.username, "COLLIBRA_PASSWORD": self.password},
            "bearer": {"COLLIBRA_TOKEN": self.token},
            "oauth": {
                "COLLIBRA_CLIENT_ID": self.client_id,
                "COLLIBRA_CLIENT_SECRET": self.client_secret,
            },
        }
        if auth_type not in credentials:
            message = f"no such auth_type: {auth_type!r}; there are {', '.join(credentials)}"
            raise ValueError(message)
        return {"COLLIBRA_BASE_URL": self.url, **credentials[auth_type]}

    def reset_faults(self) -> None:
        """Take back everything that was staged; whoever is held goes on."""
        with self._tenant.lock:
            self._tenant.script.clear()
            self._reset_jobs()

    @property
    def url(self) -> str:
        """Where the tenant is; a name that leads nowhere before `start`."""
        return self._tenant.state.url

    @property
    def username(self) -> str:
        """The account's name."""
        return self._tenant.state.accounts.username

    @property
    def password(self) -> str:
        """The account's password."""
        return self._tenant.state.accounts.password

    @property
    def token(self) -> str:
        """A bearer token of the account, which looks like a JWT and never ends."""
        return self._tenant.state.accounts.token

    @property
    def client_id(self) -> str:
        """The OAuth application's id, which has colons in it."""
        return self._tenant.state.accounts.client_id

    @property
    def client_secret(self) -> str:
        """The OAuth application's secret."""
        return self._tenant.state.accounts.client_secret

    @property
    def user_id(self) -> str:
        """The account's id."""
        return self._tenant.state.accounts.user_id

    @property
    def app_user_id(self) -> str:
        """The id of the OAuth application's own user."""
        return self._tenant.state.accounts.app_user_id

    @property
    def requests(self) -> list[Request]:
        """Every request that arrived, oldest first."""
        with self._tenant.lock:
            return list(self._tenant.requests)

    @property
    def finalization_requests(self) -> list[FinalizationRequest]:
        """Every finalization that arrived, taken or not, oldest first."""
        with self._tenant.lock:
            return list(self._tenant.finalization_requests)

    @property
    def jobs(self) -> list[SeenJob]:
        """Every job, oldest first; those too that the tenant hides or has lost."""
        with self._tenant.lock:
            now = self._tenant.state.settle()
            return [see_job(job, now) for job in self._tenant.state.jobs]

    @property
    def batches(self) -> int:
        """How many batches were taken."""
        return sum(job.kind == kinds.BATCH for job in self.jobs)

    @property
    def finalizations(self) -> int:
        """How many finalizations were taken, those of one-call synchronizations included."""
        return len(self._finalized())

    def finalizations_of(self, synchronization_id: str) -> int:
        """Count the finalizations that were taken for one synchronization."""
        return self._finalized().count(synchronization_id)

    def _finalized(self) -> list[str | None]:
        return [
            job.synchronization_id
            for job in self.jobs
            if job.kind in (kinds.FINALIZE, kinds.SYNCHRONIZE)
        ]

    def assets(self) -> dict[Place, Asset]:
        """Return all assets by community, domain and name."""
        with self._tenant.lock:
            self._tenant.state.settle()
            return {asset.key: asset for asset in self._tenant.state.catalog.assets.values()}

    def asset_names(self, synchronization_id: str | None = None) -> set[str]:
        """Return the names of all assets, or of those that one synchronization tracks."""
        tracked = self._tracked(synchronization_id) if synchronization_id else None
        return {a.name for a in self.assets().values() if tracked is None or a.id in tracked}

    def _tracked(self, synchronization_id: str) -> set[str]:
        with self._tenant.lock:
            self._tenant.state.settle()
            found = self._tenant.state.synchronizations.tracked(synchronization_id)
            return found.present | found.previous

    def edit_asset(self, key: Place, **changes: Any) -> None:  # noqa: ANN401 - any field
        """Change an asset as a person would, by hand; ``changes`` are fields of `Asset`."""
        with self._tenant.lock:
            asset = self.assets()[key]
            self._tenant.state.catalog.put(replace(asset, **changes))

    def remove_asset(self, key: Place) -> None:
        """Remove an asset as a person would, by hand."""
        with self._tenant.lock:
            self._tenant.state.catalog.remove(self.assets()[key].id)
