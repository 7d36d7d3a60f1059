"""Approval of a removal plan on a real Prefect server: pause, input through the API, end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import artifact_of, newest_flow_run, read_events, tables, until
from tests.support.prefect_server import api_client

Cycle = Callable[..., Any]


@pytest.mark.parametrize("number", [10, 9])
def test_approval_of_a_large_removal(
    synchronize_tables: Cycle,
    tenant: Sandbox,
    prefect_server: str,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """The number of the plan and a reason finalize the cycle; any other number refuses it.

    The event *waiting-for-approval* has the number and the counts of the plan.
    """
    from collibra_tasks.cycle import approval

    monkeypatch.setattr(approval, "POLL_SECONDS", 0.2)
    synchronize_tables(20)

    with ThreadPoolExecutor(1) as pool, api_client(prefect_server) as api:
        context = copy_context()  # it holds the Prefect settings of the tests
        running = pool.submit(context.run, synchronize_tables, 10, on_guard="ask")
        until(lambda: running.done() or newest_flow_run("synchronize-source").state.is_paused(), 30)
        assert not running.done(), running.result()
        assert 1 == tenant.finalizations
        flow_run = newest_flow_run("synchronize-source")
        form = {"expected_number": number, "reason": "a schema was dropped"}
        api.post(f"/flow_runs/{flow_run.id}/resume", json={"run_input": form}).raise_for_status()
        state = running.result(timeout=60)

    approved = number == 10
    assert approved == state.is_completed(), state.message
    assert 1 + approved == tenant.finalizations
    assert approved == ("a schema was dropped" in artifact_of(tenant, "receipt")["data"])
    until(lambda: len(read_events(flow_run.id)) == 2, 30, lambda: read_events(flow_run.id))
    waiting, ended = read_events(flow_run.id)
    assert "collibra.synchronization.waiting-for-approval" == waiting["event"]
    assert "collibra.synchronization.nightly" == waiting["resource"]["prefect.resource.id"]
    counts = {"number": 10, "missing_count": 10, "asset_count": 10, "new_count": 0}
    assert counts == {name: waiting["payload"][name] for name in counts}
    assert ended["event"].endswith(".finalized" if approved else ".refused")


def test_approval_of_one_of_two_synchronizations(
    credentials: Any, tenant: Sandbox, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one flow run, the response about one synchronization approves nothing of the next one."""
    from prefect import flow

    from collibra_tasks import synchronize
    from collibra_tasks.cycle import approval
    from collibra_tasks.options import CycleOptions, OnGuard

    monkeypatch.setattr(approval, "POLL_SECONDS", 0.2)
    options = CycleOptions(on_guard=OnGuard.ASK, approval_seconds=60, wait_seconds=20)

    @flow
    def two_cycles(count: int) -> None:
        for synchronization_id in ("nightly", "weekly"):
            synchronize(credentials, synchronization_id, tables(count), options=options)

    def is_waiting() -> bool:
        return running.done() or newest_flow_run("two-cycles").state.is_paused()

    def respond(api: Any, number: int) -> None:
        until(is_waiting, 30)
        path = f"/flow_runs/{newest_flow_run('two-cycles').id}/resume"
        form = {"expected_number": number, "reason": "a schema was dropped"}
        api.post(path, json={"run_input": form}).raise_for_status()

    two_cycles(20)
    with ThreadPoolExecutor(1) as pool, api_client(prefect_server) as api:
        running = pool.submit(copy_context().run, lambda: two_cycles(10, return_state=True))
        respond(api, 10)
        until(lambda: running.done() or tenant.finalizations == 3, 30)
        respond(api, 9)
        state: Any = running.result(timeout=60)

    assert state.is_failed()
    assert "You accepted 9 missing assets" in str(state.message)
    assert 3 == tenant.finalizations


def test_number_in_a_retried_flow(credentials: Any, tenant: Sandbox) -> None:
    """A retried flow does not approve the plan that its first attempt showed."""
    from prefect import flow

    from collibra_tasks import synchronize
    from collibra_tasks.options import CycleOptions

    @flow(retries=1)
    def caller(count: int, accepted: int | None = None) -> None:
        options = CycleOptions(accept_missing_count=accepted, accept_reason="a default")
        synchronize(credentials, "nightly", tables(count), options=options)

    caller(20)
    state: Any = caller(10, 10, return_state=True)

    assert state.is_failed()
    assert "start a new flow run, not a retry" in str(state.message)
    assert 1 == tenant.finalizations
    assert caller(10, 10, return_state=True).is_completed()
    assert 2 == tenant.finalizations
