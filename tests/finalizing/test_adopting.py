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


def test_a_name_decides() -> None:
    """A job that names the synchronization is the one, whatever else runs."""
    named = job(id="named", name="Synchronization finalization nightly")
    entry = replace(INTENT, past=Past())

    assert named == look(OURS, named, entry=entry).certain


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
    entry = replace(INTENT, past=Past())

    assert look(job(name="Synchronization batch"), entry=entry).only is None
    assert OURS == look(OURS, entry=entry).only


def test_jobs_of_other_records_are_theirs() -> None:
    """A job that another synchronization's record knows is not ours."""
    other = replace(INTENT, synchronization_id="daily", job_id="other")

    assert look(job(), records=[other]).only is None
    assert OURS == look(OURS, job(), records=[other]).only


def test_beside_another_open_intent_nothing_is_taken_for_granted() -> None:
    """While another synchronization waits for its own lost job, a nameless job may be either's."""
    other = replace(INTENT, synchronization_id="daily")

    assert look(OURS, records=[other]).only is None
