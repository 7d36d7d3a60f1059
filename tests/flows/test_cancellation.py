"""Runs that are cancelled as in the UI, under a real worker."""

from collections.abc import Iterator

import pytest

from collibra_tasks.ledger import Ledger, Phase
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.variables import VariableStore
from tests.conftest import send_tables, talk_to
from tests.flows.pool import Pool, save_credentials, until

GRACE_SECONDS = 60
CASES = {
    "leave": ("leave", False),
    "cancel-the-job": ("cancel_job", True),
    "cancel-the-job-by-the-older-api": ("cancel_job", True),
}


@pytest.fixture(scope="module")
def pool(
    prefect_server: str,
    prefect_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pool]:
    """Run a worker on a pool of its own."""
    with talk_to(prefect_server) as api:
        pool = Pool(api, "cancelled", prefect_environment)
        with pool.workers(tmp_path_factory.mktemp("cancelled")):
            yield pool


@pytest.mark.parametrize("case", CASES)
def test_a_cancelled_run_tells_of_its_job(pool: Pool, tenant: Sandbox, case: str) -> None:
    """The job goes on, or is stopped if that was asked for; log and artifact name it either way."""
    on_cancel, stopped = CASES[case]
    job_id = send_tables(tenant, 2, case)
    tenant.run_jobs_for(3600)
    if "older" in case:
        tenant.without_job_api_v1()
    run = pool.start(
        pool.deploy(),
        {
            "credentials": save_credentials(tenant, case),
            "synchronization_id": case,
            "batch_job_ids": [job_id],
            "on_cancel": on_cancel,
        },
    )
    ledger = Ledger(VariableStore(), tenant.url, case)
    until(lambda: (entry := ledger.latest()) is not None and entry.phase == Phase.SENT, 120)
    job = tenant.jobs[-1]

    pool.api.post(f"/flow_runs/{run}/set_state", json={"state": {"type": "CANCELLING"}})
    until(
        lambda: pool.run(run)["state"]["type"] == "CANCELLED",
        GRACE_SECONDS,
        lambda: pool.run(run)["state"],
    )

    until(lambda: any(job.id in text and "cancelled" in text for text in pool.texts(run)), 30)
    until(lambda: job.id in pool.logs(run), 30, lambda: pool.logs(run))
    told = any("asked to stop" in text for text in pool.texts(run))
    assert (stopped, stopped) == (told, tenant.jobs[-1].state == "DELETED")
