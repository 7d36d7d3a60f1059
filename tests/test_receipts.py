"""What a person reads of a finalization."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collibra_tasks.models import Counters, FinalizationStrategy, ImportFailure, ImportSummary, Job
from collibra_tasks.receipts import SHOWN_FAILURES, Receipt, complete_receipt, render_receipt
from collibra_tasks.results import Results

STARTED = datetime(2026, 7, 1, 2, 3, 4, tzinfo=UTC)


def receipt(**changes: Any) -> Receipt:
    known: dict[str, Any] = {
        "tenant": "https://tenant.collibra.com",
        "synchronization_id": "nightly",
        "strategy": FinalizationStrategy.REMOVE_RESOURCES,
    }
    return Receipt(**known | changes)


@pytest.mark.parametrize(
    ("known", "headline"),
    [
        ({"job_id": "1", "state": "COMPLETED", "result": "SUCCESS"}, "nightly: finalized"),
        ({}, "nightly: outcome not known"),
        ({"not_sent": True}, "nightly: not finalized by this run, nothing was removed"),
        ({"job_id": "1"}, "nightly: not ended yet"),
        (
            {"job_id": "1", "state": "COMPLETED", "result": "ABORTED"},
            "nightly: COMPLETED with result ABORTED",
        ),
        ({"job_id": "1", "state": "DELETED"}, "nightly: DELETED with result none"),
    ],
)
def test_the_headline_tells_the_outcome(known: dict[str, Any], headline: str) -> None:
    """The first line says how it ended, in Collibra's words where it did not end well."""
    assert f"# {headline}" == render_receipt(receipt(**known)).splitlines()[0]


@pytest.mark.parametrize(
    ("strategy", "told"),
    [("REMOVE_RESOURCES", "**deleted**"), ("CHANGE_STATUS", "`5066`"), ("IGNORE", "stay as")],
)
def test_the_strategy_is_explained(strategy: str, told: str) -> None:
    """A reader learns what the strategy did to assets that did not come back."""
    text = render_receipt(
        receipt(strategy=FinalizationStrategy(strategy), missing_asset_status_id="5066")
    )

    assert told in text


def test_every_fact_is_told() -> None:
    """Tenant, job, people, time and batches are all on the receipt."""
    job = Job(
        id="job-1",
        state="COMPLETED",
        result="SUCCESS",
        started_on=STARTED,
        ended_on=STARTED + timedelta(seconds=90.25),
    )
    summary = ImportSummary(counters={"ASSET": Counters(added=1, updated=2, removed=3, failed=4)})
    begun = receipt(account="robot", requested_by="Ada", batch_job_ids=("b1", "b2"))
    text = render_receipt(complete_receipt(begun, job, Results(summary=summary)))

    for line in (
        "| Tenant | [https://tenant.collibra.com](https://tenant.collibra.com) |",
        "| Synchronization | `nightly` |",
        "| Job | `job-1` |",
        "| State and result | COMPLETED, SUCCESS |",
        "| Asked for by | Ada |",
        "| As the account | robot |",
        "| Started | 2026-07-01 02:03:04 UTC |",
        "| Took | 90.2 s |",
        "| Batches of this cycle | `b1`, `b2` |",
        "| ASSET | 1 | 2 | 3 | 4 |",
    ):
        assert line in text.splitlines()


def test_what_is_not_known_is_left_out() -> None:
    """A fact that nobody knows has no line of its own, and a missing summary is said."""
    text = render_receipt(receipt())

    assert "| Job |" not in text
    assert "None" not in text
    assert "Took" not in text
    assert "keeps no summary" in render_receipt(receipt(job_id="1"))
    assert "names no change" in render_receipt(receipt(job_id="1", summary=ImportSummary()))


def test_what_the_tenant_says_can_not_break_the_table() -> None:
    """Bars, tags and line breaks in a message stay inside their cell, as text."""
    evil = "a|b <script>\r\n\n| c"
    failure = ImportFailure(message=evil, error_type="RUNTIME", identifier="x\ny")
    text = render_receipt(receipt(message=evil, failures=(failure,)))

    assert "| Message | a\\|b &lt;script> \\| c |" in text.splitlines()
    assert "| RUNTIME | x y | a\\|b &lt;script> \\| c |" in text.splitlines()
    assert "<script" not in text


@pytest.mark.parametrize("more", [0, 1, 12])
def test_long_lists_of_errors_are_cut_and_counted(more: int) -> None:
    """The first errors are shown, and the number of the others is told."""
    failures = tuple(
        ImportFailure(message=f"error {number}.") for number in range(SHOWN_FAILURES + more)
    )
    text = render_receipt(receipt(failures=failures))

    assert f"error {SHOWN_FAILURES - 1}." in text
    assert f"error {SHOWN_FAILURES}." not in text
    assert (more > 0) == text.endswith(f"\n\nand {more} more")


def test_every_note_is_there() -> None:
    """Whatever was noted on the way is quoted, note by note."""
    lines = render_receipt(receipt(notes=("it was busy", "it was resumed"))).splitlines()

    assert {"> it was busy", "> it was resumed"} <= set(lines)
