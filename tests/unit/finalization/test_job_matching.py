"""Classification of jobs in Collibra's job list."""

from __future__ import annotations

import pytest

from collibra_tasks.finalization.job_matching import (
    JobClass,
    SearchContext,
    batch_id_of,
    classify_job,
    holds_id,
    match_new_jobs,
    name_pattern,
)
from collibra_tasks.ledger.patterns import LearnedPattern
from collibra_tasks.models import Job

NOW = "2026.7"
NAMED = LearnedPattern(name="Finalization of {} (sync)", release=NOW)
SILENT = LearnedPattern(name="Import", release=NOW)
BARE = LearnedPattern(name="{}", release=NOW)
OLD: dict[str, object] = {"release": "2026.10"}


def context(*patterns: LearnedPattern, **facts: object) -> SearchContext:
    fields = {"synchronization_id": "sales", "patterns": patterns, "release": NOW}
    return SearchContext(**(fields | facts))  # type: ignore[arg-type] # test facts of any field


@pytest.mark.parametrize(
    ("job", "facts", "job_class"),
    [
        (Job(id="j", name="anything"), {"known_ids": {"j"}}, "known"),
        (Job(id="j", name="Synchronization of batch for id: sales"), {}, "batch by others"),
        (Job(id="j", name="Synchronization of batch for id: sales "), {}, "not ours"),
        (Job(id="j", name="Synchronization of batch for id: sales-eu"), {}, "not ours"),
        (Job(id="j", name="sales", type="DELTA_INGESTION"), {}, "not ours"),
        (Job(id="j", name="about sales"), {"owned_elsewhere": {"j"}}, "not ours"),
        (Job(id="j", name="Finalization of weekly (sync)"), {}, "not ours"),
        (Job(id="j", name="Finalization of sales (sync)"), {}, "foreign finalization"),
        (Job(id="j", name="Export of sales"), {}, "doubtful"),
        (Job(id="j", name="Export of sales-eu"), {}, "not ours"),
        (Job(id="j", name="Export"), {}, "not ours"),
        (Job(id="j"), {}, "not ours"),
        (Job(id="j", name="Export"), {"release": "2026.10"}, "doubtful"),
        (Job(id="j", name="Export"), {"patterns": ()}, "doubtful"),
        (Job(id="j", name="Import"), {"patterns": (SILENT,)}, "doubtful"),
        (Job(id="j", name="Import 2"), {"patterns": (SILENT,)}, "not ours"),
        (Job(id="j"), {"patterns": (LearnedPattern(name="", release=NOW),)}, "doubtful"),
        (Job(id="j", name="sales"), {"patterns": (BARE,)}, "foreign finalization"),
        (Job(id="j", name="Import"), {"patterns": (BARE, SILENT)}, "doubtful"),
        (Job(id="j", name="Export"), {"patterns": (BARE,)}, "not ours"),
        (Job(id="j", name="Finalization of " + "x" * 51 + " (sync)"), OLD, "doubtful"),
        (Job(id="j", name="Finalization of sales (sync)", type="DELTA_INGESTION"), {}, "not ours"),
        (Job(id="j", name="Finalization of sales (sync)"), {"owned_elsewhere": {"j"}}, "not ours"),
    ],
)
def test_classify_job_each_row(job: Job, facts: dict[str, object], job_class: str) -> None:
    """Each job gets the first class of the table that fits."""
    assert (
        classify_job(job, context(NAMED, **facts) if "patterns" not in facts else context(**facts))
        == job_class
    )


def test_classify_job_several_patterns() -> None:
    """A name that was learned before an upgrade still identifies a finalization."""
    old = LearnedPattern(name="Close {}", release="2025.4")
    job = Job(id="j", name="Close sales")
    assert classify_job(job, context(NAMED, old)) == JobClass.FOREIGN_FINALIZATION


@pytest.mark.parametrize(
    "name",
    ["sales", "sync sales", "'sales'", "id:sales", "(sales)", "[sales] done", '"sales"', "«sales»"],
)
def test_holds_id_between_delimiters(name: str) -> None:
    """An ID counts between spaces, quotes, colons, brackets and the ends of a name."""
    assert holds_id(name, "sales")


@pytest.mark.parametrize(
    "name",
    ["sales-eu", "sales_eu", "sales.eu", "presales", "salesman", "eu-sales", "Sales", "", None],
)
def test_holds_id_inside_words(name: str | None) -> None:
    """An ID inside of a longer ID or word does not count."""
    assert not holds_id(name, "sales")


@pytest.mark.parametrize("synchronization_id", ["a.b", "x+", "(sales)", "a b", "{}", "[x"])
def test_name_pattern_any_id(synchronization_id: str) -> None:
    """A learned name fits the next finalization of any synchronization ID."""
    pattern = LearnedPattern(
        name=name_pattern(
            Job(id="j", name=f"Finalize: {synchronization_id} now"), synchronization_id
        )
    )
    if synchronization_id != "{}":
        assert pattern.id_in(f"Finalize: {synchronization_id} now") == synchronization_id
    assert pattern.id_in("Something else") is None


def test_batch_id_of_names() -> None:
    """The ID in a batch's name is read exactly."""
    assert batch_id_of(Job(id="j", name="Synchronization of batch for id: a b")) == "a b"
    assert batch_id_of(Job(id="j", name="Batch for id: a")) is None
    assert batch_id_of(Job(id="j")) is None


ONE = Job(id="f1", name="Finalization of sales (sync)")
TWO = Job(id="f2", name="Finalization of sales (sync)")
BATCH = Job(id="b", name="Synchronization of batch for id: sales")
OTHER = Job(id="o", name="Edge job")


@pytest.mark.parametrize(
    ("jobs", "blind", "certain", "none_possible"),
    [
        ([ONE, OTHER], None, True, False),
        ([ONE, TWO], None, False, False),
        ([ONE, BATCH], None, False, False),
        ([ONE], "too many pages", False, False),
        ([OTHER], None, False, True),
        ([], None, False, True),
        ([], "too many pages", False, False),
        ([BATCH], None, False, False),
    ],
)
def test_match_new_jobs_decides(
    jobs: list[Job], blind: str | None, *, certain: bool, none_possible: bool
) -> None:
    """Exactly one job with a learned name and this ID is adopted; everything else is unknown."""
    matches = match_new_jobs(jobs, context(NAMED), blind=blind)
    assert (matches.certain is not None) is certain
    assert matches.none_possible is none_possible


def test_match_new_jobs_unlikely() -> None:
    """A job that its name rules out is kept for display and is no candidate."""
    matches = match_new_jobs([OTHER], context(NAMED))
    assert matches.unlikely == (OTHER,)
    assert matches.candidates == ()
