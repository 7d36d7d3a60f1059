"""Checks of a connection: green and red rows, next steps, and no secret."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.check import TenantCheck, check_connection, main, render_check
from collibra_tasks.models import Job
from collibra_tasks.reporting.connection_checks import CheckRow
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.settings import CollibraConnection
from tests.support.clients import CANARIES, Server, connection_of, jwt_of, refusal
from tests.support.sessions import tables

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
UNKNOWN_STATUS = "00000000-0000-0000-0000-00000000beef"


@pytest.fixture
def tenant() -> Sandbox:
    return Sandbox(clock=lambda: NOW)


def connection_to(tenant: Sandbox, auth_type: str = "basic", **changes: Any) -> CollibraConnection:
    """Return the connection to a sandbox without a socket."""
    variables = tenant.environment(auth_type)
    fields = {name.removeprefix("COLLIBRA_").lower(): text for name, text in variables.items()}
    return CollibraConnection.model_validate(fields | {"auth_type": auth_type} | changes)


def check(tenant: Sandbox, auth_type: str = "basic", **options: Any) -> TenantCheck:
    """Check a sandbox."""
    changes = options.pop("changes", {})
    connection = connection_to(tenant, auth_type, **changes)
    options = {"now": lambda: NOW} | options
    return check_connection(connection, transport=tenant.transport(), **options)


def row_of(found: TenantCheck, name: str) -> CheckRow:
    """Return the only row of a name."""
    (row,) = [each for each in found.rows if each.name == name]
    return row


def red_of(found: TenantCheck) -> list[str]:
    """Return the names of the checks that failed."""
    return [each.name for each in found.rows if not each.ok]


@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
def test_check_connection_sound_setup(tenant: Sandbox, auth_type: str) -> None:
    """A sound setup passes every check with each way to authenticate."""
    tenant.import_by_hand("nightly", tables("t1"))

    found = check(tenant, auth_type, synchronization_id="nightly")

    assert [] == red_of(found), found.sentence
    assert 15 == len(found.rows)
    assert found.sentence.startswith("All 15 checks of ")
    assert "2026.07.0" in row_of(found, "Version").finding
    assert "Missing from source" in row_of(found, "Status").finding


def test_check_connection_writes_nothing(tenant: Sandbox) -> None:
    """A check sends only GET requests."""
    tenant.import_by_hand("nightly", tables("t1"))
    before = len(tenant.requests)

    check(tenant, synchronization_id="nightly")

    assert {"GET"} == {each.method for each in tenant.requests[before:]}


def test_check_connection_unreachable() -> None:
    """A host that is not reached is one red row with the next step, and ends the check."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    found = check_connection(connection_of(), transport=httpx.MockTransport(refuse))

    assert ["Connection"] == red_of(found)
    assert "Connection" == found.rows[-1].name
    assert "was not reached" in found.rows[-1].finding
    assert "Check the URL and the network." == found.rows[-1].next_step


def test_check_connection_unreadable_ca_bundle() -> None:
    """A CA bundle that is not readable is a red row that names the variable."""
    found = check_connection(connection_of(ca_bundle="/no/such/file.pem"))

    assert ["Connection"] == red_of(found)
    assert "COLLIBRA_CA_BUNDLE" in found.sentence


def test_check_connection_wrong_password(tenant: Sandbox) -> None:
    """A wrong password is a red row about authentication; its text is not shown."""
    found = check(tenant, changes={"password": "canary-password"})

    assert ["Authentication"] == red_of(found)
    assert "COLLIBRA_PASSWORD" in row_of(found, "Authentication").next_step
    assert "canary" not in render_check(found)


def test_check_connection_wrong_client_secret(tenant: Sandbox) -> None:
    """A wrong client secret is a red row about authentication, not about the connection."""
    found = check(tenant, "oauth", changes={"client_secret": "canary-secret"})

    assert ["Authentication"] == red_of(found)
    assert "COLLIBRA_CLIENT_SECRET" in found.sentence
    assert "canary" not in render_check(found)


