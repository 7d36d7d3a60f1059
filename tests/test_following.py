"""The client and the wait together, against the sandbox, on one clock that both believe."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import AccessDeniedError, JobTimedOutError, OutcomeUnknownError
from collibra_tasks.models import Job
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.waiting import wait_for_job
from tests.clients import client_of, finalize

pytestmark = pytest.mark.usefixtures("one_trust_store")
JOB_SECONDS = 100
Stage = Callable[[Sandbox], Any]


class TurnedClock:
    """The time, for the tenant and for whoever waits; sleeping is what passes it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def slow_tenant(clock: TurnedClock) -> Iterator[Sandbox]:
    """Serve a tenant whose jobs take their time."""
    with Sandbox(job_seconds=JOB_SECONDS, clock=clock) as tenant:
        yield tenant


def follow(client: CollibraClient, job_id: str, clock: TurnedClock, wait_seconds: float) -> Job:
    return wait_for_job(
        lambda: client.get_job(job_id), job_id, wait_seconds=wait_seconds, clock=clock
    )


PASSING: dict[str, Stage] = {
    "nothing": lambda _: None,
    "hidden": lambda t: t.hide_jobs(3),
    "hidden by a 500": lambda t: t.hide_jobs(3, status=500),
    "lost answers": lambda t: t.lose_next_answer(on="job", times=3),
    "gateway's pages": lambda t: t.answer_html_next(on="job", times=3),
    "broken answers": lambda t: t.break_json_next(on="job", times=3),
    "503": lambda t: t.fail_next(503, on="job", times=3),
    "busy": lambda t: t.be_busy(on="job", times=3),
    "only the older API": lambda t: t.without_job_api_v1(),
    "only the current API": lambda t: t.without_legacy_jobs(),
}


@pytest.mark.parametrize("trouble", PASSING)
def test_a_job_is_followed_to_its_end(
    slow_tenant: Sandbox, clock: TurnedClock, trouble: str
) -> None:
    """A job is seen to succeed, and not before it has, through trouble that passes."""
    PASSING[trouble](slow_tenant)
    started = clock.monotonic()

    with client_of(slow_tenant) as client:
        job = follow(client, finalize(client).id, clock, wait_seconds=3600)

    assert job.succeeded
    assert JOB_SECONDS <= clock.monotonic() - started
    assert 1 == slow_tenant.finalizations


def test_tokens_that_end_do_not_end_the_wait(slow_tenant: Sandbox, clock: TurnedClock) -> None:
    """A job that outlives every token is followed to its end all the same."""
    with client_of(slow_tenant, "oauth") as client:
        job_id = finalize(client).id

        def look() -> Job:
            slow_tenant.expire_tokens()
            return client.get_job(job_id)

        assert wait_for_job(look, job_id, wait_seconds=3600, clock=clock).succeeded


def test_a_lost_job_is_unknown(slow_tenant: Sandbox, clock: TurnedClock) -> None:
    """A job that the tenant has lost ends the wait early, as unknown and with its id."""
    started = clock.monotonic()
    with client_of(slow_tenant) as client:
        job_id = finalize(client).id
        slow_tenant.lose_job(job_id)
        with pytest.raises(OutcomeUnknownError) as caught:
            follow(client, job_id, clock, wait_seconds=3600)

    assert job_id == caught.value.job_id
    assert clock.monotonic() - started < JOB_SECONDS


def test_a_late_job_is_not_stopped(slow_tenant: Sandbox, clock: TurnedClock) -> None:
    """Who stops looking leaves the job to itself, and finds it when looking again."""
    with client_of(slow_tenant) as client:
        job_id = finalize(client).id
        with pytest.raises(JobTimedOutError):
            follow(client, job_id, clock, wait_seconds=JOB_SECONDS / 2)

        assert follow(client, job_id, clock, wait_seconds=JOB_SECONDS).succeeded


def test_a_withdrawn_permission_ends_the_wait(slow_tenant: Sandbox, clock: TurnedClock) -> None:
    """An account that may no longer see the job is told so, with the job's id."""
    with client_of(slow_tenant) as client:
        job_id = finalize(client).id
        slow_tenant.forbid(on="job")
        with pytest.raises(AccessDeniedError) as caught:
            follow(client, job_id, clock, wait_seconds=3600)

    assert job_id == caught.value.job_id


@pytest.mark.parametrize("before_commit", [True, False])
def test_an_answer_that_stays_away_is_no_answer(
    tenant: Sandbox,
    before_commit: bool,  # noqa: FBT001 - a case
) -> None:
    """A finalization without an answer in time is unknown: the tenant may act even afterwards."""
    hold = tenant.hold_next_answer(before_commit=before_commit)

    with (
        client_of(tenant, request_timeout_seconds=0.2) as client,
        pytest.raises(OutcomeUnknownError),
    ):
        finalize(client)

    assert hold.reached.is_set()
    assert (not before_commit) == tenant.finalizations
    assert 1 == len(tenant.finalization_requests)


def test_a_tenant_that_stops_over_a_finalization_leaves_it_unknown(tenant: Sandbox) -> None:
    """A tenant that is shut down between the request and the answer has told nothing."""
    hold = tenant.hold_next_answer()

    def stop() -> None:
        hold.reached.wait(5)
        tenant.stop()

    stopping = Thread(target=stop)
    stopping.start()
    with client_of(tenant) as client, pytest.raises(OutcomeUnknownError):
        finalize(client)
    stopping.join(5)

    assert 1 == tenant.finalizations
