"""Facts of a flow run: receipt before publication, kind of event."""

from dataclasses import dataclass, field

import pytest

from collibra_tasks.errors import (
    CollibraError,
    FinalizationRefusedError,
    JobFailedError,
    JobIncompleteError,
    OutcomeUnknownError,
    OverlapError,
    SourceError,
)
from collibra_tasks.models import AssetRow, FinalizationStrategy, Job
from collibra_tasks.reporting.receipts import Receipt
from collibra_tasks.reporting.run_report import RunReport, classify_outcome, event_payload
from tests.support.clients import connection_of

ENDED = Job(id="1", state="COMPLETED", result="SUCCESS")
ROW = AssetRow("D > T", "D", "C", "a.csv")


@dataclass
class Plan:
    """A plan of a cycle that lost one asset."""

    plan_id: str = "p"
    asset_count: int = 9
    previous_count: int | None = 10
    missing_count: int = 1
    older_missing_count: int = 0
    new_count: int = 0
    missing: tuple[AssetRow, ...] = field(default=(ROW,))
    notes: tuple[str, ...] = ("The source refers to 3 assets that are unknown.",)


def receipt_of(report: RunReport) -> Receipt:
    return report.to_receipt("nightly", connection_of(), "flow run ada")


def report_of(strategy: str = "CHANGE_STATUS") -> RunReport:
    return RunReport(strategy=FinalizationStrategy(strategy), missing_asset_status_id="5066")


def test_to_receipt_holds_last_known_job() -> None:
    """A finalized cycle is reported as such even if Collibra cannot be read afterwards."""
    report = report_of()
    report.job_id, report.job = "1", ENDED

    assert receipt_of(report).succeeded
    assert "tenant.collibra.test" == receipt_of(report).environment


def test_to_receipt_holds_plan() -> None:
    """The counts and names of the plan are on the receipt."""
    report = report_of()
    report.plan = Plan()
    receipt = receipt_of(report)

    assert (9, 10, 1, 0) == (
        receipt.asset_count,
        receipt.previous_count,
        receipt.missing_count,
        receipt.new_count,
    )
    assert (ROW,) == receipt.missing_rows
    assert Plan.notes == receipt.notes


def test_to_receipt_without_previous_cycle_counts_nothing_missing() -> None:
    """A first cycle shows no number of missing or new assets."""
    report = report_of()
    report.plan = Plan(previous_count=None)

    assert receipt_of(report).missing_count is None
    assert receipt_of(report).new_count is None


def test_to_receipt_omits_unused_status() -> None:
    """The status is shown only for the strategy that sends it."""
    assert "5066" == receipt_of(report_of()).missing_asset_status_id
    assert receipt_of(report_of("IGNORE")).missing_asset_status_id is None


def test_add_error_notes_refusal() -> None:
    """A refusal is noted in its own words, and nothing was sent."""
    report = report_of()
    report.add_error(FinalizationRefusedError("Too many are missing."))

    assert ["Too many are missing."] == report.notes
    assert receipt_of(report).not_sent


def test_add_error_holds_failed_job() -> None:
    """The receipt of a failed finalization shows the job's state; a batch is not its job."""
    failed = Job(id="1", state="ERROR")
    report = report_of()
    report.job_id = "1"
    report.add_error(JobFailedError("Job 1 failed.", job=failed))
    batch = report_of()
    batch.add_error(JobIncompleteError("Batch 1 failed.", job=failed))

    assert "ERROR" == receipt_of(report).state
    assert receipt_of(batch).job_id is None
    assert receipt_of(batch).not_sent


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OutcomeUnknownError("x"), "unknown"),
        (FinalizationRefusedError("x"), "refused"),
        (OverlapError("x"), "refused"),
        (SourceError("x"), "refused"),
        (JobIncompleteError("x", job=ENDED), "incomplete"),
        (JobFailedError("x", job=ENDED), "failed"),
        (CollibraError("x"), "failed"),
        (KeyboardInterrupt(), "failed"),
        (ValueError("x"), "failed"),
    ],
)
def test_classify_outcome_by_error(error: BaseException, kind: str) -> None:
    """An automation can tell refused, unknown, incomplete and failed cycles apart."""
    assert kind == classify_outcome(receipt_of(report_of()), error)


def test_classify_outcome_without_error() -> None:
    """A finalized cycle has an event; a skipped one has none."""
    report = report_of()
    report.job = ENDED

    assert "finalized" == classify_outcome(receipt_of(report), None)
    assert classify_outcome(receipt_of(report_of()), None) is None


def test_event_payload_has_counts_and_message() -> None:
    """An event holds counts and the outcome sentence, without unknown values."""
    report = report_of()
    report.job, report.plan = ENDED, Plan()
    payload = event_payload(receipt_of(report))

    assert 9 == payload["asset_count"]
    assert "Finalized nightly" in payload["message"]
    assert None not in payload.values()
