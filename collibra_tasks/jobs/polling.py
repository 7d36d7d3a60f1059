"""Wait for a job, with the pauses and the errors that end the wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from collibra_tasks.errors import (
    BusyError,
    CollibraError,
    JobAbortedError,
    JobCanceledError,
    JobError,
    JobFailedError,
    JobIncompleteError,
    JobTimedOutError,
    NotFoundError,
    OutcomeUnknownError,
)
from collibra_tasks.models import Job
from collibra_tasks.options import Timing
from collibra_tasks.wording import clock_time

logger = logging.getLogger(__name__)

FetchJob = Callable[[str], Job]
"""Function that reads a job by its ID, such as `CollibraClient.get_job`."""
Log = Callable[[str], None]
Submitted = TypeVar("Submitted")

PAUSE_GROWTH: Final = 1.5
MIN_BUSY_PAUSE_SECONDS: Final = 1.0
MAX_SHOWN_MESSAGE: Final = 500
LONG_WAIT_SECONDS: Final = 15.0
"""Length of a wait in seconds after which a log line names its reason and its end."""
REMINDER_SECONDS: Final = 600.0
"""Time between two such lines."""


class Clock(Protocol):
    """A clock that can also wait; the module ``time`` is one."""

    def time(self) -> float:
        """Return seconds since 1970."""

    def monotonic(self) -> float:
        """Return seconds that never decrease."""

    def sleep(self, seconds: float, /) -> None:
        """Wait for a number of seconds."""


def wait_for_job(
    fetch: FetchJob,
    job_id: str,
    *,
    wait_seconds: float,
    timing: Timing = Timing(),  # noqa: B008 - a frozen value
    clock: Clock = time,
    log: Log = logger.info,
    name: str = "",
    watch: Callable[[Job], object] = lambda _: None,
) -> Job:
    """Read a job until it has ended, with or without success.

    Transient errors (a dropped connection, a 5xx, a gateway's page) do not end the wait. After the
    deadline the job is read once more, so an ended job always wins.

    Args:
        fetch: Function that reads the job.
        job_id: ID of the job.
        wait_seconds: Maximum wait in seconds, 0 or more; the job is read at least once.
        timing: Pauses between two reads, and the grace for a job that is not found.
        clock: Clock of the wait.
        log: Function that logs errors of single reads, and a wait of 15 seconds or more.
        name: What the job does, for the log; such as ``batch 3 of 12``.
        watch: Function that receives the job after each read.

    Returns:
        The ended job; `error_for_job` returns whether it succeeded.

    Raises:
        JobTimedOutError: If the job did not end in time; it continues in Collibra.
        OutcomeUnknownError: If Collibra does not have the job for longer than the grace.
        UnexpectedAnswerError: If its state is an undocumented word.
        AccessDeniedError: If the account may not read it.

    Example:
        ```python
        with CollibraClient(settings) as client:
            job = wait_for_job(client.get_job, job_id, wait_seconds=3600)
        ```
    """
    deadline = clock.monotonic() + wait_seconds
    poller = _JobPoller(fetch, job_id, timing.job_not_found_grace, log)
    reminder = _Reminder(name, clock, clock.time() + wait_seconds, log)
    pause = min(timing.job_first_pause, timing.job_max_pause)
    while True:
        started = clock.monotonic()
        job = poller.poll(clock)
        if job is not None:
            watch(job)
        if job is not None and job.ended:
            return job
        if started >= deadline:
            raise poller.timed_out(wait_seconds)
        reminder.remind(job_id, poller.last_state)
        wanted = max(pause, poller.requested_pause)
        clock.sleep(max(0.0, min(wanted, deadline - clock.monotonic())))
        pause = min(pause * PAUSE_GROWTH, timing.job_max_pause)


@dataclass(slots=True)
class _JobPoller:
    """Reader of one job that remembers its last state."""

    fetch: FetchJob
    job_id: str
    not_found_grace: float
    log: Log
    last_state: str = "unknown"
    not_found_since: float | None = None
    requested_pause: float = 0.0

    def poll(self, clock: Clock) -> Job | None:
        """Read the job once; return ``None`` after a transient error."""
        self.requested_pause = 0.0
        try:
            job = self.fetch(self.job_id)
        except NotFoundError as error:
            self._check_grace(clock.monotonic(), error)
            return None
        except CollibraError as error:
            if not error.transient:
                error.job_id = error.job_id or self.job_id
                raise
            if isinstance(error, BusyError):
                self.requested_pause = error.retry_after_seconds or 0.0
            self.log(f"Job {self.job_id}: {error} The job is read again.")
            return None
        self.not_found_since = None
        self.last_state = describe_state(job)
        return job

    def timed_out(self, wait_seconds: float) -> JobTimedOutError:
        """Return the error for a job that did not end in time."""
        return JobTimedOutError(
            f"Job {self.job_id} did not finish within {wait_seconds:,g} seconds (last state: "
            f"{self.last_state}). It is still running in Collibra. Run the flow again to keep "
            "waiting; the request is not sent a second time.",
            job_id=self.job_id,
        )

    def _check_grace(self, now: float, error: NotFoundError) -> None:
        if self.not_found_since is None:
            self.not_found_since = now
        if now - self.not_found_since >= self.not_found_grace:
            raise OutcomeUnknownError(
                f"Could not read job {self.job_id}: Collibra does not have it (last state: "
                f"{self.last_state}), so its result is unknown. Check the assets in Collibra, then "
                "run the deployment resolve-finalization for a finalization.",
                job_id=self.job_id,
            ) from error


class _Reminder:
    """Log lines of a long wait: for which job, and until when."""

    def __init__(self, name: str, clock: Clock, until: float, log: Log) -> None:
        self._name, self._clock, self._until, self._log = name, clock, until, log
        self._next = clock.monotonic() + LONG_WAIT_SECONDS

    def remind(self, job_id: str, state: str) -> None:
        """Log a line if the wait has been long, and another one every ten minutes."""
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + REMINDER_SECONDS
        now = self._clock.time()
        end = clock_time(self._until - now, now)
        subject = f"{self._name}, job {job_id}" if self._name else f"job {job_id}"
        self._log(f"Waiting for {subject} ({state}), until {end} at the latest.")


def describe_state(job: Job) -> str:
    """Return the state of a job in words: state and result, or state and progress."""
    if job.ended:
        return " with ".join(word for word in (job.state, job.result) if word)
    percent = "" if job.progress_percentage is None else f", {job.progress_percentage:g}%"
    return f"{job.state or 'no state'}{percent}"


def error_for_job(job: Job) -> JobError | None:
    """Return the error that an ended job means, or ``None`` if everything was committed.

    Source: Job results (documented); the effect of CANCELED and DELETED is assumed unknown.

    Example:
        ```python
        if error := error_for_job(job):
            raise error
        ```
    """
    if job.succeeded:
        return None
    message = f": {job.message[:MAX_SHOWN_MESSAGE].rstrip('. ')}" if job.message else ""
    ending = f"Job {job.id} ended as {job.state} with result {job.result or 'none'}{message}."
    # The order matters: a cancelled job may carry any result, an aborted one any state.
    if job.state in {"CANCELED", "DELETED"}:
        return JobCanceledError(
            f"{ending} It was canceled and may have changed assets. Check the assets in Collibra.",
            job=job,
        )
    if job.result == "ABORTED":
        return JobAbortedError(
            f"{ending} Collibra stopped it after too many failed commands; earlier commands may "
            "be committed. Correct the listed errors.",
            job=job,
        )
    if job.state != "COMPLETED" or job.result == "FAILURE":
        return JobFailedError(f"{ending} Check the errors that Collibra recorded.", job=job)
    return JobIncompleteError(
        f"{ending} Some commands were not executed. Correct the listed errors.", job=job
    )


def retry_while_busy(
    submit: Callable[[], Submitted],
    *,
    wait_seconds: float,
    timing: Timing = Timing(),  # noqa: B008 - a frozen value
    clock: Clock = time,
    log: Log = logger.info,
) -> Submitted:
    """Call ``submit``, and again after each 429, with the pause that the response requests.

    Args:
        submit: Function that sends one request.
        wait_seconds: Maximum total wait in seconds; ``timing.max_busy`` limits it further.
        timing: Pause where the response requests none.
        clock: Clock of the wait.
        log: Function that logs each pause.

    Raises:
        BusyError: As soon as the next pause would end after the wait; it is not retried.

    Example:
        ```python
        job = retry_while_busy(lambda: client.submit_batch(id, upload, options), wait_seconds=600)
        ```
    """
    limit = min(wait_seconds, timing.max_busy)
    deadline = clock.monotonic() + limit
    while True:
        try:
            return submit()
        except BusyError as error:
            requested = error.retry_after_seconds
            pause = timing.busy_pause if requested is None else requested
            pause = max(MIN_BUSY_PAUSE_SECONDS, pause)
            if clock.monotonic() + pause > deadline:
                raise _too_long(error, pause, limit) from error
            log(f"{error} The request is sent again at {clock_time(pause, clock.time())}.")
            clock.sleep(pause)


def _too_long(error: BusyError, pause: float, limit: float) -> BusyError:
    cause = "the requested pause" if error.retry_after_seconds is not None else "the next pause"
    final = BusyError(
        f"{error} Not sent again: {cause} of {pause:,g} seconds would end after the limit of "
        f"{limit:,g} seconds. Run the flow again after the pause.",
        retry_after_seconds=error.retry_after_seconds,
        status_code=error.status_code,
        error_code=error.error_code,
        user_message=error.user_message,
        job_id=error.job_id,
    )
    final.transient = False
    return final
