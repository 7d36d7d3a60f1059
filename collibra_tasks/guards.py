"""Pure verdicts: may this cycle be finalized, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger import Entry, Past
from collibra_tasks.manifest import Manifest, Prediction
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
    if past.finalized_on is None:
        return None
    if job.created_on is None:
        return f"the tenant does not say when batch job {job.id} was created, and {advice}"
    if job.created_on <= past.finalized_on:
        return f"batch job {job.id} is not newer than the last finalization on record, and {advice}"
    return None


def judge_ownership(
    batch_job_ids: Sequence[str], synchronization_id: str, records: Iterable[Entry]
) -> Verdict:
    """Refuse batches of another synchronization: most likely they were copied by mistake.

    Args:
        batch_job_ids: The jobs that are said to have filled this cycle.
        synchronization_id: The synchronization that is to be finalized.
        records: What is on record of all synchronizations of the tenant.
    """
    reasons = [
        f"job {job_id} is on record as one of {each.synchronization_id!r}, so it says nothing of "
        f"{synchronization_id!r}"
        for each in records
        if each.synchronization_id != synchronization_id
        for job_id in batch_job_ids
        if job_id in {each.job_id, *each.batch_job_ids}
    ]
    return Verdict(tuple(reasons[:1]))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalLimits:
    """How much may go missing from one cycle to the next without anybody being asked.

    Either limit is enough to stop a cycle. The percentage catches a broken extract of a small or
    middling source: Okta stops at 20 %, octoDNS at 30 % of at least 10 records. The count catches
    one of a large source, where 20 % is a catastrophe: Entra stops at 500. A nightly job on a
    living source stays far below both.

    Attributes:
        max_missing_count: The most assets that may go missing, 0 or more.
        max_missing_percent: The largest share of the last cycle that may, 0 to 100.
        min_population: The percentage holds for cycles of at least so many assets; in smaller ones
            a single asset is a large share.
    """

    max_missing_count: int = 1_000
    max_missing_percent: float = 20.0
    min_population: int = 10


@dataclass(frozen=True, slots=True)
class RemovalVerdict(Verdict):
    """Whether what would go missing may go.

    Attributes:
        confirmation: The number that a person repeats to let it pass all the same; ``None`` where
            nothing has to be confirmed, or nothing can be.
        remark: What is to be said of it even if it is allowed.
    """

    confirmation: int | None = None
    remark: str | None = None


def judge_removal(
    current: Manifest,
    prediction: Prediction | None,
    *,
    strategy: FinalizationStrategy,
    limits: RemovalLimits,
    finalized_before: bool,
    known_before: bool = False,
    evicts: bool = False,
) -> RemovalVerdict:
    """Tell whether what would go missing is within the limits.

    Args:
        current: The assets of this cycle.
        prediction: What was in the last finalized cycle and is not in this one; ``None`` if there
            is no manifest to compare with.
        strategy: What would happen to it.
        limits: How much may go missing.
        finalized_before: Whether a finalization is on record.
        known_before: Whether the tenant knows the synchronization, though none is on record.
        evicts: Whether unchanged commands run again, so that an asset which was renamed by hand is
            made anew, and the renamed one goes missing.
    """
    if not current.population:
        reason = (
            "the source holds no asset, so every asset of the last cycle would count as missing"
        )
        return RemovalVerdict((reason,))
    if strategy == FinalizationStrategy.IGNORE:
        return RemovalVerdict(remark="IGNORE: what is missing stays as it is")
    if prediction is None:
        return _judge_unpredicted(
            current, finalized_before=finalized_before, known_before=known_before
        )
    reasons = _excesses(prediction, limits)
    if evicts and strategy == FinalizationStrategy.REMOVE_RESOURCES:
        reasons.append(
            "with evict_before, REMOVE_RESOURCES deletes every asset that somebody has renamed in "
            f"Collibra, beside the {prediction.missing_count:,} that are predicted"
        )
    return RemovalVerdict(tuple(reasons), prediction.missing_count if reasons else None)


def _judge_unpredicted(
    current: Manifest, *, finalized_before: bool, known_before: bool
) -> RemovalVerdict:
    if not finalized_before and not known_before:
        return RemovalVerdict(
            remark="first cycle of this synchronization: nothing can be missing yet"
        )
    found = (
        "a finalization is on record, but not what its cycle held"
        if finalized_before
        else "Collibra knows this synchronization, but this Prefect server has no record of it"
    )
    reason = (
        f"{found}, so what will be missing can't be predicted (this cycle holds "
        f"{current.population:,} assets)"
    )
    return RemovalVerdict((reason,), current.population)


def _excesses(prediction: Prediction, limits: RemovalLimits) -> list[str]:
    count, percent, population = (
        prediction.missing_count,
        prediction.percent,
        prediction.population,
    )
    told = f"{count:,} of {population:,} assets of the last cycle ({percent:.1f} %) are missing"
    reasons = []
    if count > limits.max_missing_count:
        reasons.append(f"{told}; max_missing_count is {limits.max_missing_count:,}")
    if population >= limits.min_population and percent > limits.max_missing_percent:
        reasons.append(f"{told}; max_missing_percent is {limits.max_missing_percent:g}")
    return reasons
