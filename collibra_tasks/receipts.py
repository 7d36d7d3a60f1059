"""What became of a finalization, as a value and as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from collibra_tasks.models import FinalizationStrategy, ImportFailure, ImportSummary, Job
from collibra_tasks.results import Results

SHOWN_FAILURES = 50
SENTENCES = {
    FinalizationStrategy.REMOVE_RESOURCES: "assets that did not come back are **deleted**",
    FinalizationStrategy.CHANGE_STATUS: "assets that did not come back get the status `{status}`",
    FinalizationStrategy.IGNORE: "assets that did not come back stay as they are",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was asked of the tenant, by whom, and how it ended.

    ``state`` and ``result`` are Collibra's words; ``None`` where they were not learnt. ``not_sent``
    says that this run certainly finalized nothing.
    """

    tenant: str
    synchronization_id: str
    strategy: FinalizationStrategy
    missing_asset_status_id: str | None = None
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
    notes: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether all was committed; COMPLETED alone does not say so."""
        return (self.state, self.result) == ("COMPLETED", "SUCCESS")

    @property
    def duration_seconds(self) -> float | None:
        """How long the job ran, by the tenant's clock."""
        if self.started_on is None or self.ended_on is None:
            return None
        return (self.ended_on - self.started_on).total_seconds()


def complete_receipt(receipt: Receipt, job: Job, results: Results) -> Receipt:
    """Add how the job ended, by the tenant's own words."""
    return replace(
        receipt,
        job_id=job.id,
        state=job.state,
        result=job.result,
        message=job.message,
        started_on=job.started_on or job.created_on,
        ended_on=job.ended_on,
        summary=results.summary,
        failures=results.failures,
    )


def render_receipt(receipt: Receipt) -> str:
    """Write a receipt as Markdown, for people."""
    parts = [
        f"# {_headline(receipt)}",
        _sentence(receipt),
        *(f"> {note}" for note in receipt.notes),
        render_table(("", ""), _facts(receipt)),
        _counters(receipt.summary) if receipt.job_id else "",
        _failures(receipt.failures),
    ]
    return "\n\n".join(part for part in parts if part)


def _headline(receipt: Receipt) -> str:
    name = receipt.synchronization_id
    if receipt.not_sent:
        return f"{name}: not finalized by this run, nothing was removed"
    if receipt.succeeded:
        return f"{name}: finalized"
    if receipt.state is None:
        return f"{name}: outcome not known" if receipt.job_id is None else f"{name}: not ended yet"
    return f"{name}: {receipt.state} with result {receipt.result or 'none'}"


def _sentence(receipt: Receipt) -> str:
    status = receipt.missing_asset_status_id
    told = SENTENCES[receipt.strategy].format(status=status)
    if receipt.not_sent:
        return f"Asked for: {receipt.strategy.value}."
    return f"{receipt.strategy.value}: {told}."


def _facts(receipt: Receipt) -> list[tuple[str, str]]:
    duration = receipt.duration_seconds
    facts = [
        ("Tenant", f"[{receipt.tenant}]({receipt.tenant})"),
        ("Synchronization", f"`{receipt.synchronization_id}`"),
        ("Job", f"`{receipt.job_id}`" if receipt.job_id else None),
        (
            "State and result",
            f"{receipt.state or '?'}, {receipt.result or '?'}" if receipt.job_id else None,
        ),
        ("Message", receipt.message),
        ("Asked for by", receipt.requested_by),
        ("As the account", receipt.account),
        ("Started", _moment(receipt.started_on)),
        ("Took", None if duration is None else f"{duration:.1f} s"),
        ("Batches of this cycle", ", ".join(f"`{job}`" for job in receipt.batch_job_ids)),
    ]
    return [(name, value) for name, value in facts if value]


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _counters(summary: ImportSummary | None) -> str:
    if summary is None:
        return "The tenant keeps no summary of this job."
    rows = [
        (kind, f"{count.added}", f"{count.updated}", f"{count.removed}", f"{count.failed}")
        for kind, count in summary.counters.items()
    ]
    if not rows:
        return "The tenant's summary names no change."
    return "## What changed\n\n" + render_table(
        ("Resource", "Added", "Updated", "Removed", "Failed"), rows
    )


def _failures(failures: tuple[ImportFailure, ...]) -> str:
    if not failures:
        return ""
    rows = [
        (failure.error_type or "", failure.identifier or "", failure.message)
        for failure in failures[:SHOWN_FAILURES]
    ]
    rest = len(failures) - len(rows)
    more = f"\n\nand {rest} more" if rest > 0 else ""
    return "## Errors\n\n" + render_table(("Type", "Identifier", "Message"), rows) + more


def render_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Write a Markdown table; what would break a cell is made harmless."""
    lines = [head, tuple("---" for _ in head), *(tuple(map(_cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
