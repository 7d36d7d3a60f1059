"""Pure verdicts: may this cycle be finalized, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger import Past
from collibra_tasks.models import FinalizationStrategy, Job


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a cycle may be finalized; each reason against it is one sentence."""

    reasons: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons

    def enforce(self) -> None:
        """Do nothing if it is allowed.

        Raises:
            FinalizationRefusedError: With the reasons, if it is not.
        """
        if self.reasons:
            message = f"not finalized, nothing was sent: {'; '.join(self.reasons)}"
            raise FinalizationRefusedError(message, reasons=self.reasons)


def judge_synchronization(synchronization_id: str, *, exists: bool) -> Verdict:
    """Refuse a synchronization that the tenant does not know: most likely a misspelt ID."""
    if exists:
        return Verdict()
    reason = (
        f"the tenant does not know the synchronization {synchronization_id!r}: nothing was ever "
        "imported under this ID, so check its spelling"
    )
    return Verdict((reason,))


def judge_evidence(jobs: Sequence[Job]) -> Verdict:
    """Refuse batch jobs that do not prove a full cycle: each must have succeeded.

    Args:
        jobs: The batch jobs that are said to have filled the cycle.
    """
    reasons = [_fault_of_batch(job) for job in jobs]
    return Verdict(tuple(reason for reason in reasons if reason))


def _fault_of_batch(job: Job) -> str | None:
    if not job.ended:
        return f"batch job {job.id} has not ended yet ({job.state})"
    if not job.succeeded:
        return (
            f"batch job {job.id} ended as {job.state} with result {job.result or 'none'}: what it "
            "did not import would count as missing"
        )
    return None


def judge_newness(jobs: Sequence[Job], past: Past) -> Verdict:
    """Refuse batches of a cycle that was closed: no other finalization can be about them.

    Args:
        jobs: The batch jobs that are said to have filled this cycle.
        past: What was finalized before.
    """
    reasons = [_fault_of_age(job, past) for job in jobs]
    return Verdict(tuple([reason for reason in reasons if reason][:1]))


def _fault_of_age(job: Job, past: Past) -> str | None:
    advice = (
        "finalizing again would find every asset missing; send the batches of the next cycle "
        "first, or, if you know that the cycle is still open, leave batch_job_ids empty and say "
        "allow_unverified_cycle=True"
    )
    if job.id in past.batch_job_ids:
        return f"the cycle of batch job {job.id} was finalized already, and {advice}"
    if past.finalized_on and job.created_on and job.created_on < past.finalized_on:
        return f"batch job {job.id} is older than the last finalization on record, and {advice}"
    return None


def judge_unverified(
    strategy: FinalizationStrategy, *, allowed: bool, finalized_before: bool = False
) -> Verdict:
    """Refuse a cycle for which no batch job speaks, where an empty one would do harm.

    An empty cycle makes every asset missing. REMOVE_RESOURCES would delete them all; CHANGE_STATUS
    would mark them all, which is refused once a finalization is on record: a second one without
    new batches is such an empty cycle.
    """
    if allowed or strategy == FinalizationStrategy.IGNORE:
        return Verdict()
    if strategy == FinalizationStrategy.CHANGE_STATUS and not finalized_before:
        return Verdict()
    known = " since the last finalization on record" if finalized_before else ""
    reason = (
        f"no batch job shows that this cycle was filled{known}, and an empty cycle makes every "
        f"asset missing ({strategy.value} would then act on all of them); give batch_job_ids, "
        "or say allow_unverified_cycle=True if you know that it was filled"
    )
    return Verdict((reason,))
