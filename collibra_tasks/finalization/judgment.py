"""Judgment of a cycle that was filled from elsewhere: evidence, job list and ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from collibra_tasks.errors import CollibraError, NotFoundError, NotSentError, OverlapError
from collibra_tasks.finalization import checks
from collibra_tasks.finalization.closed_cycle import count_closed_batches, find_open_batches
from collibra_tasks.finalization.job_matching import JobClass, batch_id_of
from collibra_tasks.finalization.job_search import JobSearch, note_blindness, search_jobs
from collibra_tasks.finalization.last_finalization import record_foreign_finalization
from collibra_tasks.finalization.ledger_gaps import describe_gap
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.submission import Evidence
from collibra_tasks.ledger.entry import History
from collibra_tasks.models import FinalizationRequest, FinalizationStrategy, Job
from collibra_tasks.options import OnOverlap

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class PendingJob:
    """A job that has to end before a cycle can be judged."""

    job_id: str
    reason: str
    is_finalization: bool = False


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """One judgment of a cycle, bound to the newest ledger entry.

    Attributes:
        generation: Number of the newest entry.
        history: Summary of the entries up to that generation.
    """

    session: Session
    request: FinalizationRequest
    evidence: Evidence
    generation: int
    history: History

    def judge(self) -> PendingJob | None:
        """Check evidence and job list.

        Raises:
            FinalizationRefusedError: With every reason against the finalization.
        """
        session = self.session
        check_target(session, self.request)
        jobs = self._read_evidence()
        checkpoint = session.storage.read_checkpoint()
        own = checkpoint.job_ids if checkpoint else ()
        is_present = checkpoint is not None and checkpoint.generation == self.history.number
        current = checkpoint if is_present else None
        set_aside = session.set_aside.read()
        search = search_jobs(
            session,
            self.history,
            known_ids={*self.evidence.batch_job_ids, *own},
            listed_ids=(*self.evidence.batch_job_ids, *(current.job_ids if current else ())),
            lost_batches_since=current.first_unknown_intent_on if current else None,
            lost_batches_until=current.last_unknown_intent_on if current else None,
        )
        note_blindness(session, search)
        if gap := describe_gap(session, self.history, checkpoint):
            session.note(f"Earlier cycles are not known completely: {gap}.")
        if pending := pending_job(search, session.synchronization_id, ignore=set_aside):
            return pending
        if self._record_foreign(search):
            return None
        self._check(jobs, search)
        return None

    def _record_foreign(self, search: JobSearch) -> bool:
        foreign = search.of_class(JobClass.FOREIGN_FINALIZATION)
        if not foreign:
            return False
        # The next search ends at the recorded job, so it has to be the newest in the list. A job
        # that was set aside is older, and an older job may have ended last.
        listed = [job for job in foreign if job.id != self.history.job_id] or foreign
        record_foreign_finalization(
            self.session,
            listed[0],
            generation=self.generation,
            history=self.history,
            other_batches=count_closed_batches(self.session, search, foreign[0].id),
            ended_on=max(filter(None, (job.ended_on for job in foreign)), default=None),
        )
        return True

    def _check(self, jobs: Sequence[Job], search: JobSearch) -> None:
        session, allowed = self.session, self.evidence.allow_unverified_cycle
        set_aside = session.set_aside.read()
        ignored = {*self.evidence.replaced_batch_job_ids, *set_aside}
        batches = [
            each.job
            for each in search.jobs
            if batch_id_of(each.job) == session.synchronization_id and each.job.id not in ignored
        ]
        failed = [job for job in batches if job.ended and not job.succeeded]
        open_batches, flow_run_name = find_open_batches(session, self.history)
        check = (
            checks.check_batches_succeeded(jobs)
            + checks.check_batches_are_new(jobs, self.history)
            + checks.check_batches_belong_to(
                jobs,
                session.synchronization_id,
                session.ledger.owners_of(self.evidence.batch_job_ids),
            )
            + checks.check_batches_are_no_finalization(
                jobs, session.synchronization_id, session.patterns.read(), allowed=allowed
            )
            + checks.check_other_batches(failed, [], replaced=ignored, allowed=allowed)
            + checks.check_no_open_checkpoint(open_batches, flow_run_name, allowed=allowed)
        )
        anchor = self.evidence.batch_job_ids or tuple(job.id for job in batches[:1])
        if anchor:
            # A replaced batch failed; any other job in that list may have closed the cycle.
            doubtful = [
                job
                for job in search.after(anchor, JobClass.DOUBTFUL)
                if job.id not in ignored or (job.succeeded and job.id not in set_aside)
            ]
            check += checks.check_no_doubtful_job(doubtful, allowed=allowed)
        if not self.evidence.batch_job_ids:
            cycle = checks.UnverifiedCycle(
                strategy=self.request.strategy,
                allowed=allowed,
                has_new_batch=any(job.succeeded and self._is_new(job) for job in batches),
                store_is_shared=session.ledger.store.is_shared,
            )
            check += checks.check_unverified_cycle(cycle, self.history)
        check.raise_if_refused()
        if not self.history.finalized and not self.evidence.batch_job_ids:
            session.log(
                f"No finalization of {session.synchronization_id!r} is on record, and no batch job "
                "is listed. Whether the cycle is complete cannot be checked."
            )

    def _is_new(self, job: Job) -> bool:
        end = self.history.finalized_on
        return end is None or (job.created_on is not None and job.created_on > end)

    def _read_evidence(self) -> list[Job]:
        return [_read_batch(self.session, job_id) for job_id in self.evidence.batch_job_ids]


def pending_job(
    search: JobSearch, synchronization_id: str, *, ignore: Collection[str] = ()
) -> PendingJob | None:
    """Return a running batch or foreign finalization that has to end first."""
    open_jobs = [each for each in search.jobs if not each.job.ended and each.job.id not in ignore]
    for each in open_jobs:
        if each.job_class == JobClass.FOREIGN_FINALIZATION:
            return PendingJob(each.job.id, "it is a finalization by others", is_finalization=True)
    for each in open_jobs:
        if batch_id_of(each.job) == synchronization_id:
            return PendingJob(each.job.id, "it is a batch of this synchronization that still runs")
    return None


def refuse_overlap_with_others(
    session: Session, pending: PendingJob, on_overlap: OnOverlap
) -> None:
    """Raise an error if a finalization by others runs and must not be waited for.

    Raises:
        OverlapError: If ``on_overlap`` is not ``attach``.
    """
    if pending.is_finalization and on_overlap != OnOverlap.ATTACH:
        raise OverlapError(
            f"Not sent: job {pending.job_id} by others is finalizing "
            f"{session.synchronization_id!r}. Run again after its end, or choose "
            "on_overlap=attach.",
            job_id=pending.job_id,
        )


def check_target(session: Session, request: FinalizationRequest) -> None:
    """Check that synchronization and status exist.

    Raises:
        FinalizationRefusedError: If one of them does not exist.
    """
    exists = before_sending(
        lambda: session.client.synchronization_exists(session.synchronization_id)
    )
    checks.check_synchronization_exists(
        session.synchronization_id, exists=exists
    ).raise_if_refused()
    check_status(session, request)


def check_status(session: Session, request: FinalizationRequest) -> None:
    """Check that the status of CHANGE_STATUS exists.

    Raises:
        FinalizationRefusedError: If it does not exist.
    """
    if request.strategy != FinalizationStrategy.CHANGE_STATUS:
        return
    status_id = str(request.missing_asset_status_id)
    try:
        before_sending(lambda: session.client.get_status(status_id))
    except NotFoundError:
        reason = f"Collibra has no status {status_id}. Check missing_asset_status_id"
        checks.Check((reason,)).raise_if_refused()


def before_sending(read: Callable[[], Value]) -> Value:
    """Read something before the request: a failure here is not an unknown outcome."""
    try:
        return read()
    except CollibraError as error:
        if error.transient and not error.safe_to_repeat:
            raise NotSentError(
                f"Not finalized, nothing was sent by this attempt: {error}"
            ) from error
        raise


def _read_batch(session: Session, job_id: str) -> Job:
    try:
        return before_sending(lambda: session.client.get_job(job_id))
    except NotFoundError:
        reason = f"Collibra does not know the batch job {job_id}. Check batch_job_ids"
        checks.Check((reason,)).raise_if_refused()
        raise
