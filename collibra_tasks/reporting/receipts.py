"""Receipt of a finalization: what was requested, by whom, and the outcome."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from collibra_tasks.errors import (
    CollibraError,
    FinalizationRefusedError,
    JobError,
    JobIncompleteError,
    NotSentError,
    RefusedError,
    SourceError,
)
from collibra_tasks.jobs.results import Results, describe_failures
from collibra_tasks.models import (
    AssetRow,
    Counters,
    FinalizationStrategy,
    ImportFailure,
    ImportSummary,
    Job,
)
from collibra_tasks.wording import count_of

VERBS: Final = {
    FinalizationStrategy.REMOVE_RESOURCES: "deleted",
    FinalizationStrategy.CHANGE_STATUS: "marked as missing",
    FinalizationStrategy.IGNORE: "missing and not changed",
}
NOTHING_SENT_ERRORS: Final = (
    NotSentError,
    RefusedError,
    FinalizationRefusedError,
    SourceError,
    JobIncompleteError,
)
"""Errors after which a run has finalized nothing, unless the ledger shows its finalization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Request, requester and outcome of one finalization.

    Attributes:
        synchronization_id: ID of the synchronization.
        strategy: Requested action on missing assets.
        missing_asset_status_id: Requested status for CHANGE_STATUS; otherwise ``None``.
        environment: Identity of the Collibra environment.
        base_url: URL of the Collibra environment.
        account: Name of the Collibra account.
        requested_by: Name of the flow run and of its deployment.
        batch_job_ids: IDs of the jobs that filled the cycle.
        job_id: ID of the finalization job; ``None`` if there is none or it is unknown.
        state: Collibra's word for the state of the job; ``None`` if it is unknown.
        result: Collibra's word for the result of the job; ``None`` if it is unknown.
        message: Collibra's message about the job.
        started_on: Start of the job by Collibra's clock, in UTC.
        ended_on: End of the job by Collibra's clock, in UTC.
        summary: Collibra's counters of the job.
        failures: Errors that Collibra recorded, possibly truncated.
        not_sent: Whether this flow run certainly finalized nothing.
        stopped: Whether a signal stopped this flow run, such as a cancellation.
        notes: Remarks and the message of the error, one sentence or more each.
        plan_id: ID of the removal plan.
        asset_count: Number of assets in the cycle, by the plan.
        previous_count: Number of assets in the previous cycle, by the plan.
        missing_count: Number of missing assets, by the plan.
        older_missing_count: Number of assets that earlier cycles left behind, by the plan.
        new_count: Number of new assets, by the plan.
        missing_rows: Missing assets, possibly truncated.

    Example:
        ```python
        receipt = finalize_synchronization(credentials, "warehouse-nightly")
        receipt.job_id, receipt.state, receipt.result, receipt.succeeded
        ```
    """

    synchronization_id: str
    strategy: FinalizationStrategy
    missing_asset_status_id: str | None = None
    environment: str = ""
    base_url: str = ""
    account: str | None = None
    requested_by: str | None = None
    batch_job_ids: tuple[str, ...] = ()
    job_id: str | None = None
    state: str | None = None
    result: str | None = None
    message: str | None = None
    started_on: datetime | None = None
    ended_on: datetime | None = None
    summary: ImportSummary | None = None
    failures: tuple[ImportFailure, ...] = ()
    not_sent: bool = False
    stopped: bool = False
    notes: tuple[str, ...] = ()
    plan_id: str | None = None
    asset_count: int | None = None
    previous_count: int | None = None
    missing_count: int | None = None
    older_missing_count: int = 0
    new_count: int | None = None
    missing_rows: tuple[AssetRow, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether everything was committed; COMPLETED alone does not prove it."""
        return (self.state, self.result) == ("COMPLETED", "SUCCESS")

    @property
    def reported_count(self) -> int | None:
        """Number of assets that Collibra deleted or marked, by its summary; ``None`` if unknown."""
        if self.summary is None or self.strategy == FinalizationStrategy.IGNORE:
            return None
        assets = self.summary.counters.get("ASSET", Counters())
        is_removal = self.strategy == FinalizationStrategy.REMOVE_RESOURCES
        return assets.removed if is_removal else assets.updated

    @property
    def duration_seconds(self) -> float | None:
        """Duration of the job by Collibra's clock; ``None`` if it is unknown."""
        if self.started_on is None or self.ended_on is None:
            return None
        return (self.ended_on - self.started_on).total_seconds()


