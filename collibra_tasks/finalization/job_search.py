"""Search of Collibra's job list: every job since the last known finalization, with its class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from collibra_tasks.errors import AccessDeniedError, CollibraError
from collibra_tasks.finalization.job_matching import (
    ClassifiedJob,
    JobClass,
    JobMatches,
    SearchContext,
    batch_id_of,
    classify_jobs,
    match_new_jobs,
)
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.entry import History, LedgerEntry
from collibra_tasks.models import Job

MAX_PAGES = 20
MAX_AGE_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """Jobs of the list, newest first, down to a stop.

    Attributes:
        blind: Reason why the list is incomplete; ``None`` if it is complete.
    """

    jobs: tuple[Job, ...] = ()
    blind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSearch:
    """Jobs since the last known finalization, newest first, each with its class."""

    jobs: tuple[ClassifiedJob, ...] = ()
    blind: str | None = None

    def of_class(self, *classes: JobClass) -> list[Job]:
        """Return the jobs of some classes, newest first."""
        return [each.job for each in self.jobs if each.job_class in classes]

    @property
    def batches_by_others(self) -> list[Job]:
        """Batches of this synchronization that this library did not send."""
        return self.of_class(JobClass.BATCH_BY_OTHERS)

    def after(self, job_ids: Collection[str], *classes: JobClass) -> list[Job]:
        """Return the jobs of some classes that are newer in the list than all of ``job_ids``."""
        found: list[Job] = []
        for each in self.jobs:
            if each.job.id in job_ids:
                break
            if each.job_class in classes:
                found.append(each.job)
        return found

    def since_first(self, job_ids: Collection[str], *classes: JobClass) -> list[Job]:
        """Return the jobs of some classes that are newer than the oldest of ``job_ids``."""
        places = [index for index, each in enumerate(self.jobs) if each.job.id in job_ids]
        newer = self.jobs[: max(places)] if places else self.jobs
        return [each.job for each in newer if each.job_class in classes]

    def holds(self, job_ids: Collection[str]) -> bool:
        """Whether all of some jobs are in the list."""
        return set(job_ids) <= {each.job.id for each in self.jobs}


def read_job_list(
    session: Session, *, is_stop: Callable[[Job], bool], needs_stop: bool = False
) -> JobList:
    """Read the job list, newest first, until a job that is the stop.

    Args:
        session: Access to Collibra.
        is_stop: Whether a job ends the list; it is not part of it.
        needs_stop: Whether a list without a stop is incomplete.
    """
    jobs: list[Job] = []
    oldest = session.client.server_time - timedelta(days=MAX_AGE_DAYS)
    try:
        for number, page in enumerate(_pages(session), start=1):
            for job in page:
                if is_stop(job):
                    return JobList(jobs=tuple(jobs))
                if job.created_on is not None and job.created_on < oldest:
                    return JobList(jobs=tuple(jobs), blind=_missing_stop(needs_stop=needs_stop))
                jobs.append(job)
            if number >= MAX_PAGES:
                reason = f"the job list has more than {MAX_PAGES} pages"
                return JobList(jobs=tuple(jobs), blind=reason)
    except CollibraError as error:
        return JobList(jobs=tuple(jobs), blind=f"the job list cannot be read ({error})")
    return JobList(jobs=tuple(jobs), blind=_missing_stop(needs_stop=needs_stop))


def _missing_stop(*, needs_stop: bool) -> str | None:
    return "the last known finalization is not in the job list" if needs_stop else None


def _pages(session: Session) -> Iterator[list[Job]]:
    """Yield pages of all users' jobs, or of the account's own where rights allow no more."""
    try:
        yield from session.client.iter_job_pages()
    except AccessDeniedError:
        if session.account is None:
            raise
        yield from session.client.iter_job_pages(user_id=session.account.id)


def search_jobs(
    session: Session,
    history: History,
    *,
    known_ids: Collection[str] = (),
    listed_ids: Collection[str] = (),
    lost_batches_since: datetime | None = None,
) -> JobSearch:
    """Read and classify the jobs since the last known finalization.

    Args:
        session: Access to Collibra and the ledger.
        history: Summary of earlier finalizations.
        known_ids: Batches of ours since the last known finalization.
        listed_ids: Jobs that have to be in the list; otherwise it is incomplete.
        lost_batches_since: Time of the first batch intent whose job is unknown: batch-named jobs
            after it are known.
    """
    cutoff = session.client.server_time - timedelta(days=MAX_AGE_DAYS)
    recent = history.created_on is not None and history.created_on > cutoff
    found = read_job_list(
        session,
        is_stop=lambda job: job.id == history.job_id,
        needs_stop=history.job_id is not None and recent,
    )
    # A list without its stop also holds jobs of earlier cycles.
    jobs = [job for job in found.jobs if not _is_older(job, history.created_on)]
    known = {*known_ids, *_own_finalizations(session)}
    known |= _lost_batches(jobs, session.synchronization_id, lost_batches_since)
    context = search_context(session, known, [job.id for job in jobs])
    search = JobSearch(jobs=tuple(classify_jobs(jobs, context)), blind=found.blind)
    if search.blind is None and not search.holds(listed_ids):
        return JobSearch(jobs=search.jobs, blind="a batch of this cycle is not in the job list")
    return search


def _is_older(job: Job, limit: datetime | None) -> bool:
    return limit is not None and job.created_on is not None and job.created_on < limit


def search_context(
    session: Session, known_ids: Collection[str], job_ids: Collection[str]
) -> SearchContext:
    """Return the facts that classify jobs; one request to the store explains foreign ledgers."""
    unknown = [each for each in job_ids if each not in known_ids]
    owners = session.ledger.owners_of(unknown)
    own = {each for each, owner in owners.items() if owner == session.synchronization_id}
    return SearchContext(
        synchronization_id=session.synchronization_id,
        known_ids=frozenset({*known_ids, *own}),
        owned_elsewhere=frozenset(owners) - own,
        patterns=session.patterns.read(),
        release=session.release,
    )


def find_new_jobs(session: Session, entry: LedgerEntry) -> JobMatches:
    """Sort the jobs that are not among those before an entry's request."""
    before = set(entry.jobs_before)
    found = read_job_list(session, is_stop=lambda job: job.id in before, needs_stop=bool(before))
    blind = found.blind
    if not entry.list_was_read:
        blind = blind or "the job list could not be read before the request"
    known = {each.job_id for each in session.ledger.entries() if each.job_id}
    checkpoint = session.storage.read_checkpoint()
    known |= set(checkpoint.job_ids) if checkpoint else set()
    excluded = entry.resolution.excluded_job_ids if entry.resolution else ()
    context = search_context(session, {*known, *excluded}, [job.id for job in found.jobs])
    return match_new_jobs(found.jobs, context, blind=blind)


def _own_finalizations(session: Session) -> set[str]:
    return {each.job_id for each in session.ledger.entries() if each.job_id}


def _lost_batches(
    jobs: Collection[Job], synchronization_id: str, since: datetime | None
) -> set[str]:
    if since is None:
        return set()
    return {
        job.id
        for job in jobs
        if batch_id_of(job) == synchronization_id
        and job.created_on is not None
        and job.created_on >= since - timedelta(seconds=1)
    }
