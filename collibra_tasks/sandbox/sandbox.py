"""The stand-in tenant, as tests and demos use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from collibra_tasks.sandbox.accounts import IDENTITY_PROVIDER_PATH, Account, Accounts
from collibra_tasks.sandbox.catalog import Asset
from collibra_tasks.sandbox.faults import RequestFaults
from collibra_tasks.sandbox.job_faults import JobFaults, OtherActors
from collibra_tasks.sandbox.jobs import BATCH, FINALIZE, JobView
from collibra_tasks.sandbox.routes import ROUTES
from collibra_tasks.sandbox.server import SandboxTransport, Server
from collibra_tasks.sandbox.settings import FAILURES_BEFORE_ABORT, TOKEN_SECONDS, Settings
from collibra_tasks.sandbox.tenant import Clock, FinalizationRequest, State, Tenant

AssetPlace = tuple[str, str, str]


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Content:
    """Content of the tenant, and changes of it by hand."""

    _tenant: Tenant

    @property
    def requests(self) -> list[httpx.Request]:
        """Return every request that arrived, oldest first."""
        with self._tenant.lock:
            return list(self._tenant.requests)

    @property
    def finalization_requests(self) -> list[FinalizationRequest]:
        """Return every finalization that arrived, accepted or not, oldest first."""
        with self._tenant.lock:
            return list(self._tenant.finalization_requests)

    @property
    def jobs(self) -> list[JobView]:
        """Return every job, oldest first, also hidden and lost ones."""
        with self._tenant.lock:
            now = self._tenant.state.settle()
            return [JobView.of(job, now) for job in self._tenant.state.jobs]

    @property
    def batches(self) -> int:
        """Return the number of accepted batches, those by hand excluded."""
        return sum(job.kind == BATCH and not job.by_hand for job in self.jobs)

    @property
    def finalizations(self) -> int:
        """Return the number of accepted finalizations, those by hand excluded."""
        return len(self._finalized())

    def finalizations_of(self, synchronization_id: str) -> int:
        """Return the number of accepted finalizations of one synchronization."""
        return self._finalized().count(synchronization_id)

    def _finalized(self) -> list[str | None]:
        jobs = (job for job in self.jobs if job.kind == FINALIZE and not job.by_hand)
        return [job.synchronization_id for job in jobs]

    def assets(self) -> dict[AssetPlace, Asset]:
        """Return all assets by community, domain and name."""
        with self._tenant.lock:
            self._tenant.state.settle()
            catalog = self._tenant.state.catalog
            return {asset.key: catalog.describe(asset) for asset in catalog.assets.values()}

    def asset_names(self, synchronization_id: str | None = None) -> set[str]:
        """Return the names of all assets, or of those that one synchronization tracks."""
        tracked = self._tracked(synchronization_id) if synchronization_id else None
        return {a.name for a in self.assets().values() if tracked is None or a.id in tracked}

    def _tracked(self, synchronization_id: str) -> set[str]:
        with self._tenant.lock:
            self._tenant.state.settle()
            found = self._tenant.state.synchronizations.tracked(synchronization_id)
            return found.present | found.previous

    def edit_asset(self, key: AssetPlace, **changes: Any) -> None:  # noqa: ANN401 - any field
        """Change an asset by hand; ``changes`` are fields of `Asset` other than relations."""
        with self._tenant.lock:
            asset = self.assets()[key]
            self._tenant.state.catalog.put(replace(asset, relations={}, **changes))

    def remove_asset(self, key: AssetPlace) -> None:
        """Remove an asset by hand."""
        with self._tenant.lock:
            self._tenant.state.catalog.remove(self.assets()[key].id)


class Identities:
    """Accounts of the tenant, and the variables with which a client connects."""

    _tenant: Tenant

    def add_account(self, username: str) -> Account:
        """Add the account of another person."""
        account = Account(username=username)
        self._tenant.state.accounts.people.append(account)
        return account

    def environment(
        self, auth_type: str = "basic", *, account: Account | None = None
    ) -> dict[str, str]:
        """Return the COLLIBRA_* variables for one way to authenticate.

        Args:
            auth_type: ``basic``, ``bearer``, ``oauth`` or ``identity_provider``.
            account: The account for basic and bearer; default: the first one.
        """
        accounts, person = self._tenant.state.accounts, account or self.account
        credentials = {
            "basic": {
                "COLLIBRA_USERNAME": person.username,
                "COLLIBRA_PASSWORD": person.password,
            },
            "bearer": {"COLLIBRA_TOKEN": person.token},
            "oauth": {
                "COLLIBRA_CLIENT_ID": accounts.application.client_id,
                "COLLIBRA_CLIENT_SECRET": accounts.application.client_secret,
            },
            "identity_provider": self._identity_provider_variables(),
        }
        if auth_type not in credentials:
            known = ", ".join(credentials)
            raise ValueError(f"Unknown auth_type: {auth_type!r}. Use one of {known}.")
        return {"COLLIBRA_BASE_URL": self.url, **credentials[auth_type]}

    def _identity_provider_variables(self) -> Mapping[str, str]:
        settings, client = self._tenant.state.settings, self._tenant.state.accounts.provider_client
        variables = {
            "COLLIBRA_CLIENT_ID": client.client_id,
            "COLLIBRA_CLIENT_SECRET": client.client_secret,
            "COLLIBRA_TOKEN_URL": self.url + IDENTITY_PROVIDER_PATH,
            "COLLIBRA_SCOPE": settings.identity_provider_scope,
            "COLLIBRA_AUDIENCE": settings.identity_provider_audience,
            "COLLIBRA_CLIENT_AUTH": "form" if settings.identity_provider_auth == "form" else None,
        }
        return {name: value for name, value in variables.items() if value}

    @property
    def url(self) -> str:
        """Return the URL of the tenant; before `start` one that does not resolve."""
        return self._tenant.state.url

    @property
    def account(self) -> Account:
        """Return the first account."""
        return self._tenant.state.accounts.people[0]

    @property
    def username(self) -> str:
        """Return the first account's user name."""
        return self.account.username

    @property
    def password(self) -> str:
        """Return the first account's password."""
        return self.account.password

    @property
    def token(self) -> str:
        """Return a bearer token of the first account, in the form of a JWT."""
        return self.account.token

    @property
    def user_id(self) -> str:
        """Return the first account's ID."""
        return self.account.user_id

    @property
    def client_id(self) -> str:
        """Return the OAuth application's ID, which contains colons."""
        return self._tenant.state.accounts.application.client_id

    @property
    def client_secret(self) -> str:
        """Return the OAuth application's secret."""
        return self._tenant.state.accounts.application.client_secret

    @property
    def app_user_id(self) -> str:
        """Return the ID of the OAuth application's own user."""
        return self._tenant.state.accounts.application.user_id


