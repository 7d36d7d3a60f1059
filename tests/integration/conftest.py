"""Fixtures of flow runs in this process: short intervals, credentials, a cycle from a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import FLOW_TIMING, credentials_of, write_tables

Cycle = Callable[..., Any]


@pytest.fixture
def short_timing(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every interval of the flows in this process."""
    from collibra_tasks.finalization.tasks import open_session, submit_finalization
    from collibra_tasks.jobs.tasks import wait_for_job

    assert prefect_server
    tasks: tuple[Any, ...] = (submit_finalization, wait_for_job)
    for task in tasks:
        monkeypatch.setattr(task, "retry_delay_seconds", [0.0] * task.retries)
    functions: tuple[Any, ...] = (open_session, wait_for_job.fn)
    for function in functions:
        # A default value is changed, because the flows have no parameter for the intervals.
        defaults = inspect.unwrap(function).__kwdefaults__
        monkeypatch.setitem(defaults, "timing", FLOW_TIMING)


@pytest.fixture
def credentials(tenant: Sandbox, short_timing: None) -> Any:
    """Return the credentials of the sandbox."""
    assert short_timing is None
    return credentials_of(tenant)


@pytest.fixture
def synchronize_tables(credentials: Any, tmp_path: Path) -> Cycle:
    """Write an export with a number of tables, synchronize it, and return the final state."""
    from flows.synchronize_source import synchronize_source

    def run(count: int, **changes: Any) -> Any:
        source = write_tables(tmp_path / "export.json", count)
        parameters = {"source": source, "wait_seconds": 20} | changes
        return synchronize_source(credentials, "nightly", return_state=True, **parameters)

    return run


@pytest.fixture
def finalize(credentials: Any) -> Cycle:
    """Finalize a cycle with batch jobs as evidence, and return the final state."""
    from flows.finalize_synchronization import finalize_synchronization

    def run(*job_ids: str, **changes: Any) -> Any:
        parameters = {"wait_seconds": 20, "batch_job_ids": list(job_ids)} | changes
        return finalize_synchronization(credentials, "nightly", return_state=True, **parameters)

    return run
