"""Approval of a removal plan on a real Prefect server: pause, input through the API, end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import artifact_of, newest_flow_run, until
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
    """The number of the plan and a reason finalize the cycle; any other number refuses it."""
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
