"""Ledger entries and their stored form."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from collibra_tasks.ledger.entry import (
    MAX_MANIFESTS,
    History,
    LedgerEntry,
    Origin,
    Phase,
    Resolution,
    ResolutionRecord,
)
from collibra_tasks.ledger.entry_form import MAX_BYTES, entry_from_value, entry_to_value
from collibra_tasks.ledger.evidence import MAX_EVIDENCE, evidence_digests, short_digests
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.models import Job
from tests.support.memory_store import START


def entry_of(**changes: Any) -> LedgerEntry:
    fields: dict[str, Any] = {
        "environment": "tenant.example",
        "synchronization_id": "nightly",
        "strategy": "CHANGE_STATUS",
        "number": 3,
        "claim_id": "c",
        "intended_on": START,
        "deadline_on": START + timedelta(seconds=200),
    }
    return LedgerEntry(**(fields | changes))


def long_name(number: int) -> str:
    """Return the longest name that a manifest has on a storage block."""
    return f"{resource_name('cycle', 'e' * 200, 'w' * 50)}/manifest-{number:016d}.tsv.gz"


DONE = Job(id="f1", state="COMPLETED", result="SUCCESS", created_on=START, ended_on=START)
FAILED = Job(id="f1", state="FAILED", result="FAILURE", created_on=START)


def test_entry_from_value_round_trip() -> None:
    """A stored entry is read as it was written."""
    record = ResolutionRecord(
        resolution=Resolution.NOT_SENT, by="ada", on=START, reason="r", excluded_job_ids=("x",)
    )
    entry = replace(
        entry_of(evidence=short_digests(["b1"]), jobs_before=("j",), resolution=record),
        history=History(finalized=True, number=2, evidence=("aa",), manifests=("m",)),
    ).with_ended_job(DONE)
    value = json.loads(json.dumps(entry_to_value(entry)))
    assert entry_from_value(value) == entry
    assert entry_from_value(value, written_on=START).written_on == START


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "note",
        [],
        {},
        {"format": 1},
        {"format": 3},
        {"format": 2},
        {"format": 2, "number": {}},
    ],
)
def test_entry_from_value_other_shapes(value: object) -> None:
    """A value of another shape or of a newer version raises a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own text
        entry_from_value(value)


@pytest.mark.parametrize("letter", ["x", "統", "\U0001f600", "\x01", '"'])
def test_entry_to_value_fits(letter: str) -> None:
    """An entry with the longest texts and lists fits into one variable and is readable."""
    record = ResolutionRecord(
        resolution=Resolution.NOT_SENT,
        by=letter * 5000,
        on=START,
        reason=letter * 5000,
        excluded_job_ids=tuple(f"{number:036d}" for number in range(500)),
    )
    evidence = short_digests(str(number) for number in range(2000))
    history = History(
        finalized=True,
        evidence=evidence[:MAX_EVIDENCE],
        manifests=tuple(long_name(number) for number in range(MAX_MANIFESTS)),
        tracked_manifest=long_name(2),
        shown_manifest=long_name(3),
        job_id="0" * 36,
        finalized_on=START,
        created_on=START,
    )
    entry = entry_of(
        synchronization_id="統" * 50,
        environment="e" * 200,
        flow_run_name=letter * 5000,
        evidence=evidence,
        jobs_before=tuple(f"{number:036d}" for number in range(200)),
        outcome=letter * 5000,
        resolution=record,
        history=history,
        account_id="0" * 36,
        flow_run_id="0" * 36,
        root_flow_run_id="0" * 36,
        plan_id="0" * 64,
        content_digest="0" * 64,
        manifest=long_name(1),
        tracked_manifest=long_name(2),
        shown_manifest=long_name(3),
    ).with_job(
        Job(id="1" * 36, name=letter * 4800, type="IMPORT", created_on=START, ended_on=START)
    )
    value = entry_to_value(entry)
    assert len(json.dumps(value).encode()) <= MAX_BYTES
    assert entry_from_value(value).job_id == entry.job_id


def test_was_filled_by_exact() -> None:
    """The same batches in any sequence are the same evidence; more, fewer or none are not."""
    entry = entry_of(evidence=evidence_digests(["a", "b"]))
    assert entry.was_filled_by(["b", "a", "a"])
    assert not entry.was_filled_by(["a"])
    assert not entry.was_filled_by(["a", "b", "c"])
    assert not entry_of().was_filled_by([])


@pytest.mark.parametrize("count", [MAX_EVIDENCE - 1, MAX_EVIDENCE, MAX_EVIDENCE + 1, 2000])
def test_was_filled_by_many(count: int) -> None:
    """Evidence of any size is recognized after it was stored, and no part of it."""
    ids = [str(number) for number in range(count)]
    entry = entry_from_value(entry_to_value(entry_of(evidence=evidence_digests(ids))))
    assert entry.was_filled_by(ids)
    assert not entry.was_filled_by(ids[:-1])
    assert not entry.was_filled_by([*ids, "more"])


