"""Stage directions for requests."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import Caller, FakeClock, asset

Stage = Callable[[Sandbox], Any]


def test_kinds_of_requests_are_checked(tenant: Sandbox) -> None:
    """An unknown kind of request is a mistake that lists the known ones."""
    with pytest.raises(ValueError, match=r"finalise.*finalize, batch.*token, any"):
        tenant.lose_next_answer(on="finalise")


@pytest.mark.parametrize(("before_commit", "taken"), [(False, 1), (True, 0)])
def test_an_answer_is_lost(caller: Caller, *, before_commit: bool, taken: int) -> None:
    """The caller hears nothing, and the tenant acted or did not; then all is well again."""
    caller.tenant.lose_next_answer(before_commit=before_commit)
    with pytest.raises(httpx.RemoteProtocolError):
        caller.finalize()
    assert taken == caller.tenant.finalizations
    assert 1 == len(caller.tenant.finalization_requests)

    assert 200 == caller.finalize().status_code


@pytest.mark.parametrize("retry_after", ["2", "Wed, 21 Oct 2026 07:28:00 GMT", None])
def test_a_busy_tenant_does_nothing(caller: Caller, retry_after: str | None) -> None:
    """429 with the Retry-After that was asked for, as often as asked for."""
    caller.tenant.be_busy(times=2, retry_after=retry_after)
    answers = [caller.finalize() for _ in range(3)]

    assert [429, 429, 200] == [answer.status_code for answer in answers]
    assert retry_after == answers[0].headers.get("Retry-After")
    assert 1 == caller.tenant.finalizations


@pytest.mark.parametrize(
    ("stage", "status", "text", "taken"),
    [
        (lambda t: t.fail_next(), 503, "serviceUnavailable", 0),
        (lambda t: t.fail_next(500, after_commit=True), 500, "internalServerError", 1),
        (lambda t: t.fail_next(599), 599, "internalServerError", 0),
        (lambda t: t.fail_next(502, body="<h1>Bad gateway</h1>"), 502, "<h1>", 0),
        (lambda t: t.fail_next(404, body=b""), 404, "", 0),
        (lambda t: t.answer_html_next(), 200, "<!DOCTYPE html>", 0),
        (lambda t: t.answer_html_next(after_commit=True, status=504), 504, "<!DOCTYPE html>", 1),
        (lambda t: t.break_json_next(), 200, "{", 0),
        (lambda t: t.break_json_next(after_commit=True), 200, '{"id": "', 1),
        (lambda t: t.redirect_next("https://elsewhere.invalid/"), 302, "", 0),
    ],
)
def test_an_answer_is_another(
    caller: Caller, stage: Stage, status: int, text: str, taken: int
) -> None:
    """Each direction changes one answer, and says whether the tenant acted."""
    stage(caller.tenant)
    answer = caller.finalize()

    assert status == answer.status_code
    assert text in answer.text
    assert taken == caller.tenant.finalizations
    assert 200 == caller.finalize().status_code


def test_broken_json_cannot_be_read(caller: Caller) -> None:
    """What breaks off is no JSON, though it says it is."""
    for after_commit in (False, True):
        caller.tenant.break_json_next(after_commit=after_commit)
        answer = caller.finalize()

        assert "application/json" == answer.headers["Content-Type"]
        with pytest.raises(ValueError, match="line 1"):
            answer.json()


def test_a_redirection_names_its_target(caller: Caller) -> None:
    """A redirected caller is told where to go."""
    caller.tenant.redirect_next("https://elsewhere.invalid/", on="exists", status=307)
    answer = caller.get("/rest/2.0/import/synchronize/exists/x")

    assert (307, "https://elsewhere.invalid/") == (answer.status_code, answer.headers["Location"])


def test_directions_play_in_their_order(caller: Caller) -> None:
    """Two verdicts are for two requests, and other kinds of request pass them by."""
    caller.tenant.be_busy()
    caller.tenant.fail_next(500)
    caller.tenant.be_busy(on="batch")
    caller.get("/rest/2.0/users/current").raise_for_status()

    assert [429, 500, 200] == [caller.finalize().status_code for _ in range(3)]


def test_any_means_whatever_comes(caller: Caller) -> None:
    """A direction for any request takes the next one, even to nowhere."""
    caller.tenant.fail_next(500, on="any", times=2)

    assert 500 == caller.get("/rest/2.0/users/current").status_code
    assert 500 == caller.get("/nowhere").status_code


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
        ("files", "POST", "/rest/2.0/files"),
        ("batch", "POST", "/rest/2.0/import/synchronize/x/batch/csv-job"),
        ("synchronize", "POST", "/rest/2.0/import/synchronize/x/excel-job"),
        ("import", "POST", "/rest/2.0/import/json-job"),
    ],
)
def test_every_kind_has_its_requests(tenant: Sandbox, on: str, method: str, path: str) -> None:
    """A direction reaches the requests that its kind is named after."""
    tenant.fail_next(418, on=on)
    answer = tenant.ask(method, path)

    assert answer is not None
    assert 418 == answer.status


def test_a_kind_can_be_forbidden(caller: Caller) -> None:
    """A forbidden kind answers 403 until it is allowed again."""
    caller.tenant.forbid()
    assert [403, 403] == [caller.finalize().status_code for _ in range(2)]
    caller.batch(asset("a"))

    caller.tenant.allow()
    assert 200 == caller.finalize().status_code


def test_everything_staged_can_be_taken_back(caller: Caller) -> None:
    """After reset_faults the tenant behaves."""
    tenant = caller.tenant
    tenant.be_busy(times=9)
    tenant.forbid("any")
    tenant.hide_jobs()
    tenant.end_jobs_as("FAILED")
    tenant.without_job_api_v1()
    tenant.reset_faults()

    assert "COMPLETED" == caller.job(caller.remove_missing())["state"]


def test_a_slow_answer_comes_late(caller: Caller) -> None:
    """The tenant acts at once and answers after the seconds."""
    caller.tenant.answer_slowly(0.05)
    begun = time.monotonic()
    assert 200 == caller.finalize().status_code

    assert time.monotonic() - begun >= 0.05


def test_an_impatient_caller_knows_nothing(tenant: Sandbox) -> None:
    """A caller that gives up waiting cannot know that the tenant acted."""
    tenant.answer_slowly(60)
    with Caller(tenant, timeout=0.05) as caller, pytest.raises(httpx.ReadTimeout):
        caller.finalize()

    assert 1 == tenant.finalizations


def test_a_body_can_drip(caller: Caller) -> None:
    """The head comes at once and the body bit by bit, whole in the end."""
    caller.tenant.answer_slowly(0.05, drip=True)
    begun = time.monotonic()
    answer = caller.finalize()

    assert "WAITING" == answer.json()["state"]
    assert time.monotonic() - begun >= 0.04


def test_a_request_can_be_held_before_it_is_taken(caller: Caller) -> None:
    """A request held before the commit has done nothing until it is released."""
    hold = caller.tenant.hold_next_answer(before_commit=True)
    asking = threading.Thread(target=caller.finalize)
    asking.start()
    assert hold.reached.wait(5)
    assert 0 == caller.tenant.finalizations

    hold.release()
    asking.join(5)
    assert 1 == caller.tenant.finalizations


def unanswered(caller: Caller) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        caller.finalize()


def test_directions_compose(caller: Caller, clock: FakeClock) -> None:
    """A held answer can be lost as well, and jobs go on by the clock meanwhile."""
    caller.tenant.run_jobs_for(10)
    hold = caller.tenant.hold_next_answer()
    caller.tenant.lose_next_answer()
    asking = threading.Thread(target=unanswered, args=(caller,))
    asking.start()
    assert hold.reached.wait(5)
    clock.advance(10)
    hold.release()
    asking.join(5)

    assert ["COMPLETED"] == [job.state for job in caller.tenant.jobs]
