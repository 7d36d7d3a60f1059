"""Facts that a flow run collects, and the classification of its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

from collibra_tasks.errors import (
    FinalizationRefusedError,
    JobError,
    JobIncompleteError,
    OutcomeUnknownError,
    SourceError,
)
from collibra_tasks.finalization.session import Session
from collibra_tasks.jobs.results import Results
from collibra_tasks.ledger.identity import normalize_environment
from collibra_tasks.models import AssetRow, FinalizationStrategy, Job
from collibra_tasks.reporting.receipts import (
    Receipt,
    complete_receipt,
    describe_error,
    outcome_sentence,
    proves_nothing_sent,
)
from collibra_tasks.settings import CollibraConnection

OutcomeKind = Literal["finalized", "refused", "unknown", "incomplete", "failed"]
PAYLOAD_FIELDS: Final = (
    "strategy",
    "job_id",
    "state",
    "result",
    "plan_id",
    "asset_count",
    "previous_count",
    "missing_count",
    "reported_count",
    "new_count",
)


class PlanLike(Protocol):
    """Part of a removal plan that a receipt shows."""

    @property
    def plan_id(self) -> str: ...  # noqa: D102 - as in RemovalPlan
    @property
    def asset_count(self) -> int: ...  # noqa: D102
    @property
    def previous_count(self) -> int | None: ...  # noqa: D102
    @property
    def missing_count(self) -> int: ...  # noqa: D102
    @property
    def older_missing_count(self) -> int: ...  # noqa: D102
    @property
    def new_count(self) -> int: ...  # noqa: D102
    @property
    def missing(self) -> tuple[AssetRow, ...]: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(kw_only=True)
class RunReport:
    """Facts that a flow run collects for its receipt.

    Attributes:
        batch_job_ids: IDs of the jobs that filled the cycle.
        notes: Remarks for people, one sentence or more each.
        job_id: ID of the finalization job, set as soon as it is known.
        job: Last known state of that job; it completes the receipt if Collibra cannot be read.
        strategy: Requested action on missing assets.
        missing_asset_status_id: Requested status for CHANGE_STATUS.
        plan: Removal plan of the cycle, or ``None``.
        not_sent: Whether this flow run certainly finalized nothing.
        stopped: Whether a signal stopped this flow run.
        session: Session of the flow run, which the receipt also uses; ``None`` if there is none.
        resources: Contexts that end after the receipt was published.
        receipt: Published receipt, set when the block ends.
    """

    strategy: FinalizationStrategy
    missing_asset_status_id: str | None = None
    batch_job_ids: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    job_id: str | None = None
    job: Job | None = None
    plan: PlanLike | None = None
    not_sent: bool = False
    stopped: bool = False
    session: Session | None = None
    resources: ExitStack = field(default_factory=ExitStack)
    receipt: Receipt = field(init=False)

    def connect(self, context: AbstractContextManager[Session]) -> Session:
        """Open the session of the flow run; it is closed after the receipt was published."""
        self.session = self.resources.enter_context(context)
        return self.session

    def note(self, text: str) -> None:
        """Add a remark to the receipt, once."""
        if text not in self.notes:
            self.notes.append(text)

    def add_error(self, error: BaseException) -> None:
        """Add the error, or the signal, that ended the flow run."""
        self.not_sent = proves_nothing_sent(error, self.job_id)
        self.stopped = not isinstance(error, Exception)
        self.notes.append(describe_error(error, self.job_id))
        if isinstance(error, JobError) and error.job_id == self.job_id:
            self.job = error.job

    def to_receipt(
        self, synchronization_id: str, connection: CollibraConnection, requested_by: str | None
    ) -> Receipt:
        """Return the receipt, as far as this flow run knows."""
        changes_status = self.strategy == FinalizationStrategy.CHANGE_STATUS
        receipt = Receipt(
            synchronization_id=synchronization_id,
            strategy=self.strategy,
            missing_asset_status_id=self.missing_asset_status_id if changes_status else None,
            environment=normalize_environment(connection.environment or connection.base_url),
            base_url=connection.base_url,
            requested_by=requested_by,
            batch_job_ids=tuple(self.batch_job_ids),
            job_id=self.job_id,
            not_sent=self.not_sent,
            stopped=self.stopped,
            notes=tuple(self.notes),
        )
        if self.job is not None:
            receipt = complete_receipt(receipt, self.job, Results())
        return receipt if self.plan is None else _add_plan(receipt, self.plan)


def _add_plan(receipt: Receipt, plan: PlanLike) -> Receipt:
    is_compared = plan.previous_count is not None
    return replace(
        receipt,
        plan_id=plan.plan_id,
        asset_count=plan.asset_count,
        previous_count=plan.previous_count,
        missing_count=plan.missing_count if is_compared else None,
        older_missing_count=plan.older_missing_count,
        new_count=plan.new_count if is_compared else None,
        missing_rows=plan.missing,
        notes=(*plan.notes, *receipt.notes),  # the last one is about the end of the flow run
    )


def classify_outcome(receipt: Receipt, error: BaseException | None) -> OutcomeKind | None:
    """Return the kind of event for an outcome; ``None`` for a flow run that sent nothing."""
    if error is None:
        return "finalized" if receipt.succeeded else None
    kinds: tuple[tuple[type[BaseException], OutcomeKind], ...] = (
        (OutcomeUnknownError, "unknown"),
        (FinalizationRefusedError, "refused"),
        (SourceError, "refused"),
        (JobIncompleteError, "incomplete"),
    )
    return next((kind for errors, kind in kinds if isinstance(error, errors)), "failed")


def event_payload(receipt: Receipt) -> dict[str, Any]:
    """Return the counts and the message of an outcome."""
    payload = {name: getattr(receipt, name) for name in PAYLOAD_FIELDS}
    payload["message"] = outcome_sentence(receipt)
    return {name: value for name, value in payload.items() if value is not None}
