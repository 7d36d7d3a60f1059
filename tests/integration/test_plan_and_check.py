"""The flows plan-synchronization and check-tenant on a real Prefect server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks.ledger.identity import normalize_environment, resource_name
from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import (
    artifact_of,
    log_lines,
    newest_flow_run,
    tables,
    write_tables,
)
from tests.support.prefect_server import latest_artifact

Cycle = Callable[..., Any]


def test_plan_synchronization_shows_reasons(
    synchronize_tables: Cycle, credentials: Any, tenant: Sandbox, tmp_path: Path
) -> None:
    """A plan sends nothing that changes Collibra, shows its reasons and the number."""
    from flows.plan_synchronization import plan_synchronization

    synchronize_tables(20)
    jobs, source = len(tenant.jobs), write_tables(tmp_path / "export.json", 10)

    state: Any = plan_synchronization(
        credentials, "nightly", source, validate_on_tenant=True, return_state=True
    )

    plan = state.result()
    assert state.is_completed()
    assert state.message.startswith(f"Plan {plan.plan_id} of nightly: 10 assets, 0 new, 10 missing")
    assert (10, 10, 0) == (plan.asset_count, plan.missing_count, plan.new_count)
    assert not plan.allowed
    assert plan.reasons
    assert (jobs + 1, 1) == (len(tenant.jobs), tenant.finalizations)  # one simulated import
    artifact = artifact_of(tenant, "plan")["data"]
    assert "accept_missing_count=10" in artifact
    assert "table_019" in artifact


def test_progress_moves_while_reading(
    credentials: Any, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar moves with the records, and a previous cycle is its measure."""
    from prefect import flow

    from collibra_tasks import plan_cycle, synchronize
    from collibra_tasks.reporting import progress

    monkeypatch.setattr(progress, "MIN_SECONDS_BETWEEN_UPDATES", 0)
    shown: list[tuple[float, str]] = []

    def read_tables() -> Iterator[dict[str, Any]]:
        for number, command in enumerate(tables(3_000)):
            if number in {1_500, 2_500}:
                artifact = artifact_of(tenant, "progress")
                shown.append((artifact["data"], artifact["description"]))
            yield command

    @flow
    def read_twice() -> None:
        plan_cycle(credentials, "nightly", read_tables())
        synchronize(credentials, "nightly", tables(4_000))
        plan_cycle(credentials, "nightly", read_tables())

    read_twice()

    measure = "so far; the previous cycle had 4,000 commands."
    assert [
        (0.4, "Reading the source: 1,000 records so far."),
        (0.8, "Reading the source: 2,000 records so far."),
        (5.0, f"Reading the source: 1,000 records {measure}"),
        (10.0, f"Reading the source: 2,000 records {measure}"),
    ] == shown


def test_failed_plan_emits_failed(
    credentials: Any, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that cannot be made emits *failed* with its reason; a plan emits *planned*."""
    from collibra_tasks.cycle import tasks
    from flows.plan_synchronization import plan_synchronization

    events: list[tuple[str, str, str, Any]] = []
    monkeypatch.setattr(tasks, "emit_synchronization_event", lambda *each: events.append(each))

    state: Any = plan_synchronization(credentials, "nightly", "/no/export.json", return_state=True)

    assert state.is_failed()
    kind, name, environment, payload = events[0]
    assert ("failed", "nightly") == (kind, name)
    assert normalize_environment(tenant.url) == environment
    assert "/no/export.json" in payload["message"]


def test_check_tenant_fails_with_the_next_step(credentials: Any, tenant: Sandbox) -> None:
    """A failed check ends the flow run with one sentence; the artifact has every check."""
    from flows.check_tenant import check_tenant

    state: Any = check_tenant(credentials, "nightyl", return_state=True)

    assert state.is_failed()
    flow_run = newest_flow_run("check-tenant")
    host = normalize_environment(tenant.url)
    assert f"check {host}" == flow_run.name
    assert {"collibra", "nightyl", host} == set(flow_run.tags)
    assert any(line.startswith("FAIL Synchronization") for line in log_lines(flow_run.id))
    assert "'nightyl'" in state.message
    assert "Correct the ID" in state.message
    key = resource_name("check", normalize_environment(tenant.url))
    assert "Authentication" in latest_artifact(key)["data"]
    assert tenant.password not in latest_artifact(key)["data"]
