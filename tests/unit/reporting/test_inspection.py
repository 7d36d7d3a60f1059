"""Report for the person who resolves an unknown outcome."""

from datetime import UTC, datetime

from collibra_tasks.finalization.job_matching import JobMatches
from collibra_tasks.ledger.entry import LedgerEntry, Phase
from collibra_tasks.models import Job
from collibra_tasks.reporting.inspection import render_inspection

ENTRY = LedgerEntry(
    environment="tenant.collibra.com",
    synchronization_id="nightly",
    strategy="IGNORE",
    number=3,
    intended_on=datetime(2026, 7, 1, 2, 3, 4, tzinfo=UTC),
)


def test_render_inspection_lists_candidates() -> None:
    """Each job that may belong to the record is shown, with its likelihood, and the next steps."""
    matches = JobMatches(
        named=(Job(id="j1", name="nightly"),),
        unlikely=(Job(id="j2", type="DELTA_INGESTION"),),
        blind="page 3 was refused",
    )
    text = render_inspection(ENTRY, matches)

    assert "# nightly: finalization 3 is intended" == text.splitlines()[0]
    assert "| Possible | `j1` | nightly |" in text
    assert "| Unlikely | `j2` |" in text
    assert "page 3 was refused" in text
    assert "adopt_job" in text


def test_render_inspection_without_open_entry() -> None:
    """An ended or missing finalization needs no decision."""
    ended = LedgerEntry(
        environment="e", synchronization_id="n", strategy="IGNORE", phase=Phase.ENDED
    )

    assert "Nothing has to be resolved" in render_inspection(None, None)
    assert "Nothing has to be resolved" in render_inspection(ended, None)
    assert "No new job" in render_inspection(ENTRY, JobMatches())
