"""The flow on a real Prefect server, against every fault of the sandbox."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks import (
    MISSING_FROM_SOURCE,
    CollibraCredentials,
    Receipt,
)
from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    FinalizationRefusedError,
    JobAbortedError,
    JobCanceledError,
    JobError,
    JobFailedError,
    JobIncompleteError,
    JobTimedOutError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    UnexpectedAnswerError,
)
from collibra_tasks.sandbox import Sandbox
from flows.finalize_synchronization import finalize_synchronization
from tests.conftest import ImportCycle, artifact
from tests.tenants import new_tenant

Stage = Callable[[Sandbox], Any]
pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def tenant() -> Iterator[Sandbox]:
    """Serve a tenant where a job can be told by its name before any finalization is on record."""
    with new_tenant(jobs_name_synchronization=True) as tenant:
        yield tenant


def finalize(credentials: CollibraCredentials, job_id: str, **changes: Any) -> Receipt:
    request: dict[str, Any] = {
        "synchronization_id": "nightly",
        "batch_job_ids": [job_id],
        "wait_seconds": 20,
    }
    receipt: Receipt = finalize_synchronization(credentials, **(request | changes))
    return receipt


def test_a_full_cycle_ends_in_a_receipt(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """What did not come back gets the status, and the receipt says so, returned and in the UI."""
    finalize(credentials, import_cycle(3))

    receipt = finalize(credentials, import_cycle(2))

    assert receipt.succeeded
    assert ("COMPLETED", "SUCCESS") == (receipt.state, receipt.result)
    assert receipt.summary is not None
    assert 1 == receipt.summary.counters["ASSET"].updated
    marked = [one.name for one in tenant.assets().values() if one.status_id == MISSING_FROM_SOURCE]
    assert ["table_2"] == marked
    assert 2 == tenant.finalizations
    text = artifact("finalization-nightly")["data"]
    assert str(receipt.job_id) in text
    assert tenant.url in text
    assert tenant.username in text


@pytest.mark.parametrize(
    ("strategy", "left"), [("REMOVE_RESOURCES", 2), ("CHANGE_STATUS", 3), ("IGNORE", 3)]
)
def test_each_strategy_does_what_it_says(
    credentials: CollibraCredentials,
    tenant: Sandbox,
    import_cycle: ImportCycle,
    strategy: str,
    left: int,
) -> None:
    """Only REMOVE_RESOURCES deletes what did not come back."""
    finalize(credentials, import_cycle(3), strategy=strategy)
    finalize(credentials, import_cycle(2), strategy=strategy)

    assert left == len(tenant.assets())


def _lose_among_two(tenant: Sandbox) -> None:
    name = "Synchronization finalization nightly"
    tenant.add_foreign_job(created_on=datetime.now(UTC) + timedelta(seconds=3), name=name)
    tenant.lose_next_answer()


FAULTS: dict[str, tuple[Stage, type[CollibraError] | None, int]] = {
    "answer lost after the commit": (lambda t: t.lose_next_answer(), None, 1),
    "answer lost, two jobs to choose from": (_lose_among_two, OutcomeUnknownError, 1),
    "answer lost before the commit": (
        lambda t: t.lose_next_answer(before_commit=True),
        OutcomeUnknownError,
        0,
    ),
    "busy, then free": (lambda t: t.be_busy(retry_after="1"), None, 1),
    "busy until a date": (
        lambda t: t.be_busy(retry_after=f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}"),
        None,
        1,
    ),
    "asked to stay away for an hour": (
        lambda t: t.be_busy(retry_after="3600", times=9),
        BusyError,
        0,
    ),
    "503 before the commit": (lambda t: t.fail_next(503), OutcomeUnknownError, 0),
    "503 after the commit": (lambda t: t.fail_next(503, after_commit=True), None, 1),
    "a page before the commit": (lambda t: t.answer_html_next(), OutcomeUnknownError, 0),
    "a page after the commit": (lambda t: t.answer_html_next(after_commit=True), None, 1),
    "broken JSON after the commit": (lambda t: t.break_json_next(after_commit=True), None, 1),
    "a redirect": (lambda t: t.redirect_next("https://elsewhere.test/"), OutcomeUnknownError, 0),
    "not allowed": (lambda t: t.forbid(), AccessDeniedError, 0),
    "refused": (lambda t: t.fail_next(404), NotFoundError, 0),
    "a dropped look at the job": (lambda t: t.lose_next_answer(on="job", times=2), None, 1),
    "a 500 at the job": (lambda t: t.fail_next(500, on="job", times=2), None, 1),
    "a page at the job": (lambda t: t.answer_html_next(on="job", times=2), None, 1),
    "broken JSON at the job": (lambda t: t.break_json_next(on="job", times=2), None, 1),
    "trouble before anything is sent": (
        lambda t: t.fail_next(503, on="exists", times=2),
        None,
        1,
    ),
    "a slow answer": (lambda t: t.answer_slowly(0.2), None, 1),
    "a job hidden at first": (lambda t: t.hide_jobs(looks=2), None, 1),
    "a job hidden behind a 500": (lambda t: t.hide_jobs(looks=2, status=500), None, 1),
    "no job API v1": (lambda t: t.without_job_api_v1(), None, 1),
    "no older job API": (lambda t: t.without_legacy_jobs(), None, 1),
    "no summaries": (lambda t: t.without_summaries(), None, 1),
    "failed": (lambda t: t.end_jobs_as("ERROR", "FAILURE"), JobFailedError, 1),
    "incomplete": (
        lambda t: t.end_jobs_as("COMPLETED", "COMPLETED_WITH_ERROR"),
        JobIncompleteError,
        1,
    ),
    "no result": (lambda t: t.end_jobs_as("COMPLETED", "NOT_SET"), JobIncompleteError, 1),
    "aborted": (lambda t: t.end_jobs_as("COMPLETED", "ABORTED"), JobAbortedError, 1),
    "canceled": (lambda t: t.end_jobs_as("CANCELED", "NOT_SET"), JobCanceledError, 1),
    "a word that nobody knows": (lambda t: t.end_jobs_as("PONDERING"), UnexpectedAnswerError, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_finalizes_twice(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle, fault: str
) -> None:
    """Whatever breaks, one request at most is taken, and the run ends with the error it means."""
    direct, error, finalizations = FAULTS[fault]
    job_id = import_cycle()
    direct(tenant)

    if error is None:
        assert finalize(credentials, job_id).succeeded
    else:
        with pytest.raises(error):
            finalize(credentials, job_id)

    assert finalizations == tenant.finalizations


def test_an_unknown_outcome_is_told_in_the_ui(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """A run whose answer got lost leaves an artifact that does not claim to know the outcome."""
    job_id = import_cycle()
    tenant.lose_next_answer(before_commit=True)

    with pytest.raises(OutcomeUnknownError):
        finalize(credentials, job_id)

    assert "not known" in artifact("finalization-nightly")["data"]


def test_a_failed_job_brings_its_errors(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """The error and the artifact hold what Collibra said about the failed job."""
    job_id = import_cycle()
    tenant.end_jobs_as("ERROR", "FAILURE", errors=["the domain is locked"])

    with pytest.raises(JobError) as caught:
        finalize(credentials, job_id)

    assert ["the domain is locked"] == [failure.message for failure in caught.value.failures]
    assert "the domain is locked" in artifact("finalization-nightly")["data"]


def test_a_deadline_leaves_the_job_alone(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """A run that waits no longer says which job goes on, and stops nothing."""
    job_id = import_cycle()
    tenant.run_jobs_for(3600)

    with pytest.raises(JobTimedOutError) as caught:
        finalize(credentials, job_id, wait_seconds=0)

    assert tenant.jobs[-1].id == caught.value.job_id
    assert "RUNNING" == tenant.jobs[-1].state or "WAITING" == tenant.jobs[-1].state


REFUSED: dict[str, dict[str, Any]] = {
    "no status for CHANGE_STATUS": {"missing_asset_status_id": ""},
    "a status that is no UUID": {"missing_asset_status_id": "Obsolete"},
    "a status that the tenant lacks": {
        "missing_asset_status_id": MISSING_FROM_SOURCE[:-4] + "9999"
    },
    "a synchronization that the tenant lacks": {"synchronization_id": "nihgtly"},
    "an ID with a slash": {"synchronization_id": "a/b"},
    "deleting without evidence": {"strategy": "REMOVE_RESOURCES", "batch_job_ids": []},
    "an unknown batch job": {"batch_job_ids": ["00000000-0000-0000-0000-00000000dead"]},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_right_is_not_sent(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle, case: str
) -> None:
    """A request that means harm or nothing is refused with its reasons, and none is sent."""
    job_id = import_cycle()

    with pytest.raises(FinalizationRefusedError) as caught:
        finalize(credentials, job_id, **REFUSED[case])

    assert caught.value.reasons
    assert [] == tenant.finalization_requests


def test_an_id_of_51_characters_is_not_sent(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """A synchronization ID that is too long does not even start a run."""
    with pytest.raises(Exception, match="50 characters"):
        finalize(credentials, import_cycle(), synchronization_id="x" * 51)

    assert [] == tenant.finalization_requests


@pytest.mark.parametrize("end", [("COMPLETED", "COMPLETED_WITH_ERROR"), ("ERROR", "FAILURE")])
def test_a_batch_that_did_not_succeed_is_no_evidence(
    credentials: CollibraCredentials,
    tenant: Sandbox,
    import_cycle: ImportCycle,
    end: tuple[str, str],
) -> None:
    """A cycle with a batch that lost commands is not finalized: they would count as missing."""
    import_cycle()
    tenant.end_jobs_as(*end, on="batch")
    with pytest.raises(AssertionError):
        import_cycle()

    with pytest.raises(FinalizationRefusedError):
        finalize(credentials, tenant.jobs[-1].id)

    assert 0 == tenant.finalizations


def test_deleting_without_evidence_has_to_be_said(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """REMOVE_RESOURCES without batch jobs works for those who say that they know."""
    import_cycle()

    receipt = finalize(
        credentials,
        "",
        strategy="REMOVE_RESOURCES",
        batch_job_ids=[],
        allow_unverified_cycle=True,
    )

    assert receipt.succeeded
    assert 1 == tenant.finalizations


def test_a_tenant_that_is_away_is_not_sent_to(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """A tenant that can't be reached ends the run as not sent."""
    job_id = import_cycle()
    tenant.stop()

    with pytest.raises(NotSentError):
        finalize(credentials, job_id)


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
def test_no_secret_is_left_anywhere(
    tenant: Sandbox,
    import_cycle: ImportCycle,
    prefect_home: Path,
    caplog: pytest.LogCaptureFixture,
    auth_type: str,
    saved: bool,  # noqa: FBT001 - a case
) -> None:
    """No password, token or client secret shows in a log, an artifact or a file of Prefect's."""
    caplog.set_level(logging.DEBUG)
    environment = tenant.environment(auth_type)
    fields = {name.removeprefix("COLLIBRA_").lower(): value for name, value in environment.items()}
    credentials = CollibraCredentials(**(fields | {"auth_type": auth_type}))
    if saved:
        credentials.save(f"canary-{auth_type}", overwrite=True)
    receipt = finalize(credentials, import_cycle())
    tenant.lose_next_answer(before_commit=True)
    with pytest.raises(OutcomeUnknownError) as caught:
        finalize(credentials, import_cycle())

    canaries = [tenant.password, tenant.token, tenant.client_secret]
    files = [path.read_bytes() for path in prefect_home.rglob("*") if path.is_file()]
    places = [caplog.text, repr(receipt), repr(credentials), repr(caught.value), str(caught.value)]
    for canary in canaries:
        assert not any(canary in place for place in places)
        assert not any(canary.encode() in content for content in files)
