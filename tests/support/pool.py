"""A work pool with workers, and the actions of a person on its flow runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import httpx

from tests.support.flow_runs import until
from tests.support.prefect_server import ROOT, PrefectProcess

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
FLOWS = (
    "synchronize-source",
    "plan-synchronization",
    "finalize-synchronization",
    "resolve-finalization",
    "check-tenant",
)
SETTLE_SECONDS = 12
"""Time after which the worker has reported a crash twice; the second report would undo a retry."""


def run_prefect(environment: Mapping[str, str], *command: str) -> None:
    """Run a Prefect command to its end."""
    done = subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, "-m", "prefect", "--no-prompt", *command],
        env=environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Pool:
    """A work pool of the process type with the shipped deployments."""

    def __init__(self, api: httpx.Client, name: str, environment: Mapping[str, str]) -> None:
        self.api, self.name = api, name
        self.environment = dict(environment) | {"COLLIBRA_SRC": str(ROOT)}
        self.started: list[str] = []

    def deploy(self, folder: Path) -> None:
        """Deploy the shipped file; only the name of the work pool differs.

        Deployments that this server has already move to the new pool, without a process.
        """
        if deployed := self._find_deployments():
            self._move(deployed)
            return
        shipped = (ROOT / "deployments" / "prefect.yaml").read_text()
        file = folder / f"{self.name}.yaml"
        file.write_text(shipped.replace("name: collibra\n", f"name: {self.name}\n"))
        run_prefect(self.environment, "work-pool", "create", "--type", "process", self.name)
        run_prefect(self.environment, "deploy", "--prefect-file", str(file), "--all")

    def _find_deployments(self) -> list[dict[str, Any]]:
        query = {"deployments": {"name": {"any_": list(FLOWS)}}}
        found = self.api.post("/deployments/filter", json=query).raise_for_status().json()
        return cast("list[dict[str, Any]]", found)

    def _move(self, deployed: list[dict[str, Any]]) -> None:
        first = self.api.get(f"/work_pools/{deployed[0]['work_pool_name']}").raise_for_status()
        copied = {name: first.json()[name] for name in ("type", "base_job_template")}
        self.api.post("/work_pools/", json={"name": self.name, **copied}).raise_for_status()
        for each in deployed:
            change = {"work_pool_name": self.name}
            self.api.patch(f"/deployments/{each['id']}", json=change).raise_for_status()

    def worker(self, logs: Path, name: str, limit: int = 4) -> PrefectProcess:
        """Return a worker process that is not started yet."""
        name = f"{self.name}-worker-{name}"
        start = ("worker", "start", "--pool", self.name, "--type", "process")
        options = ("--name", name, "--limit", str(limit))
        return PrefectProcess(self.environment, logs / f"{name}.log", *start, *options)

    @contextmanager
    def workers(self, logs: Path, number: int = 1, limit: int = 4) -> Iterator[None]:
        """Run worker processes, each with a log of its own."""
        with ExitStack() as stack:
            for index in range(number):
                stack.enter_context(self.worker(logs, str(index), limit))
            try:
                yield
            finally:
                self.kill_running()

    def kill_running(self) -> None:
        """Kill the processes of flow runs that a failed test has left."""
        for run_id in self.started:
            with suppress(httpx.HTTPError, ProcessLookupError, AttributeError):
                if self.read(run_id)["state"]["type"] not in ENDED:
                    self.send_signal(run_id)

    def deployment(self, flow: str) -> dict[str, Any]:
        """Return a deployment."""
        response = self.api.get(f"/deployments/name/{flow}/{flow}").raise_for_status()
        return cast("dict[str, Any]", response.json())

    def start(self, flow: str, **parameters: Any) -> str:
        """Create a flow run as the UI does; return its ID."""
        request = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        url = f"/deployments/{self.deployment(flow)['id']}/create_flow_run"
        created = self.api.post(url, json=request)
        assert created.is_success, created.text
        self.started.append(str(created.json()["id"]))
        return self.started[-1]

    def read(self, run_id: str) -> dict[str, Any]:
        """Return a flow run."""
        response = self.api.get(f"/flow_runs/{run_id}").raise_for_status()
        return cast("dict[str, Any]", response.json())

    def wait(self, run_id: str, states: set[str] = ENDED, seconds: float = 120) -> dict[str, Any]:
        """Wait until a flow run is in one of some states; return the state."""
        until(
            lambda: self.read(run_id)["state"]["type"] in states,
            seconds,
            lambda: (self.read(run_id)["state"], self.log(run_id)),
        )
        return cast("dict[str, Any]", self.read(run_id)["state"])

    def set_state(self, run_id: str, state: str, *, force: bool = True) -> None:
        """Set the state of a flow run, as the UI and the CLI do."""
        request = {"state": {"type": state}, "force": force}
        self.api.post(f"/flow_runs/{run_id}/set_state", json=request).raise_for_status()

    def send_signal(self, run_id: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the process of a flow run."""
        os.kill(int(self.read(run_id)["infrastructure_pid"].rpartition(":")[2]), number)

    def artifacts(self, run_id: str) -> list[str]:
        """Return the texts of a flow run's artifacts, oldest first."""
        query = {"artifacts": {"flow_run_id": {"any_": [run_id]}}, "sort": "CREATED_DESC"}
        rows = self.api.post("/artifacts/filter", json=query).raise_for_status().json()
        return [row["data"] for row in reversed(rows)]

    def log(self, run_id: str) -> str:
        """Return the log of a flow run as the UI shows it."""
        query = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
        rows = self.api.post("/logs/filter", json=query).raise_for_status().json()
        return "\n".join(row["message"] for row in rows)
