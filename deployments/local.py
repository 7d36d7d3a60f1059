"""Demonstration on one machine: a sandbox of Collibra, a Prefect server with its UI, the flows.

The main job synchronizes an export of twelve tables, then one with eleven, then one with six, which
the guard refuses. The program shows the outcomes and exits; with ``--stay`` it runs until Ctrl-C.
It uses a temporary folder and no real Collibra.

Prefect reads its settings when it is imported, so modules that import it are imported late.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collibra_tasks.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
DEPLOYMENT = "synchronize-source/local"
SERVE = """
from prefect import serve
from flows.check_tenant import check_tenant
from flows.finalize_synchronization import finalize_synchronization
from flows.plan_synchronization import plan_synchronization
from flows.resolve_finalization import resolve_finalization
from flows.synchronize_source import synchronize_source
flows = (
    synchronize_source,
    plan_synchronization,
    finalize_synchronization,
    resolve_finalization,
    check_tenant,
)
serve(*[flow.to_deployment("local", tags=["collibra"]) for flow in flows])
"""
SYNCHRONIZATION = "warehouse-nightly"
RECEIPT = f"collibra-receipt-{SYNCHRONIZATION}"
START_SECONDS = 90
COMMUNITY = {"name": "Data Warehouse"}
DOMAIN = {"name": "Sales schema", "community": COMMUNITY}


def main() -> None:
    """Run the main job, show its outcome, and exit or stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stay", action="store_true", help="run until Ctrl-C, for the UI")
    stay = parser.parse_args().stay
    # A shell makes programs in the background, and their child processes, ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="collibra-local-") as home:
        os.environ.update(prefect_environment(Path(home)))
        from collibra_tasks.sandbox import Sandbox

        with prefect_server() as address, Sandbox(job_seconds=2) as sandbox, served_flows():
            run_main_job(sandbox, address)
            if stay:
                print(f"\nThe UI is at {address}  (Ctrl-C stops everything)", flush=True)
                try:
                    signal.pause()
                except KeyboardInterrupt:
                    print("\nStopped. The temporary folder is deleted.")


def prefect_environment(home: Path) -> dict[str, str]:
    """Return settings that limit Prefect to one folder and one free port, without telemetry."""
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLI_PROMPT": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(ROOT),
    }


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program with its output in a file of Prefect's folder, then stop it."""
    log = Path(os.environ["PREFECT_HOME"]) / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of this file
            [sys.executable, *command], cwd=ROOT, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def prefect_server() -> Iterator[str]:
    """Run a Prefect server, and yield the address of its UI."""
    api = os.environ["PREFECT_API_URL"]
    port = api.removesuffix("/api").rpartition(":")[2]
    print("Starting a Prefect server", flush=True)
    start = ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port)
    with running("server", *start) as process:
        wait_until(lambda: httpx.get(f"{api}/health").is_success, process, "the Prefect server")
        yield api.removesuffix("/api")


@contextmanager
def served_flows() -> Iterator[None]:
    """Serve the flows, so that the UI and the API can start flow runs."""
    api = os.environ["PREFECT_API_URL"]
    with running("flows", "-c", SERVE) as process:
        deployed = f"{api}/deployments/name/{DEPLOYMENT}"
        wait_until(lambda: httpx.get(deployed).is_success, process, "the flows")
        yield


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str) -> None:
    """Wait until a process is ready; exit with its log if it does not start."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    logs = Path(os.environ["PREFECT_HOME"]).glob("*.log")
    sys.exit(f"{name} did not start:\n" + "\n".join(log.read_text()[-3000:] for log in logs))


def run_main_job(sandbox: "Sandbox", address: str) -> None:
    """Synchronize exports of twelve, eleven and six tables, and show each outcome."""
    from collibra_tasks import MISSING_FROM_SOURCE, CollibraCredentials, CollibraSettings

    os.environ.update(sandbox.environment())
    credentials = CollibraCredentials.from_settings(CollibraSettings())
    block = credentials.save("sandbox", overwrite=True)
    export = Path(os.environ["PREFECT_HOME"]) / "export.json"
    for tables, is_finalized in ((12, True), (11, True), (6, False)):
        export.write_text(json.dumps(export_of(tables)))
        print(f"\nExport with {tables} tables", flush=True)
        run = synchronize(export, str(block))
        print(f"Flow run {run.name}: {run.state_name}  {address}/runs/flow-run/{run.id}")
        if run.state is None or run.state.is_completed() != is_finalized:
            sys.exit(f"Unexpected outcome: {run.state and run.state.message}")
        print(run.state.message)
    print(f"\n{last_receipt()}")
    assets = sandbox.assets().values()
    marked = [asset.name for asset in assets if asset.status_id == MISSING_FROM_SOURCE]
    print(f"\nTables in Collibra: {len(assets)}. Marked as missing: {', '.join(marked)}.")


def synchronize(export: Path, block: str) -> Any:  # noqa: ANN401 - Prefect is imported late
    """Start a flow run of the deployment, as the UI does, and wait for its end."""
    from prefect.deployments import run_deployment

    parameters = {
        "credentials": {"$ref": {"block_document_id": block}},
        "synchronization_id": SYNCHRONIZATION,
        "source": str(export),
        "wait_seconds": 60,
    }
    return run_deployment(DEPLOYMENT, parameters=parameters, timeout=120, poll_interval=1)


def last_receipt() -> str:
    """Return the receipt of the last finalized cycle."""
    from prefect.client.orchestration import get_client

    query = {
        "artifacts": {"key": {"like_": f"{RECEIPT}%"}},
        "sort": "CREATED_DESC",
    }
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json=query).json()
    return next(str(row["data"]) for row in found if ": finalized" in row["data"])


def export_of(tables: int) -> list[dict[str, Any]]:
    """Return import commands for a community, a domain, and tables in it."""
    return [
        {"resourceType": "Community", "identifier": COMMUNITY},
        {
            "resourceType": "Domain",
            "identifier": DOMAIN,
            "type": {"name": "Physical Data Dictionary"},
        },
        *[
            {
                "resourceType": "Asset",
                "identifier": {"name": f"table_{number:02}", "domain": DOMAIN},
                "type": {"name": "Table"},
            }
            for number in range(1, tables + 1)
        ],
    ]


if __name__ == "__main__":
    main()
