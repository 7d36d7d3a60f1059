"""Events of synchronizations, read back from a real Prefect server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks.ledger.identity import normalize_environment
from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import read_events, tables, until, write_tables

Cycle = Callable[..., Any]


@pytest.fixture
def plan(synchronize_tables: Cycle, credentials: Any, tmp_path: Path) -> Callable[[], Any]:
    """Plan a cycle without one asset of the previous one, and return the final state."""
    from flows.plan_synchronization import plan_synchronization

    def run() -> Any:
        synchronize_tables(20)
        source = write_tables(tmp_path / "export.json", 19)
        return plan_synchronization(credentials, "nightly", source, return_state=True)

    return run


@pytest.fixture
def broken_source(tmp_path: Path) -> str:
    """Return an export with an asset whose status does not exist."""
    broken = tables(3)
    broken[1] |= {"status": {"name": "No such status"}}
    source = tmp_path / "broken.json"
    source.write_text(json.dumps(broken))
    return str(source)


def assert_event(state: Any, tenant: Sandbox, kind: str, payload: dict[str, Any]) -> None:
    """Check the one event of a flow run: its kind, its resource, and a part of its payload."""
    flow_run_id = state.state_details.flow_run_id
    until(lambda: read_events(flow_run_id), 30)
    (event,) = read_events(flow_run_id)
    environment = normalize_environment(tenant.url)
    assert f"collibra.synchronization.{kind}" == event["event"]
    assert {
        "prefect.resource.id": "collibra.synchronization.nightly",
        "prefect.resource.name": "nightly",
        "collibra.environment": environment,
    } == event["resource"]
    expected = payload | {"synchronization_id": "nightly", "environment": environment}
    assert expected == {name: event["payload"].get(name) for name in expected}
    assert event["payload"]["message"]
    assert tenant.password not in json.dumps(event)


def test_event_planned(plan: Callable[[], Any], tenant: Sandbox) -> None:
    """A plan emits *planned* with its number and its counts."""
    state = plan()

    counts = {"asset_count": 19, "previous_count": 20, "missing_count": 1, "new_count": 0}
    assert_event(state, tenant, "planned", counts | {"allowed": True, "number": 1})


def test_event_finalized(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A finalized cycle emits *finalized* with its job, and the counts of plan and Collibra."""
    synchronize_tables(20)

    state = synchronize_tables(19)

    counts = {"asset_count": 19, "previous_count": 20, "missing_count": 1, "reported_count": 1}
    job = {"job_id": tenant.jobs[-1].id, "state": "COMPLETED", "result": "SUCCESS"}
    assert_event(state, tenant, "finalized", counts | job)


def test_event_refused(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A refused cycle emits *refused* with the counts of its plan, and without a job."""
    synchronize_tables(20)

    state = synchronize_tables(10)

    counts = {"asset_count": 10, "previous_count": 20, "missing_count": 10}
    assert_event(state, tenant, "refused", counts | {"job_id": None})


def test_event_unknown(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A request that was lost before Collibra acted emits *unknown*."""
    tenant.lose_next_answer(before_commit=True)

    state = synchronize_tables(3)

    assert_event(state, tenant, "unknown", {"asset_count": 3, "job_id": None})


def test_event_incomplete(synchronize_tables: Cycle, tenant: Sandbox, broken_source: str) -> None:
    """A batch with a failed command emits *incomplete*."""
    state = synchronize_tables(0, source=broken_source)

    assert_event(state, tenant, "incomplete", {"asset_count": 3, "job_id": None})


def test_event_failed(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A finalization job that ended with an error emits *failed* with the job."""
    tenant.end_jobs_as("FAILED")

    state = synchronize_tables(3)

    job = {"job_id": tenant.jobs[-1].id, "state": "FAILED", "result": "FAILURE"}
    assert_event(state, tenant, "failed", {"asset_count": 3} | job)
