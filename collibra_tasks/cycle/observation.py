"""Jobs by others during a cycle: what they mean for its batches and its baseline."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from collibra_tasks.cycle.baseline import Baseline
from collibra_tasks.cycle.upload import batch_ids
from collibra_tasks.errors import CollibraError, FinalizationRefusedError
from collibra_tasks.finalization.closed_cycle import count_closed_batches
from collibra_tasks.finalization.job_matching import JobClass
from collibra_tasks.finalization.job_search import JobSearch, note_blindness, search_jobs
from collibra_tasks.finalization.judgment import (
    PendingJob,
    pending_job,
    refuse_overlap_with_others,
)
from collibra_tasks.finalization.last_finalization import record_foreign_finalization
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.manifest import Manifest
from collibra_tasks.models import Job
from collibra_tasks.options import OnOverlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Behavior while another job of the synchronization runs.

    Attributes:
        seconds: Maximum wait for each job, in seconds.
        on_overlap: Behavior while others finalize.
    """

    seconds: float
    on_overlap: OnOverlap = OnOverlap.ATTACH


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The job list since the last finalization, in the light of a baseline."""

    session: Session
    baseline: Baseline
    search: JobSearch
    own_batch_ids: frozenset[str]
    waiting: Waiting

    @property
    def pending(self) -> Callable[[], object] | None:
        """The wait for a running batch or foreign finalization; ``None`` if there is none.

        Raises:
            OverlapError: If others finalize and ``on_overlap`` is not ``attach``.
        """
        set_aside = self.session.set_aside.read()
        pending = pending_job(self.search, self.session.synchronization_id, ignore=set_aside)
        pending = pending or self._running_batch(set_aside)
        if pending is None:
            return None
        refuse_overlap_with_others(self.session, pending, self.waiting.on_overlap)
        return lambda: self.session.wait_for_job(
            pending.job_id, wait_seconds=self.waiting.seconds, reason=pending.reason
        )

    def _running_batch(self, set_aside: Collection[str]) -> PendingJob | None:
        """Return a running batch of ours, also if Collibra names batches in another way."""
        for each in self.search.jobs:
            job = each.job
            if job.id in self.own_batch_ids and not job.ended and job.id not in set_aside:
                return PendingJob(job.id, "it is a batch of this synchronization that still runs")
        return None

    @property
    def foreign(self) -> list[Job]:
        """Finalizations by others since the last known one."""
        return self.search.of_class(JobClass.FOREIGN_FINALIZATION)

    def record_foreign(self) -> bool:
        """Record the newest finalization by others; return whether there was one."""
        if not self.foreign:
            return False
        record_foreign_finalization(
            self.session,
            self.foreign[0],
            generation=self.baseline.generation,
            history=self.baseline.history,
            other_batches=count_closed_batches(self.session, self.search, self.foreign[0].id),
        )
        return True

    @property
    def other_batches(self) -> list[Job]:
        """Batches by others in this cycle, except those that a person set aside."""
        set_aside = self.session.set_aside.read()
        return [job for job in self.search.batches_by_others if job.id not in set_aside]

    def may_reuse(self, digest: str) -> bool:
        """Whether batches of an earlier attempt count; in doubt all are sent again."""
        checkpoint = self.baseline.continued
        if checkpoint is None or checkpoint.content_digest != digest or self.search.blind:
            return False
        return not self.search.since_first(batch_ids(checkpoint), JobClass.DOUBTFUL)

    def baseline_in_doubt(self, current: Manifest) -> Baseline:
        """Return the baseline, with unfinished uploads if others may have closed their cycle."""
        checkpoint = self.baseline.continued
        if checkpoint is None:
            return self.baseline
        doubtful = self.search.since_first(checkpoint.job_ids, JobClass.DOUBTFUL)
        if self.search.blind is None and not doubtful:
            return self.baseline
        return self.baseline.compared_with_uploads(current)

    def reasons(self) -> list[str]:
        """Return the reasons to ask a person."""
        others, before = self.other_batches, self.baseline.history.other_batches
        if not others and before:
            lost = f"the last cycle held {before} batches by others and this one holds none"
            return [f"{lost}: their assets would be missing and are not in the plan"]
        if not others:
            return []
        ids = ", ".join(job.id for job in others[:3])
        return [f"{len(others)} batches by others ({ids}): their assets are not in the plan"]

    def needs_new_upload(self, job_ids: Sequence[str], *, reused: bool, resent: bool) -> bool:
        """Whether all batches have to be sent again: their cycle may have been closed.

        Args:
            job_ids: Batches of this cycle.
            reused: Whether some of them were sent by an earlier attempt.
            resent: Whether all were sent again before in this run.

        Raises:
            FinalizationRefusedError: If others finalized again after the second upload.
        """
        if self.foreign:
            self._refuse_again(resent=resent)
            return self.record_foreign()
        doubt = self._doubt(job_ids, reused=reused)
        if doubt is None:
            return False
        if resent:
            self.session.log(f"The cycle is finalized although {doubt}.")
            return False
        _await_unknown_jobs(self, job_ids)
        self.session.log(f"All batches are sent again, once: {doubt}.")
        self._void_batches()
        return True

    def _refuse_again(self, *, resent: bool) -> None:
        if not resent:
            return
        raise FinalizationRefusedError(
            f"Not finalized: job {self.foreign[0].id} by others finalized "
            f"{self.session.synchronization_id!r} again during the upload. Stop the other program "
            "and run again."
        )

    def _doubt(self, job_ids: Sequence[str], *, reused: bool) -> str | None:
        doubtful = self.search.since_first(job_ids, JobClass.DOUBTFUL)
        if doubtful:
            names = ", ".join(f"{job.id} ({job.name or 'no name'})" for job in doubtful[:3])
            return f"unknown jobs appeared during the upload: {names}"
        return self.search.blind if reused else None

    def _void_batches(self) -> None:
        checkpoint = self.session.storage.read_checkpoint()
        if checkpoint is not None:
            fresh = checkpoint.replaced_by(
                content_digest=checkpoint.content_digest, token=self.session.attempt
            )
            self.session.storage.write_checkpoint(fresh)


def _await_unknown_jobs(seen: Observation, job_ids: Sequence[str]) -> None:
    """Wait for unknown jobs that run: one that closes the cycle does so at its end.

    A job that does not end in time is no reason to refuse.
    """
    for job in seen.search.since_first(job_ids, JobClass.DOUBTFUL):
        if not job.ended:
            with suppress(CollibraError):
                seen.session.wait_for_job(
                    job.id,
                    wait_seconds=seen.waiting.seconds,
                    reason="it may be a finalization by others",
                )


def observe(
    session: Session, baseline: Baseline, checkpoint: Checkpoint | None, waiting: Waiting
) -> Observation:
    """Search the job list since the last finalization.

    Args:
        session: Access to Collibra and the ledger.
        baseline: State before the cycle.
        checkpoint: Uploads since the last finalization; ``None`` if there are none.
        waiting: Behavior while another job of the synchronization runs.
    """
    known = frozenset(checkpoint.job_ids) if checkpoint else frozenset[str]()
    # A batch of an earlier cycle cannot be one of this cycle, and neither can its lost job.
    current = checkpoint if checkpoint and checkpoint.generation == baseline.cycle_number else None
    search = search_jobs(
        session,
        baseline.history,
        known_ids=known,
        listed_ids=batch_ids(current) if current else (),
        lost_batches_since=current.first_unknown_intent_on if current else None,
        lost_batches_until=current.last_unknown_intent_on if current else None,
    )
    note_blindness(session, search)
    return Observation(
        session=session, baseline=baseline, search=search, own_batch_ids=known, waiting=waiting
    )
