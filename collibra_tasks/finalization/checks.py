"""Checks before a finalization; pure functions that return reasons against it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.finalization.job_matching import batch_id_of
from collibra_tasks.ledger.entry import History
from collibra_tasks.ledger.evidence import short_digests
from collibra_tasks.ledger.job_index import NO_SYNCHRONIZATION
from collibra_tasks.ledger.patterns import LearnedPattern
from collibra_tasks.models import FinalizationStrategy, Job


@dataclass(frozen=True, slots=True)
class Check:
    """Reasons against a finalization, one sentence each without a final period."""

    reasons: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons

    def __add__(self, other: Check) -> Check:
        """Return a check with the reasons of both."""
        return Check((*self.reasons, *other.reasons))

    def raise_if_refused(self) -> None:
        """Do nothing if there is no reason against it.

        Raises:
            FinalizationRefusedError: With all reasons.
        """
        if self.reasons:
            raise FinalizationRefusedError(
                f"Not finalized, nothing was sent: {'; '.join(self.reasons)}.",
                reasons=self.reasons,
            )


def check_synchronization_exists(synchronization_id: str, *, exists: bool) -> Check:
    """Refuse a synchronization that Collibra does not know; most likely its ID is misspelt."""
    if exists:
        return Check()
    reason = (
        f"Collibra does not know the synchronization {synchronization_id!r}, so nothing was "
        "imported under this ID. Check the spelling"
    )
    return Check((reason,))


def check_batches_succeeded(jobs: Iterable[Job]) -> Check:
    """Refuse evidence that is not COMPLETED with SUCCESS: its missing assets would be removed."""
    return Check(tuple(filter(None, map(_fault_of_batch, jobs))))


def _fault_of_batch(job: Job) -> str | None:
    if not job.ended:
        return f"batch job {job.id} has not ended (state {job.state}). Wait for its end"
    if not job.succeeded:
        return (
            f"batch job {job.id} ended as {job.state} with result {job.result or 'none'}. Assets "
            "that it did not import would count as missing. Send the batch again"
        )
    return None


def check_batches_are_new(
    jobs: Iterable[Job], history: History, *, voided_by: str | None = None
) -> Check:
    """Refuse evidence of a cycle that was closed.

    Args:
        jobs: The listed batch jobs.
        history: Summary of earlier finalizations.
        voided_by: A finalization by others that ended after the newest batch.
    """
    jobs = list(jobs)
    if voided_by is not None and jobs:
        reason = (
            f"job {voided_by} by others closed the cycle of these batches. Send all batches of the "
            "next cycle first"
        )
        return Check((reason,))
    faults = (_fault_of_age(job, history) for job in jobs)
    return Check(tuple(each for each in faults if each)[:1])


def _fault_of_age(job: Job, history: History) -> str | None:
    advice = (
        "A second finalization would find every asset missing. Send the batches of the next cycle "
        "first. If you know that the cycle is still open, clear batch_job_ids and set "
        "allow_unverified_cycle"
    )
    if job.id == history.job_id:
        return f"job {job.id} is the last finalization, not a batch. {advice}"
    if short_digests([job.id])[0] in history.evidence:
        return f"the cycle of batch job {job.id} was finalized before. {advice}"
    if history.finalized_on is None:
        return None
    if job.created_on is None:
        return f"Collibra reports no creation time of batch job {job.id}. {advice}"
    if job.created_on <= history.finalized_on:
        return f"batch job {job.id} is not newer than the last finalization. {advice}"
    return None


def check_batches_belong_to(
    jobs: Iterable[Job], synchronization_id: str, owners: Mapping[str, str]
) -> Check:
    """Refuse evidence that belongs to another synchronization by its name or by a ledger."""
    for job in jobs:
        other = batch_id_of(job)
        if other is not None and other != synchronization_id:
            reason = f"batch job {job.id} is named after the synchronization {other!r}"
            return Check((f"{reason}. Check batch_job_ids",))
        if job.id in owners:
            reason = f"job {job.id} is {describe_owned_job(owners[job.id])}, not a batch"
            return Check((f"{reason}. Check batch_job_ids",))
    return Check()


def check_batches_are_no_finalization(
    jobs: Iterable[Job],
    synchronization_id: str,
    patterns: Iterable[LearnedPattern],
    *,
    allowed: bool,
) -> Check:
    """Refuse evidence that holds the finalization of a script beside its batches.

    Args:
        jobs: The listed batch jobs.
        synchronization_id: Synchronization to finalize.
        patterns: Learned names of finalization jobs.
        allowed: Whether the caller knows that the cycle is complete.
    """
    jobs, patterns = list(jobs), list(patterns)
    unlike = [job for job in jobs if batch_id_of(job) != synchronization_id]
    for job in unlike:
        if any(each.id_in(job.name) == synchronization_id for each in patterns):
            reason = f"job {job.id} ({job.name}) has the name of a finalization, not of a batch"
            return Check((f"{reason}. Send the batches of the next cycle first",))
    if allowed or not unlike or len(unlike) == len(jobs):
        return Check()
    reason = (
        f"job {unlike[0].id} ({unlike[0].name or 'no name'}) is not named like the other batches, "
        "so it may be a finalization that closed their cycle. Check it in Collibra. If it filled "
        "this cycle, set allow_unverified_cycle"
    )
    return Check((reason,))


def describe_owned_job(owner: str) -> str:
    """Return the kind of a job of this library, by the owner that the ledgers name."""
    if owner == NO_SYNCHRONIZATION:
        return "a simulated import, which changed nothing"
    return f"a finalization of {owner!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedCycle:
    """Facts about a cycle for which no batch job is listed.

    Attributes:
        strategy: Action on missing assets.
        allowed: Whether the caller knows that the cycle is complete.
        has_new_batch: Whether a successful batch of this synchronization is newer than the last
            known finalization.
        store_is_shared: Whether the ledger is on a shared Prefect server.
    """

    strategy: FinalizationStrategy
    allowed: bool = False
    has_new_batch: bool = False
    store_is_shared: bool = True


def check_unverified_cycle(cycle: UnverifiedCycle, history: History) -> Check:
    """Refuse a cycle without evidence where an empty cycle would do harm.

    An empty cycle makes every asset missing. The first finalization on record needs a shared
    ledger, since another one may know of more. IGNORE does no harm. CHANGE_STATUS is also allowed
    after a new batch.
    """
    harmless = cycle.strategy == FinalizationStrategy.IGNORE
    if cycle.allowed or (harmless and (history.finalized or cycle.store_is_shared)):
        return Check()
    advice = (
        "An empty cycle makes every asset missing. List the batch jobs in batch_job_ids, or set "
        "allow_unverified_cycle if you know that the cycle is complete"
    )
    if cycle.strategy == FinalizationStrategy.REMOVE_RESOURCES:
        return Check((f"REMOVE_RESOURCES needs evidence and no batch job is listed. {advice}",))
    if not cycle.store_is_shared:
        reason = "no batch job is listed, and no shared Prefect server holds the ledger"
        return Check((f"{reason}. {advice}",))
    if history.finalized and not cycle.has_new_batch:
        reason = "no successful batch was found since the last finalization"
        return Check((f"{reason}. {advice}",))
    return Check()


def check_other_batches(
    failed: Sequence[Job], running: Sequence[Job], *, replaced: Collection[str], allowed: bool
) -> Check:
    """Refuse a cycle with failed or running batches that no listed batch replaces."""
    reasons = [
        f"batch job {job.id} of this synchronization still runs. Wait for its end, or set it aside "
        "with resolve_finalization"
        for job in running[:3]
    ]
    if not allowed:
        reasons += [
            f"batch job {job.id} of this synchronization ended as {job.state} with result "
            f"{job.result or 'none'}. Send it again and list it in replaced_batch_job_ids"
            for job in failed
            if job.id not in replaced
        ][:3]
    return Check(tuple(reasons))


def check_no_open_checkpoint(
    batch_count: int, flow_run_name: str | None, *, allowed: bool
) -> Check:
    """Refuse to close a cycle that ``synchronize_source`` began and did not finish."""
    if allowed or not batch_count:
        return Check()
    reason = (
        f"flow run {flow_run_name or 'unknown'} uploaded {batch_count} batches of a cycle that is "
        "not complete. Run synchronize_source, which completes and finalizes it"
    )
    return Check((reason,))


def check_no_doubtful_job(jobs: Sequence[Job], *, allowed: bool) -> Check:
    """Refuse a cycle in which a job of unknown meaning may have closed the cycle."""
    if allowed or not jobs:
        return Check()
    names = ", ".join(f"{job.id} ({job.name or 'no name'})" for job in jobs[:3])
    reason = (
        f"{len(jobs)} jobs that are newer than the newest batch may be finalizations by others: "
        f"{names}. Check them in Collibra's job list. If none closed the cycle, set "
        "allow_unverified_cycle"
    )
    return Check((reason,))
