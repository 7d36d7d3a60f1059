"""Promises of a job's results: complete where Collibra has them, and never a new error."""

import httpx

from collibra_tasks.errors import JobIncompleteError
from collibra_tasks.jobs.results import Results, fetch_job_error, fetch_results
from collibra_tasks.models import Counters, Job
from tests.support.clients import Server, json_response, page_of, refusal

SUMMARY = {
    "resourceTypes": [
        {"resourceType": "ASSET", "counters": {"added": 1, "removed": 2, "failed": 10**400}},
        {"resourceType": "RELATION", "counters": None, "subcategories": None},
        "garbage",
    ],
    "errorsCount": 3,
    "importJobState": "COMPLETED_WITH_ERRORS",
}
FAILURE = {
    "errorType": "RUNTIME",
    "errorMessage": "No such type.",
    "command": {"indices": [4, "x", True], "identifier": "T1"},
}


def test_fetch_results_reads_counters_and_errors() -> None:
    """Counters and errors are read; values that are no numbers count as 0 or are left out."""
    server = Server({"/summary": json_response(SUMMARY), "/errors": page_of(FAILURE, {})})

    with server.client() as client:
        results = fetch_results(client, "1")

    assert results.summary is not None
    assert Counters(added=1, removed=2) == results.summary.counters["ASSET"]
    assert Counters() == results.summary.counters["RELATION"]
    assert 3 == results.summary.errors_count
    assert ("No such type.", (4,), "T1") == (
        results.failures[0].message,
        results.failures[0].indices,
        results.failures[0].identifier,
    )
    assert "no message" == results.failures[1].message


def test_fetch_results_limits_errors() -> None:
    """A job with very many errors does not fill the memory."""
    with Server({"/errors": page_of(*[FAILURE] * 20)}).client() as client:
        assert 7 == len(fetch_results(client, "1", max_failures=7).failures)


def test_fetch_results_without_results_is_empty() -> None:
    """Missing or unreadable results change no outcome."""
    server = Server({"/summary": refusal(400), "/errors": httpx.ReadError("lost")})

    with server.client() as client:
        assert Results() == fetch_results(client, "1")


def test_fetch_job_error_adds_results() -> None:
    """The error of a job carries Collibra's counters and errors."""
    server = Server({"/summary": json_response(SUMMARY), "/errors": page_of(FAILURE)})
    job = Job(id="1", state="COMPLETED", result="COMPLETED_WITH_ERROR")

    with server.client() as client:
        error = fetch_job_error(client, job)

    assert isinstance(error, JobIncompleteError)
    assert "No such type." == error.failures[0].message
    assert error.summary is not None


def test_fetch_job_error_of_success_requests_nothing() -> None:
    """A successful job has no error and costs no request."""
    server = Server()

    with server.client() as client:
        assert fetch_job_error(client, Job(id="1", state="COMPLETED", result="SUCCESS")) is None

    assert [] == server.requests
