"""Kill real runs at random moments, retry them, and count: ``python tests/chaos.py --minutes 10``.

A Prefect server, a worker and a stand-in Collibra are started on 127.0.0.1 and ended again. Fails
if any cycle is finalized twice, or a run ends otherwise than done or unknown.
"""

import argparse
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.flows.pool import Pool

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
TOGETHER = 4
LONGEST_LIFE_SECONDS = 12.0
SETTLE_SECONDS = 12.0


def main(minutes: float, seed: int) -> None:
    """Go on for so many minutes, then print the figures."""
    chance = random.Random(seed)  # noqa: S311 - it picks moments
    figures: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        home = Path(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        api = f"http://127.0.0.1:{port}/api"
        os.environ |= {
            "PREFECT_HOME": folder,
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        from tests.flows.pool import BREAKABLE_FLOW, Pool

        from tests.conftest import answers, prefect_process, talk_to, wait_until

        server = ("server", "start", "--host", "127.0.0.1", "--port", port)
        with (
            prefect_process(dict(os.environ), home / "server.log", *server) as process,
            talk_to(api) as http,
        ):
            wait_until(lambda: answers(f"{api}/health"), process)
            pool = Pool(http, "chaos", os.environ)
            deployment = pool.deploy(BREAKABLE_FLOW)
            with pool.workers(home):
                ends_at = time.monotonic() + 60 * minutes
                number = 0
                while time.monotonic() < ends_at:
                    kill_some(pool, deployment, number, chance, figures)
                    number += TOGETHER
                    print(dict(figures), flush=True)
    for name, count in sorted(figures.items()):
        print(f"{count:>8,}  {name}")


def kill_some(
    pool: "Pool",
    deployment: str,
    first: int,
    chance: random.Random,
    figures: Counter[str],
) -> None:
    """Start a few runs, kill each at a moment of its own, retry them, and judge."""
    from tests.flows.pool import ENDED, save_credentials

    from collibra_tasks.sandbox import Sandbox
    from tests.conftest import send_tables

    with Sandbox(job_seconds=chance.choice([0, 3]), jobs_name_synchronization=True) as tenant:
        credentials = save_credentials(tenant, "chaos")
        names = [f"cycle-{first + index}" for index in range(TOGETHER)]
        runs = {}
        for name in names:
            job_id = send_tables(tenant, 2, name, wait_seconds=30)
            parameters = {
                "credentials": credentials,
                "synchronization_id": name,
                "batch_job_ids": [job_id],
                "wait_seconds": 60,
            }
            runs[name] = pool.start(deployment, parameters, BREAK_AT="")
        began = time.monotonic()
        moments = sorted((chance.uniform(3, LONGEST_LIFE_SECONDS), run) for run in runs.values())
        for moment, run in moments:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            with suppress(AttributeError, ProcessLookupError):  # not begun, or over
                if pool.run(run)["state"]["type"] not in ENDED:
                    pool.kill(run)
                    figures["kills"] += 1
        for run in runs.values():
            pool.wait(run, ENDED)
        time.sleep(SETTLE_SECONDS)  # the worker tells of a crash twice, and would undo a retry
        for run in runs.values():
            if pool.run(run)["state"]["type"] == "CRASHED":
                pool.set_state(run, "SCHEDULED")
                figures["retries"] += 1
        for name, run in runs.items():
            judge(pool.wait(run, ENDED)["state"], tenant.finalizations_of(name), figures)


def judge(state: dict[str, str], finalizations: int, figures: Counter[str]) -> None:
    """Count an end, or fail over one that must not be."""
    figures["cycles"] += 1
    figures["finalizations"] += finalizations
    unknown = "OutcomeUnknownError" in (state.get("message") or "")
    if finalizations > 1 or not (state["type"] == "COMPLETED" or unknown):
        sys.exit(f"{finalizations} finalizations, and the run ended as {state}")
    figures["ended as unknown" if unknown else "ended as done"] += 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    main(asked.minutes, asked.seed)
