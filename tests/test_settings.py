"""The connection, from the environment and from ``.env``."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from collibra_tasks import CollibraCredentials, CollibraSettings

BASE = {"COLLIBRA_BASE_URL": "https://tenant.collibra.com"}
BASIC = {"COLLIBRA_USERNAME": "robot", "COLLIBRA_PASSWORD": "canary-password"}
BEARER = {"COLLIBRA_TOKEN": "canary-token"}
OAUTH = {"COLLIBRA_CLIENT_ID": "urn:app", "COLLIBRA_CLIENT_SECRET": "canary-secret"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("COLLIBRA_")]:
        monkeypatch.delenv(name)


def settings(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> CollibraSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return CollibraSettings()


@pytest.mark.parametrize(
    ("variables", "auth_type"), [(BASIC, "basic"), (BEARER, "bearer"), (OAUTH, "oauth")]
)
def test_the_way_is_told_by_what_is_set(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], auth_type: str
) -> None:
    """Nobody has to say which way to authenticate: the variables do."""
    assert auth_type == settings(monkeypatch, BASE | variables).auth_type


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (BASIC | BEARER, "COLLIBRA_TOKEN"),
        (BASIC | OAUTH, "COLLIBRA_CLIENT_SECRET"),
        ({}, "COLLIBRA_PASSWORD"),
        ({"COLLIBRA_USERNAME": "robot"}, "COLLIBRA_PASSWORD"),
        (OAUTH | {"COLLIBRA_AUTH_TYPE": "bearer"}, "COLLIBRA_TOKEN"),
        (BASIC | {"COLLIBRA_BASE_URL": ""}, "COLLIBRA_BASE_URL"),
    ],
)
def test_two_ways_or_none_are_named_without_values(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    """What is missing or too much is named by its variable, and no value is shown."""
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, BASE | variables)

    assert named in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://tenant.collibra.com",
        "https://robot:canary@tenant.collibra.com",
        "https://tenant.collibra.com/rest/2.0",
        "https://tenant.collibra.com?canary=1",
        "tenant.collibra.com",
        "ftp://tenant.collibra.com",
        "https://tenant.collibra.com:canary",
    ],
)
def test_only_a_safe_address_is_taken(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    """An address in clear, with credentials or with a path is refused."""
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, BASIC | {"COLLIBRA_BASE_URL": base_url})

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["https://a.collibra.com/", "http://127.0.0.1:8080"])
def test_a_host_is_enough(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    """A final slash is no path, and a tenant on this machine may speak in clear."""
    read = settings(monkeypatch, BASIC | {"COLLIBRA_BASE_URL": base_url})

    assert base_url.rstrip("/") == read.base_url


SPELLINGS = [
    "https://Acme.Collibra.com",
    "https://acme.collibra.com:443",
    "https://acme.collibra.com./",
    "HTTPS://ACME.collibra.COM:443/",
]


@pytest.mark.parametrize("base_url", SPELLINGS)
def test_a_tenant_has_one_address(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    """However an address is spelled, it is the same tenant, with the same record."""
    read = settings(monkeypatch, BASIC | {"COLLIBRA_BASE_URL": base_url})

    assert "https://acme.collibra.com" == read.base_url


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing does not choose a way."""
    assert "basic" == settings(monkeypatch, BASE | BASIC | {"COLLIBRA_TOKEN": ""}).auth_type


def test_a_file_is_read(tmp_path: Path) -> None:
    """Variables may stand in ``.env``, among those of other programs."""
    lines = [f"{name}={value}" for name, value in (BASE | BEARER | {"OTHER": "1"}).items()]
    (tmp_path / ".env").write_text("\n".join(lines))

    assert "canary-token" == CollibraSettings().token.get_secret_value()


@pytest.mark.parametrize("variables", [BASIC, BEARER, OAUTH])
def test_no_representation_shows_a_secret(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """Settings and block can be printed and dumped without showing a secret."""
    proxy = {"COLLIBRA_PROXY": "http://robot:canary@proxy.test:3128"}
    read = settings(monkeypatch, BASE | variables | proxy)
    block = CollibraCredentials.from_settings(read)

    for shown in (repr(read), str(read), read.model_dump_json(), repr(block), str(block)):
        assert "canary" not in shown
    assert read.proxy == block.proxy
    assert read.auth_type == block.auth_type


@pytest.mark.parametrize("seconds", ["0", "-1", "3601", "soon"])
def test_the_request_timeout_has_a_range(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    """A request may take more than 0 and up to 3600 seconds."""
    with pytest.raises(ValidationError):
        settings(monkeypatch, BASE | BASIC | {"COLLIBRA_REQUEST_TIMEOUT_SECONDS": seconds})
