"""Promises of authentication: the right header, renewed tokens, clear errors, no secret."""

import time
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from collibra_tasks.api import auth
from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    TenantFaultError,
    UnexpectedAnswerError,
    may_retry,
)
from tests.support.clients import (
    BASE_URL,
    CANARIES,
    Outcome,
    Server,
    finalize,
    form_of,
    json_response,
    jwt_of,
    refusal,
)

IDP = "https://idp.company.test/oauth2/token"
TENANT_TOKEN = "/rest/oauth/v2/token"
OK = json_response(True)  # noqa: FBT003
JOB = json_response({"id": "1"})


@pytest.fixture(autouse=True)
def _no_cached_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_tokens", {})


@pytest.mark.parametrize(
    ("auth_type", "header"),
    [
        ("basic", "Basic cm9ib3Q6Y2FuYXJ5LXBhc3N3b3Jk"),
        ("bearer", "Bearer canary-token"),
        ("oauth", "Bearer canary-access-1"),
    ],
)
def test_request_carries_authorization(auth_type: str, header: str) -> None:
    """Basic, a fixed token and OAuth each send their header."""
    server = Server({"/exists/": OK})

    with server.client(auth_type) as client:
        client.synchronization_exists("nightly")

    assert header == server.requests[-1].headers["authorization"]


def test_oauth_without_token_url_uses_collibra_as_documented() -> None:
    """Collibra's own token URL gets the URL-encoded client ID, no scope and no audience."""
    server = Server({"/exists/": OK})

    with server.client("oauth") as client:
        client.synchronization_exists("nightly")

    (request,) = server.sent_to(BASE_URL + TENANT_TOKEN)
    credentials = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    assert "urn%3Asys%3Aapp%3A1:canary-secret%2F%2B" == credentials
    assert {"grant_type": ["client_credentials"]} == form_of(request)


def test_oauth_with_token_url_sends_scope_and_audience() -> None:
    """An identity provider gets scope and audience, and its token goes to Collibra as bearer."""
    server = Server({"/exists/": OK})

    with server.client("oauth", token_url=IDP, scope="a b", audience="api://x") as client:
        client.synchronization_exists("nightly")

    (request,) = server.sent_to(IDP)
    assert request.headers["authorization"].startswith("Basic ")
    assert ["a b"] == form_of(request)["scope"]
    assert ["api://x"] == form_of(request)["audience"]
    assert "Bearer canary-access-1" == server.requests[-1].headers["authorization"]
    assert [] == server.sent_to(TENANT_TOKEN)


@pytest.mark.parametrize("token_url", ["", IDP])
def test_oauth_with_client_auth_form_sends_secret_in_form(token_url: str) -> None:
    """With ``client_auth=form`` the credentials are in the form and in no header."""
    server = Server({"/exists/": OK})

    with server.client("oauth", token_url=token_url, client_auth="form") as client:
        client.synchronization_exists("nightly")

    (request,) = server.sent_to("token")
    assert "authorization" not in request.headers
    assert ["urn:sys:app:1"] == form_of(request)["client_id"]
    assert ["canary-secret/+"] == form_of(request)["client_secret"]


def test_token_is_shared_by_clients_of_a_process() -> None:
    """Several clients fetch one token."""
    server = Server({"/exists/": OK})

    for _ in range(3):
        with server.client("oauth") as client:
            client.synchronization_exists("nightly")

    assert 1 == server.tokens


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "other"},
        {"client_secret": "other-secret"},
        {"base_url": "https://b.test"},
        {"token_url": IDP},
        {"token_url": IDP, "scope": "x"},
        {"token_url": IDP, "audience": "x"},
    ],
)
def test_token_is_not_shared_between_different_clients(change: dict[str, str]) -> None:
    """A token belongs to one environment, one application and one scope."""
    server = Server({"/exists/": OK})

    for changes in ({}, change):
        with server.client("oauth", **changes) as client:
            client.synchronization_exists("nightly")

    assert 2 == server.tokens


