"""Receipts as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from collibra_tasks.models import AssetRow, FinalizationStrategy, ImportFailure, ImportSummary
from collibra_tasks.reporting.receipts import VERBS, Receipt, describe_difference

MAX_SHOWN_FAILURES: Final = 50
MAX_SHOWN_MISSING: Final = 100
CHART_LEVELS: Final = "▁▂▃▄▅▆▇█"
EFFECTS: Final = {
    FinalizationStrategy.REMOVE_RESOURCES: "assets that are missing from the cycle are **deleted**",
    FinalizationStrategy.CHANGE_STATUS: "assets that are missing from the cycle get the status "
    "`{status}`",
    FinalizationStrategy.IGNORE: "assets that are missing from the cycle are not changed",
}


def render_receipt(
    receipt: Receipt, *, missing_table: str = "", earlier_counts: Sequence[int] = ()
) -> str:
    """Return the receipt as Markdown.

    Args:
        receipt: Receipt to show.
        missing_table: URL of a table with all missing assets, or empty.
        earlier_counts: Numbers of assets in earlier cycles, oldest first.
    """
    parts = [
        f"# {_headline(receipt)}",
        _request_sentence(receipt),
        *(f"> {_one_line(note)}" for note in _list_notes(receipt)),
        render_table(("", ""), _list_facts(receipt)),
        _render_chart(receipt, earlier_counts),
        _render_counters(receipt.summary) if receipt.job_id else "",
        _render_failures(receipt.failures),
        _render_missing(receipt, missing_table),
    ]
    return "\n\n".join(part for part in parts if part)


def _headline(receipt: Receipt) -> str:
    name = receipt.synchronization_id
    if receipt.not_sent:
        return f"{name}: not finalized by this flow run, nothing was removed"
    if receipt.succeeded:
        return f"{name}: finalized"
    if receipt.state is None:
        return f"{name}: {'outcome' if receipt.job_id is None else 'state of the job'} unknown"
    return f"{name}: {receipt.state} with result {receipt.result or 'none'}"


def _request_sentence(receipt: Receipt) -> str:
    if receipt.not_sent:
        return f"Requested strategy: {receipt.strategy.value}."
    effect = EFFECTS[receipt.strategy].format(status=receipt.missing_asset_status_id)
    return f"{receipt.strategy.value}: {effect}."


def _list_notes(receipt: Receipt) -> list[str]:
    return [note for note in (*receipt.notes, describe_difference(receipt)) if note]


def _list_facts(receipt: Receipt) -> list[tuple[str, str]]:
    duration = receipt.duration_seconds
    name = receipt.environment or receipt.base_url
    states = f"{receipt.state or 'unknown'}, {receipt.result or 'unknown'}"
    facts = [
        ("Environment", f"[{name}]({receipt.base_url})" if receipt.base_url else name),
        ("Synchronization", f"`{receipt.synchronization_id}`"),
        ("Job", f"`{receipt.job_id}`" if receipt.job_id else None),
        ("State and result", states if receipt.job_id else None),
        ("Message", receipt.message),
        ("Requested by", receipt.requested_by),
        ("Account", receipt.account),
        ("Started", _format_moment(receipt.started_on)),
        ("Duration", None if duration is None else f"{duration:.1f} s"),
        ("Assets in this cycle", _format_count(receipt.asset_count)),
        ("Assets in the previous cycle", _format_count(receipt.previous_count)),
        ("New assets", _format_count(receipt.new_count)),
        ("Missing assets", _format_count(receipt.missing_count)),
        ("Missing since earlier cycles", _format_count(receipt.older_missing_count or None)),
        (
            f"{VERBS[receipt.strategy].capitalize()}, as Collibra reported",
            _format_count(receipt.reported_count) if receipt.succeeded else None,
        ),
        ("Plan", f"`{receipt.plan_id}`" if receipt.plan_id else None),
        ("Batches of this cycle", ", ".join(f"`{job}`" for job in receipt.batch_job_ids)),
    ]
    return [(label, value) for label, value in facts if value]


def _format_moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _format_count(count: int | None) -> str | None:
    return None if count is None else f"{count:,}"


def _render_chart(receipt: Receipt, earlier_counts: Sequence[int]) -> str:
    if receipt.asset_count is None or not earlier_counts:
        return ""
    counts = [*earlier_counts, receipt.asset_count]
    top = max(*counts, 1)
    bars = "".join(CHART_LEVELS[count * (len(CHART_LEVELS) - 1) // top] for count in counts)
    return f"## Assets per cycle\n\n`{bars}` {counts[0]:,} to {counts[-1]:,}, oldest cycle first"


def _render_counters(summary: ImportSummary | None) -> str:
    if summary is None:
        return "Collibra has no summary of this job."
    rows = [
        (kind, f"{count.added:,}", f"{count.updated:,}", f"{count.removed:,}", f"{count.failed:,}")
        for kind, count in summary.counters.items()
    ]
    if not rows:
        return "Collibra's summary lists no change."
    head = ("Resource", "Added", "Updated", "Removed", "Failed")
    return f"## Changes\n\n{render_table(head, rows)}"


def _render_failures(failures: tuple[ImportFailure, ...]) -> str:
    if not failures:
        return ""
    rows = [
        (failure.error_type or "", failure.identifier or "", failure.message)
        for failure in failures[:MAX_SHOWN_FAILURES]
    ]
    table = render_table(("Type", "Identifier", "Message"), rows)
    return f"## Errors\n\n{table}{_count_more(len(failures) - len(rows))}"


def _render_missing(receipt: Receipt, missing_table: str) -> str:
    shown = receipt.missing_rows[:MAX_SHOWN_MISSING]
    if not shown:
        return ""
    rows = [
        (domain if index == 0 else "", row.asset)
        for domain, group in groupby(sorted(shown, key=lambda row: row.domain), _domain_of)
        for index, row in enumerate(group)
    ]
    total = max(receipt.missing_count or 0, len(receipt.missing_rows))
    link = f"\n\n[Table of all missing assets]({missing_table})" if missing_table else ""
    table = render_table(("Domain", "Asset"), rows)
    return f"## Missing assets\n\n{table}{_count_more(total - len(rows))}{link}"


def _domain_of(row: AssetRow) -> str:
    return row.domain


def _count_more(count: int) -> str:
    return f"\n\nand {count:,} more" if count > 0 else ""


def render_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table; special characters in cells are escaped."""
    lines = [head, tuple("---" for _ in head), *(tuple(map(_escape, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")
