"""The shipped deployments on a real server with a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import (
    artifact_of,
    import_tables,
    read_events,
    save_credentials,
    until,
    write_tables,
)
from tests.support.pool import ENDED, FLOWS, Pool

pytestmark = pytest.mark.slow


def test_deployments_are_described_and_inactive(pool: Pool) -> None:
    """Each deployment has a description, a tag, a heartbeat and an inactive example schedule.

    It has no concurrency limit, and its parameters are checked.
    """
    for flow in FLOWS:
        deployment = pool.deployment(flow)
        assert [False] == [schedule["active"] for schedule in deployment["schedules"]]
        assert deployment["description"]
        assert ["collibra"] == deployment["tags"]
        heartbeat = deployment["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
        assert 30 == int(heartbeat)
        assert deployment["enforce_parameter_schema"]
        assert deployment["global_concurrency_limit"] is None
        assert deployment["concurrency_limit"] is None


def test_each_deployment_runs(pool: Pool, tenant: Sandbox, tmp_path: Path) -> None:
    """A worker runs each deployment to its end, and the receipts are in the UI."""
    common = {"credentials": save_credentials(tenant, "deployment")}
    import_tables(tenant, 3, "by-hand")
    job_id = tenant.jobs[-1].id
    source = write_tables(tmp_path / "export.json", 5)

    runs = [
        pool.start(
            "finalize-synchronization",
            **common,
            synchronization_id="by-hand",
            batch_job_ids=[job_id],
        ),
        pool.start("resolve-finalization", **common, synchronization_id="nothing"),
        pool.start("plan-synchronization", **common, synchronization_id="plan", source=source),
        pool.start("check-tenant", **common),
    ]
    # Until the first finalization has ended, a new environment knows no name of such jobs.
    states = [pool.wait(run) for run in runs]
    run = pool.start("synchronize-source", **common, synchronization_id="files", source=source)
    states.append(pool.wait(run))

    messages = [state["message"] for state in states]
    assert ["COMPLETED"] * 5 == [state["type"] for state in states], messages
    assert "Finalized files with CHANGE_STATUS: 5 assets" in states[-1]["message"]
    assert "by-hand: finalized" in artifact_of(tenant, "receipt", "by-hand")["data"]
    assert "Nothing has to be resolved" in states[1]["message"]
    assert 2 == tenant.finalizations


@pytest.mark.parametrize("number", [10, 9])
def test_approval_of_a_suspended_run(
    pool: Pool, tenant: Sandbox, tmp_path: Path, number: int
) -> None:
    """A deployed run is suspended; the plan's number finalizes, another number refuses.

    Its events are related to the flow run and to the deployment. The last line of the refused run
    is its sentence.
    """
    source = tmp_path / "export.json"
    parameters: dict[str, Any] = {
        "credentials": save_credentials(tenant, "approval"),
        "synchronization_id": "approved",
        "source": write_tables(source, 20),
        "on_guard": "ask",
    }
    assert "COMPLETED" == pool.wait(pool.start("synchronize-source", **parameters))["type"]
    write_tables(source, 10)

    run = pool.start("synchronize-source", **parameters)
    assert "PAUSED" == pool.wait(run, ENDED | {"PAUSED"})["type"]
    assert 1 == tenant.finalizations
    form = {"expected_number": number, "reason": "a schema was dropped"}
    response = pool.api.post(f"/flow_runs/{run}/resume", json={"run_input": form})
    assert "ACCEPT" == response.raise_for_status().json()["status"], response.text
    state = pool.wait(run)

    approved = number == 10
    assert ("COMPLETED" if approved else "FAILED") == state["type"], state
    assert 1 + approved == tenant.finalizations
    text = artifact_of(tenant, "receipt", "approved")["data"]
    assert approved == ("a schema was dropped" in text)
    if not approved:  # the last line follows the state
        until(lambda: pool.log(run).endswith(f"\n{state['message']}"), 30, lambda: pool.log(run))
    until(lambda: len(read_events(run)) == 2, 30, lambda: read_events(run))
    kinds = ["waiting-for-approval", "finalized" if approved else "refused"]
    deployment = f"prefect.deployment.{pool.deployment('synchronize-source')['id']}"
    for kind, event in zip(kinds, read_events(run), strict=True):
        assert f"collibra.synchronization.{kind}" == event["event"]
        assert deployment in [each["prefect.resource.id"] for each in event["related"]]
