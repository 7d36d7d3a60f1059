"""Waiting for a job: look, ended?, late?, sleep. Time is an argument."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

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

logger = logging.getLogger(__name__)

Look = Callable[[], Job]
Taken = TypeVar("Taken")

GRACE_SECONDS = 30.0
"""How long a job may be invisible before it counts as gone.

Collibra's own poller tolerates 10 seconds (observed); a gateway's cache adds to that.
"""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 15.0
PAUSE_GROWTH = 1.5
BUSY_PAUSE_SECONDS = 30.0
LONGEST_BUSY_SECONDS = 600.0


class Clock(Protocol):
    """What tells and passes the time; the module ``time`` is one."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Let the seconds pass."""


def wait_for_job(
    look: Look,
    job_id: str,
    *,
    wait_seconds: float,
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
    clock: Clock = time,
    log: Callable[[str], None] = logger.info,
) -> Job:
    """Look at a job until it has ended, well or not.

    Trouble that may pass (a dropped connection, a 5xx, a gateway's page) does not end the wait.

    Args:
        look: Asks the tenant for the job.
        job_id: The job's id, for messages.
        wait_seconds: How long to look, 0 or more; there is always a first look.
        longest_pause_seconds: The longest pause between two looks; they begin at one second.
        grace_seconds: How long the tenant may deny that the job exists.
        clock: What tells and passes the time.
        log: Where progress is told.

    Returns:
        The ended job; ``judge_job`` tells whether it ended well.

    Raises:
        JobTimedOutError: If it had not ended in time; it goes on.
        OutcomeUnknownError: If the tenant does not know it, for longer than the grace.
        UnexpectedAnswerError: If its state is a word that nobody documented.
        AccessDeniedError: If the account may not see it.
    """
    now = clock.monotonic()
    deadline = now + wait_seconds
    watch = _Watch(job_id, grace_seconds)
    pause = min(FIRST_PAUSE_SECONDS, longest_pause_seconds)
    while not ((job := watch.look(look, clock, log)) and job.ended):
        now = clock.monotonic()
        if now >= deadline:
            raise watch.timed_out(wait_seconds)
        clock.sleep(min(pause, deadline - now))
        pause = min(pause * PAUSE_GROWTH, longest_pause_seconds)
    return job


@dataclass(slots=True)
class _Watch:
    """What was seen of a job so far."""

    job_id: str
    grace_seconds: float
    told: str = "not seen yet"
    missing_since: float | None = None

    def look(self, look: Look, clock: Clock, log: Callable[[str], None]) -> Job | None:
        """Look once; ``None`` if it could not be seen this time."""
        try:
            job = look()
        except NotFoundError as error:
            self._missing(clock.monotonic(), error)
            return None
        except CollibraError as error:
            if not error.transient:
                error.job_id = error.job_id or self.job_id
                raise
            log(f"job {self.job_id}: {error}; looking again")
            return None
        self.missing_since = None
        self._tell(_progress(job), log)
        return job

    def timed_out(self, wait_seconds: float) -> JobTimedOutError:
        message = (
            f"job {self.job_id} had not ended after {wait_seconds:g} seconds (last seen: "
            f"{self.told}); it goes on in Collibra; run again to wait on, nothing is sent twice"
        )
        return JobTimedOutError(message, job_id=self.job_id)

    def _missing(self, now: float, error: NotFoundError) -> None:
        self.missing_since = now if self.missing_since is None else self.missing_since
        if now - self.missing_since >= self.grace_seconds:
            message = (
                f"the tenant does not know job {self.job_id} (last seen: {self.told}), so how it "
                "ended can't be told; look at the assets in Collibra before anything is repeated; "
                "a finalization is then settled with the deployment resolve-finalization"
            )
            raise OutcomeUnknownError(message, job_id=self.job_id) from error

    def _tell(self, progress: str, log: Callable[[str], None]) -> None:
        if progress != self.told:
            self.told = progress
            log(f"job {self.job_id}: {progress}")


def _progress(job: Job) -> str:
    percent = "" if job.progress_percentage is None else f", {job.progress_percentage:g} %"
    result = f", {job.result}" if job.ended and job.result else ""
    return f"{job.state or 'no state'}{result}{'' if job.ended else percent}"


def judge_job(job: Job) -> JobError | None:
    """Tell what went wrong with an ended job; ``None`` if all was committed.

    Source: Job results (documented); what CANCELED and DELETED leave behind is assumed unknown.
    """
    if job.succeeded:
        return None
    said = f"job {job.id} ended as {job.state} with result {job.result or 'none'}"
    said += f": {job.message}" if job.message else ""
    if job.state in {"CANCELED", "DELETED"}:
        return JobCanceledError(f"{said}; somebody stopped it, part may be done", job=job)
    if job.result == "ABORTED":
        return JobAbortedError(f"{said}; the tenant stopped it, part may be done", job=job)
    if job.state != "COMPLETED" or job.result == "FAILURE":
        return JobFailedError(f"{said}; see the errors that Collibra kept", job=job)
    return JobIncompleteError(f"{said}; not everything was done", job=job)


def submit_when_free(
    submit: Callable[[], Taken],
    *,
    longest_busy_seconds: float = LONGEST_BUSY_SECONDS,
    clock: Clock = time,
    log: Callable[[str], None] = logger.info,
) -> Taken:
    """Submit, and again only after the tenant said that it took nothing (429).

    The pause is what the tenant asks for in ``Retry-After``, else half a minute.

    Raises:
        BusyError: If the tenant is still busy after ``longest_busy_seconds``, or asks for more.
    """
    deadline = clock.monotonic() + longest_busy_seconds
    while True:
        try:
            return submit()
        except BusyError as busy:
            asked = busy.retry_after_seconds
            pause = max(1.0, BUSY_PAUSE_SECONDS if asked is None else asked)
            if clock.monotonic() + pause > deadline:
                raise
            log(f"{busy}; trying again in {pause:g} seconds")
            clock.sleep(pause)
