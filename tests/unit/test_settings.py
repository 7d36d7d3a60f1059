"""Promises of the settings, from the environment and from ``.env``."""

import os
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from collibra_tasks.settings import CollibraConnection, CollibraSettings

BASE = {"COLLIBRA_BASE_URL": "https://tenant.collibra.com"}
BASIC = {"COLLIBRA_USERNAME": "robot", "COLLIBRA_PASSWORD": "canary-password"}
BEARER = {"COLLIBRA_TOKEN": "canary-token"}
OAUTH = {"COLLIBRA_CLIENT_ID": "urn:app", "COLLIBRA_CLIENT_SECRET": "canary-secret"}
IDP = {"COLLIBRA_TOKEN_URL": "https://idp.company.com/oauth2/token"}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("COLLIBRA_")]:
        monkeypatch.delenv(name)


def settings(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> CollibraSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return CollibraSettings()


@pytest.mark.parametrize(
    ("variables", "auth_type"),
    [(BASIC, "basic"), (BEARER, "bearer"), (OAUTH, "oauth"), (OAUTH | IDP, "oauth")],
)
def test_settings_derive_auth_type(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], auth_type: str
) -> None:
    """The way to authenticate follows from the variables that are set."""
    assert auth_type == settings(monkeypatch, BASE | variables).auth_type


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        (BASIC | BEARER, ["COLLIBRA_TOKEN"]),
        (BASIC | OAUTH, ["COLLIBRA_CLIENT_ID", "COLLIBRA_CLIENT_SECRET"]),
        (BEARER | OAUTH, ["COLLIBRA_CLIENT_SECRET"]),
        (BASIC | IDP, ["COLLIBRA_TOKEN_URL"]),
        (BEARER | IDP, ["COLLIBRA_TOKEN_URL"]),
        (BASIC | {"COLLIBRA_SCOPE": "canary"}, ["COLLIBRA_SCOPE"]),
        ({}, ["COLLIBRA_PASSWORD", "COLLIBRA_TOKEN", "COLLIBRA_CLIENT_ID"]),
        ({"COLLIBRA_USERNAME": "canary"}, ["COLLIBRA_PASSWORD"]),
        (IDP, ["COLLIBRA_CLIENT_ID", "COLLIBRA_CLIENT_SECRET"]),
        (OAUTH | {"COLLIBRA_AUTH_TYPE": "bearer"}, ["COLLIBRA_TOKEN"]),
        (OAUTH | {"COLLIBRA_SCOPE": "canary"}, ["COLLIBRA_SCOPE", "COLLIBRA_TOKEN_URL"]),
        (OAUTH | {"COLLIBRA_AUDIENCE": "canary"}, ["COLLIBRA_AUDIENCE", "COLLIBRA_TOKEN_URL"]),
        (BASIC | {"COLLIBRA_BASE_URL": ""}, ["COLLIBRA_BASE_URL"]),
        (BASIC | {"COLLIBRA_AUTH_TYPE": "canary"}, ["COLLIBRA_AUTH_TYPE"]),
        (OAUTH | {"COLLIBRA_CLIENT_AUTH": "canary"}, ["COLLIBRA_CLIENT_AUTH"]),
        (OAUTH | {"COLLIBRA_TOKEN_URL": "canary"}, ["COLLIBRA_TOKEN_URL"]),
        (OAUTH | {"COLLIBRA_TOKEN_URL": "http://idp.test/canary"}, ["COLLIBRA_TOKEN_URL"]),
        (OAUTH | {"COLLIBRA_TOKEN_URL": "https://a:canary@idp.test"}, ["COLLIBRA_TOKEN_URL"]),
        ({"COLLIBRA_TOKEN": "Bearer canary"}, ["COLLIBRA_TOKEN"]),
        ({"COLLIBRA_TOKEN": "canaré"}, ["COLLIBRA_TOKEN"]),
        (BASIC | {"COLLIBRA_PASSWORD": "canary\nX"}, ["COLLIBRA_PASSWORD"]),
        (BASIC | {"COLLIBRA_USERNAME": "canary:x"}, ["COLLIBRA_USERNAME"]),
        (BASIC | {"COLLIBRA_REQUEST_TIMEOUT_SECONDS": "0"}, ["COLLIBRA_REQUEST_TIMEOUT_SECONDS"]),
        (BASIC | {"COLLIBRA_REQUEST_TIMEOUT_SECONDS": "-1"}, ["COLLIBRA_REQUEST_TIMEOUT_SECONDS"]),
        (BASIC | {"COLLIBRA_REQUEST_TIMEOUT_SECONDS": "3601"}, ["TIMEOUT_SECONDS"]),
        (BASIC | {"COLLIBRA_REQUEST_TIMEOUT_SECONDS": "canary"}, ["TIMEOUT_SECONDS"]),
    ],
)
def test_settings_errors_name_variables_without_values(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], names: list[str]
) -> None:
    """A missing, superfluous or invalid variable is named, and no value is shown anywhere."""
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, BASE | variables)

    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.errors())
    assert not [name for name in names if name not in str(caught.value)]
    assert "canar" not in shown
    assert "pydantic.dev" not in shown


