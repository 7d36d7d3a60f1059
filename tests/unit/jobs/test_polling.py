"""Promises of the wait for a job, on a clock without real time."""

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
    NotSentError,
    OutcomeUnknownError,
    TenantFaultError,
    UnexpectedAnswerError,
    may_retry,
)
from collibra_tasks.jobs.polling import error_for_job, retry_while_busy, wait_for_job
from collibra_tasks.models import ENDED_STATES, RESULTS, Job
from collibra_tasks.options import Timing
from tests.support.clients import FakeClock

RUNNING = Job(id="1", state="RUNNING", progress_percentage=42)
DONE = Job(id="1", state="COMPLETED", result="SUCCESS")
NOT_FOUND = NotFoundError("No such job.", status_code=404)


class Outcomes:
    """Outcomes of a function, one per call, the last one for ever."""

    def __init__(
        self, *outcomes: Job | CollibraError, clock: FakeClock | None = None, seconds: float = 0
    ) -> None:
        self.outcomes = list(outcomes)
        self.clock, self.seconds = clock, seconds
        self.count = 0

    def __call__(self, job_id: str = "1") -> Job:
        assert "1" == job_id
        self.count += 1
        if self.clock:
            self.clock.now += self.seconds
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, CollibraError):
            raise outcome
        return outcome


@pytest.mark.parametrize("wait_seconds", [0, 0.5, 60])
def test_wait_for_job_ended_job_beats_deadline(wait_seconds: float) -> None:
    """A job that has ended at the last read has ended, however late the read is."""
    fetch = Outcomes(DONE) if wait_seconds == 0 else Outcomes(RUNNING, DONE)

    assert DONE == wait_for_job(fetch, "1", wait_seconds=wait_seconds, clock=FakeClock())


@pytest.mark.parametrize("slow", [RUNNING, TenantFaultError("Broken.", status_code=503)])
def test_wait_for_job_reads_once_more_after_deadline(slow: Job | CollibraError) -> None:
    """A read that takes longer than the wait is followed by another before the wait ends."""
    clock = FakeClock()
    fetch = Outcomes(slow, DONE, clock=clock, seconds=90)

    assert DONE == wait_for_job(fetch, "1", wait_seconds=60, clock=clock)
    assert 2 == fetch.count


def test_wait_for_job_ends_at_deadline() -> None:
    """The wait ends at its deadline, with a read and not with a pause."""
    clock, fetch = FakeClock(), Outcomes(RUNNING)

    with pytest.raises(JobTimedOutError) as caught:
        wait_for_job(fetch, "1", wait_seconds=100, clock=clock)

    assert "1" == caught.value.job_id
    assert 100 == pytest.approx(clock.now)
    assert len(clock.pauses) + 1 == fetch.count


def test_wait_for_job_timeout_message_is_plain() -> None:
    """The message of a timeout names the job, the wait, the last state and the next step."""
    with pytest.raises(JobTimedOutError) as caught:
        wait_for_job(Outcomes(RUNNING), "1", wait_seconds=60, clock=FakeClock())

    assert (
        "Job 1 did not finish within 60 seconds (last state: RUNNING, 42%). It is still running "
        "in Collibra. Run the flow again to keep waiting; the request is not sent a second time."
    ) == str(caught.value)


def test_wait_for_job_pauses_grow_to_maximum() -> None:
    """A long job is read less often over time, but at least once per maximum pause."""
    clock = FakeClock()
    timing = Timing(job_first_pause=1, job_max_pause=4)

    with pytest.raises(JobTimedOutError):
        wait_for_job(Outcomes(RUNNING), "1", wait_seconds=100, timing=timing, clock=clock)

    assert [1, 1.5, 2.25, 3.375, 4, 4] == clock.pauses[:6]


def test_wait_for_job_respects_requested_pause() -> None:
    """A busy Collibra is read again after the requested pause, but not after the deadline."""
    clock = FakeClock()
    busy = BusyError("Busy.", status_code=429, retry_after_seconds=40)

    assert DONE == wait_for_job(Outcomes(busy, busy, DONE), "1", wait_seconds=60, clock=clock)
    assert [40, 20] == clock.pauses


