"""The Prefect server restarts while flow runs wait for a job or for the lock."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from collibra_tasks.ledger.entry import Phase
from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import (
    artifact_of,
    import_tables,
    newest_entry,
    save_credentials,
    until,
    write_tables,
)
from tests.support.pool import Pool
from tests.support.prefect_server import PrefectServer

pytestmark = pytest.mark.slow

EXTRA_SECONDS = float(os.environ.get("COLLIBRA_RESTART_WAIT_SECONDS", "0"))
"""Additional wait after the restart; 240 covers the renewal of a lease of Prefect."""


def test_restart_while_a_job_is_followed(
    pool: Pool, prefect_process: PrefectServer, tenant: Sandbox
) -> None:
    """A flow run survives the restart, follows its job to the end, and publishes its receipt."""
    tenant.stall_jobs()
    run = pool.start(
        "finalize-synchronization",
        credentials=save_credentials(tenant, "restarted"),
        synchronization_id="nightly",
        batch_job_ids=[import_tables(tenant, 3)],
    )
    until(lambda: (entry := newest_entry(tenant)) is not None and entry.phase == Phase.SENT)

    prefect_process.stop()
    tenant.finish_jobs()
    prefect_process.restart()
    time.sleep(EXTRA_SECONDS)
    state = pool.wait(run)

    assert "COMPLETED" == state["type"], (state, pool.log(run))
    assert "nightly: finalized" in artifact_of(tenant, "receipt")["data"]
    assert Phase.ENDED == newest_entry(tenant).phase
    assert 1 == tenant.finalizations


def test_killed_holder_and_restart(
    pool: Pool, prefect_process: PrefectServer, tenant: Sandbox, tmp_path: Path
) -> None:
    """After the lock's holder was killed and the server restarted, waiting runs take turns."""
    parameters = {
        "credentials": save_credentials(tenant, "holder"),
        "synchronization_id": "nightly",
        "source": write_tables(tmp_path / "export.json", 12),
        "max_commands_per_batch": 5,
    }
    hold = tenant.hold_next_answer(on="batch")
    holder = pool.start("synchronize-source", **parameters)
    until(hold.reached.is_set)
    waiting = [pool.start("synchronize-source", **parameters) for _ in range(3)]
    for run in waiting:
        pool.wait(run, {"RUNNING"})
        until(lambda run=run: "ock" in pool.log(run), 60)  # type: ignore[misc]  # bound per loop

    pool.send_signal(holder)
    hold.release()
    prefect_process.restart()
    states = [pool.wait(run, seconds=300) for run in waiting]

    assert ["COMPLETED"] * 3 == [state["type"] for state in states], states
    kinds = [job.kind for job in tenant.jobs]
    finalizations = [index for index, kind in enumerate(kinds) if kind == "finalize"]
    assert 1 <= len(finalizations) <= 3
    # Batches of two cycles never mix: between two finalizations are the 3 batches of one cycle.
    starts = [0, *[index + 1 for index in finalizations]]
    sizes = [end - begin for begin, end in zip(starts, finalizations, strict=False)]
    assert all(size == 3 for size in sizes[1:]), kinds
    assert 12 == len(tenant.assets())
    assert not [each for each in tenant.assets().values() if each.status_id.endswith("5066")]
