"""The flows finalize-synchronization and resolve-finalization on a real Prefect server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from collibra_tasks.errors import (
    FinalizationRefusedError,
    JobIncompleteError,
    JobTimedOutError,
    NotSentError,
    OutcomeUnknownError,
    OverlapError,
)
from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import (
    artifact_of,
    import_tables,
    log_lines,
    newest_entry,
    newest_flow_run,
    save_credentials,
    table,
)

Cycle = Callable[..., Any]


@pytest.fixture
def resolve(credentials: Any) -> Cycle:
    """Resolve a finalization as a person, and return the final state."""
    from flows.resolve_finalization import resolve_finalization

    def run(resolution: str, **changes: Any) -> Any:
        person = {"resolved_by": "Ada", "reason": "checked the job list"}
        return resolve_finalization(
            credentials, "nightly", resolution, return_state=True, **(person | changes)
        )

    return run


def test_finalize_with_evidence(finalize: Cycle, tenant: Sandbox) -> None:
    """The batch of another program is finalized once; the receipt names user, URL and job."""
    state = finalize(import_tables(tenant, 3))

    assert state.is_completed(), state.message
    assert "Finalized nightly with CHANGE_STATUS" in state.message
    text = artifact_of(tenant, "receipt")["data"]
    assert all(each in text for each in (tenant.jobs[-1].id, tenant.url, tenant.username))
    assert 1 == tenant.finalizations
    progress = artifact_of(tenant, "progress")
    assert 100.0 == progress["data"]
    assert f"Finalization: job {tenant.jobs[-1].id} COMPLETED" in progress["description"]


def test_finalize_uses_one_client(
    finalize: Cycle, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One client finalizes, waits and reads the receipt; a lost connection is tried again."""
    from collibra_tasks import CollibraCredentials

    clients: list[Any] = []
    get_client = CollibraCredentials.get_client

    def connect(credentials: CollibraCredentials) -> Any:
        clients.append(credentials)
        if len(clients) == 1:
            raise NotSentError("Collibra was not reached.")
        return get_client(credentials)

    monkeypatch.setattr(CollibraCredentials, "get_client", connect)

    state = finalize(import_tables(tenant, 3))

    assert state.is_completed(), state.message
    assert 2 == len(clients)
    log = "\n".join(log_lines(state.state_details.flow_run_id))
    assert "Collibra was not reached. Trying again at " in log


def test_seven_failed_commands(finalize: Cycle, tenant: Sandbox) -> None:
    """A finalization with seven failed commands says 7 and names the first asset."""
    errors = [
        {
            "errorMessage": f"Asset {number} is locked.",
            "command": {"indices": [number], "identifier": f"Sales > table_{number:03}"},
        }
        for number in range(7)
    ]
    tenant.end_jobs_as("COMPLETED", "COMPLETED_WITH_ERROR", errors=errors)

    state = finalize(import_tables(tenant, 3))

    assert state.is_failed()
    assert "7 commands failed; first: Sales > table_000: Asset 0 is locked." in state.message
    assert tenant.jobs[-1].id in state.message
    assert "exception" not in state.message.lower()
    assert "Traceback" not in "\n".join(log_lines(state.state_details.flow_run_id))


def test_lost_response_is_found(finalize: Cycle, tenant: Sandbox) -> None:
    """A response that is lost after the commit is found in the job list and followed."""
    assert finalize(import_tables(tenant, 3)).is_completed()
    job_id = import_tables(tenant, 3)
    tenant.lose_next_answer()

    state = finalize(job_id)

    assert state.is_completed(), state.message
    assert tenant.jobs[-1].id in state.message
    assert 2 == tenant.finalizations


def test_unknown_outcome_is_resolved(finalize: Cycle, resolve: Cycle, tenant: Sandbox) -> None:
    """With two possible jobs the outcome is unknown; inspect lists both, adopt_job ends it."""
    job_id = import_tables(tenant, 3)
    tenant.configure(finalization_job_name="Job")
    tenant.lose_next_answer()
    tenant.call_next(lambda: tenant.add_foreign_job(name="Job"))

    state = finalize(job_id)

    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), OutcomeUnknownError)
    assert "resolve-finalization" in state.message
    ours = next(job.id for job in tenant.jobs if job.kind == "finalize")
    assert resolve("inspect").is_completed()
    assert ours in artifact_of(tenant, "inspection")["data"]
    assert newest_entry(tenant).open

    state = resolve("adopt_job", job_id=ours)

    assert state.is_completed(), state.message
    assert ours in state.message
    assert not newest_entry(tenant).open
    assert 1 == tenant.finalizations


def test_inspect_without_a_finalization(resolve: Cycle, tenant: Sandbox) -> None:
    """Inspecting a synchronization without a finalization says so and changes nothing."""
    state = resolve("inspect")

    assert state.is_completed()
    assert "Nothing has to be resolved" in state.message
    assert [] == tenant.finalization_requests


def test_overlap_follows_skips_or_fails(finalize: Cycle, tenant: Sandbox) -> None:
    """During a running job attach follows it, skip ends well, fail fails; nothing is sent."""
    job_id = import_tables(tenant, 3)
    tenant.stall_jobs()

    finalize(job_id, wait_seconds=0)

    states = {
        mode: finalize(job_id, wait_seconds=0, on_overlap=mode)
        for mode in ("attach", "skip", "fail")
    }

    assert 1 == tenant.finalizations
    followed = states["attach"].result(raise_on_failure=False)
    assert isinstance(followed, JobTimedOutError)
    assert tenant.jobs[-1].id == followed.job_id
    assert "Skipped" == states["skip"].name
    assert isinstance(states["fail"].result(raise_on_failure=False), OverlapError)


