"""Prefect calls and seconds of the ledger's store, beside 0, 400 and 2,000 records of others.

python tests/benchmarks/ledger.py

It starts a temporary Prefect server of its own. The calls must not depend on the number of records.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

OTHERS = (0, 400, 2_000)
REPEATS = 5
THREADS = 4
READY_SECONDS = 90


@contextmanager
def temporary_server() -> Iterator[None]:
    """Point this process at a Prefect server that ends with the context."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        api = f"http://127.0.0.1:{port}/api"
        os.environ |= {
            "PREFECT_HOME": home,
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
        with (Path(home) / "server.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own
            try:
                wait_until_ready(f"{api}/health", process)
                yield
            finally:
                process.terminate()
                process.wait(30)


def wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for the server's first good response."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the Prefect server ended early"
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"the Prefect server was not ready within {READY_SECONDS} seconds")


@dataclass
class Calls:
    """Prefect calls of this process, counted where the client sends them."""

    count: int = 0
    _send: Any = field(init=False)

    def __post_init__(self) -> None:
        from prefect.client.base import PrefectHttpxSyncClient

        self._send = PrefectHttpxSyncClient.send
        calls = self

        def send(client: Any, *arguments: Any, **options: Any) -> Any:
            calls.count += 1
            return calls._send(client, *arguments, **options)

        setattr(PrefectHttpxSyncClient, "send", send)  # noqa: B010 - mypy refuses an assignment

    def measure(self, operation: Callable[[int], object]) -> tuple[float, float]:
        """Return calls and seconds per repeat."""
        before, start = self.count, time.perf_counter()
        for number in range(REPEATS):
            operation(number)
        seconds = time.perf_counter() - start
        return (self.count - before) / REPEATS, seconds / REPEATS


def add_records(store: Any, first: int, last: int) -> None:
    """Add finalizations of other synchronizations."""
    from collibra_tasks.ledger.identity import resource_name

    def add(number: int) -> None:
        name = resource_name("ledger", "environment", f"other {number // 20}")
        value = {"phase": "ended", "text": "x" * 1_000}
        store.create(f"{name}-{number % 20:06d}", value, ["collibra", name])

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(add, range(first, last)))


def operations(store: Any, prefix: str) -> dict[str, Callable[[int], object]]:
    """Return what is measured, each with a number that makes names unique."""
    from collibra_tasks.ledger.identity import resource_name
    from collibra_tasks.ledger.lock import CycleLock
    from collibra_tasks.models import FlowRunInfo
    from collibra_tasks.options import Timing

    tag = resource_name("ledger", "environment", prefix)

    def hold_lock(_: int) -> None:
        lock = CycleLock(
            store,
            "environment",
            prefix,
            flow_run=FlowRunInfo(),
            has_ended=lambda _: False,
            timing=Timing(),
            clock=time,
            log=print,
        )
        with lock.acquire(timeout_seconds=0, purpose="benchmark") as held:
            held.check()

    return finalizations(prefix) | {
        "create": lambda n: store.create(f"{tag}-{n}", {"text": "x" * 1_000}, ["collibra", tag]),
        "read by name": lambda n: store.read([f"{tag}-{n}"]),
        "read 60 names": lambda n: store.read([f"{tag}-{n + i}" for i in range(60)]),
        "find by tag": lambda _: store.find(tag),
        "update": lambda n: store.update(f"{tag}-{n}", {"text": "y"}, ["collibra", tag]),
        "delete": lambda n: store.delete(f"{tag}-{n}"),
        "lock, check, release": hold_lock,
    }


def finalizations(prefix: str) -> dict[str, Callable[[int], object]]:
    """Return a finalization with a response, and one whose response is lost."""
    from collibra_tasks.blocks import CollibraCredentials
    from collibra_tasks.errors import OutcomeUnknownError
    from collibra_tasks.finalization.finalizer import Finalizer
    from collibra_tasks.finalization.submission import Evidence
    from collibra_tasks.finalization.tasks import open_session
    from collibra_tasks.models import FinalizationRequest, FinalizationStrategy
    from collibra_tasks.options import Timing
    from collibra_tasks.sandbox import Sandbox

    tenant = Sandbox().start()
    os.environ.update(tenant.environment())
    credentials = CollibraCredentials.from_settings()

    def finalize(number: int, *, lose: bool = False) -> None:
        name = f"{prefix} {number} {lose}"
        batch = tenant.import_by_hand(name, [])
        if lose:
            tenant.lose_next_answer()
        request = FinalizationRequest(name, FinalizationStrategy.IGNORE)
        with open_session(credentials, name, timing=Timing(list_recheck=0)) as session:
            try:
                Finalizer(session=session).finalize(request, Evidence(batch_job_ids=(batch.id,)))
            except OutcomeUnknownError:
                assert lose

    return {
        "finalization": finalize,
        "finalization, response lost": lambda number: finalize(number, lose=True),
    }


def main() -> None:
    """Print one table per number of records."""
    with temporary_server():
        from prefect.context import SyncClientContext

        from collibra_tasks.ledger.variable_store import VariableStore

        store, calls, present = VariableStore(), Calls(), 0
        for others in OTHERS:
            add_records(store, present, others)
            present = others
            print(f"\n{others:,} records of others", flush=True)
            with SyncClientContext.get_or_create():  # one client, as in a flow run
                store.find("nothing")  # the client's first request fetches its CSRF token
                for label, operation in operations(store, f"mine-{others}").items():
                    count, seconds = calls.measure(operation)
                    print(f"  {label:<22} {count:5.1f} calls {1000 * seconds:8.1f} ms", flush=True)


if __name__ == "__main__":
    main()
