"""Identity of an environment, and names that never collide."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collibra_tasks.errors import (
    FinalizationRefusedError,
    NotSentError,
    UnexpectedAnswerError,
)
from collibra_tasks.ledger.identity import (
    normalize_environment,
    resolve_environment,
    resource_name,
)
from collibra_tasks.models import ApplicationInfo


@dataclass
class Client:
    """A Collibra that reports a base URL."""

    base_url: str
    reported: str | None = None
    error: Exception | None = None
    logged: list[str] = field(default_factory=list)

    def get_application_info(self) -> ApplicationInfo:
        if self.error is not None:
            raise self.error
        return ApplicationInfo(base_url=self.reported, version=None)

    def resolve(self, configured: str = "") -> str:
        return resolve_environment(self, configured=configured, log=self.logged.append).key


SAME = [
    ("https://acme.collibra.com", "https://ACME.Collibra.com"),
    ("https://acme.collibra.com", "https://acme.collibra.com:443"),
    ("http://acme.collibra.com", "http://acme.collibra.com:80/"),
    ("https://acme.collibra.com", " https://acme.collibra.com./ "),
    ("https://acme.collibra.com", "https://user:secret@acme.collibra.com"),
    ("https://acme.collibra.com", "acme.collibra.com"),
    ("https://münchen.example", "https://xn--mnchen-3ya.example"),
    ("https://MÜNCHEN.example", "https://mu\u0308nchen.example"),
    ("https://[::1]:8443", "https://[::1]:8443/"),
    ("production", "  Production "),
    ("straße eu", "STRASSE\tEU"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_normalize_environment_of_one_environment(one: str, other: str) -> None:
    """Spellings of one URL or name are one environment, so they share one ledger."""
    assert normalize_environment(one) == normalize_environment(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://acme.collibra.com", "https://acme-test.collibra.com"),
        ("https://acme.collibra.com", "https://acme.collibra.com:8443"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8002"),
        ("https://acme.collibra.com", "https://acme.collibra.com/test"),
        ("production", "production-eu"),
        ("https://[::1]:8443", "https://[::1:8443]"),
    ],
)
def test_normalize_environment_of_two_environments(one: str, other: str) -> None:
    """Different hosts, ports, paths and names are different environments."""
    assert normalize_environment(one) != normalize_environment(other)


@pytest.mark.parametrize("text", ["", "  ", "https://", "https://:443", "https://a b\x00c.example"])
def test_normalize_environment_without_host(text: str) -> None:
    """An empty name, or a URL without a host, is refused."""
    with pytest.raises(ValueError, match="environment"):
        normalize_environment(text)


@given(text=st.text(max_size=30))
def test_normalize_environment_is_stable(text: str) -> None:
    """Normalizing twice changes nothing more, whatever the text is."""
    try:
        once = normalize_environment(text)
    except ValueError:
        return
    assert once == normalize_environment(once)


def test_normalize_environment_shows_no_password() -> None:
    """The error for an invalid URL does not contain its password."""
    with pytest.raises(ValueError, match="host") as error:
        normalize_environment("https://user:hush@")
    assert "hush" not in str(error.value)


def test_resolve_environment_by_two_urls() -> None:
    """One environment reached by an address, a name and a company alias has one identity."""
    urls = ["http://127.0.0.1:8080", "http://localhost:8080", "https://collibra.acme.example"]
    clients = [Client(url, reported="https://acme.collibra.com/") for url in urls]

    assert {"acme.collibra.com"} == {client.resolve() for client in clients}


def test_resolve_environment_logs_a_different_host() -> None:
    """A reported host that differs is logged once, with the setting that overrides it."""
    client = Client("http://localhost:8080", reported="https://acme.collibra.com")
    client.resolve()

    assert 1 == len(client.logged)
    assert all(
        part in client.logged[0]
        for part in ("localhost:8080", "acme.collibra.com", "COLLIBRA_ENVIRONMENT")
    )


@pytest.mark.parametrize("reported", ["https://acme.collibra.com/", "ACME.collibra.com", None, " "])
def test_resolve_environment_logs_nothing(reported: str | None) -> None:
    """The same host, or none as in old versions, is the configured URL, without a log line."""
    client = Client("https://acme.collibra.com", reported=reported)

    assert ("acme.collibra.com", []) == (client.resolve(), client.logged)


def test_resolve_environment_prefers_the_configured_name() -> None:
    """COLLIBRA_ENVIRONMENT decides, whatever Collibra reports."""
    client = Client("http://localhost", reported="https://acme.collibra.com")

    assert "production" == client.resolve("Production")


def test_resolve_environment_unreachable() -> None:
    """Without a self-description nothing falls back: the error ends the run before any write."""
    client = Client("https://acme.collibra.com", error=NotSentError("Collibra was not reached."))

    for configured in ("", "production"):
        with pytest.raises(NotSentError):
            client.resolve(configured)


def test_resolve_environment_with_an_unusable_report() -> None:
    """An unusable reported URL is refused with the setting that helps."""
    with pytest.raises(UnexpectedAnswerError, match="COLLIBRA_ENVIRONMENT"):
        Client("https://acme.collibra.com", reported="https:// /").resolve()
    assert "eu" == Client("https://acme.collibra.com", reported="https:// /").resolve("EU")


def test_resolve_environment_with_an_unusable_name() -> None:
    """An unusable configured URL is refused before anything is sent."""
    with pytest.raises(FinalizationRefusedError, match="COLLIBRA_ENVIRONMENT"):
        Client("https://acme.collibra.com").resolve("https://")


def test_resource_name_is_readable() -> None:
    """A user finds kind and synchronization in the name."""
    name = resource_name("lock", "acme.collibra.com", "Sales.EU")

    assert re.fullmatch(r"collibra-lock-sales-eu-[0-9a-f]{12}", name)
    assert resource_name("imports", "acme.collibra.com").startswith(
        "collibra-imports-acme-collibra-com-"
    )


def test_resource_name_of_similar_synchronizations() -> None:
    """Synchronizations whose readable names are equal have different names."""
    ids = ["sales.eu", "sales-eu", "sales_eu", "Sales.eu", "sales eu", "販売", "売上"]
    names = {resource_name("lock", env, id_) for env in ("a", "b") for id_ in ids}

    assert 2 * len(ids) == len(names)
    assert resource_name("lock", "a", "-c") != resource_name("lock", "a-", "c")


PARTS = st.text(alphabet="aB.-_:/ é販\0", max_size=6)
IDENTITIES = st.tuples(st.sampled_from(["lock", "cycle", "ledger"]), PARTS, PARTS)


@given(one=IDENTITIES, other=IDENTITIES)
def test_resource_name_never_collides(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    """Two names are equal only if kind, environment and synchronization are equal."""
    assert (one == other) == (resource_name(*one) == resource_name(*other))


@given(identity=st.tuples(st.just("lock"), st.text(), st.text(max_size=50)))
def test_resource_name_has_safe_characters(identity: tuple[str, str, str]) -> None:
    """A name fits Prefect's variables, limits and artifacts, and a folder."""
    name = resource_name(*identity)

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 80
