"""Flow runs in processes of their own: a work pool, its workers, and what a person does to runs."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
from prefect import flow

from collibra_tasks import CollibraCredentials
from collibra_tasks.sandbox import Sandbox
from tests.conftest import ROOT, prefect_process

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
FLOW = "flows/finalize_synchronization.py:finalize_synchronization"
BREAKABLE_FLOW = "tests/flows/breakable.py:finalize_synchronization"


class Pool:
    """A work pool of the process type, as a person meets it in the UI."""

    def __init__(self, api: httpx.Client, name: str, environment: Mapping[str, str]) -> None:
        self.api, self.name = api, name
        self.environment = dict(environment)
        pool = {"name": name, "type": "process", "base_job_template": template()}
        api.post("/work_pools/", json=pool).raise_for_status()

    @contextmanager
    def workers(self, logs: Path, number: int = 1, limit: int = 9) -> Iterator[None]:
        """Run worker processes, each with its own log."""
        with ExitStack() as stack:
            for index in range(number):
                name = f"{self.name}-worker-{index}"
                start = ("worker", "start", "--pool", self.name, "--type", "process")
                options = ("--name", name, "--limit", str(limit))
                worker = prefect_process(self.environment, logs / f"{name}.log", *start, *options)
                stack.enter_context(worker)
            yield

    def deploy(self, entrypoint: str = FLOW) -> str:
        """Deploy a flow of this checkout to the pool; return the deployment's id."""
        deployment = flow.from_source(str(ROOT), entrypoint).deploy(  # type: ignore[union-attr]
            self.name, self.name, build=False, print_next_steps=False
        )
        return str(deployment)

    def start(self, deployment: str, parameters: dict[str, Any], **environment: str) -> str:
        """Ask for a run, as the UI does; return its id."""
        asked = {
            "parameters": parameters,
            "state": {"type": "SCHEDULED"},
            "job_variables": {"env": environment},
        }
        url = f"/deployments/{deployment}/create_flow_run"
        created = self.api.post(url, json=asked).raise_for_status()
        return str(created.json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run as the server knows it."""
        answer = self.api.get(f"/flow_runs/{run_id}").raise_for_status()
        return cast("dict[str, Any]", answer.json())

    def wait(self, run_id: str, states: set[str], seconds: float = 180) -> dict[str, Any]:
        """Wait until a run is in one of some states; return it."""
        until(
            lambda: self.run(run_id)["state"]["type"] in states, seconds, lambda: self.run(run_id)
        )
        return self.run(run_id)

    def states(self, run_id: str) -> list[str]:
        """Return the types of all the states that a run went through, oldest first."""
        answer = self.api.get("/flow_run_states/", params={"flow_run_id": run_id})
        return [state["type"] for state in answer.raise_for_status().json()]

    def set_state(self, run_id: str, state: str) -> None:
        """Set a run's state whatever it is in, as the UI and the CLI do to cancel or retry."""
        asked = {"state": {"type": state}, "force": True}
        self.api.post(f"/flow_runs/{run_id}/set_state", json=asked).raise_for_status()

    def kill(self, run_id: str) -> None:
        """Kill the process of a run, without a warning."""
        os.kill(self.pid(run_id), signal.SIGKILL)

    def pid(self, run_id: str) -> int:
        """Return the process of a run, as its worker has told the server."""
        return int(self.run(run_id)["infrastructure_pid"].rpartition(":")[2])

    def texts(self, run_id: str) -> list[str]:
        """Return what a run's artifacts say, oldest first."""
        asked = {"artifacts": {"flow_run_id": {"any_": [run_id]}}, "sort": "CREATED_DESC"}
        found = self.api.post("/artifacts/filter", json=asked).raise_for_status().json()
        return [artifact["data"] for artifact in reversed(found)]

    def logs(self, run_id: str) -> str:
        """Return a run's log as the UI shows it."""
        asked = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
        found = self.api.post("/logs/filter", json=asked).raise_for_status().json()
        return "\n".join(line["message"] for line in found)


def template() -> dict[str, Any]:
    from prefect.workers.process import ProcessWorker

    return ProcessWorker.get_default_base_job_template()


def until(true: Callable[[], Any], seconds: float = 90, why: Callable[[], object] = str) -> None:
    """Look until something is true; fail if it takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not in time: {why()}"
        time.sleep(0.2)


def save_credentials(tenant: Sandbox, name: str) -> dict[str, Any]:
    """Save a tenant's credentials as a block; return what a run is given for it."""
    variables = tenant.environment()
    fields = {key.removeprefix("COLLIBRA_").lower(): value for key, value in variables.items()}
    block = CollibraCredentials(**fields).save(name, overwrite=True)
    return {"$ref": {"block_document_id": str(block)}}
