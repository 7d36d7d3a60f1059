"""Faults of requests."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import ApiClient, FakeClock, asset

Plan = Callable[[Sandbox], Any]
BOTH = pytest.mark.parametrize("fixture", ["client", "socket_client"])


def test_unknown_operation_is_refused(tenant: Sandbox) -> None:
    """An unknown operation raises an error that lists the known ones."""
    with pytest.raises(ValueError, match=r"finalise.*finalize, batch.*token.*any"):
        tenant.lose_next_answer(on="finalise")


@BOTH
@pytest.mark.parametrize(("before_commit", "accepted"), [(False, 1), (True, 0)])
def test_response_is_lost(
    request: pytest.FixtureRequest, fixture: str, accepted: int, *, before_commit: bool
) -> None:
    """The connection is cut, after the commit or before it; the next request succeeds."""
    client: ApiClient = request.getfixturevalue(fixture)
    client.tenant.lose_next_answer(before_commit=before_commit)
    with pytest.raises(httpx.RemoteProtocolError):
        client.finalize()
    assert accepted == client.tenant.finalizations
    assert 1 == len(client.tenant.finalization_requests)

    assert 200 == client.finalize().status_code


@pytest.mark.parametrize("retry_after", ["2", "Wed, 21 Oct 2026 07:28:00 GMT", None])
def test_busy_tenant_commits_nothing(client: ApiClient, retry_after: str | None) -> None:
    """A 429 has the given Retry-After, for the given number of requests."""
    client.tenant.be_busy(times=2, retry_after=retry_after)
    responses = [client.finalize() for _ in range(3)]

    assert [429, 429, 200] == [response.status_code for response in responses]
    assert retry_after == responses[0].headers.get("Retry-After")
    assert 1 == client.tenant.finalizations


PLANS: dict[str, tuple[Plan, int, str, int]] = {
    "503": (lambda t: t.fail_next(), 503, "serviceUnavailable", 0),
    "500 after": (lambda t: t.fail_next(500, after_commit=True), 500, "internalServerError", 1),
    "404 after": (lambda t: t.fail_next(404, after_commit=True), 404, "notFound", 1),
    "401 after": (
        lambda t: t.fail_next(401, after_commit=True, code="expiredToken"),
        401,
        "expiredToken",
        1,
    ),
    "429 after": (lambda t: t.be_busy(after_commit=True), 429, "tooManyRequests", 1),
    "599": (lambda t: t.fail_next(599), 599, "internalServerError", 0),
    "gateway": (lambda t: t.fail_next(502, body="<h1>Bad gateway</h1>"), 502, "<h1>", 0),
    "empty": (lambda t: t.fail_next(404, body=b""), 404, "", 0),
    "HTML": (lambda t: t.answer_html_next(), 200, "<!DOCTYPE html>", 0),
    "HTML after": (
        lambda t: t.answer_html_next(after_commit=True, status=504),
        504,
        "<!DOCTYPE html>",
        1,
    ),
    "broken": (lambda t: t.break_json_next(), 200, "{", 0),
    "broken after": (lambda t: t.break_json_next(after_commit=True), 200, '{"id": "', 1),
    "nested": (lambda t: t.nest_json_next(), 200, "[[[[", 0),
    "nested after": (lambda t: t.nest_json_next(after_commit=True), 200, "[[[[", 1),
    "redirect": (lambda t: t.redirect_next("https://elsewhere.invalid/"), 302, "", 0),
}


@BOTH
@pytest.mark.parametrize(("plan", "status", "text", "accepted"), PLANS.values(), ids=PLANS)
def test_response_is_replaced(
    request: pytest.FixtureRequest,
    fixture: str,
    plan: Plan,
    status: int,
    text: str,
    accepted: int,
) -> None:
    """Each fault replaces one response, before or after the commit."""
    client: ApiClient = request.getfixturevalue(fixture)
    plan(client.tenant)
    response = client.finalize()

    assert status == response.status_code
    assert text in response.text
    assert accepted == client.tenant.finalizations
    assert 200 == client.finalize().status_code


def test_gateway_response_has_its_own_headers(client: ApiClient) -> None:
    """A replaced body can have another content type and no envelope."""
    headers = {"Content-Type": "text/plain"}
    client.tenant.fail_next(503, body="no healthy upstream", headers=headers)
    response = client.finalize()

    assert ("text/plain", "no healthy upstream") == (
        response.headers["Content-Type"],
        response.text,
    )


@pytest.mark.parametrize("after_commit", [False, True])
def test_broken_json_cannot_be_parsed(client: ApiClient, *, after_commit: bool) -> None:
    """JSON that breaks off is marked as JSON and cannot be parsed."""
    client.tenant.break_json_next(after_commit=after_commit)
    response = client.finalize()

    assert "application/json" == response.headers["Content-Type"]
    with pytest.raises(ValueError, match="line 1"):
        response.json()


def test_nested_json_is_very_deep(client: ApiClient) -> None:
    """Nested JSON is valid, and 200,000 levels deep."""
    client.tenant.nest_json_next(on="user")
    text = client.get("/rest/2.0/users/current").text

    assert "[" * 200_000 + "]" * 200_000 == text


def test_redirection_names_its_target(client: ApiClient) -> None:
    """A redirection has the target as its Location."""
    client.tenant.redirect_next("https://elsewhere.invalid/", on="exists", status=307)
    response = client.get("/rest/2.0/import/synchronize/exists/x")

    assert (307, "https://elsewhere.invalid/") == (
        response.status_code,
        response.headers["Location"],
    )


def test_faults_are_used_in_sequence(client: ApiClient) -> None:
    """Two faults concern two requests, and other operations do not use them up."""
    client.tenant.be_busy()
    client.tenant.fail_next(500)
    client.tenant.be_busy(on="batch")
    client.get("/rest/2.0/users/current").raise_for_status()

    assert [429, 500, 200] == [client.finalize().status_code for _ in range(3)]


def test_any_concerns_every_request(client: ApiClient) -> None:
    """A fault for any operation concerns the next request, also to an unknown path."""
    client.tenant.fail_next(500, on="any", times=2)

    assert 500 == client.get("/rest/2.0/users/current").status_code
    assert 500 == client.get("/nowhere").status_code


@pytest.mark.parametrize(
    ("on", "method", "path"),
    [
        ("job", "GET", "/rest/jobs/v1/jobs/x"),
        ("job", "GET", "/rest/2.0/jobs/x"),
        ("jobs", "GET", "/rest/jobs/v1/jobs"),
        ("jobs", "GET", "/rest/2.0/jobs"),
        ("cancel", "DELETE", "/rest/jobs/v1/jobs/x"),
        ("cancel", "POST", "/rest/2.0/jobs/x/canceled"),
        ("summary", "GET", "/rest/2.0/import/results/x/summary"),
        ("errors", "GET", "/rest/2.0/import/results/x/errors"),
        ("exists", "GET", "/rest/2.0/import/synchronize/exists/x"),
        ("synchronizations", "GET", "/rest/2.0/import/synchronize"),
        ("evict", "DELETE", "/rest/2.0/import/synchronize/x/evict"),
        ("forget", "DELETE", "/rest/2.0/import/synchronize/x"),
        ("status", "GET", "/rest/2.0/statuses/x"),
        ("info", "GET", "/rest/2.0/application/info"),
        ("user", "GET", "/rest/2.0/users/current"),
        ("token", "POST", "/rest/oauth/v2/token"),
        ("identity_provider", "POST", "/idp/token"),
        ("finalize", "POST", "/rest/2.0/import/synchronize/x/finalize/job"),
        ("batch", "POST", "/rest/2.0/import/synchronize/x/batch/json-job"),
        ("import", "POST", "/rest/2.0/import/json-job"),
    ],
)
def test_every_operation_has_its_requests(tenant: Sandbox, on: str, method: str, path: str) -> None:
    """A fault concerns the requests of its operation."""
    tenant.fail_next(418, on=on)
    response = tenant.handle(httpx.Request(method, tenant.url + path))

    assert response is not None
    assert 418 == response.status_code


def test_operation_can_be_forbidden(client: ApiClient) -> None:
    """A forbidden operation is 403 until it is allowed again."""
    client.tenant.forbid()
    assert [403, 403] == [client.finalize().status_code for _ in range(2)]
    client.batch(asset("a"))

    client.tenant.allow()
    assert 200 == client.finalize().status_code


def test_faults_can_be_reset(client: ApiClient) -> None:
    """After reset_faults the tenant behaves well."""
    tenant = client.tenant
    tenant.be_busy(times=9)
    tenant.forbid("any")
    tenant.hide_jobs()
    tenant.delay_job_listing()
    tenant.end_jobs_as("FAILED")
    tenant.without_job_api_v1()
    tenant.set_date_header("yesterday")
    tenant.call_next(tenant.without_summaries)
    tenant.reset_faults()
    job = client.remove_missing()

    assert "COMPLETED" == client.job(job)["state"]
    assert [job] == client.listed()
    assert parsedate_to_datetime(client.get("/").headers["Date"])


@BOTH
def test_slow_response_is_late(request: pytest.FixtureRequest, fixture: str) -> None:
    """The tenant commits at once and responds after the seconds."""
    client: ApiClient = request.getfixturevalue(fixture)
    client.tenant.answer_slowly(0.05)
    start = time.monotonic()
    assert 200 == client.finalize().status_code

    assert time.monotonic() - start >= 0.05


@pytest.mark.parametrize("socket", [True, False])
def test_timeout_hides_the_commit(served: Sandbox, *, socket: bool) -> None:
    """A client with a shorter timeout gets no response, though the tenant committed."""
    served.answer_slowly(60)
    with ApiClient(served, socket=socket, timeout=0.05) as client:
        start = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            client.finalize()

    assert 1 == served.finalizations
    assert time.monotonic() - start < 5


@BOTH
def test_body_can_drip(request: pytest.FixtureRequest, fixture: str) -> None:
    """The head arrives at once and the body in pieces, complete in the end."""
    client: ApiClient = request.getfixturevalue(fixture)
    client.tenant.answer_slowly(0.05, drip=True)
    start = time.monotonic()
    response = client.finalize()

    assert "WAITING" == response.json()["state"]
    assert time.monotonic() - start >= 0.04


@BOTH
@pytest.mark.parametrize(("before_commit", "accepted"), [(True, 0), (False, 1)])
def test_request_can_be_held(
    request: pytest.FixtureRequest, fixture: str, accepted: int, *, before_commit: bool
) -> None:
    """A request is held before its commit or after it, until it is released."""
    client: ApiClient = request.getfixturevalue(fixture)
    hold = client.tenant.hold_next_answer(before_commit=before_commit)
    thread = threading.Thread(target=client.finalize)
    thread.start()
    assert hold.reached.wait(5)
    assert accepted == client.tenant.finalizations

    hold.release()
    thread.join(5)
    assert 1 == client.tenant.finalizations


def lose(client: ApiClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.finalize()


def test_faults_combine(client: ApiClient, clock: FakeClock) -> None:
    """A held response can be lost too, and jobs end by the clock meanwhile."""
    client.tenant.run_jobs_for(10)
    hold = client.tenant.hold_next_answer()
    client.tenant.lose_next_answer()
    thread = threading.Thread(target=lose, args=(client,))
    thread.start()
    assert hold.reached.wait(5)
    clock.advance(10)
    hold.release()
    thread.join(5)

    assert ["COMPLETED"] == [job.state for job in client.tenant.jobs]


@pytest.mark.parametrize(("before_commit", "kinds"), [(True, "bf"), (False, "fb")])
def test_function_is_called_at_the_commit(
    client: ApiClient, kinds: str, *, before_commit: bool
) -> None:
    """A function is called before the commit or after it, and can act on the tenant."""
    client.tenant.call_next(
        lambda: client.tenant.import_by_hand("nightly", [asset("a")]), before_commit=before_commit
    )
    client.finalize()
    client.finalize()

    assert kinds + "f" == "".join(job.kind[0] for job in client.tenant.jobs)


def test_function_can_crash_the_caller(client: ApiClient) -> None:
    """An exception of the function reaches the caller through the transport."""

    def crash() -> None:
        raise KeyboardInterrupt

    client.tenant.call_next(crash, before_commit=False)
    with pytest.raises(KeyboardInterrupt):
        client.finalize()

    assert 1 == client.tenant.finalizations


def test_responses_have_the_tenants_date(client: ApiClient, clock: FakeClock) -> None:
    """Good responses, refusals and faults carry the tenant's own time."""
    clock.advance(86400)
    client.tenant.fail_next(503, on="user")
    for path in ("/rest/2.0/application/info", "/nowhere", "/rest/2.0/users/current"):
        assert clock() == parsedate_to_datetime(client.get(path).headers["Date"])


@pytest.mark.parametrize("text", ["yesterday", "2026-11-24T12:00:00Z"])
@BOTH
def test_date_header_can_be_broken(request: pytest.FixtureRequest, fixture: str, text: str) -> None:
    """The Date header can be any text, until it is the time again."""
    client: ApiClient = request.getfixturevalue(fixture)
    client.tenant.set_date_header(text)
    assert text == client.get("/nowhere").headers["Date"]

    client.tenant.set_date_header(None)
    assert "GMT" in client.get("/nowhere").headers["Date"]


@pytest.mark.parametrize("seconds", [3.0, -90.0])
def test_date_header_can_be_ahead_of_jobs(clock: FakeClock, seconds: float) -> None:
    """The Date header can differ from the dates of jobs."""
    with ApiClient(Sandbox(clock=clock, clock_offset_seconds=seconds)) as client:
        response = client.finalize()

    date = parsedate_to_datetime(response.headers["Date"])
    assert clock() + timedelta(seconds=seconds) == date
    assert clock().timestamp() * 1000 == response.json()["createdOn"]
