"""Authentication and token endpoints."""

import base64
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import NO_AUTH, ApiClient, FakeClock

TOKEN = "/rest/oauth/v2/token"
PROVIDER = "/idp/token"
USER = "/rest/2.0/users/current"
GRANT = {"grant_type": "client_credentials"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def post(client: ApiClient, path: str, form: dict[str, str], **options: Any) -> httpx.Response:
    return client.http.post(path, data=form, auth=NO_AUTH, **options)


def new_token(client: ApiClient) -> httpx.Response:
    tenant = client.tenant
    form = GRANT | {"client_id": tenant.client_id, "client_secret": tenant.client_secret}
    return post(client, TOKEN, form)


def provider_form(tenant: Sandbox) -> dict[str, str]:
    variables = tenant.environment("identity_provider")
    names = ("client_id", "client_secret", "scope", "audience")
    return GRANT | {name: variables[f"COLLIBRA_{name.upper()}"] for name in names}


def bear(client: ApiClient, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return client.http.get(USER, headers=headers, auth=NO_AUTH)


@pytest.mark.parametrize("headers", [{}, basic("sandbox", "wrong"), {"Authorization": "Basic ?"}])
def test_request_without_credentials_is_refused(client: ApiClient, headers: dict[str, str]) -> None:
    """Without valid credentials every endpoint responds 401 with Collibra's envelope."""
    path = "/rest/2.0/import/synchronize"
    response = client.http.get(path, headers=headers, auth=NO_AUTH)

    assert 401 == response.status_code
    assert {"statusCode", "errorCode", "userMessage", "errorContext"} < response.json().keys()


def test_application_info_needs_no_account(client: ApiClient) -> None:
    """The version can be read without credentials."""
    response = client.http.get("/rest/2.0/application/info", auth=NO_AUTH)

    assert 200 == response.status_code


def test_bearer_token_belongs_to_the_account(client: ApiClient) -> None:
    """The fixed token has the form of a JWT and stands for the same account as the password."""
    assert 2 == client.tenant.token.count(".")
    assert client.tenant.user_id == bear(client, client.tenant.token).json()["id"]
    assert client.tenant.user_id == client.get(USER).json()["id"]


@pytest.mark.parametrize(("token", "code"), [("a.b.c", "invalidToken"), ("x", "malformedToken")])
def test_unknown_token_is_named(client: ApiClient, token: str, code: str) -> None:
    """An unknown token is 401 with the error code that Collibra documents."""
    response = bear(client, token)

    assert (401, code) == (response.status_code, response.json()["errorCode"])


def test_second_account_is_another_user(client: ApiClient) -> None:
    """An added account has its own password, token and ID."""
    other = client.tenant.add_account("operator")
    variables = client.tenant.environment("basic", account=other)
    auth = (variables["COLLIBRA_USERNAME"], variables["COLLIBRA_PASSWORD"])
    user = client.http.get(USER, auth=auth).json()

    assert (other.user_id, "operator") == (user["id"], user["userName"])
    assert other.user_id == bear(client, other.token).json()["id"]
    assert other.user_id != client.tenant.user_id


def test_application_acts_as_its_own_user(client: ApiClient) -> None:
    """A token of the OAuth application belongs to the application's user."""
    granted = new_token(client).json()

    assert ("Bearer", 3600) == (granted["token_type"], granted["expires_in"])
    assert client.tenant.app_user_id == bear(client, granted["access_token"]).json()["id"]


@pytest.mark.parametrize(("encoded", "status"), [(True, 200), (False, 401)])
def test_client_id_is_encoded_for_basic(client: ApiClient, status: int, *, encoded: bool) -> None:
    """The client ID contains colons, so a Basic header works only with a URL-encoded one."""
    tenant = client.tenant
    client_id = quote(tenant.client_id, safe="") if encoded else tenant.client_id

    assert ":" in tenant.client_id
    headers = basic(client_id, tenant.client_secret)
    assert status == post(client, TOKEN, GRANT, headers=headers).status_code


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        (GRANT | {"client_id": "urn:another"}, 401, "invalid_client"),
    ],
)
@pytest.mark.parametrize("path", [TOKEN, PROVIDER])
def test_token_endpoint_names_its_reason(
    client: ApiClient, path: str, form: dict[str, str], status: int, error: str
) -> None:
    """A refused token is explained in the words of RFC 6749."""
    response = post(client, path, form)

    assert (status, error) == (response.status_code, response.json()["error"])


def test_collibra_grants_no_scope(client: ApiClient) -> None:
    """Collibra's own token endpoint refuses any scope."""
    tenant = client.tenant
    form = GRANT | {"client_id": tenant.client_id, "client_secret": tenant.client_secret}

    assert "invalid_scope" == post(client, TOKEN, form | {"scope": "dgc"}).json()["error"]


def test_token_expires_by_the_clock(client: ApiClient, clock: FakeClock) -> None:
    """An OAuth token is valid for its seconds, then the response is expiredToken."""
    token = new_token(client).json()["access_token"]
    clock.advance(3599)
    assert 200 == bear(client, token).status_code

    clock.advance(1)
    response = bear(client, token)
    assert (401, "expiredToken") == (response.status_code, response.json()["errorCode"])


def test_token_seconds_is_a_setting(clock: FakeClock) -> None:
    """The lifetime of Collibra's tokens can be set."""
    with ApiClient(Sandbox(clock=clock, token_seconds=60)) as client:
        granted = new_token(client).json()
        clock.advance(60)

        assert 60 == granted["expires_in"]
        assert 401 == bear(client, granted["access_token"]).status_code