@pytest.mark.parametrize(
    ("content", "seconds", "tokens"),
    [
        ({"expires_in": 3600}, 3539, 1),
        ({"expires_in": 3600}, 3541, 2),
        ({"expires_in": "3600"}, 3539, 1),
        ({"expires_in": "3600"}, 3541, 2),
        ({"expires_in": 60}, 29, 1),
        ({"expires_in": 60}, 31, 2),
        ({}, 3539, 1),
        ({}, 3541, 2),
        ({"expires_in": -5}, 0, 2),
        ({"expires_in": "soon"}, 3541, 2),
        ({"expires_in": 10**400}, 3539, 1),
    ],
)
def test_token_is_renewed_a_minute_before_expiry(
    monkeypatch: pytest.MonkeyPatch, content: dict[str, object], seconds: float, tokens: int
) -> None:
    """A token is renewed 60 seconds before it expires, a short one after half of its life."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    token = json_response({"access_token": "canary-access", **content})
    server = Server({"/exists/": OK, "token": token})

    with server.client("oauth") as client:
        client.synchronization_exists("nightly")
        now[0] += seconds
        client.synchronization_exists("nightly")

    assert tokens == len(server.sent_to("token"))


def test_token_without_lifetime_is_renewed_by_its_own_expiry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without ``expires_in`` a JWT's own expiry counts."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    token = jwt_of(f'{{"exp": {datetime.now(tz=UTC).timestamp() + 300}}}')
    server = Server({"/exists/": OK, "token": json_response({"access_token": token})})

    with server.client("oauth") as client:
        client.synchronization_exists("nightly")
        now[0] += 250
        client.synchronization_exists("nightly")

    assert 2 == len(server.sent_to("token"))


def test_read_with_rejected_token_is_repeated_once() -> None:
    """A 401 to a read costs one new token and no error."""
    server = Server({"/exists/": [refusal(401, "expiredToken"), OK]})

    with server.client("oauth") as client:
        assert client.synchronization_exists("nightly")

    assert 2 == server.tokens
    assert "Bearer canary-access-2" == server.requests[-1].headers["authorization"]


def test_read_with_twice_rejected_token_raises() -> None:
    """A read is repeated with a new token once, not for ever."""
    server = Server({"/exists/": refusal(401)})

    with server.client("oauth") as client, pytest.raises(AccessDeniedError):
        client.synchronization_exists("nightly")

    assert 2 == len(server.sent_to("/exists/"))


@pytest.mark.parametrize("auth_type", ["basic", "bearer"])
def test_read_with_rejected_fixed_credentials_is_not_repeated(auth_type: str) -> None:
    """Credentials that cannot be renewed are sent once."""
    server = Server({"/exists/": refusal(401)})

    with server.client(auth_type) as client, pytest.raises(AccessDeniedError):
        client.synchronization_exists("nightly")

    assert 1 == len(server.requests)


def test_write_with_rejected_token_is_not_repeated() -> None:
    """A 401 to a finalization raises with Collibra's code; the next request has a new token."""
    server = Server({"/finalize/": [refusal(401, "expiredToken"), JOB]})

    with server.client("oauth") as client:
        with pytest.raises(AccessDeniedError) as caught:
            finalize(client)
        assert 1 == len(server.sent_to("/finalize/"))
        assert "1" == finalize(client).id

    assert "expiredToken" == caught.value.error_code
    assert 2 == server.tokens


HTML = httpx.Response(200, html="<html>Sign in</html>")
TOKEN_FAULTS: dict[str, tuple[Outcome, type[CollibraError], str]] = {
    "HTML": (HTML, UnexpectedAnswerError, "COLLIBRA_TOKEN_URL"),
    "HTML 404": (httpx.Response(404, html="<html>"), RefusedError, "COLLIBRA_TOKEN_URL"),
    "garbage": (
        httpx.Response(200, content=b"\xff\x00"),
        UnexpectedAnswerError,
        "not readable JSON. Check COLLIBRA_TOKEN_URL",
    ),
    "list": (json_response([]), UnexpectedAnswerError, "object"),
    "no token": (json_response({"token": "x"}), UnexpectedAnswerError, "no access token"),
    "number": (json_response({"access_token": 7}), UnexpectedAnswerError, "no access token"),
    "two lines": (json_response({"access_token": "a\nb"}), UnexpectedAnswerError, "no access"),
    "not ASCII": (json_response({"access_token": "é"}), UnexpectedAnswerError, "no access token"),
    "client": (
        json_response({"error": "invalid_client", "error_description": "Unknown."}, 401),
        AccessDeniedError,
        "invalid_client: Unknown.). Check COLLIBRA_CLIENT_ID, COLLIBRA_CLIENT_SECRET",
    ),
    "echo": (
        json_response({"error": "invalid_client", "error_description": "canary-secret/+"}, 400),
        AccessDeniedError,
        "***",
    ),
    "scope": (json_response({"error": "invalid_scope"}, 400), AccessDeniedError, "COLLIBRA_SCOPE"),
    "busy": (httpx.Response(429, headers={"retry-after": "9"}), BusyError, "429"),
    "broken": (httpx.Response(503), TenantFaultError, "503"),
    "redirect": (
        httpx.Response(302, headers={"location": "https://evil.test"}),
        UnexpectedAnswerError,
        "redirect",
    ),
    "lost": (httpx.ReadError("canary-secret"), OutcomeUnknownError, IDP),
    "away": (httpx.ConnectError("refused"), NotSentError, "https://idp.company.test was not"),
}


