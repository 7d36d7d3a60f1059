"""Who may ask."""

import base64
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import NO_AUTH, NO_TLS, Caller, FakeClock

TOKEN = "/rest/oauth/v2/token"
GRANT = {"grant_type": "client_credentials"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def new_token(caller: Caller) -> httpx.Response:
    tenant = caller.tenant
    form = GRANT | {"client_id": tenant.client_id, "client_secret": tenant.client_secret}
    return caller.http.post(TOKEN, data=form, auth=NO_AUTH)


def bear(caller: Caller, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return caller.http.get("/rest/2.0/users/current", headers=headers, auth=NO_AUTH)


@pytest.mark.parametrize("headers", [{}, basic("sandbox", "wrong"), {"Authorization": "Basic ?"}])
def test_a_stranger_is_refused(caller: Caller, headers: dict[str, str]) -> None:
    """Without good credentials every endpoint answers 401 in Collibra's envelope."""
    answer = httpx.get(
        f"{caller.tenant.url}/rest/2.0/import/synchronize", headers=headers, verify=NO_TLS
    )

    assert 401 == answer.status_code
    assert {"statusCode", "errorCode", "userMessage", "errorContext"} < answer.json().keys()


def test_a_bearer_token_is_the_account(caller: Caller) -> None:
    """The static token looks like a JWT and stands for the same account as the password."""
    assert 2 == caller.tenant.token.count(".")
    assert caller.tenant.user_id == bear(caller, caller.tenant.token).json()["id"]
    assert caller.tenant.user_id == caller.get("/rest/2.0/users/current").json()["id"]


def test_an_application_acts_as_its_own_user(caller: Caller) -> None:
    """A token of the OAuth application belongs to the application's user."""
    granted = new_token(caller).json()

    assert ("Bearer", 3600) == (granted["token_type"], granted["expires_in"])
    assert caller.tenant.app_user_id == bear(caller, granted["access_token"]).json()["id"]


@pytest.mark.parametrize(("encode", "status"), [(quote, 200), (str, 401)])
def test_a_client_id_is_encoded_for_basic(caller: Caller, encode: Any, status: int) -> None:
    """The client id has colons, so client_secret_basic only works with a URL-encoded one."""
    tenant = caller.tenant
    client_id = encode(tenant.client_id, safe="") if encode is quote else tenant.client_id
    headers = basic(client_id, tenant.client_secret)

    assert ":" in tenant.client_id
    assert status == caller.http.post(TOKEN, data=GRANT, headers=headers, auth=NO_AUTH).status_code


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        (GRANT | {"client_id": "urn:somebody"}, 401, "invalid_client"),
    ],
)
def test_the_token_endpoint_names_its_reason(
    caller: Caller, form: dict[str, str], status: int, error: str
) -> None:
    """A refused token is explained in the words of RFC 6749."""
    answer = caller.http.post(TOKEN, data=form, auth=NO_AUTH)

    assert (status, error) == (answer.status_code, answer.json()["error"])


def test_a_token_ends_by_the_tenants_clock(caller: Caller, clock: FakeClock) -> None:
    """An OAuth token holds for its seconds, then answers expiredToken."""
    token = new_token(caller).json()["access_token"]
    clock.advance(3599)
    assert 200 == bear(caller, token).status_code

    clock.advance(1)
    answer = bear(caller, token)
    assert (401, "expiredToken") == (answer.status_code, answer.json()["errorCode"])


def test_all_tokens_can_be_ended(caller: Caller) -> None:
    """expire_tokens ends those handed out so far and no later one."""
    early = new_token(caller).json()["access_token"]
    caller.tenant.expire_tokens()
    late = new_token(caller).json()["access_token"]

    assert "expiredToken" == bear(caller, early).json()["errorCode"]
    assert 200 == bear(caller, late).status_code


@pytest.mark.parametrize(
    ("auth_type", "names"),
    [
        ("basic", {"COLLIBRA_USERNAME", "COLLIBRA_PASSWORD"}),
        ("bearer", {"COLLIBRA_TOKEN"}),
        ("oauth", {"COLLIBRA_CLIENT_ID", "COLLIBRA_CLIENT_SECRET"}),
    ],
)
def test_the_environment_fits_one_way(tenant: Sandbox, auth_type: str, names: set[str]) -> None:
    """The variables for one way to authenticate, with the address, and no others."""
    environment = tenant.environment(auth_type)

    assert names | {"COLLIBRA_BASE_URL"} == environment.keys()
    assert tenant.url == environment["COLLIBRA_BASE_URL"]


def test_there_are_three_ways(tenant: Sandbox) -> None:
    """An unknown way to authenticate is a mistake that names the known ones."""
    with pytest.raises(ValueError, match="basic, bearer, oauth"):
        tenant.environment("kerberos")
