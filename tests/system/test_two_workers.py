"""Two workers finalize the same synchronization at the same time, again and again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support import counters
from tests.support.flow_runs import import_tables, save_credentials
from tests.support.pool import Pool
from tests.support.prefect_server import api_client

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("COLLIBRA_ROUNDS", "2"))


def test_two_workers_finalize_once(
    prefect_server: str, prefect_environment: dict[str, str], tenant: Sandbox, tmp_path: Path
) -> None:
    """One of two workers with the same synchronization finalizes, and both flow runs end well."""
    credentials = save_credentials(tenant, "production")
    with api_client(prefect_server) as api:
        pool = Pool(api, "two-workers", prefect_environment)
        pool.deploy(tmp_path)
        with pool.workers(tmp_path, number=2, limit=1):
            for number in range(ROUNDS):
                name = f"round-{number}"
                job_id = import_tables(tenant, 2, name)
                runs = [
                    pool.start(
                        "finalize-synchronization",
                        credentials=credentials,
                        synchronization_id=name,
                        strategy="REMOVE_RESOURCES",
                        batch_job_ids=[job_id],
                        wait_seconds=60,
                    )
                    for _ in range(2)
                ]
                states = [pool.wait(run) for run in runs]
                counters.count("rounds of two workers")
                assert ["COMPLETED"] * 2 == [state["type"] for state in states], states
                assert 1 == tenant.finalizations_of(name)
