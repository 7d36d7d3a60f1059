"""Search of Collibra's job list: every job since the last known finalization, with its class."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.job_list import is_older, read_job_list
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
from collibra_tasks.wording import clock_time

UNCLEAR = (JobClass.DOUBTFUL, JobClass.FOREIGN_FINALIZATION)
"""Classes of jobs whose owner is looked up in the ledgers."""
MAX_UNRECORDED_AGE = timedelta(seconds=60)
"""Age of a job up to which another flow run may still have to record it as its own."""


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


def search_jobs(
    session: Session,
    history: History,
    *,
    known_ids: Collection[str] = (),
    listed_ids: Collection[str] = (),
    lost_batches_since: datetime | None = None,
    lost_batches_until: datetime | None = None,
) -> JobSearch:
    """Read and classify the jobs since the last known finalization.

    A doubtful job that has just been created may be the finalization of another synchronization
    whose flow run records it in a moment. Such a list is read again after ``list_recheck``.

    Args:
        session: Access to Collibra and the ledger.
        history: Summary of earlier finalizations.
        known_ids: Batches of ours since the last known finalization.
        listed_ids: Jobs that have to be in the list; otherwise it is incomplete.
        lost_batches_since: Time of the first batch intent whose job is unknown: batch-named jobs
            after it are known.
        lost_batches_until: Time of the last one. Its request cannot be in flight for longer than
            ``session.max_flight_seconds``, so later batches are by others.
    """
    flight = timedelta(seconds=session.max_flight_seconds)
    until = lost_batches_until and lost_batches_until + flight

    def search() -> JobSearch:
        return _search(session, history, known_ids, lost_batches_since, until)

    found = search()
    recent = [job for job in found.of_class(JobClass.DOUBTFUL) if _is_recent(session, job)]
    if recent:
        pause = session.timing.list_recheck
        session.log(
            f"Job {recent[0].id} ({recent[0].name or 'no name'}) was just created, and its owner "
            "may not be recorded yet. The job list is read again at "
            f"{clock_time(pause, session.clock.time())}."
        )
        session.clock.sleep(pause)
        found = search()
    if found.blind is None and not found.holds(listed_ids):
        return replace(found, blind="a batch of this cycle is not in the job list")
    return found


def _is_recent(session: Session, job: Job) -> bool:
    oldest = session.client.server_time - MAX_UNRECORDED_AGE
    return job.created_on is not None and job.created_on > oldest


def _search(
    session: Session,
    history: History,
    known_ids: Collection[str],
    lost_batches_since: datetime | None,
    lost_batches_until: datetime | None,
) -> JobSearch:
    found = read_job_list(
        session,
        is_stop=lambda job: job.id == history.job_id,
        needs_stop=history.job_id is not None,
        stop_created_on=history.created_on,
    )
    # A list without its stop also holds jobs of earlier cycles.
    jobs = [job for job in found.jobs if not is_older(job, history.created_on)]
    known = {*known_ids, *_own_finalizations(session)}
    known |= _lost_batches(jobs, session.synchronization_id, lost_batches_since, lost_batches_until)
    context = search_context(session, known, jobs)
    classified = (*_find_late_end(session, history), *classify_jobs(jobs, context))
    return JobSearch(jobs=classified, blind=found.blind)


def note_blindness(session: Session, search: JobSearch) -> None:
    """Write into log and receipt that the job search is incomplete, if it is."""
    if search.blind:
        session.note(
            f"The job search is incomplete: {search.blind}. Finalizations by others may be missing "
            "from it. Check whether Collibra was restored or deleted old jobs."
        )


def _find_late_end(session: Session, history: History) -> list[ClassifiedJob]:
    """Return the last finalization if it was set aside and has ended since: it closed this cycle.

    The job list is read down to this job only, so it is read by its ID.
    """
    job_id, known_end = history.job_id, history.finalized_on
    if job_id is None or job_id not in session.set_aside.read():
        return []
    try:
        job = session.client.get_job(job_id)
    except CollibraError:
        return []
    if job.ended_on is None or not job.ended or (known_end and job.ended_on <= known_end):
        return []
    return [ClassifiedJob(job, JobClass.FOREIGN_FINALIZATION)]


def search_context(
    session: Session, known_ids: Collection[str], jobs: Iterable[Job]
) -> SearchContext:
    """Return the facts that classify jobs.

    Jobs that would be foreign or doubtful are looked up in all ledgers, in one request.
    """
    context = SearchContext(
        synchronization_id=session.synchronization_id,
        known_ids=frozenset(known_ids),
        patterns=session.patterns.read(),
        release=session.release,
    )
    unclear = [each.job.id for each in classify_jobs(jobs, context) if each.job_class in UNCLEAR]
    owners = session.ledger.owners_of(unclear)
    own = {each for each, owner in owners.items() if owner == session.synchronization_id}
    return replace(
        context, lost_finalizations=frozenset(own), owned_elsewhere=frozenset(owners) - own
    )


def find_new_jobs(session: Session, entry: LedgerEntry) -> JobMatches:
    """Sort the jobs that are not among those before an entry's request."""
    before = set(entry.jobs_before)
    found = read_job_list(session, is_stop=lambda job: job.id in before, needs_stop=bool(before))
    blind = found.blind
    if not entry.list_was_read:
        blind = blind or "the job list could not be read before the request"
    known = _own_finalizations(session)
    checkpoint = session.storage.read_checkpoint()
    known |= set(checkpoint.job_ids) if checkpoint else set()
    excluded = entry.resolution.excluded_job_ids if entry.resolution else ()
    context = search_context(session, {*known, *excluded}, found.jobs)
    return match_new_jobs(found.jobs, context, blind=blind)


def _own_finalizations(session: Session) -> set[str]:
    return {each.job_id for each in session.ledger.entries() if each.job_id}


def _lost_batches(
    jobs: Collection[Job],
    synchronization_id: str,
    since: datetime | None,
    until: datetime | None,
) -> set[str]:
    if since is None:
        return set()
    return {
        job.id
        for job in jobs
        if batch_id_of(job) == synchronization_id
        and job.created_on is not None
        and job.created_on >= since - timedelta(seconds=1)
        and (until is None or job.created_on <= until)
    }
