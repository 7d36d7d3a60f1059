"""Summaries and errors of imports."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import (
    CONTAINS,
    MISSING,
    ApiClient,
    asset,
    containing,
    described,
)

RESULTS = "/rest/2.0/import/results"


def summary(client: ApiClient, job: str) -> Any:
    return client.get(f"{RESULTS}/{job}/summary").json()


def test_import_is_counted(client: ApiClient) -> None:
    """Assets and their attributes are counted as added or updated, by type."""
    first = client.batch(described("a", "one"), asset("b"))
    second = client.batch(described("a", "two", "three"), asset("b"))

    assert {"added": 2} == client.counters(first)
    assert {"updated": 1} == client.counters(second)
    assert {"added": 2, "removed": 1} == client.counters(second, "ATTRIBUTE")
    (found,) = [k for k in summary(client, first)["resourceTypes"] if k["resourceType"] == "ASSET"]
    assert ["Table"] == [sub["category"]["name"] for sub in found["subcategories"]]


def test_relations_are_counted(client: ApiClient) -> None:
    """Added and removed relations are counted, and their asset as updated."""
    client.batch(asset("x"), asset("y"), containing("a", "x"))
    job = client.batch(containing("a", "y"))

    assert {"added": 1, "removed": 1} == client.counters(job, "RELATION")
    assert {"updated": 1} == client.counters(job)
    (found,) = [k for k in summary(client, job)["resourceTypes"] if k["resourceType"] == "RELATION"]
    assert [CONTAINS] == [sub["category"]["name"] for sub in found["subcategories"]]


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
def test_finalization_is_counted(client: ApiClient, parts: Any, counted: dict[str, int]) -> None:
    """The summary counts the assets that a finalization removes or marks."""
    client.batch(asset("a"), asset("b"))
    client.finalize()
    client.batch(asset("a"))

    assert counted == client.counters(client.finalize(**parts).json()["id"])


@pytest.mark.parametrize(
    ("result", "word"),
    [
        ("SUCCESS", "COMPLETED"),
        ("COMPLETED_WITH_ERROR", "COMPLETED_WITH_ERRORS"),
        ("FAILURE", "FAILED"),
        ("ABORTED", "ABORTED"),
    ],
)
def test_summary_has_its_own_words(client: ApiClient, result: str, word: str) -> None:
    """The summary writes a result in other words than the job, one of them in the plural."""
    client.tenant.end_jobs_as("COMPLETED", result, errors=["one", "two"])
    found = summary(client, client.remove_missing())

    assert (word, 2) == (found["importJobState"], found["errorsCount"])


def test_errors_come_in_pages(client: ApiClient) -> None:
    """Errors are listed by offset and limit, with the total."""
    client.tenant.end_jobs_as("FAILED", errors=[str(number) for number in range(7)])
    job = client.remove_missing()
    listed = client.get(f"{RESULTS}/{job}/errors", offset=5, limit=5).json()

    assert 7 == listed["total"]
    assert ["5", "6"] == [error["errorMessage"] for error in listed["results"]]


@pytest.mark.parametrize("part", ["summary", "errors"])
def test_results_wait_for_the_end(client: ApiClient, part: str) -> None:
    """Results are 400 while the job runs, and 404 for an unknown job."""
    client.tenant.run_jobs_for(60)
    job = client.batch(asset("a"))
    assert 400 == client.get(f"{RESULTS}/{job}/{part}").status_code

    client.tenant.finish_jobs()
    assert 200 == client.get(f"{RESULTS}/{job}/{part}").status_code
    assert 404 == client.get(f"{RESULTS}/{client.tenant.user_id}/{part}").status_code


@pytest.mark.parametrize("part", ["summary", "errors"])
def test_finalizations_may_have_no_results(client: ApiClient, part: str) -> None:
    """A tenant may have results of batches and none of finalizations."""
    batch, final = client.batch(asset("a")), client.remove_missing()
    assert 200 == client.get(f"{RESULTS}/{final}/{part}").status_code
    client.tenant.without_summaries()

    assert 200 == client.get(f"{RESULTS}/{batch}/{part}").status_code
    assert 404 == client.get(f"{RESULTS}/{final}/{part}").status_code


def test_foreign_job_has_no_results(client: ApiClient) -> None:
    """A foreign job is not an import job."""
    job = client.tenant.add_foreign_job().id

    assert 404 == client.get(f"{RESULTS}/{job}/summary").status_code


@pytest.mark.parametrize(("version", "counts"), [("2025.11.0", False), ("2026.07.0", True)])
def test_only_newer_tenants_count_failures(version: str, *, counts: bool) -> None:
    """The counter for failed commands exists in newer releases."""
    with ApiClient(Sandbox(version=version)) as client:
        types = summary(client, client.batch(asset("a")))["resourceTypes"]

    assert counts == ("failed" in types[0]["counters"])