class Sandbox(RequestFaults, JobFaults, OtherActors, Content, Identities):
    """A stand-in Collibra tenant on loopback: a context manager, or `start` and `stop`."""

    def __init__(
        self,
        *,
        job_seconds: float = 0.0,
        version: str | None = "2026.07.0",
        port: int = 0,
        clock: Clock = utc_now,
        token_seconds: float = TOKEN_SECONDS,
        failures_before_abort: int = FAILURES_BEFORE_ABORT,
        **settings: Any,  # noqa: ANN401 - the other fields of Settings
    ) -> None:
        """Create an empty tenant.

        Args:
            job_seconds: Duration of each job by the tenant's clock; 0: it ends at once.
            version: Reported version.
            port: Port; 0: a free one.
            clock: The tenant's clock, in UTC.
            token_seconds: Lifetime of an OAuth token, in seconds.
            failures_before_abort: Number of failed commands after which an import stops.
            settings: Other fields of `Settings`.
        """
        self._port = port
        self._server: Server | None = None
        chosen = Settings(
            job_seconds=job_seconds,
            version=version,
            token_seconds=token_seconds,
            failures_before_abort=failures_before_abort,
            **settings,
        )
        # The URL is unique even without a socket, because clients know a tenant by it.
        url = f"https://sandbox-{uuid4().hex[:12]}.invalid"
        state = State(clock=clock, accounts=Accounts(clock), settings=chosen, url=url)
        self._tenant = Tenant(state, ROUTES)

    def __enter__(self) -> Self:
        """Start the server."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    def start(self) -> Self:
        """Serve on loopback, in threads of its own."""
        self._tenant.closing.clear()
        self._server = Server(self._tenant, self._port)
        self._tenant.state.url = self._server.url
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop the server; held and slow requests get no response."""
        self._tenant.close()
        if self._server:
            self._server.stop()
            self._server = None

    def handle(self, request: httpx.Request) -> httpx.Response | None:
        """Return the response to a request without a socket; None is a cut connection.

        Delays are not waited for; `transport` does.
        """
        request.read()
        return self._tenant.handle(request)

    def transport(
        self, *, cut_error: type[httpx.TransportError] = httpx.RemoteProtocolError
    ) -> SandboxTransport:
        """Return a transport for `httpx.Client` that needs no socket and no `start`."""
        return SandboxTransport(self._tenant, cut_error)

    def set_version(self, version: str | None) -> None:
        """Change the reported version; None: none is reported."""
        self.configure(version=version)

    def set_date_header(self, text: str | None) -> None:
        """Change the text of the Date header; None: the time."""
        self.configure(date_header=text)

    def reset_faults(self) -> None:
        """Remove all planned faults; held requests continue."""
        with self._tenant.lock:
            self._tenant.plan.clear()
            self._reset_jobs()
