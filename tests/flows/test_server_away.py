"""The Prefect server goes away while a run waits for its job."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

from collibra_tasks.sandbox import Sandbox
from tests.conftest import ROOT, answers, prefect_process, send_tables, wait_until
from tests.flows.pool import until

SECONDS_AWAY = float(os.environ.get("COLLIBRA_SECONDS_AWAY", "15"))
RUN = """
import sys
from collibra_tasks import CollibraCredentials
from flows.finalize_synchronization import finalize_synchronization as finalize
receipt = finalize(CollibraCredentials.from_settings(), "nightly", batch_job_ids=[sys.argv[1]])
print(receipt.job_id, receipt.succeeded)
"""


def test_a_run_outlives_the_absence_of_the_server(
    tenant: Sandbox, prefect_environment: dict[str, str], tmp_path: Path
) -> None:
    """With Prefect's server away during the wait, the run ends as its job does, with a receipt."""
    port = free_port()
    environment = prefect_environment | {
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PYTHONPATH": str(ROOT),
    }
    start = ("server", "start", "--host", "127.0.0.1", "--port", str(port))
    api = environment["PREFECT_API_URL"]
    job_id = send_tables(tenant, 2, "nightly")
    tenant.run_jobs_for(3600)
    with prefect_process(environment, tmp_path / "server.log", *start) as server:
        wait_until(lambda: answers(f"{api}/health"), server)
        run = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-c", RUN, job_id],
            env=environment | tenant.environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            until(lambda: "sent" in phases(api), 60)
            server.kill()
            server.wait()
            tenant.finish_jobs()
            back_at = time.monotonic() + SECONDS_AWAY
            until(lambda: time.monotonic() > back_at, SECONDS_AWAY + 5)
            with prefect_process(environment, tmp_path / "again.log", *start) as again:
                wait_until(lambda: answers(f"{api}/health"), again)
                output, _ = run.communicate(timeout=180)
                assert 0 == run.returncode, output[-3000:]
                assert f"{tenant.jobs[-1].id} True" in output
                artifact = httpx.get(f"{api}/artifacts/finalization-nightly/latest").json()
                assert "nightly: finalized" in artifact["data"]
                assert "ended" in phases(api)
        finally:
            run.kill()
            run.wait()


def phases(api: str) -> list[str]:
    """Return the phases of all records."""
    rows = httpx.post(f"{api}/variables/filter", json={}).json()
    return [row["value"]["phase"] for row in rows]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
