"""Reading of Collibra's job list, newest first, whatever the order in which it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from collibra_tasks.errors import AccessDeniedError, CollibraError
from collibra_tasks.finalization.session import Session
from collibra_tasks.models import Job

MAX_PAGES = 20
MAX_AGE_DAYS = 30

FindStop = Callable[[Sequence[Job]], Job | None]
"""Function from jobs, newest first, to the first one that is not needed; ``None`` if none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """Jobs of the list, newest first, down to a stop.

    Attributes:
        blind: Reason why the list is incomplete; ``None`` if it is complete.
    """

    jobs: tuple[Job, ...] = ()
    blind: str | None = None


@dataclass(slots=True)
class _Reading:
    """Jobs that were read, and how far they are from the order of their creation.

    Attributes:
        cutoff: Date before which jobs do not count.
        disorder: Maximum time by which a job is newer than a job that is listed before it.
    """

    cutoff: datetime
    jobs: list[Job] = field(default_factory=list)
    newest: datetime | None = None
    oldest: datetime | None = None
    disorder: timedelta = timedelta()

    def add(self, page: Sequence[Job]) -> None:
        """Add a page."""
        self.jobs += page
        for created_on in filter(None, (job.created_on for job in page)):
            self.newest = max(self.newest or created_on, created_on)
            self.oldest = min(self.oldest or created_on, created_on)
            self.disorder = max(self.disorder, created_on - self.oldest)

    def newest_first(self) -> list[Job]:
        """Return the jobs by creation; a job without a date stays behind its predecessor."""
        places, last = [], self.newest or self.cutoff
        for job in self.jobs:
            last = job.created_on or last
            places.append((last, job))
        # Sorting keeps the order of the list among equal dates, also in reverse.
        return [job for _, job in sorted(places, key=lambda place: place[0], reverse=True)]

    def is_past(self, moment: datetime | None) -> bool:
        """Whether no job on a later page is newer than a moment, if the disorder does not double.

        In a list that is not sorted at all, the disorder grows with each page. Such a list is read
        to its end.
        """
        if moment is None or self.oldest is None:
            return True
        return self.oldest + 2 * self.disorder <= moment


def _start_reading(session: Session, stop_created_on: datetime | None = None) -> _Reading:
    """Return an empty reading, which ends after 30 days or, if that is older, at the stop."""
    cutoff = _oldest_certain(session)
    return _Reading(cutoff=min(cutoff, stop_created_on or cutoff))


def _oldest_certain(session: Session) -> datetime:
    """Return the date before which a job may be missing; the clock that is behind counts."""
    now = min(session.client.server_time, session.ledger.store.now())
    return now - timedelta(days=MAX_AGE_DAYS)


def read_job_list(
    session: Session,
    *,
    is_stop: Callable[[Job], bool],
    needs_stop: bool = False,
    stop_created_on: datetime | None = None,
) -> JobList:
    """Read the job list until a job that is the stop.

    Args:
        session: Access to Collibra.
        is_stop: Whether a job ends the list; it is not part of it.
        needs_stop: Whether a list without a stop is incomplete.
        stop_created_on: Creation of the stop; one that is older than 30 days may be missing.
    """

    def find_stop(jobs: Sequence[Job]) -> Job | None:
        return next(filter(is_stop, jobs), None)

    reading = _start_reading(session, stop_created_on)
    jobs, stop, blind = _read(session, reading, find_stop)
    is_old = stop_created_on is not None and stop_created_on <= _oldest_certain(session)
    if blind is None and stop is None and needs_stop and not is_old:
        blind = "the last known job is not in the job list"
    return JobList(jobs=tuple(jobs), blind=blind)


def read_newest_jobs(session: Session, count: int) -> JobList:
    """Read the newest jobs of the list, at most ``count``."""
    reading = _start_reading(session)
    jobs, _, blind = _read(
        session, reading, lambda jobs: jobs[count] if len(jobs) > count else None
    )
    return JobList(jobs=tuple(jobs[:count]), blind=blind)


def _read(
    session: Session, reading: _Reading, find_stop: FindStop
) -> tuple[list[Job], Job | None, str | None]:
    """Return the jobs before the stop, the stop, and the reason why the list is incomplete."""
    blind: str | None = None
    try:
        for number, page in enumerate(_pages(session), start=1):
            reading.add(page)
            stop = find_stop(reading.newest_first())
            if stop is not None and reading.is_past(stop.created_on):
                break
            if reading.oldest is not None and reading.is_past(reading.cutoff):
                break
            if number >= MAX_PAGES:
                blind = f"the job list has more than {MAX_PAGES} pages"
                break
    except CollibraError as error:
        blind = f"the job list cannot be read ({error})"
    jobs = reading.newest_first()
    stop = find_stop(jobs)
    until = jobs.index(stop) if stop is not None else len(jobs)
    return [job for job in jobs[:until] if not is_older(job, reading.cutoff)], stop, blind


def is_older(job: Job, limit: datetime | None) -> bool:
    """Whether a job was certainly created before a moment."""
    return limit is not None and job.created_on is not None and job.created_on < limit


def _pages(session: Session) -> Iterator[list[Job]]:
    """Yield pages of all users' jobs, or of the account's own where rights allow no more."""
    try:
        yield from session.client.iter_job_pages()
    except AccessDeniedError:
        if session.account is None:
            raise
        yield from session.client.iter_job_pages(user_id=session.account.id)
