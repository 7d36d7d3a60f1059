"""Jobs by others during a cycle: what they mean for its batches and its baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collibra_tasks.cycle.baseline import Baseline
from collibra_tasks.cycle.upload import batch_ids
from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.finalization.job_matching import JobClass
from collibra_tasks.finalization.job_search import JobSearch, search_jobs
from collibra_tasks.finalization.judgment import pending_job
from collibra_tasks.finalization.last_finalization import record_foreign_finalization
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.models import Job


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The job list since the last finalization, in the light of a baseline."""

    session: Session
    baseline: Baseline
    search: JobSearch
    wait_seconds: float

    @property
    def pending(self) -> Callable[[], object] | None:
        """The wait for a running batch or foreign finalization; ``None`` if there is none."""
        pending = pending_job(
            self.search,
            self.session.synchronization_id,
            ignore=self.session.set_aside.read(),
        )
        if pending is None:
            return None
        return lambda: self.session.wait_for_job(
            pending.job_id, wait_seconds=self.wait_seconds, reason=pending.reason
        )

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
        )
        return True

    def may_reuse(self, digest: str) -> bool:
        """Whether batches of an earlier attempt count; in doubt all are sent again."""
        checkpoint = self.baseline.checkpoint
        if checkpoint is None or checkpoint.generation != self.baseline.generation:
            return False
        if checkpoint.content_digest != digest or self.search.blind is not None:
            return False
        return not self.search.since_first(batch_ids(checkpoint), JobClass.DOUBTFUL)

    def baseline_in_doubt(self) -> Baseline:
        """Return the baseline, with unfinished uploads if others may have closed their cycle."""
        checkpoint = self.baseline.checkpoint
        if checkpoint is None:
            return self.baseline
        doubtful = self.search.since_first(checkpoint.job_ids, JobClass.DOUBTFUL)
        if self.search.blind is None and not doubtful:
            return self.baseline
        return self.baseline.compared_with_uploads()

    def reasons(self) -> list[str]:
        """Return the reasons to ask a person."""
        others = self.search.batches_by_others
        if not others:
            return []
        ids = ", ".join(job.id for job in others[:3])
        return [f"{len(others)} batches by others ({ids}): their assets are not in the plan"]

    def needs_new_upload(self, job_ids: Sequence[str], *, resent: bool) -> bool:
        """Whether all batches have to be sent again: their cycle may have been closed.

        Args:
            job_ids: Batches of this cycle.
            resent: Whether that happened before in this run.

        Raises:
            FinalizationRefusedError: If others finalized again after the second upload.
        """
        if self.foreign and resent:
            raise FinalizationRefusedError(
                f"Not finalized: job {self.foreign[0].id} by others finalized "
                f"{self.session.synchronization_id!r} again during the upload. Stop the other "
                "program and run again."
            )
        doubtful = self.search.since_first(job_ids, JobClass.DOUBTFUL)
        names = ", ".join(f"{job.id} ({job.name or 'no name'})" for job in doubtful[:3])
        if self.foreign:
            self.record_foreign()
            return True
        if doubtful and resent:
            self.session.log(f"Jobs of unknown meaning appeared during the upload: {names}.")
        if not doubtful or resent:
            return False
        self.session.log(f"All batches are sent again, once: unknown jobs appeared: {names}.")
        self._void_batches()
        return True

    def _void_batches(self) -> None:
        checkpoint = self.session.storage.read_checkpoint()
        if checkpoint is not None:
            fresh = checkpoint.replaced_by(
                content_digest=checkpoint.content_digest, token=self.session.attempt
            )
            self.session.storage.write_checkpoint(fresh)


def observe(
    session: Session,
    baseline: Baseline,
    checkpoint: Checkpoint | None,
    *,
    wait_seconds: float,
) -> Observation:
    """Search the job list since the last finalization."""
    known = set(checkpoint.job_ids) if checkpoint else set()
    search = search_jobs(
        session,
        baseline.history,
        known_ids={*known, *session.set_aside.read()},
        listed_ids=batch_ids(checkpoint) if checkpoint else (),
        lost_batches_since=checkpoint.first_unknown_intent_on if checkpoint else None,
    )
    if search.blind:
        session.log(f"The job search is incomplete: {search.blind}.")
    return Observation(session=session, baseline=baseline, search=search, wait_seconds=wait_seconds)
