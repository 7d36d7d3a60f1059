"""Waiting, on a clock that the test turns."""

import pytest

from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    JobAbortedError,
    JobCanceledError,
    JobFailedError,
    JobIncompleteError,
    JobTimedOutError,
    NotFoundError,
    OutcomeUnknownError,
    TenantFaultError,
    UnexpectedAnswerError,
)
from collibra_tasks.models import ENDED_STATES, RESULTS, Job
from collibra_tasks.waiting import judge_job, submit_when_free, wait_for_job

RUNNING = Job(id="1", state="RUNNING")
DONE = Job(id="1", state="COMPLETED", result="SUCCESS")
GONE = NotFoundError("no such job", status_code=404)


class FakeClock:
    """A clock on which sleeping takes no time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Looks:
    """What the tenant shows, look by look; the last one for ever."""

    def __init__(self, *shown: Job | CollibraError) -> None:
        self.shown = list(shown)
        self.count = 0

    def __call__(self) -> Job:
        self.count += 1
        seen = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        if isinstance(seen, CollibraError):
            raise seen
        return seen


def test_an_ended_job_beats_a_passed_deadline() -> None:
    """A job that is over at the last look is over, however late it is."""
    clock = FakeClock()

    assert DONE == wait_for_job(Looks(RUNNING, DONE), "1", wait_seconds=0.5, clock=clock)
    assert DONE == wait_for_job(Looks(DONE), "1", wait_seconds=0, clock=clock)


def test_no_pause_outlasts_the_deadline() -> None:
    """The wait ends at its deadline, with a look and not with a pause."""
    clock, looks = FakeClock(), Looks(RUNNING)

    with pytest.raises(JobTimedOutError) as caught:
        wait_for_job(looks, "1", wait_seconds=100, clock=clock)

    assert "1" == caught.value.job_id
    assert 100 == pytest.approx(clock.now)
    assert len(clock.pauses) + 1 == looks.count


def test_pauses_grow_to_their_limit() -> None:
    """A long job is looked at less often, but never more seldom than was asked for."""
    clock = FakeClock()

    with pytest.raises(JobTimedOutError):
        wait_for_job(Looks(RUNNING), "1", wait_seconds=100, longest_pause_seconds=4, clock=clock)

    assert 4 == max(clock.pauses)
    assert 1 == clock.pauses[0]


@pytest.mark.parametrize(
    "trouble",
    [
        GONE,
        TenantFaultError("broke", status_code=500),
        OutcomeUnknownError("dropped"),
        UnexpectedAnswerError("a page"),
        BusyError("busy", status_code=429),
    ],
)
def test_trouble_that_passes_does_not_end_the_wait(trouble: CollibraError) -> None:
    """A job that can't be seen for a moment is looked at again."""
    looks = Looks(trouble, trouble, RUNNING, trouble, DONE)

    assert DONE == wait_for_job(looks, "1", wait_seconds=60, clock=FakeClock())


def test_lasting_trouble_ends_at_the_deadline() -> None:
    """A tenant that stays broken ends the wait in time, and the job keeps its id."""
    looks = Looks(TenantFaultError("broke", status_code=503))

    with pytest.raises(JobTimedOutError) as caught:
        wait_for_job(looks, "1", wait_seconds=60, clock=FakeClock())

    assert "1" == caught.value.job_id


@pytest.mark.parametrize("before", [(), (RUNNING,)])
def test_a_job_that_is_gone_is_unknown(before: tuple[Job, ...]) -> None:
    """A job that the tenant denies for longer than the grace ends as unknown, with its id."""
    clock = FakeClock()

    with pytest.raises(OutcomeUnknownError) as caught:
        wait_for_job(Looks(*before, GONE), "1", wait_seconds=3600, grace_seconds=30, clock=clock)

    assert "1" == caught.value.job_id
    assert 30 <= clock.now < 60