def test_to_history_of_ended() -> None:
    """The end of the job, its evidence and its manifest are what later cycles compare with."""
    entry = entry_of(evidence=("aa",), manifest="m3", history=History(evidence=("bb",)))
    history = entry.with_ended_job(DONE).to_history()
    assert (history.finalized, history.number, history.job_id) == (True, 3, "f1")
    assert history.finalized_on == START
    assert history.evidence == ("aa", "bb")
    assert history.manifests == ("m3",)
    assert not history.may_still_be_open


def test_to_history_of_withdrawn() -> None:
    """A withdrawn entry leaves the history as it was."""
    before = History(finalized=True, number=1, job_id="f0")
    assert entry_of(history=before).withdrawn().to_history() == before


def test_to_history_of_failed() -> None:
    """After a failed finalization Collibra may hold the content of both cycles."""
    before = History(finalized=True, manifests=("m2",))
    history = entry_of(manifest="m3", history=before).with_ended_job(FAILED).to_history()
    assert history.manifests == ("m3", "m2")
    assert history.may_still_be_open


def test_to_history_of_failed_for_long() -> None:
    """After too many failed finalizations in a row the content of Collibra counts as unknown."""
    history = History(finalized=True, manifests=("m0",))
    for number in range(MAX_MANIFESTS):
        entry = entry_of(manifest=f"n{number}", history=history).with_ended_job(FAILED)
        history = entry.to_history()
    assert history.manifests == ()


def test_to_history_of_foreign() -> None:
    """A finalization by others keeps the last manifest to compare with."""
    before = History(finalized=True, manifests=("m2",), tracked_manifest="t")
    history = entry_of(origin=Origin.FOREIGN, history=before).with_ended_job(DONE).to_history()
    assert history.manifests == ("m2",)
    assert history.tracked_manifest == "t"


def test_to_history_of_unknown_content() -> None:
    """A cycle without a manifest leaves nothing to compare with."""
    before = History(finalized=True, manifests=("m2",))
    assert entry_of(history=before).with_ended_job(DONE).to_history().manifests == ()


def test_to_history_of_tracked_assets() -> None:
    """A successful REMOVE_RESOURCES ends the tracking of what is not in its manifest."""
    before = History(finalized=True, tracked_manifest="t")
    remove = entry_of(strategy="REMOVE_RESOURCES", manifest="m3", history=before)
    assert remove.with_ended_job(DONE).to_history().tracked_manifest == "m3"
    assert remove.with_ended_job(FAILED).to_history().tracked_manifest == "t"
    kept = entry_of(strategy="IGNORE", manifest="m3", tracked_manifest="t3", history=before)
    assert kept.with_ended_job(DONE).to_history().tracked_manifest == "t3"


def test_with_job_keeps_what_is_known() -> None:
    """A response that holds only an ID does not delete what is on record."""
    entry = entry_of().with_job(Job(id="f1", name="n", type="IMPORT", created_on=START))
    again = entry.with_job(Job(id="f1"))
    assert (again.job_name, again.job_type, again.job_created_on) == ("n", "IMPORT", START)
    assert again.phase == Phase.SENT


def test_to_history_foreign_finalization_of_an_upload() -> None:
    """A finalization by others adds the upload that it closed to what Collibra may hold."""
    foreign = entry_of(
        origin=Origin.FOREIGN,
        phase=Phase.ENDED,
        manifest="upload",
        history=History(finalized=True, manifests=("last",)),
    )

    assert foreign.to_history().manifests == ("upload", "last")
    first = replace(foreign, history=History())
    assert first.to_history().manifests == ("upload",)


def test_to_history_foreign_finalization_of_unknown_content() -> None:
    """Unknown content stays unknown after a finalization by others, whatever it closed."""
    foreign = entry_of(
        origin=Origin.FOREIGN,
        phase=Phase.ENDED,
        manifest="upload",
        history=History(finalized=True),
    )

    assert foreign.to_history().manifests == ()


def test_to_history_shown_manifest() -> None:
    """Assets that approved plans have shown count until a removal of a known cycle succeeded."""
    history = History(finalized=True, shown_manifest="before")
    entry = entry_of(phase=Phase.ENDED, manifest="m", history=history)

    assert entry.to_history().shown_manifest == "before"
    assert replace(entry, shown_manifest="now").to_history().shown_manifest == "now"
    removing = replace(entry, strategy="REMOVE_RESOURCES", shown_manifest="now")
    assert removing.to_history().shown_manifest is None
    assert replace(removing, failed=True).to_history().shown_manifest == "now"
