"""Stored form of ledger entries, cut to the size that a Prefect variable holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any

from pydantic import TypeAdapter

from collibra_tasks.ledger.entry import MAX_NAME, LedgerEntry, ResolutionRecord
from collibra_tasks.ledger.evidence import MAX_EVIDENCE

FORMAT = 2
"""Version of the stored form. An entry with a higher number is unreadable here."""
MAX_BYTES = 4_900
"""Maximum size of a stored entry in bytes. Prefect keeps 5,000 characters of a variable."""
MAX_JOBS_BEFORE = 20
MAX_REASON = 1_000

_entries = TypeAdapter(LedgerEntry)


def entry_to_value(entry: LedgerEntry) -> dict[str, Any]:
    """Return the stored form of an entry, cut to the size that a Prefect variable holds."""
    short = replace(
        entry,
        flow_run_name=entry.flow_run_name and entry.flow_run_name[:MAX_NAME],
        outcome=entry.outcome and entry.outcome[:MAX_NAME],
        evidence=entry.evidence[:MAX_EVIDENCE],
        jobs_before=entry.jobs_before[:MAX_JOBS_BEFORE],
        resolution=entry.resolution and _cut_resolution(entry.resolution, MAX_REASON),
    )
    for smaller in chain([short], _smaller(short)):
        value = _dump(smaller)
        if len(json.dumps(value).encode()) <= MAX_BYTES:
            return value
    return value


def _dump(entry: LedgerEntry) -> dict[str, Any]:
    value: dict[str, Any] = _entries.dump_python(
        entry, mode="json", exclude={"written_on"}, exclude_none=True
    )
    return {"format": FORMAT, **value}


def _smaller(entry: LedgerEntry) -> Iterable[LedgerEntry]:
    """Yield shorter forms: long texts are cut first, then lists that only explain."""
    resolution = entry.resolution and _cut_resolution(entry.resolution, 100)
    entry = replace(entry, resolution=resolution, job_name=entry.job_name and entry.job_name[:60])
    yield entry
    history = replace(entry.history, evidence=entry.history.evidence[:10])
    entry = replace(entry, history=history, jobs_before=entry.jobs_before[:3])
    yield entry
    entry = replace(entry, flow_run_name=None, outcome=entry.outcome and entry.outcome[:40])
    yield entry
    # Characters outside of ASCII need up to 12 bytes each.
    resolution = entry.resolution and _cut_resolution(entry.resolution, 40)
    history = replace(history, evidence=())
    entry = replace(entry, resolution=resolution, job_name=None, history=history)
    yield entry
    # Unknown manifests make the next cycle ask, so nothing goes missing unseen.
    yield replace(entry, history=replace(history, manifests=()))


def _cut_resolution(record: ResolutionRecord, length: int) -> ResolutionRecord:
    return replace(
        record,
        by=record.by[: min(length, 100)],
        reason=record.reason[:length],
        excluded_job_ids=record.excluded_job_ids[: min(length // 10, 10)],
    )


def entry_from_value(value: object, *, written_on: datetime | None = None) -> LedgerEntry:
    """Return the entry of a stored value.

    Raises:
        ValueError: If the value is not an entry, or was written by a newer version.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError("it is not a ledger entry of this version")
    fields = {name: each for name, each in value.items() if name != "format"}
    return _entries.validate_python(fields | {"written_on": written_on})