def test_refusal_sends_nothing(finalize: Cycle, tenant: Sandbox) -> None:
    """An unknown batch job refuses the finalization, and nothing is sent."""
    import_tables(tenant, 3)

    state = finalize("00000000-0000-0000-0000-00000000dead")

    assert state.is_failed()
    assert "exception" not in state.message.lower()
    assert "Traceback" not in "\n".join(log_lines(state.state_details.flow_run_id))
    assert [] == tenant.finalization_requests


@pytest.mark.parametrize("on_cancel", ["leave", "cancel_job"])
def test_cancellation_hook(finalize: Cycle, tenant: Sandbox, on_cancel: str) -> None:
    """The hook of a cancelled flow run reports its job, and cancels it only on request."""
    from collibra_tasks import report_or_cancel_job
    from flows.finalize_synchronization import finalize_synchronization

    tenant.stall_jobs()
    finalize(import_tables(tenant, 3), wait_seconds=0)
    flow_run = newest_flow_run("finalize-synchronization")
    parameters = {
        "credentials": save_credentials(tenant, f"cancelled-{on_cancel.replace('_', '-')}"),
        "synchronization_id": "nightly",
        "on_cancel": on_cancel,
    }

    report_or_cancel_job(
        finalize_synchronization,
        flow_run.model_copy(update={"parameters": parameters}),
        flow_run.state,
    )

    job = tenant.jobs[-1]
    text = artifact_of(tenant, "receipt")["data"]
    assert job.id in text
    assert "cancelled" in text
    assert (on_cancel == "cancel_job") == (job.state == "DELETED")


def test_retried_flow_follows_the_job(credentials: Any, tenant: Sandbox) -> None:
    """A retried flow sends nothing; it gets the job of its first attempt."""
    from prefect import flow

    from collibra_tasks import submit_finalization

    import_tables(tenant, 3)
    jobs: list[str] = []

    @flow(retries=1)
    def caller() -> None:
        jobs.append(
            submit_finalization(
                credentials, "nightly", strategy="IGNORE", allow_unverified_cycle=True
            ).id
        )
        if len(jobs) == 1:
            raise RuntimeError("power failure")

    caller()

    assert [tenant.jobs[-1].id] * 2 == jobs
    assert 1 == tenant.finalizations


def test_public_tasks_log_no_traceback(credentials: Any, tenant: Sandbox) -> None:
    """In a flow of a user, the public tasks raise, and log their errors in one line."""
    from prefect import flow

    from collibra_tasks import submit_finalization, wait_for_job

    job_id = tenant.import_by_hand("nightly", [table("odd", status={"name": "No such status"})]).id
    caught: list[Exception] = []

    @flow
    def caller() -> None:
        try:
            wait_for_job(credentials, job_id, wait_seconds=20)
        except JobIncompleteError as error:
            caught.append(error)
        try:
            submit_finalization(credentials, "nightly", strategy="IGNORE", batch_job_ids=[job_id])
        except FinalizationRefusedError as error:
            caught.append(error)

    state: Any = caller(return_state=True)

    assert 2 == len(caught)
    log = "\n".join(log_lines(state.state_details.flow_run_id))
    assert f"Task run failed with exception: JobIncompleteError('Job {job_id} " in log
    assert "Traceback" not in log


def test_finalization_by_another_run_between_two_reads(
    credentials: Any, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flow run follows the job of another one that finalized the same batches meanwhile."""
    from collibra_tasks.finalization import finalizer
    from collibra_tasks.finalization.finalizer import Finalizer
    from collibra_tasks.finalization.last_finalization import wait_for_last_finalization
    from collibra_tasks.finalization.submission import Evidence
    from collibra_tasks.finalization.tasks import open_session
    from collibra_tasks.models import FinalizationRequest, FinalizationStrategy

    request = FinalizationRequest("nightly", FinalizationStrategy.IGNORE)
    evidence = Evidence(batch_job_ids=(import_tables(tenant, 3),))
    wait = wait_for_last_finalization
    jobs = []

    def wait_after_another(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(finalizer, "wait_for_last_finalization", wait)
        with open_session(credentials, "nightly") as other:
            jobs.append(Finalizer(session=other).finalize(request, evidence).id)
        return wait(*arguments, **options)

    monkeypatch.setattr(finalizer, "wait_for_last_finalization", wait_after_another)
    with open_session(credentials, "nightly") as session:
        jobs.append(Finalizer(session=session).finalize(request, evidence).id)

    assert [tenant.jobs[-1].id] * 2 == jobs
    assert 1 == tenant.finalizations


def test_second_unverified_finalization_of_one_caller(credentials: Any, tenant: Sandbox) -> None:
    """A caller that starts the flow twice without evidence is refused the second time."""
    from prefect import flow

    from flows.finalize_synchronization import finalize_synchronization

    import_tables(tenant, 3)

    @flow
    def finalize_twice() -> None:
        for _ in range(2):
            finalize_synchronization(
                credentials=credentials,
                synchronization_id="nightly",
                allow_unverified_cycle=True,
            )

    with pytest.raises(FinalizationRefusedError, match="finalized 'nightly' before"):
        finalize_twice()

    assert 1 == tenant.finalizations
