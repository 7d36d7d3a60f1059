"""Summaries and errors of imports."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import MISSING, Caller, asset, described

RESULTS = "/rest/2.0/import/results"


def summary(caller: Caller, job: str) -> Any:
    return caller.get(f"{RESULTS}/{job}/summary").json()


def test_an_import_is_counted(caller: Caller) -> None:
    """Assets and their attributes are counted as added or updated, by type."""
    first = caller.batch(described("a", "one"), asset("b"))
    second = caller.batch(described("a", "two", "three"), asset("b"))

    assert {"added": 2} == caller.counters(first)
    assert {"updated": 1} == caller.counters(second)
    assert {"added": 2, "removed": 1} == caller.counters(second, "ATTRIBUTE")
    (kind,) = [k for k in summary(caller, first)["resourceTypes"] if k["resourceType"] == "ASSET"]
    assert ["Table"] == [sub["category"]["name"] for sub in kind["subcategories"]]


@pytest.mark.parametrize(
    ("parts", "counted"),
    [
        ({"finalizationStrategy": "REMOVE_RESOURCES"}, {"removed": 1}),
        (
            {"finalizationStrategy": "CHANGE_STATUS", "missingAssetStatusId": MISSING},
            {"updated": 1},
        ),
        ({"finalizationStrategy": "IGNORE"}, {}),
    ],
)
def test_a_finalization_is_counted(caller: Caller, parts: Any, counted: dict[str, int]) -> None:
    """What a finalization removes or marks stands in its summary."""
    caller.batch(asset("a"), asset("b"))
    caller.finalize()
    caller.batch(asset("a"))

    assert counted == caller.counters(caller.finalize(**parts).json()["id"])


@pytest.mark.parametrize(
    ("result", "word"),
    [
        ("SUCCESS", "COMPLETED"),
        ("COMPLETED_WITH_ERROR", "COMPLETED_WITH_ERRORS"),
        ("FAILURE", "FAILED"),
        ("ABORTED", "ABORTED"),
    ],
)
def test_a_summary_has_words_of_its_own(caller: Caller, result: str, word: str) -> None:
    """The summary says a result in other words than the job, one with a plural."""
    caller.tenant.end_jobs_as("COMPLETED", result, errors=["one", "two"])
    found = summary(caller, caller.remove_missing())

    assert (word, 2) == (found["importJobState"], found["errorsCount"])


def test_errors_come_in_pages(caller: Caller) -> None:
    """Errors are listed by offset and limit, with the total."""
    caller.tenant.end_jobs_as("FAILED", errors=[str(number) for number in range(7)])
    job = caller.remove_missing()
    listed = caller.get(f"{RESULTS}/{job}/errors", offset=5, limit=5).json()

    assert 7 == listed["total"]
    assert ["5", "6"] == [error["errorMessage"] for error in listed["results"]]


@pytest.mark.parametrize("what", ["summary", "errors"])
def test_finalizations_may_have_no_results(caller: Caller, what: str) -> None:
    """A tenant may keep results of batches and none of finalizations."""
    batch, final = caller.batch(asset("a")), caller.remove_missing()
    caller.tenant.without_summaries()

    assert 200 == caller.get(f"{RESULTS}/{batch}/{what}").status_code
    assert 404 == caller.get(f"{RESULTS}/{final}/{what}").status_code


def test_a_job_that_imports_nothing_has_no_results(caller: Caller) -> None:
    """A foreign job is not an import job."""
    job = caller.tenant.add_foreign_job().id

    assert 404 == caller.get(f"{RESULTS}/{job}/summary").status_code


@pytest.mark.parametrize(("version", "counts"), [("2025.11.0", False), ("2026.07.0", True)])
def test_only_newer_tenants_count_failures(version: str, *, counts: bool) -> None:
    """The counter for failed commands is there in newer releases."""
    with Sandbox(version=version) as tenant, Caller(tenant) as caller:
        kinds = summary(caller, caller.batch(asset("a")))["resourceTypes"]

    assert counts == ("failed" in kinds[0]["counters"])
