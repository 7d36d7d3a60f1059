"""The Prefect server goes away while a run waits for its job."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from collibra_tasks.sandbox import Sandbox
from tests.conftest import ROOT, answers, prefect_process, send_tables, talk_to, wait_until
from tests.flows.pool import Pool, save_credentials, until

SECONDS_AWAY = float(os.environ.get("COLLIBRA_SECONDS_AWAY", "10"))
RUN = """
import sys
from collibra_tasks import CollibraCredentials
from flows.finalize_synchronization import finalize_synchronization as finalize
receipt = finalize(CollibraCredentials.from_settings(), "nightly", batch_job_ids=[sys.argv[1]])
print(receipt.job_id, receipt.succeeded)
"""


class Server:
    """A Prefect server of its own, which comes and goes."""

    def __init__(self, environment: dict[str, str], home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.api = f"http://127.0.0.1:{port}/api"
        self.home = home
        self.environment = environment | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.api,
            "PYTHONPATH": str(ROOT),
        }
        self._command = ("server", "start", "--host", "127.0.0.1", "--port", port)

    @contextmanager
    def up(self) -> Iterator[None]:
        """Serve; at the end of the block the server is killed."""
        log = self.home / f"server-{time.monotonic_ns()}.log"
        with prefect_process(self.environment, log, *self._command) as process:
            wait_until(lambda: answers(f"{self.api}/health"), process)
            yield
            process.kill()

    def stay_away(self) -> None:
        """Let the time pass."""
        back_at = time.monotonic() + SECONDS_AWAY
        until(lambda: time.monotonic() > back_at, SECONDS_AWAY + 5)

    @property
    def phases(self) -> list[str]:
        """The phases of all records."""
        rows = httpx.post(f"{self.api}/variables/filter", json={}).json()
        return [row["value"]["phase"] for row in rows]

    def check_receipt(self) -> None:
        """Fail unless all was told and recorded."""
        artifact = httpx.get(f"{self.api}/artifacts/finalization-nightly/latest").json()
        assert "nightly: finalized" in artifact["data"]
        assert ["ended"] == self.phases


@pytest.fixture
def server(prefect_environment: dict[str, str], tmp_path: Path) -> Server:
    """Return a server that is not up yet."""
    return Server(prefect_environment, tmp_path)


def test_a_run_outlives_the_absence_of_the_server(tenant: Sandbox, server: Server) -> None:
    """With Prefect's server away during the wait, the run ends as its job does, with a receipt."""
    job_id = send_tables(tenant, 2, "nightly")
    tenant.run_jobs_for(3600)
    with server.up():
        run = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-c", RUN, job_id],
            env=server.environment | tenant.environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until(lambda: "sent" in server.phases, 60)
    try:
        tenant.finish_jobs()
        server.stay_away()
        with server.up():
            output, _ = run.communicate(timeout=180)
            assert 0 == run.returncode, output[-3000:]
            assert f"{tenant.jobs[-1].id} True" in output
            server.check_receipt()
    finally:
        run.kill()
        run.wait()


def test_a_run_of_a_worker_outlives_it_too(tenant: Sandbox, server: Server) -> None:
    """The same holds for a run of a worker, which loses sight of the server as well."""
    job_id = send_tables(tenant, 2, "nightly")
    tenant.run_jobs_for(3600)
    with talk_to(server.api) as api:
        with server.up(), temporary_settings({PREFECT_API_URL: server.api}):
            pool = Pool(api, "away", server.environment)
            parameters = {
                "credentials": save_credentials(tenant, "away"),
                "synchronization_id": "nightly",
                "batch_job_ids": [job_id],
            }
            run = pool.start(pool.deploy(), parameters)
            worker = pool.workers(server.home)
            worker.__enter__()
            until(lambda: "sent" in server.phases, 60)
        try:
            tenant.finish_jobs()
            server.stay_away()
            with server.up():
                state = pool.wait(run, {"COMPLETED", "FAILED", "CRASHED"})["state"]
                assert "COMPLETED" == state["type"], state
                server.check_receipt()
        finally:
            worker.__exit__(None, None, None)