def complete_receipt(receipt: Receipt, job: Job, results: Results) -> Receipt:
    """Return the receipt with the last known state of its job."""
    return replace(
        receipt,
        job_id=job.id,
        state=job.state,
        result=job.result,
        message=job.message,
        started_on=job.started_on or job.created_on,
        ended_on=job.ended_on,
        summary=results.summary or receipt.summary,
        failures=results.failures or receipt.failures,
        not_sent=False,
    )


def proves_nothing_sent(error: BaseException | None, job_id: str | None) -> bool:
    """Return whether an error means that no finalization was sent, as far as the run knows."""
    return isinstance(error, NOTHING_SENT_ERRORS) and job_id is None


def describe_error(error: BaseException, job_id: str | None = None) -> str:
    """Return one message about an error, with the first failed command of a job.

    Args:
        error: Error that ended a flow run; also a signal that stopped it.
        job_id: ID of the finalization job, if it was submitted.
    """
    if not isinstance(error, Exception):
        return _describe_stop(error, job_id)
    if not isinstance(error, CollibraError):
        return f"{type(error).__name__}: {error}"
    if not isinstance(error, JobError):
        return str(error)
    failures = describe_failures(error)
    is_known = not failures or failures.partition(";")[0] in str(error)
    return str(error) if is_known else f"{error} {failures}"


def _describe_stop(error: BaseException, job_id: str | None) -> str:
    message = f"The flow run was stopped ({type(error).__name__})."
    if job_id is None:
        return f"{message} Run the flow again to continue."
    return f"{message} {describe_left_job(job_id)}"


def describe_left_job(job_id: str) -> str:
    """Return what a stopped flow run leaves in Collibra, and the next step."""
    return (
        f"Finalization job {job_id} continues in Collibra unless it is cancelled there. "
        "Run the flow again to follow it; the request is not sent a second time."
    )


def describe_reported(receipt: Receipt) -> str:
    """Return how many assets Collibra deleted or marked, as far as it reported that."""
    count = receipt.reported_count
    if count is not None:
        return f"Collibra reported {count_of(count, 'asset')} {VERBS[receipt.strategy]}."
    if receipt.strategy == FinalizationStrategy.IGNORE:
        return "Missing assets were not changed."
    return "Collibra reported no counts of this job."


def describe_difference(receipt: Receipt) -> str:
    """Return a warning if Collibra changed more or fewer assets than the plan expected."""
    reported, expected = receipt.reported_count, receipt.missing_count
    if reported is None or expected is None or not receipt.succeeded:
        return ""
    # Collibra may have forgotten assets that earlier cycles ignored or marked.
    if expected <= reported <= expected + receipt.older_missing_count:
        return ""
    older = receipt.older_missing_count
    return (
        f"{describe_reported(receipt).removesuffix('.')}, but the plan expected {expected:,}"
        f"{f' to {expected + older:,}' if older else ''}. Compare the missing assets of this "
        "receipt with Collibra."
    )


def outcome_sentence(receipt: Receipt) -> str:
    """Return the outcome in one line, with counts."""
    name = receipt.synchronization_id
    if receipt.not_sent:
        return " ".join((f"Nothing was finalized for {name}.", *receipt.notes[-1:]))
    job = f" Job {receipt.job_id}." if receipt.job_id else ""
    if receipt.succeeded:
        counts = _count_planned(receipt) or _count_reported(receipt)
        sentence = f"Finalized {name} with {receipt.strategy.value}{counts}.{job}"
        return " ".join(filter(None, (sentence, describe_difference(receipt))))
    if receipt.state is None:
        return f"Finalization of {name}: outcome unknown.{job}"
    failed = f", errors: {len(receipt.failures):,}" if receipt.failures else ""
    return (
        f"Finalization of {name} has state {receipt.state} and result "
        f"{receipt.result or 'none'}{failed}.{job}"
    )


def _count_planned(receipt: Receipt) -> str:
    if receipt.asset_count is None:
        return ""
    counts = [count_of(receipt.asset_count, "asset")]
    if receipt.new_count is not None:
        counts.append(f"{receipt.new_count:,} new")
    if receipt.missing_count is not None:
        counts.append(f"{receipt.missing_count:,} {VERBS[receipt.strategy]}")
    return f": {', '.join(counts)}"


def _count_reported(receipt: Receipt) -> str:
    if receipt.summary is None:
        return ""
    assets = receipt.summary.counters.get("ASSET", Counters())
    return (
        f": {count_of(assets.added, 'asset')} added, {assets.updated:,} updated, "
        f"{assets.removed:,} removed, {assets.failed:,} failed"
    )