def test_all_tokens_can_be_expired(client: ApiClient) -> None:
    """expire_tokens expires the tokens issued so far and no later one."""
    early = new_token(client).json()["access_token"]
    client.tenant.expire_tokens()
    late = new_token(client).json()["access_token"]

    assert "expiredToken" == bear(client, early).json()["errorCode"]
    assert 200 == bear(client, late).status_code
    assert 200 == bear(client, client.tenant.token).status_code


def test_fixed_token_can_be_expired(client: ApiClient) -> None:
    """A fixed bearer token can expire, and the response names that."""
    client.tenant.expire_tokens(fixed=True)

    assert "expiredToken" == bear(client, client.tenant.token).json()["errorCode"]
    assert 200 == client.get(USER).status_code


def test_identity_provider_issues_accepted_tokens(client: ApiClient, clock: FakeClock) -> None:
    """Its token stands for the account, for its own lifetime."""
    client.tenant.configure(identity_provider_token_seconds=600)
    granted = post(client, PROVIDER, provider_form(client.tenant)).json()

    assert ("Bearer", 600) == (granted["token_type"], granted["expires_in"])
    assert client.tenant.user_id == bear(client, granted["access_token"]).json()["id"]
    clock.advance(600)
    response = bear(client, granted["access_token"])
    assert (401, "expiredToken") == (response.status_code, response.json()["errorCode"])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"scope": "other"}, "invalid_scope"),
        ({"audience": "https://other.invalid"}, "invalid_target"),
        ({"client_secret": "wrong"}, "invalid_client"),
    ],
)
def test_identity_provider_checks_the_form(
    client: ApiClient, change: dict[str, str], error: str
) -> None:
    """Scope, audience and secret must be right."""
    assert error == post(client, PROVIDER, provider_form(client.tenant) | change).json()["error"]


@pytest.mark.parametrize("name", ["scope", "audience"])
def test_identity_provider_requires_scope_and_audience(client: ApiClient, name: str) -> None:
    """A missing scope or audience is refused, unless the setting is None."""
    form = provider_form(client.tenant)
    del form[name]
    assert 400 == post(client, PROVIDER, form).status_code

    client.tenant.configure(**{f"identity_provider_{name}": None})
    assert 200 == post(client, PROVIDER, form).status_code
    assert f"COLLIBRA_{name.upper()}" not in client.tenant.environment("identity_provider")


@pytest.mark.parametrize(
    ("setting", "method", "status"),
    [
        ("any", "basic", 200),
        ("any", "form", 200),
        ("basic", "basic", 200),
        ("basic", "form", 401),
        ("form", "form", 200),
        ("form", "basic", 401),
        ("any", "both", 400),
    ],
)
def test_identity_provider_auth_is_a_setting(
    client: ApiClient, setting: str, method: str, status: int
) -> None:
    """The client authenticates in a Basic header or in the form, never in both."""
    client.tenant.configure(identity_provider_auth=setting)
    form = provider_form(client.tenant)
    headers = {}
    if method != "form":
        headers = basic(quote(form["client_id"]), form["client_secret"])
    if method == "basic":
        del form["client_id"], form["client_secret"]

    assert status == post(client, PROVIDER, form, headers=headers).status_code


def test_identity_provider_can_fail(client: ApiClient) -> None:
    """The faults of requests work for the identity provider too."""
    client.tenant.answer_html_next(on="identity_provider")
    client.tenant.fail_next(500, on="identity_provider")
    form = provider_form(client.tenant)

    assert "<html>" in post(client, PROVIDER, form).text
    assert 500 == post(client, PROVIDER, form).status_code
    assert 200 == post(client, PROVIDER, form).status_code


@pytest.mark.parametrize(
    ("auth_type", "names"),
    [
        ("basic", {"USERNAME", "PASSWORD"}),
        ("bearer", {"TOKEN"}),
        ("oauth", {"CLIENT_ID", "CLIENT_SECRET"}),
        ("identity_provider", {"CLIENT_ID", "CLIENT_SECRET", "TOKEN_URL", "SCOPE", "AUDIENCE"}),
    ],
)
def test_environment_fits_one_way(tenant: Sandbox, auth_type: str, names: set[str]) -> None:
    """The variables are those of one way to authenticate, and the URL."""
    environment = tenant.environment(auth_type)

    assert {f"COLLIBRA_{name}" for name in names | {"BASE_URL"}} == environment.keys()
    assert tenant.url == environment["COLLIBRA_BASE_URL"]


def test_environment_names_the_form(tenant: Sandbox) -> None:
    """COLLIBRA_CLIENT_AUTH is set where the identity provider accepts the form only."""
    tenant.configure(identity_provider_auth="form")

    assert "form" == tenant.environment("identity_provider")["COLLIBRA_CLIENT_AUTH"]


def test_environment_refuses_an_unknown_way(tenant: Sandbox) -> None:
    """An unknown way to authenticate raises an error that lists the known ones."""
    with pytest.raises(ValueError, match="basic, bearer, oauth, identity_provider"):
        tenant.environment("kerberos")


def test_no_secret_is_shown(tenant: Sandbox) -> None:
    """The text of an account contains neither password nor token."""
    assert tenant.password not in repr(tenant.account)
    assert tenant.token not in repr(tenant.account)
