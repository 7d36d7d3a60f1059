"""A person is asked, for real: a server, a worker, a run that waits without a process."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collibra_tasks import CollibraCredentials, CollibraSettings
from collibra_tasks.sandbox import Sandbox
from tests.conftest import ROOT, prefect_process, talk_to
from tests.flows.cycles import tables
from tests.flows.test_deployment import prefect
from tests.tenants import new_tenant

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
POOL = "approval"


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    """Serve one tenant to all tests of this file."""
    with new_tenant() as tenant:
        yield tenant


@pytest.fixture(scope="module")
def api(
    tenant: Sandbox,
    prefect_server: str,
    prefect_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    """Deploy the flow to a pool of its own, and let a worker serve it."""
    environment = prefect_environment | {"COLLIBRA_SRC": str(ROOT)}
    shipped = (ROOT / "deployments" / "prefect.yaml").read_text()
    file = tmp_path_factory.mktemp("approval") / "prefect.yaml"
    file.write_text(shipped.replace("name: collibra\n", f"name: {POOL}\n"))
    prefect(environment, "work-pool", "create", "--type", "process", POOL)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tenant.environment().items():
            patch.setenv(name, value)
        CollibraCredentials.from_settings(CollibraSettings()).save("production", overwrite=True)
    only = ("--name", "synchronize-source")
    prefect(environment, "deploy", "--prefect-file", str(file), *only)
    worker = ("worker", "start", "--pool", POOL, "--limit", "3")
    with (
        talk_to(prefect_server) as api,
        prefect_process(environment, file.with_name("worker.log"), *worker),
    ):
        yield api


def start(api: httpx.Client, source: Path, synchronization_id: str, **changes: Any) -> str:
    deployment = api.get("/deployments/name/synchronize-source/synchronize-source").json()
    parameters = {
        "synchronization_id": synchronization_id,
        "source": str(source),
        "on_guard": "ask",
        "wait_seconds": 60,
    }
    created = api.post(
        f"/deployments/{deployment['id']}/create_flow_run",
        json={"parameters": parameters | changes, "state": {"type": "SCHEDULED"}},
    )
    return str(created.raise_for_status().json()["id"])


def wait(api: httpx.Client, run_id: str, states: set[str]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    run: dict[str, Any] = api.get(f"/flow_runs/{run_id}").json()
    while run["state"]["type"] not in states:
        assert time.monotonic() < deadline, run["state"]
        time.sleep(0.5)
        run = api.get(f"/flow_runs/{run_id}").json()
    return run


def answer(api: httpx.Client, run_id: str, number: int) -> None:
    said = {"expected_number": number, "reason": "a schema was dropped"}
    answer = api.post(f"/flow_runs/{run_id}/resume", json={"run_input": said})
    assert "ACCEPT" == answer.raise_for_status().json()["status"], answer.text


@pytest.mark.parametrize(("number", "end", "left"), [(10, "COMPLETED", 2), (9, "FAILED", 1)])
def test_a_person_lets_a_large_removal_pass_with_its_number(
    api: httpx.Client, tenant: Sandbox, tmp_path: Path, number: int, end: str, left: int
) -> None:
    """The right number lets the run go on in a new process; any other ends it, unsent."""
    source, name = tmp_path / "export.json", f"asked-{number}"
    source.write_text(json.dumps(tables(20)))
    assert "COMPLETED" == wait(api, start(api, source, name), ENDED)["state"]["type"]
    source.write_text(json.dumps(tables(10)))

    run_id = start(api, source, name)
    run = wait(api, run_id, ENDED | {"PAUSED"})
    assert "PAUSED" == run["state"]["type"], run["state"]
    assert 1 == tenant.finalizations_of(name)
    answer(api, run_id, number)
    run = wait(api, run_id, ENDED)

    assert end == run["state"]["type"], run["state"]
    assert left == tenant.finalizations_of(name)
    data = api.get(f"/artifacts/finalization-{name}/latest").json()["data"]
    assert ("a schema was dropped" in data) == (end == "COMPLETED")
