"""Flow runs that a signal stops, and the flow runs after them, on a real Prefect server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from collibra_tasks.ledger.entry import Phase
from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import (
    artifact_of,
    import_tables,
    log_lines,
    newest_entry,
)

Cycle = Callable[..., Any]

END_SECONDS = 3
"""Time until a job ends, so that it certainly ends after the start of the next flow run."""

terminate = partial(os.kill, os.getpid(), signal.SIGTERM)
"""Signal of Prefect's worker to the process of a cancelled flow run."""


@pytest.fixture(autouse=True)
def other_handler() -> Iterator[None]:
    """Ignore the signal outside of a flow run, since Prefect passes it on to the handler before."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


def stop_at(run: Callable[[], Any]) -> None:
    """Run a flow that the signal stops, as Prefect stops it."""
    from prefect.exceptions import TerminationSignal

    with pytest.raises(TerminationSignal):
        run()


def test_cancelled_upload_is_continued(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """After a cancellation inside of batch 2 of 3, the next flow run continues and finalizes once.

    Batch 1 is not sent again. Batch 2, whose response was lost, is.
    """
    stop_second = partial(tenant.call_next, terminate, on="batch", before_commit=False)
    tenant.call_next(stop_second, on="batch", before_commit=False)
    cycle = partial(synchronize_tables, 30, max_commands_per_batch=10)

    stop_at(cycle)

    assert "Run the flow again to continue." in artifact_of(tenant, "receipt")["data"]
    assert (2, 0) == (tenant.batches, tenant.finalizations)

    state = cycle()

    assert state.is_completed(), state.message
    assert (4, 1) == (tenant.batches, tenant.finalizations)
    assert 30 == len(tenant.asset_names())
    log = "\n".join(log_lines(state.state_details.flow_run_id))
    assert f"Batch 1 of 3: 10 commands, imported before by job {tenant.jobs[0].id}." in log


def test_cancelled_wait_is_continued(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """After a cancellation during the wait for the finalization, the next flow run follows it."""
    tenant.stall_jobs()
    tenant.call_next(partial(tenant.call_next, terminate, on="job"), before_commit=False)

    stop_at(partial(synchronize_tables, 3))

    job = assert_job_is_left(tenant)
    state = synchronize_tables(3)

    assert state.is_completed(), state.message
    assert job in state.message
    assert (1, 1) == (tenant.batches, tenant.finalizations)
    log = "\n".join(log_lines(state.state_details.flow_run_id))
    assert f"Waiting for job {job} until " in log
    assert f"Job {job} finalized the same content before." in log


def test_cancelled_finalization_is_followed(finalize: Cycle, tenant: Sandbox) -> None:
    """A finalization that is cancelled during its request is recorded, and followed by the next."""
    batch = import_tables(tenant, 3)
    tenant.stall_jobs()
    tenant.call_next(terminate, before_commit=False)

    stop_at(partial(finalize, batch))

    job = assert_job_is_left(tenant)
    state = finalize(batch)

    assert state.is_completed(), state.message
    assert job in state.message
    assert 1 == tenant.finalizations


def assert_job_is_left(tenant: Sandbox) -> str:
    """Check that ledger and receipt name the running job; it ends during the next flow run."""
    entry = newest_entry(tenant)
    job = tenant.jobs[-1].id
    assert (Phase.SENT, job) == (entry.phase, entry.job_id)
    assert f"Finalization job {job} continues in Collibra" in artifact_of(tenant, "receipt")["data"]
    end = time.monotonic() + END_SECONDS

    def finish_job() -> None:
        if time.monotonic() > end:
            tenant.finish_jobs()
        else:
            tenant.call_next(finish_job, on="job")

    tenant.call_next(finish_job, on="job")
    return job
