"""Clients for tests: with a function in place of the network, or with a sandbox."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs

import httpx

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.models import FinalizationRequest, FinalizationStrategy, Job
from collibra_tasks.options import Timing
from collibra_tasks.settings import CollibraConnection

BASE_URL = "https://tenant.collibra.test"
CREDENTIALS: dict[str, dict[str, str]] = {
    "basic": {"username": "robot", "password": "canary-password"},
    "bearer": {"token": "canary-token"},
    "oauth": {"client_id": "urn:sys:app:1", "client_secret": "canary-secret/+"},
}
CANARIES = ("canary-password", "canary-token", "canary-secret", "canary-access")
SHORT_TIMING = Timing(job_first_pause=0, job_max_pause=0, job_not_found_grace=0, busy_pause=0)

Outcome = httpx.Response | httpx.HTTPError


def connection_of(auth_type: str = "basic", **changes: Any) -> CollibraConnection:
    """Return a connection to a host that does not exist."""
    fields = {"base_url": BASE_URL, "auth_type": auth_type, **CREDENTIALS[auth_type]}
    return CollibraConnection.model_validate(fields | changes)


class Server:
    """A server in place of the network: outcomes by path, the last one for ever.

    Paths without an outcome return 404. The token URL returns tokens unless it has outcomes.
    """

    def __init__(self, outcomes: Mapping[str, Outcome | list[Outcome]] | None = None) -> None:
        self.outcomes: dict[str, list[Outcome]] = {}
        self.requests: list[httpx.Request] = []
        self.tokens = 0
        for path, outcome in (outcomes or {}).items():
            self.on(path, *(outcome if isinstance(outcome, list) else [outcome]))

    def on(self, path: str, *outcomes: Outcome) -> None:
        """Set the outcomes of a path, which may be the end of a path or contain it."""
        self.outcomes[path] = list(outcomes)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        for path, outcomes in self.outcomes.items():
            if path in str(request.url):
                outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
                if isinstance(outcome, httpx.Response):
                    return httpx.Response(
                        outcome.status_code, headers=outcome.headers, content=outcome.content
                    )
                raise outcome
        if "token" in request.url.path:
            self.tokens += 1
            return json_response(
                {"access_token": f"canary-access-{self.tokens}", "expires_in": 3600}
            )
        return httpx.Response(404)

    def sent_to(self, path: str) -> list[httpx.Request]:
        """Return the requests whose URL contains a text."""
        return [request for request in self.requests if path in str(request.url)]

    def client(self, auth_type: str = "basic", **changes: Any) -> CollibraClient:
        """Return a client of this server."""
        transport = httpx.MockTransport(self)
        return CollibraClient(connection_of(auth_type, **changes), transport=transport)


def json_response(content: Any, status: int = 200, **headers: str) -> httpx.Response:
    """Return a response with a JSON body; underscores in header names become hyphens."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=content, headers=names)


def refusal(status: int, code: str = "someCode", message: str = "A message.") -> httpx.Response:
    """Return an error response in Collibra's format."""
    return json_response({"statusCode": status, "errorCode": code, "userMessage": message}, status)


def page_of(*jobs: Mapping[str, Any], **more: Any) -> httpx.Response:
    """Return a page of a list."""
    return json_response({"results": list(jobs), **more})


def jwt_of(claims: str) -> str:
    """Return a text that looks like a JWT with these claims."""
    return f"eyJhbGciOiJub25lIn0.{urlsafe_b64encode(claims.encode()).decode().rstrip('=')}.c2ln"


def form_of(request: httpx.Request) -> dict[str, list[str]]:
    """Return the fields of a URL-encoded form."""
    return parse_qs(request.content.decode())


def finalize(client: CollibraClient) -> Job:
    """Submit a finalization that changes nothing."""
    return client.submit_finalization(FinalizationRequest("nightly", FinalizationStrategy.IGNORE))


class FakeClock:
    """A clock on which waiting takes no time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class SandboxLike(Protocol):
    """The part of the sandbox that a client needs."""

    def environment(self, auth_type: str = "basic") -> dict[str, str]: ...

    def transport(self) -> httpx.BaseTransport: ...


def client_of(
    sandbox: SandboxLike, auth_type: str = "basic", *, network: bool = False, **changes: Any
) -> CollibraClient:
    """Return a client of a sandbox, without a socket unless ``network`` is true."""
    connection = connection_to(sandbox, auth_type, **changes)
    return CollibraClient(connection, transport=None if network else sandbox.transport())


def connection_to(
    sandbox: SandboxLike, auth_type: str = "basic", **changes: Any
) -> CollibraConnection:
    """Return URL and credentials of a sandbox."""
    names = {
        name.removeprefix("COLLIBRA_").lower(): value
        for name, value in sandbox.environment(auth_type).items()
    }
    return CollibraConnection.model_validate(names | {"auth_type": auth_type} | changes)


SubmitWrite = Callable[[CollibraClient], Job]
