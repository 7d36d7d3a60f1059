"""Whose job is it: what speaks for a job, and what against it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collibra_tasks.adopting import Findings, judge_jobs
from collibra_tasks.ledger import Entry, Past
from collibra_tasks.models import Job

START = datetime(2026, 11, 1, 3, tzinfo=UTC)
INTENT = Entry(
    tenant="https://tenant.test",
    synchronization_id="nightly",
    strategy="CHANGE_STATUS",
    number=2,
    claim="ours",
    intended_on=START,
    batch_job_ids=("batch",),
    batch_name="Synchronization batch",
    past=Past(finalized=True, job_name="Synchronization finalization", job_type="IMPORT"),
)
OURS = Job(
    id="ours",
    name="Synchronization finalization",
    type="IMPORT",
    created_on=START + timedelta(seconds=2),
)


def job(**changes: Any) -> Job:
    said = {"id": "other", "name": OURS.name, "type": OURS.type, "created_on": OURS.created_on}
    return Job(**(said | changes))


def look(*jobs: Job, entry: Entry = INTENT, records: list[Entry] | None = None) -> Findings:
    return judge_jobs(jobs, entry, longest_request_seconds=60, records=records or [])


def test_the_only_job_is_ours() -> None:
    """A single job of the account since the intent is the one, once no other can turn up."""
    findings = look(OURS)

    assert (OURS, None) == (findings.only, findings.certain)


def test_of_two_neither_is_ours() -> None:
    """Two jobs that may be it leave the outcome unknown."""
    findings = look(OURS, job())

    assert findings.only is None
    assert 2 == len(findings.candidates)


NAMED = job(id="named", name="Synchronization finalization nightly")
KNOWN = Past(finalized=True, job_name="Synchronization finalization {}", job_type="IMPORT")
NAMING = replace(INTENT, batch_name="Synchronization batch {}", past=KNOWN)


def test_the_known_name_decides() -> None:
    """A job called like our last finalization, with the synchronization, is the one at once."""
    rival = replace(NAMING, synchronization_id="daily")

    assert NAMED == look(OURS, NAMED, entry=NAMING, records=[rival]).certain


def test_a_name_seen_for_the_first_time_is_not_trusted_at_once() -> None:
    """Before any finalization is on record, a job that names us counts once no other turned up."""
    findings = look(NAMED, entry=replace(NAMING, past=Past()))

    assert (NAMED, None) == (findings.only, findings.certain)


SIBLINGS = ["nightly.eu", "eu.nightly", "nightly:eu", "nightly-eu", "nightly eu", "eu nightly 2"]


@pytest.mark.parametrize("sibling", SIBLINGS)
@pytest.mark.parametrize("kind", ["batch", "finalization"])
@pytest.mark.parametrize("past", [KNOWN, Past()], ids=["known", "first"])
def test_a_longer_id_is_another_one(sibling: str, kind: str, past: Past) -> None:
    """A job of a synchronization whose ID only contains ours is never taken for ours."""
    other = job(name=f"Synchronization {kind} {sibling}")

    assert look(other, entry=replace(NAMING, past=past)).only is None


def test_where_all_jobs_are_called_alike_none_is_taken() -> None:
    """If nothing tells a batch from a finalization, the outcome stays unknown."""
    entry = replace(NAMING, batch_name="Import {}", past=replace(KNOWN, job_name="Import {}"))
    unfilled = replace(
        entry, batch_name=None, past=replace(KNOWN, job_name="Import", batch_name="Import")
    )

    assert look(job(name="Import nightly"), entry=entry).only is None
    assert look(job(name="Import"), entry=unfilled).only is None


NOT_OURS: dict[str, Job] = {
    "older than the intent": job(created_on=START - timedelta(seconds=1)),
    "too late to be of its request": job(created_on=START + timedelta(seconds=61)),
    "called otherwise than finalizations here": job(name="Import"),
    "of another type": job(type="EXPORT"),
    "a batch of this cycle": job(id="batch"),
    "undated": job(created_on=None),
}


@pytest.mark.parametrize("case", NOT_OURS)
def test_what_speaks_against_a_job_is_heard(case: str) -> None:
    """A job against which anything speaks is not adopted, even if it is the only one."""
    assert look(NOT_OURS[case]).only is None


def test_a_job_called_like_the_batches_is_no_finalization() -> None:
    """Before any finalization is on record, a job with the name of our batches is not taken."""
    entry = replace(NAMING, past=Past())

    assert look(job(name="Synchronization batch nightly"), entry=entry).only is None
    assert NAMED == look(NAMED, entry=entry).only


def test_where_no_finalization_is_known_a_name_is_needed() -> None:
    """Before any finalization is on record, a job that does not name us may be anybody's."""
    assert look(OURS, entry=replace(INTENT, past=Past())).only is None


def test_where_nothing_is_known_nothing_is_taken() -> None:
    """With no batch and no finalization to tell by, a job that names us may be a batch."""
    assert look(NAMED, entry=replace(NAMING, batch_name=None, past=Past())).only is None


def test_jobs_of_other_records_are_theirs() -> None:
    """A job that another synchronization's record knows is not ours."""
    other = replace(INTENT, synchronization_id="daily", job_id="other")

    assert look(job(), records=[other]).only is None
    assert OURS == look(OURS, job(), records=[other]).only


def test_beside_another_open_intent_nothing_is_taken_for_granted() -> None:
    """While another synchronization waits for its own lost job, a nameless job may be either's."""
    other = replace(INTENT, synchronization_id="daily")

    assert look(OURS, records=[other]).only is None