@pytest.mark.parametrize(
    "error",
    [
        NOT_FOUND,
        TenantFaultError("Broken.", status_code=500),
        OutcomeUnknownError("Lost."),
        UnexpectedAnswerError("HTML."),
        BusyError("Busy.", status_code=429),
        NotSentError("Away."),
    ],
)
def test_wait_for_job_survives_transient_errors(error: CollibraError) -> None:
    """A job that cannot be read for a moment is read again."""
    fetch = Outcomes(error, error, RUNNING, error, DONE)

    assert DONE == wait_for_job(fetch, "1", wait_seconds=60, clock=FakeClock())


def test_wait_for_job_with_lasting_error_ends_at_deadline() -> None:
    """A lasting fault of Collibra ends the wait in time, and the job ID stays known."""
    fetch = Outcomes(TenantFaultError("Broken.", status_code=503))

    with pytest.raises(JobTimedOutError) as caught:
        wait_for_job(fetch, "1", wait_seconds=60, clock=FakeClock())

    assert "1" == caught.value.job_id


@pytest.mark.parametrize("before", [(), (RUNNING,)])
def test_wait_for_job_not_found_is_unknown_after_grace(before: tuple[Job, ...]) -> None:
    """A job that Collibra does not have for longer than the grace is unknown, with its ID."""
    clock = FakeClock()

    with pytest.raises(OutcomeUnknownError) as caught:
        wait_for_job(Outcomes(*before, NOT_FOUND), "1", wait_seconds=3600, clock=clock)

    assert "1" == caught.value.job_id
    assert "resolve-finalization" in str(caught.value)
    assert 30 <= clock.now < 60


def test_wait_for_job_grace_restarts_when_job_is_found() -> None:
    """Short absences of a long job do not add up."""
    absences: list[Job | CollibraError] = [NOT_FOUND, RUNNING]
    fetch = Outcomes(*absences * 20, DONE)
    timing = Timing(job_not_found_grace=16)

    assert DONE == wait_for_job(fetch, "1", wait_seconds=3600, timing=timing, clock=FakeClock())


@pytest.mark.parametrize(
    "error",
    [
        AccessDeniedError("No.", status_code=403),
        UnexpectedAnswerError("A new word.", transient=False),
        NotSentError("Expired.", transient=False),
    ],
)
def test_wait_for_job_raises_lasting_errors_at_once(error: CollibraError) -> None:
    """A refusal or an undocumented word ends the wait at once and names the job."""
    fetch = Outcomes(RUNNING, error, DONE)

    with pytest.raises(type(error)) as caught:
        wait_for_job(fetch, "1", wait_seconds=60, clock=FakeClock())

    assert "1" == caught.value.job_id
    assert 2 == fetch.count


def test_wait_for_job_short_wait_is_not_logged() -> None:
    """A job that ends soon leaves the log to its caller, which receives each state."""
    lines: list[str] = []
    states: list[str | None] = []
    fetch = Outcomes(RUNNING, DONE)

    wait_for_job(
        fetch,
        "1",
        wait_seconds=60,
        clock=FakeClock(),
        log=lines.append,
        watch=lambda job: states.append(job.state),
    )

    assert [] == lines
    assert ["RUNNING", "COMPLETED"] == states


@pytest.mark.parametrize(("reads", "lines"), [(15, 0), (16, 1)])
def test_wait_for_job_long_wait_names_subject_and_end(reads: int, lines: int) -> None:
    """A job that still runs after 15 seconds is logged once: for what the wait is, until when."""
    logged: list[str] = []

    wait_for_job(
        Outcomes(*[RUNNING] * reads, DONE),
        "1",
        wait_seconds=3600,
        timing=Timing(job_first_pause=1, job_max_pause=1),
        clock=FakeClock(),
        log=logged.append,
        name="batch 3 of 12",
    )

    expected = "Waiting for batch 3 of 12, job 1 (RUNNING, 42%), until 01:00:00 UTC at the latest."
    assert [expected] * lines == logged


