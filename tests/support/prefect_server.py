"""A real Prefect server on 127.0.0.1 for the tests that need one, and processes beside it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx
import pytest

ROOT = Path(__file__).parents[2]
BUSY_DATABASE = 503
READY_SECONDS = 90


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of everything that Prefect keeps."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_environment(prefect_home: Path) -> dict[str, str]:
    """Return the variables of a process that uses the tests' own Prefect server."""
    return environment_of(prefect_home)


def environment_of(home: Path) -> dict[str, str]:
    """Return the variables of a process that uses a Prefect server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
        "PYTHONWARNINGS": "ignore",
    }


@pytest.fixture(scope="session")
def prefect_process(
    prefect_home: Path, prefect_environment: dict[str, str], pytestconfig: pytest.Config
) -> Iterator[PrefectServer]:
    """Run a real Prefect server.

    Creating the tables takes longer than everything else at its start, so the cache of pytest keeps
    an empty database of each version of Prefect.
    """
    folder = pytestconfig.cache.mkdir("prefect") if pytestconfig.cache else prefect_home
    kept, database = folder / f"{version('prefect')}.db", prefect_home / "prefect.db"
    if kept.exists():
        shutil.copy(kept, database)
    with PrefectServer(prefect_environment, prefect_home) as server:
        if not kept.exists():
            _copy_database(database, kept)
        yield server


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database that is in use, as a whole."""
    copy = target.with_name(uuid4().hex)
    with closing(sqlite3.connect(source)) as used, closing(sqlite3.connect(copy)) as new:
        used.backup(new)
    copy.replace(target)


@pytest.fixture(scope="session")
def prefect_server(prefect_process: PrefectServer, prefect_home: Path) -> Iterator[str]:
    """Use a real Prefect server in this process; the value is the URL of its API."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        temporary_settings,
    )

    settings = {
        PREFECT_API_URL: prefect_process.api,
        PREFECT_HOME: prefect_home,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with temporary_settings(settings):
        yield prefect_process.api
        APILogHandler().flush()
        EventsWorker.instance().drain()


class PrefectProcess:
    """A Prefect command beside the tests, ended with the context."""

    def __init__(self, environment: dict[str, str], log: Path, *command: str) -> None:
        self.environment, self.log, self.command = environment, log, command

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command."""
        # A shell that starts a process in the background makes it ignore SIGINT (observed).
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                [sys.executable, "-m", "prefect", *self.command],
                env=self.environment,
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        return self.process

    def stop(self) -> None:
        """End the command, by force after 15 seconds."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> subprocess.Popen[bytes]:
        """Start the command."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """End the command."""
        self.stop()


class PrefectServer(PrefectProcess):
    """A Prefect server that can be restarted."""

    def __init__(self, environment: dict[str, str], home: Path) -> None:
        self.api = environment["PREFECT_API_URL"]
        port = self.api.removesuffix("/api").rpartition(":")[2]
        command = ("server", "start", "--host", "127.0.0.1", "--port", port)
        super().__init__(environment, home / "server.log", *command)

    def __enter__(self) -> Self:  # type: ignore[override]  # the server, not its process
        """Start the server and wait until it responds."""
        self.start()
        try:
            wait_until(lambda: responds(f"{self.api}/health"), self.process)
        except BaseException:
            self.stop()
            raise
        return self

    def restart(self) -> None:
        """Stop the server and start it on the same port and database."""
        self.stop()
        self.start()
        wait_until(lambda: responds(f"{self.api}/health"), self.process)


def latest_artifact(key: str) -> Any:
    """Return the newest artifact of a key, as the Prefect UI shows it."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.request("GET", "/artifacts/{key}/latest", path_params={"key": key}).json()


def api_client(api: str) -> httpx.Client:
    """Return a client of a Prefect server that opens a connection per request."""
    return httpx.Client(base_url=api, timeout=30, transport=_RetryingTransport())


class _RetryingTransport(httpx.HTTPTransport):
    """Transport that repeats requests while SQLite is busy (503), as Prefect's client does."""

    def __init__(self) -> None:
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + 30
        while (response := super().handle_request(request)).status_code == BUSY_DATABASE:
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return response


def responds(url: str) -> bool:
    """Whether a GET of a URL succeeds."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = READY_SECONDS
) -> None:
    """Wait until a condition holds; fail if the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, "the process ended early"
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.2)