@pytest.mark.parametrize(("seconds", "ok"), [(-1, False), (0, False), (1, True)])
def test_check_connection_fixed_token_expiry(seconds: int, ok: bool) -> None:  # noqa: FBT001
    """A fixed token that has expired is red and nothing is sent; its expiry is shown."""
    expiry = NOW + timedelta(seconds=seconds)
    server = Server()
    token = jwt_of(f'{{"exp": {int(expiry.timestamp())}}}')

    found = check_connection(
        connection_of("bearer", token=token),
        now=lambda: NOW,
        transport=httpx.MockTransport(server),
    )

    assert ok == row_of(found, "Token expiry").ok
    assert f"{expiry:%H:%M:%S} UTC" in row_of(found, "Token expiry").finding
    assert ok or not server.requests
    assert token not in render_check(found)


@pytest.mark.parametrize(("seconds", "ok"), [(60, True), (61, False), (-60, True), (-61, False)])
def test_check_connection_clock_difference(
    tenant: Sandbox,
    seconds: int,
    ok: bool,  # noqa: FBT001
) -> None:
    """A clock difference of more than a minute is red and names its seconds."""
    found = check(tenant, now=lambda: NOW + timedelta(seconds=seconds))

    assert ok == row_of(found, "Clock").ok
    assert str(-seconds) in row_of(found, "Clock").finding


def test_check_connection_older_job_api(tenant: Sandbox) -> None:
    """A Collibra without Job API v1 passes with the older API."""
    tenant.without_job_api_v1()

    found = check(tenant)

    assert "the older job API responds." == row_of(found, "Job API").finding
    assert [] == red_of(found)


def test_check_connection_without_job_api(tenant: Sandbox) -> None:
    """A Collibra without any job API is red."""
    tenant.without_job_api_v1()
    tenant.without_legacy_jobs()

    assert "Job API" in red_of(check(tenant))


def test_check_connection_forbidden_jobs(tenant: Sandbox) -> None:
    """An account that may not read jobs has red rows with the next step."""
    tenant.forbid("jobs")

    found = check(tenant)

    assert ["Right to read jobs", "Own jobs"] == red_of(found)
    assert "permissions" in row_of(found, "Right to read jobs").next_step


def test_check_connection_forbidden_results(tenant: Sandbox) -> None:
    """An account that may not read results has a red row."""
    tenant.import_by_hand("nightly", tables("t1"))
    tenant.forbid("summary")

    assert ["Right to read results"] == red_of(check(tenant))


def test_check_connection_unknown_names(tenant: Sandbox) -> None:
    """A synchronization and a status that do not exist are red, each with its name."""
    found = check(tenant, synchronization_id="nightyl", status_id=UNKNOWN_STATUS)

    assert ["Synchronization", "Status"] == red_of(found)
    assert "'nightyl'" in row_of(found, "Synchronization").finding
    assert UNKNOWN_STATUS in row_of(found, "Status").finding
    assert found.sentence.startswith("2 of 15 checks of ")


def test_check_connection_unusable_synchronization_id(tenant: Sandbox) -> None:
    """An ID that Collibra never accepts is red with its fault."""
    found = check(tenant, synchronization_id="sales/eu")

    assert "slash" in row_of(found, "Synchronization").finding


def test_check_connection_reported_identity(tenant: Sandbox) -> None:
    """The environment has the name that Collibra reports; a difference to the URL is shown."""
    tenant.configure(reported_base_url="https://acme.collibra.com")

    found = check(tenant)

    assert "acme.collibra.com" == found.environment
    assert "COLLIBRA_ENVIRONMENT" in row_of(found, "Environment").finding