def test_wait_for_job_long_wait_is_logged_every_ten_minutes() -> None:
    """A wait of 25 minutes has three lines with the same end; the end has its date if needed."""
    lines: list[str] = []
    clock = FakeClock()
    clock.now = 23.5 * 3600
    timing = Timing(job_first_pause=30, job_max_pause=30)

    wait_for_job(
        Outcomes(*[RUNNING] * 50, DONE),
        "1",
        wait_seconds=3600,
        timing=timing,
        clock=clock,
        log=lines.append,
    )

    assert 3 == len(lines)
    assert all("until 1970-01-02 00:30:00 UTC" in line for line in lines[:2])


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
def test_error_for_job_of_each_ending(
    state: str, result: str | None, error: type[CollibraError] | None
) -> None:
    """Only COMPLETED with SUCCESS is a success; every other ending is one of four errors."""
    found = error_for_job(Job(id="1", state=state, result=result))

    assert error is (None if found is None else type(found))


@pytest.mark.parametrize("result", sorted(RESULTS))
@pytest.mark.parametrize("state", sorted(ENDED_STATES))
def test_error_for_job_accepts_one_pair_only(state: str, result: str) -> None:
    """Of all words of both job APIs one pair is a success."""
    error = error_for_job(Job(id="1", state=state, result=result))

    assert (error is None) == ((state, result) == ("COMPLETED", "SUCCESS"))


def test_error_for_job_shortens_long_messages() -> None:
    """A long message of Collibra does not flood the log."""
    error = error_for_job(Job(id="1", state="FAILED", message="x" * 100_000))

    assert 1000 > len(str(error))


def busy(seconds: float | None) -> BusyError:
    return BusyError("Busy.", status_code=429, retry_after_seconds=seconds, error_code="tooMany")


@pytest.mark.parametrize(
    ("requested", "pause"), [(7.0, 7.0), (None, 30.0), (0.0, 1.0), (600.0, 600.0)]
)
def test_retry_while_busy_waits_as_requested(requested: float | None, pause: float) -> None:
    """After a 429 the request is sent again after the requested pause, or after 30 seconds."""
    clock, submit = FakeClock(), Outcomes(busy(requested), DONE)

    assert DONE == retry_while_busy(submit, wait_seconds=3600, clock=clock)
    assert [pause] == clock.pauses


@pytest.mark.parametrize(
    ("requested", "wait_seconds", "limit"),
    [(601, 3600, "600"), (11, 10, "10"), (86_400, 3600, "600")],
)
def test_retry_while_busy_raises_at_once_beyond_limit(
    requested: float, wait_seconds: float, limit: str
) -> None:
    """A pause that ends after the wait raises at once, names both, and is not retried by a task."""
    clock, submit = FakeClock(), Outcomes(busy(requested))

    with pytest.raises(BusyError) as caught:
        retry_while_busy(submit, wait_seconds=wait_seconds, clock=clock)

    assert (1, []) == (submit.count, clock.pauses)
    assert f"requested pause of {requested:,g} seconds" in str(caught.value)
    assert f"limit of {limit} seconds" in str(caught.value)
    assert (requested, "tooMany") == (caught.value.retry_after_seconds, caught.value.error_code)
    assert not may_retry(caught.value, write=True)


def test_retry_while_busy_ends_if_collibra_stays_busy() -> None:
    """A Collibra that stays busy ends the attempts within the limit."""
    clock = FakeClock()

    with pytest.raises(BusyError):
        retry_while_busy(Outcomes(busy(None)), wait_seconds=100, clock=clock)

    assert [30, 30, 30] == clock.pauses


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnknownError("Lost."),
        NotSentError("Away."),
        TenantFaultError("Broken.", status_code=503),
    ],
)
def test_retry_while_busy_raises_other_errors(error: CollibraError) -> None:
    """A request that may have had an effect is not sent again."""
    submit = Outcomes(error, DONE)

    with pytest.raises(type(error)):
        retry_while_busy(submit, wait_seconds=60, clock=FakeClock())

    assert 1 == submit.count
