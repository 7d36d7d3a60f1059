"""A tenant for every test, and one real Prefect server for those that need it."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collibra_tasks.sandbox import Sandbox
from tests import figures
from tests.tenants import new_tenant

ROOT = Path(__file__).parent.parent
DOMAIN = {"name": "Sales schema", "community": {"name": "Data Warehouse"}}

BUSY_DATABASE = 503

ImportCycle = Callable[..., str]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what the processes have counted that share the tests between them."""
    figures.counted.update(node.workeroutput.get("figures", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what this process has counted, if it is one of several."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["figures"] = dict(figures.counted)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how often the promise was put to the test."""
    if figures.counted:
        terminalreporter.section("At most one finalization a cycle")
    for name, number in sorted(figures.counted.items()):
        terminalreporter.write_line(f"{number:>8,}  {name}")


@pytest.fixture
def tenant() -> Iterator[Sandbox]:
    """Serve a tenant whose jobs are over at the first look."""
    with new_tenant() as tenant:
        yield tenant


@pytest.fixture(scope="session")
def trust_store() -> ssl.SSLContext:
    """Return the system's certificates, read once."""
    return ssl.create_default_context()


@pytest.fixture
def one_trust_store(monkeypatch: pytest.MonkeyPatch, trust_store: ssl.SSLContext) -> None:
    """Spare clients the reading of certificates: most of a test's time, and loopback needs none."""
    monkeypatch.setattr("collibra_tasks.client.httpx.create_ssl_context", lambda: trust_store)


@pytest.fixture
def import_cycle(tenant: Sandbox) -> ImportCycle:
    """Send tables under a synchronization ID and return the batch job's id."""
    return lambda tables=3, synchronization_id="nightly": send_tables(
        tenant, tables, synchronization_id
    )


def send_tables(
    tenant: Sandbox, tables: int, synchronization_id: str, wait_seconds: float = 0
) -> str:
    """Send a batch of tables; return the job, ended."""
    commands = [
        {
            "resourceType": "Asset",
            "identifier": {"name": f"table_{number}", "domain": DOMAIN},
            "type": {"name": "Table"},
        }
        for number in range(tables)
    ]
    with httpx.Client(base_url=tenant.url, auth=(tenant.username, tenant.password)) as http:
        answer = http.post(
            f"/rest/2.0/import/synchronize/{synchronization_id}/batch/json-job",
            files={"file": ("tables.json", json.dumps(commands))},
        )
        job_id: str = answer.raise_for_status().json()["id"]
        deadline = time.monotonic() + wait_seconds
        while (job := http.get(f"/rest/2.0/jobs/{job_id}").json())["result"] != "SUCCESS":
            assert time.monotonic() < deadline, job
            time.sleep(0.2)
    return job_id


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that holds everything Prefect keeps."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_environment(prefect_home: Path) -> dict[str, str]:
    """Return what a process needs to use the tests' own Prefect server, and nothing else."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return os.environ | {
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PYTHONWARNINGS": "ignore",
    }


@pytest.fixture(scope="session")
def prefect_server(prefect_home: Path, prefect_environment: dict[str, str]) -> Iterator[str]:
    """Run a real Prefect server and point this process at it; yield its API's address."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        temporary_settings,
    )

    api = prefect_environment["PREFECT_API_URL"]
    port = api.removesuffix("/api").rpartition(":")[2]
    command = ("server", "start", "--host", "127.0.0.1", "--port", port)
    with prefect_process(prefect_environment, prefect_home / "server.log", *command) as process:
        wait_until(lambda: answers(f"{api}/health"), process)
        here = {
            PREFECT_API_URL: api,
            PREFECT_HOME: prefect_home,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
        with temporary_settings(here):
            yield api
            APILogHandler().flush()
            EventsWorker.instance().drain()


class prefect_process:  # noqa: N801 - used like a function
    """Run a Prefect command beside the tests, and end it afterwards."""

    def __init__(self, environment: dict[str, str], log: Path, *command: str) -> None:
        self.environment, self.log, self.command = environment, log, command

    def __enter__(self) -> subprocess.Popen[bytes]:
        # A shell that puts us in the background makes us, and what we start, deaf to SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                [sys.executable, "-m", "prefect", *self.command],
                env=self.environment,
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def artifact(key: str) -> Any:
    """Return the newest artifact of a key, as the UI shows it."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.request("GET", "/artifacts/{key}/latest", path_params={"key": key}).json()


def talk_to(api: str) -> httpx.Client:
    """Talk to a Prefect server, each time anew: a busy one may drop a connection that rests."""
    return httpx.Client(base_url=api, timeout=30, transport=Patient())


class Patient(httpx.HTTPTransport):
    """Asks again while SQLite is busy (503), as Prefect's own client does."""

    def __init__(self) -> None:
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        deadline = time.monotonic() + 30
        while answer.status_code == BUSY_DATABASE and time.monotonic() < deadline:
            time.sleep(0.2)
            answer = super().handle_request(request)
        return answer


def answers(address: str) -> bool:
    """Tell whether something answers well at an address."""
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 90
) -> None:
    """Wait for a process to become ready; fail if it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, "it ended early"
        assert time.monotonic() < deadline, "it was not ready in time"
        time.sleep(0.2)
