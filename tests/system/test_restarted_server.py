"""The Prefect server restarts while flow runs wait for a job or for the lock."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
from tests.support.prefect_server import PrefectServer, api_client, environment_of

pytestmark = pytest.mark.slow

EXTRA_SECONDS = float(os.environ.get("COLLIBRA_RESTART_WAIT_SECONDS", "0"))
"""Additional wait after the restart; 240 covers the renewal of a lease of Prefect."""


@dataclass
class Setup:
    """A server that can be restarted, and a pool with the shipped deployments."""

    server: PrefectServer
    pool: Pool


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """Run a server of this file's own, deploy the shipped file, and run a worker."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    home = tmp_path_factory.mktemp("restarted")
    environment = environment_of(home)
    with (
        PrefectServer(environment, home) as server,
        api_client(server.api) as api,
        temporary_settings({PREFECT_API_URL: server.api, PREFECT_HOME: home}),
        Sandbox() as unused,
    ):
        save_credentials(unused, "production")
        pool = Pool(api, "restarted", environment)
        pool.deploy(home)
        with pool.workers(home):
            yield Setup(server, pool)


def test_restart_while_a_job_is_followed(setup: Setup, tenant: Sandbox) -> None:
    """A flow run survives the restart, follows its job to the end, and publishes its receipt."""
    tenant.stall_jobs()
    run = setup.pool.start(
        "finalize-synchronization",
        credentials=save_credentials(tenant, "restarted"),
        synchronization_id="nightly",
        batch_job_ids=[import_tables(tenant, 3)],
    )
    until(lambda: (entry := newest_entry(tenant)) is not None and entry.phase == Phase.SENT)

    setup.server.stop()
    tenant.finish_jobs()
    setup.server.restart()
    time.sleep(EXTRA_SECONDS)
    state = setup.pool.wait(run)

    assert "COMPLETED" == state["type"], (state, setup.pool.log(run))
    assert "nightly: finalized" in artifact_of(tenant, "receipt")["data"]
    assert Phase.ENDED == newest_entry(tenant).phase
    assert 1 == tenant.finalizations


def test_killed_holder_and_restart(setup: Setup, tenant: Sandbox, tmp_path: Path) -> None:
    """After the lock's holder was killed and the server restarted, waiting runs take turns."""
    parameters = {
        "credentials": save_credentials(tenant, "holder"),
        "synchronization_id": "nightly",
        "source": write_tables(tmp_path / "export.json", 12),
        "max_commands_per_batch": 5,
    }
    hold = tenant.hold_next_answer(on="batch")
    holder = setup.pool.start("synchronize-source", **parameters)
    until(hold.reached.is_set)
    waiting = [setup.pool.start("synchronize-source", **parameters) for _ in range(3)]
    for run in waiting:
        setup.pool.wait(run, {"RUNNING"})
        until(lambda run=run: "ock" in setup.pool.log(run), 60)  # type: ignore[misc]  # bound per loop

    setup.pool.send_signal(holder)
    hold.release()
    setup.server.restart()
    states = [setup.pool.wait(run, seconds=300) for run in waiting]

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