@pytest.mark.parametrize(
    "error",
    [
        AccessDeniedError("no", status_code=403),
        UnexpectedAnswerError("a new word", transient=False),
    ],
)
def test_what_will_not_pass_is_loud(error: CollibraError) -> None:
    """A refusal, or a word that nobody documented, ends the wait at once and names the job."""
    looks = Looks(RUNNING, error, DONE)

    with pytest.raises(type(error)) as caught:
        wait_for_job(looks, "1", wait_seconds=60, clock=FakeClock())

    assert "1" == caught.value.job_id
    assert 2 == looks.count


@pytest.mark.parametrize(
    ("state", "result", "error"),
    [
        ("COMPLETED", "SUCCESS", None),
        ("COMPLETED", "COMPLETED_WITH_ERROR", JobIncompleteError),
        ("COMPLETED", "ABORTED", JobAbortedError),
        ("COMPLETED", "FAILURE", JobFailedError),
        ("COMPLETED", "NOT_SET", JobIncompleteError),
        ("COMPLETED", None, JobIncompleteError),
        ("ERROR", "FAILURE", JobFailedError),
        ("ERROR", "SUCCESS", JobFailedError),
        ("FAILED", "FAILURE", JobFailedError),
        ("FAILED", None, JobFailedError),
        ("FAILED", "ABORTED", JobAbortedError),
        ("CANCELED", "NOT_SET", JobCanceledError),
        ("DELETED", None, JobCanceledError),
        ("DELETED", "SUCCESS", JobCanceledError),
    ],
)
def test_completed_alone_is_no_success(
    state: str, result: str | None, error: type[CollibraError] | None
) -> None:
    """Only COMPLETED with SUCCESS is well; everything else is one of four errors."""
    verdict = judge_job(Job(id="1", state=state, result=result))

    assert error is (None if verdict is None else type(verdict))


def busy(seconds: float | None) -> BusyError:
    return BusyError("busy", status_code=429, retry_after_seconds=seconds)


@pytest.mark.parametrize(("asked", "pause"), [(7.0, 7.0), (None, 30.0), (0.0, 1.0)])
def test_a_busy_tenant_is_left_alone_as_long_as_it_asks(asked: float | None, pause: float) -> None:
    """After a 429 the next try comes when the tenant said, or after half a minute."""
    clock = FakeClock()

    assert DONE == submit_when_free(Looks(busy(asked), DONE), clock=clock)
    assert [pause] == clock.pauses


def test_a_tenant_that_stays_busy_ends_the_tries() -> None:
    """A tenant that asks for more than the patience there is gets no second try."""
    clock, looks = FakeClock(), Looks(busy(601))

    with pytest.raises(BusyError):
        submit_when_free(looks, longest_busy_seconds=600, clock=clock)

    assert 1 == looks.count
    assert [] == clock.pauses


@pytest.mark.parametrize(
    "error", [OutcomeUnknownError("lost"), TenantFaultError("broke", status_code=503)]
)
def test_only_a_busy_answer_is_tried_again(error: CollibraError) -> None:
    """A submission that may have been taken is not made again."""
    looks = Looks(error, DONE)

    with pytest.raises(type(error)):
        submit_when_free(looks, clock=FakeClock())

    assert 1 == looks.count


@pytest.mark.parametrize("result", sorted(RESULTS))
@pytest.mark.parametrize("state", sorted(ENDED_STATES))
def test_no_ended_job_is_a_success_by_accident(state: str, result: str) -> None:
    """Of all words of both job APIs one pair is well, and every other is an error."""
    verdict = judge_job(Job(id="1", state=state, result=result))

    assert (verdict is None) == ((state, result) == ("COMPLETED", "SUCCESS"))


def test_the_grace_starts_anew_when_the_job_is_seen() -> None:
    """Short absences of a long job do not add up to a lost one."""
    there_and_gone: list[Job | CollibraError] = [GONE, RUNNING]
    looks = Looks(*there_and_gone * 20, DONE)

    job = wait_for_job(looks, "1", wait_seconds=3600, grace_seconds=16, clock=FakeClock())

    assert DONE == job