def test_check_connection_untrusted_certificate() -> None:
    """A certificate that is not trusted is a row of its own, known by the type of the error."""

    def refuse(request: httpx.Request) -> httpx.Response:
        cause = ssl.SSLCertVerificationError("self-signed")
        raise httpx.ConnectError("refused", request=request) from cause

    found = check_connection(connection_of(), transport=httpx.MockTransport(refuse))

    assert ["TLS certificate"] == red_of(found)
    assert "COLLIBRA_CA_BUNDLE" in row_of(found, "TLS certificate").next_step


def test_check_connection_unreachable_with_oauth() -> None:
    """Where Collibra issues the tokens itself, an absent host is no fault of the credentials."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    found = check_connection(connection_of("oauth"), transport=httpx.MockTransport(refuse))

    assert ["Connection"] == red_of(found)


def test_check_connection_html_page_of_identity_provider() -> None:
    """An identity provider that responds with a page is red about authentication."""
    page = httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html>Sign in")
    server = Server({"/token": page})
    connection = connection_of("oauth", token_url="https://idp.example/token")

    found = check_connection(connection, transport=httpx.MockTransport(server))

    assert ["Authentication"] == red_of(found)


def test_check_connection_job_list_reaches_last_batch(tenant: Sandbox) -> None:
    """A list that reaches the last batch of the synchronization passes, and names its job."""
    job_id = tenant.import_by_hand("nightly", tables("t1")).id

    assert job_id in row_of(check(tenant, synchronization_id="nightly"), "Job list").finding


@pytest.mark.parametrize(("pages", "ok"), [(20, True), (21, False)])
def test_check_connection_blind_job_list(
    tenant: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    pages: int,
    ok: bool,  # noqa: FBT001
) -> None:
    """A batch on page 20 is found; one on page 21 is not, so jobs by others may be unseen."""
    tenant.import_by_hand("nightly", tables("t1"))
    last = tenant.import_by_hand("nightly", tables("t2")).id
    others = [[Job(id=str(number), name="x")] for number in range(pages - 1)]
    batch = Job(id=last, name="Synchronization of batch for id: nightly")
    monkeypatch.setattr(CollibraClient, "iter_job_pages", lambda *_, **__: iter([*others, [batch]]))

    assert ok == row_of(check(tenant, synchronization_id="nightly"), "Job list").ok


def test_check_connection_html_page() -> None:
    """A login page in place of Collibra is red."""
    page = httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html>Sign in")
    server = Server({"/rest/2.0/application/info": page})

    found = check_connection(connection_of(), transport=httpx.MockTransport(server))

    assert ["Connection"] == red_of(found)


@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
@pytest.mark.parametrize("status", [401, 403, 500])
def test_check_connection_shows_no_secret(auth_type: str, status: int) -> None:
    """No secret is shown, even if Collibra repeats credentials in its errors."""
    echo = refusal(status, message=" ".join(CANARIES))
    server = Server({"/rest/": echo, "token": echo})
    connection = connection_of(auth_type, proxy="http://user:canary-proxy@proxy.example:3128")

    found = check_connection(connection, transport=httpx.MockTransport(server))

    text = render_check(found) + found.sentence
    texts = map(connection.read, ("password", "token", "client_secret"))
    secrets = [text for text in texts if text]
    assert not found.ok
    assert "proxy.example:3128" in text
    assert all(secret not in text for secret in [*secrets, "canary-proxy"])


def test_main_prints_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program prints one line per check and ends with 1 if a check failed."""
    with Sandbox() as tenant:
        for name, text in tenant.environment().items():
            monkeypatch.setenv(name, text)
        assert 0 == main([])
        assert 1 == main(["--synchronization-id", "nightyl"])

    printed = capsys.readouterr().out
    assert "ok   Authentication: Accepted (basic)" in printed
    assert "FAIL Synchronization: " in printed
    assert tenant.password not in printed


def test_main_without_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without variables, the program ends with 2 and one sentence that names a variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLLIBRA_BASE_URL", raising=False)

    assert 2 == main([])

    printed = capsys.readouterr().err
    assert "COLLIBRA_BASE_URL" in printed
    assert 1 == printed.count("\n")
