"""The shipped deployment, for real: a server, a work pool, a worker process."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from collibra_tasks import CollibraCredentials, CollibraSettings
from collibra_tasks.sandbox import Sandbox
from tests.conftest import ROOT, ImportCycle, prefect_process, talk_to

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def prefect(environment: dict[str, str], *command: str) -> None:
    subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, "-m", "prefect", "--no-prompt", *command],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def environment(prefect_server: str, prefect_environment: dict[str, str]) -> dict[str, str]:
    """Put the shipped deployments on the server, as the README says."""
    assert prefect_server
    environment = prefect_environment | {"COLLIBRA_SRC": str(ROOT)}
    prefect(environment, "work-pool", "create", "--type", "process", "collibra")
    credentials = CollibraCredentials(base_url="http://127.0.0.1:9", username="u", password="p")
    credentials.save("production", overwrite=True)
    prefect(environment, "deploy", "--prefect-file", "deployments/prefect.yaml", "--all")
    return environment


def test_the_deployment_runs_on_a_worker(
    tenant: Sandbox,
    import_cycle: ImportCycle,
    monkeypatch: pytest.MonkeyPatch,
    prefect_server: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """A run asked for through the API is done by a worker and leaves its receipt in the UI."""
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    block = CollibraCredentials.from_settings(CollibraSettings()).save("tenant", overwrite=True)
    parameters = {
        "credentials": {"$ref": {"block_document_id": str(block)}},
        "synchronization_id": "from-the-api",
        "batch_job_ids": [import_cycle(3, "from-the-api")],
        "wait_seconds": 60,
    }
    worker = ("worker", "start", "--pool", "collibra", "--limit", "2")
    with (
        talk_to(prefect_server) as api,
        prefect_process(environment, tmp_path / "worker.log", *worker),
    ):
        run = run_to_its_end(api, parameters)
        artifact = api.get("/artifacts/finalization-from-the-api/latest").json()

    assert "COMPLETED" == run["state"]["type"]
    assert "from-the-api: finalized" in artifact["data"]
    assert tenant.jobs[-1].id in artifact["data"]
    assert 1 == tenant.finalizations_of("from-the-api")


def run_to_its_end(api: httpx.Client, parameters: dict[str, Any]) -> dict[str, Any]:
    name = "finalize-synchronization/finalize-synchronization"
    deployment = api.get(f"/deployments/name/{name}").json()
    created = api.post(
        f"/deployments/{deployment['id']}/create_flow_run",
        json={"parameters": parameters, "state": {"type": "SCHEDULED"}},
    )
    run: dict[str, Any] = created.raise_for_status().json()
    deadline = time.monotonic() + 120
    while run["state"]["type"] not in ENDED and time.monotonic() < deadline:
        time.sleep(0.5)
        run = api.get(f"/flow_runs/{run['id']}").json()
    return run


def test_the_schedule_is_shipped_paused(prefect_server: str, environment: dict[str, str]) -> None:
    """Whoever deploys the file as it is deletes nothing by surprise: its schedule waits."""
    assert environment
    name = "finalize-synchronization/finalize-synchronization"
    deployment = httpx.get(f"{prefect_server}/deployments/name/{name}").json()

    assert [False] == [schedule["active"] for schedule in deployment["schedules"]]
    assert 1 == deployment["global_concurrency_limit"]["limit"]
    assert deployment["enforce_parameter_schema"]