@pytest.mark.parametrize("fault", TOKEN_FAULTS)
def test_read_without_token_names_cause_and_next_step(fault: str) -> None:
    """A fault of the identity provider is described without a secret; nothing goes to Collibra."""
    outcome, error, text = TOKEN_FAULTS[fault]
    server = Server({"idp.company.test": outcome})

    with server.client("oauth", token_url=IDP) as client, pytest.raises(error) as caught:
        client.synchronization_exists("nightly")

    assert type(caught.value) is error
    assert text in str(caught.value)
    assert not [canary for canary in CANARIES if canary in f"{caught.value}{vars(caught.value)}"]
    assert [] == server.sent_to(BASE_URL)
    assert [] == server.sent_to("evil.test")


@pytest.mark.parametrize("fault", TOKEN_FAULTS)
def test_write_without_token_was_not_sent(fault: str) -> None:
    """A fault of the token URL leaves a finalization unsent, and the error states it."""
    outcome, error, _ = TOKEN_FAULTS[fault]
    server = Server({"idp.company.test": outcome})

    with server.client("oauth", token_url=IDP) as client, pytest.raises(NotSentError) as caught:
        finalize(client)

    assert [] == server.sent_to(BASE_URL)
    assert (error is not AccessDeniedError and fault != "HTML 404") == may_retry(
        caught.value, write=True
    )
    assert not [canary for canary in CANARIES if canary in str(caught.value)]


def expiring(seconds: float) -> str:
    return jwt_of(f'{{"exp": {(datetime.now(tz=UTC) + timedelta(seconds=seconds)).timestamp()}}}')


def test_expired_fixed_token_is_named_before_anything_is_sent() -> None:
    """An expired JWT is named with its expiry; nothing is sent, and retrying is pointless."""
    server = Server()
    token = jwt_of('{"exp": 1700000000}')

    with server.client("bearer", token=token) as client, pytest.raises(NotSentError) as caught:
        finalize(client)

    assert "token in COLLIBRA_TOKEN expired at 2023-11-14 22:13:20 UTC" in str(caught.value)
    assert token not in f"{caught.value}{vars(caught.value)}"
    assert [] == server.requests
    assert not may_retry(caught.value, write=True)


@pytest.mark.parametrize("seconds", [3600, 30, -30])
def test_fixed_token_near_its_expiry_is_sent(seconds: float) -> None:
    """A clock difference of up to a minute does not reject a token."""
    server = Server({"/exists/": OK})

    with server.client("bearer", token=expiring(seconds)) as client:
        assert client.synchronization_exists("nightly")


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        "..",
        jwt_of("[1]"),
        jwt_of('{"exp": "soon"}'),
        jwt_of('{"exp": 1e999}'),
        jwt_of("[" * 200_000),
    ],
)
def test_fixed_token_without_readable_expiry_is_sent(token: str) -> None:
    """A token that is no JWT, or has no usable expiry, is sent as it is."""
    server = Server({"/exists/": OK})

    with server.client("bearer", token=token) as client:
        assert client.synchronization_exists("nightly")


def test_fixed_token_that_collibra_calls_expired_is_named_as_expired() -> None:
    """A 401 with ``expiredToken`` says that the token in COLLIBRA_TOKEN expired."""
    server = Server({"": refusal(401, "expiredToken")})

    with server.client("bearer") as client, pytest.raises(AccessDeniedError) as caught:
        client.synchronization_exists("nightly")

    assert "The token in COLLIBRA_TOKEN expired" in str(caught.value)
    assert "COLLIBRA_CLIENT_ID" in str(caught.value)


@pytest.mark.parametrize(
    ("auth_type", "names"),
    [("basic", "COLLIBRA_USERNAME and COLLIBRA_PASSWORD"), ("bearer", "token in COLLIBRA_TOKEN")],
)
def test_wrong_credentials_name_the_variables(auth_type: str, names: str) -> None:
    """A 401 names the variables to check and shows no value."""
    server = Server({"": refusal(401)})

    with server.client(auth_type) as client, pytest.raises(AccessDeniedError) as caught:
        client.synchronization_exists("nightly")

    assert names in str(caught.value)
    assert 401 == caught.value.status_code
    assert not [canary for canary in CANARIES if canary in str(caught.value)]