def test_settings_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a missing variable is one readable line below its title."""
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, BASIC)

    title, sentence = str(caught.value).splitlines()
    assert "1 validation error for CollibraSettings" == title
    assert "COLLIBRA_BASE_URL must be set, such as https://tenant.collibra.com" in sentence


@pytest.mark.parametrize(
    "base_url",
    [
        "http://tenant.collibra.com",
        "https://robot:canary@tenant.collibra.com",
        "https://tenant.collibra.com/rest/2.0",
        "https://tenant.collibra.com?canary=1",
        "https://tenant.collibra.com#canary",
        "tenant.collibra.com",
        "ftp://tenant.collibra.com",
        "https://tenant.collibra.com:canary",
        "https://tenant.collibra.com:99999",
        "https://[canary",
        "https://.",
    ],
)
def test_settings_refuse_unsafe_base_url(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    """A URL in clear text, with credentials or with a path is refused."""
    with pytest.raises(ValidationError, match="COLLIBRA_BASE_URL") as caught:
        settings(monkeypatch, BASIC | {"COLLIBRA_BASE_URL": base_url})

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "normal"),
    [
        ("https://a.collibra.com/", "https://a.collibra.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://Acme.Collibra.com", "https://acme.collibra.com"),
        ("https://acme.collibra.com:443", "https://acme.collibra.com"),
        ("https://acme.collibra.com./", "https://acme.collibra.com"),
        ("HTTPS://ACME.collibra.COM:443/", "https://acme.collibra.com"),
    ],
)
def test_settings_normalize_base_url(
    monkeypatch: pytest.MonkeyPatch, base_url: str, normal: str
) -> None:
    """Different spellings of a URL are the same environment; loopback may use http."""
    assert normal == settings(monkeypatch, BASIC | {"COLLIBRA_BASE_URL": base_url}).base_url


def test_settings_treat_empty_variables_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable does not choose a way to authenticate."""
    variables = BASE | BASIC | {"COLLIBRA_TOKEN": "", "COLLIBRA_TOKEN_URL": ""}

    assert "basic" == settings(monkeypatch, variables).auth_type


def test_settings_read_dotenv_file(tmp_path: Path) -> None:
    """Variables can be in ``.env``, beside those of other programs."""
    lines = [f"{name}={value}" for name, value in (BASE | BEARER | {"OTHER": "1"}).items()]
    (tmp_path / ".env").write_text("\n".join(lines))

    assert "canary-token" == CollibraSettings().token.get_secret_value()


def test_settings_read_identity_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token URL, scope, audience, client authentication and environment have variables."""
    extra = {
        "COLLIBRA_SCOPE": " api://x/.default ",
        "COLLIBRA_AUDIENCE": "collibra",
        "COLLIBRA_CLIENT_AUTH": "form",
        "COLLIBRA_ENVIRONMENT": "production",
    }
    read = settings(monkeypatch, BASE | OAUTH | IDP | extra)

    assert "https://idp.company.com/oauth2/token" == read.token_url
    assert ("api://x/.default", "collibra", "form") == (read.scope, read.audience, read.client_auth)
    assert "production" == read.environment


@pytest.mark.parametrize("variables", [BASIC, BEARER, OAUTH])
def test_settings_hide_secrets_in_every_text(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """Settings can be printed and dumped without a secret."""
    proxy = {"COLLIBRA_PROXY": "http://robot:canary@proxy.test:3128"}
    read = settings(monkeypatch, BASE | variables | proxy)

    for shown in (repr(read), str(read), read.model_dump_json()):
        assert "canary" not in shown


def test_connection_derives_auth_type_from_fields() -> None:
    """A connection from code needs no ``auth_type`` either."""
    fields = {"base_url": "https://a.test", "token": "x"}

    assert "bearer" == CollibraConnection.model_validate(fields).auth_type
