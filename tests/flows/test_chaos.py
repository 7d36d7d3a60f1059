"""Processes that are killed, under a real worker: at most one finalization, done or unknown."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from collibra_tasks.ledger import Ledger, Phase
from collibra_tasks.sandbox import Hold, Sandbox
from collibra_tasks.variables import VariableStore
from tests import figures
from tests.conftest import send_tables, talk_to
from tests.flows.pool import BREAKABLE_FLOW, ENDED, Pool, save_credentials, until
from tests.tenants import new_tenant

NAME = "nightly"
ROUNDS = int(os.environ.get("COLLIBRA_ROUNDS", "10"))
SETTLE_SECONDS = 12
DONE, UNKNOWN = ("COMPLETED", 1), ("FAILED", 0)
BY_ITSELF = {
    "before the intent": DONE,
    "after the intent": UNKNOWN,
    "after the answer": DONE,
    "after the record": DONE,
    "before the end is recorded": DONE,
    "after the end": DONE,
}
FROM_OUTSIDE = {
    "with the request on the wire": DONE,
    "with the answer on the wire": DONE,
    "during the wait": DONE,
}
STEPS = BY_ITSELF | FROM_OUTSIDE


@dataclass
class Victim:
    """A run on a tenant of its own."""

    step: str
    tenant: Sandbox
    hold: Hold | None = None
    run_id: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    def prepare(self) -> None:
        """Fill a cycle, and stage what holds the run where it is to be killed."""
        self.parameters = {
            "credentials": save_credentials(self.tenant, self.step.replace(" ", "-")),
            "synchronization_id": NAME,
            "batch_job_ids": [send_tables(self.tenant, 2, NAME)],
            "wait_seconds": 60,
        }
        if "on the wire" in self.step:
            self.hold = self.tenant.hold_next_answer(before_commit="request" in self.step)
        if self.step == "during the wait":
            self.tenant.run_jobs_for(3600)

    def is_there(self) -> bool:
        """Whether it stands where it is to be killed from outside."""
        if self.hold is not None:
            return self.hold.reached.is_set()
        entry = Ledger(VariableStore(), self.tenant.url, NAME).latest()
        return entry is not None and entry.phase == Phase.SENT

    def let_go(self) -> None:
        """Let the tenant go on after the kill."""
        if self.hold is not None:
            self.hold.release()
        self.tenant.finish_jobs()


@pytest.fixture(scope="module")
def api(prefect_server: str) -> Iterator[httpx.Client]:
    """Talk to the Prefect server as the UI does."""
    with talk_to(prefect_server) as api:
        yield api


@pytest.fixture(scope="module")
def victims(
    api: httpx.Client,
    prefect_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Victim]]:
    """Kill a run at each step, all at once, and retry each when the worker has told of its end."""
    pool = Pool(api, "chaos", prefect_environment)
    deployment = pool.deploy(BREAKABLE_FLOW)
    with ExitStack() as stack:
        victims = {
            # Else the job of a first finalization could not be told from any other.
            step: Victim(step, stack.enter_context(new_tenant(jobs_name_synchronization=True)))
            for step in STEPS
        }
        stack.enter_context(pool.workers(tmp_path_factory.mktemp("chaos")))
        for step, victim in victims.items():
            victim.prepare()
            broken = step if step in BY_ITSELF else ""
            victim.run_id = pool.start(deployment, victim.parameters, BREAK_AT=broken)
        for step in FROM_OUTSIDE:
            until(partial(Victim.is_there, victims[step]), 120, partial(str, step))
            pool.kill(victims[step].run_id)
        for victim in victims.values():
            pool.wait(victim.run_id, {"CRASHED"})
            figures.count("processes killed at a named step")
            victim.let_go()
        # The worker tells of a crash twice; the second time would undo a retry.
        runs = [victim.run_id for victim in victims.values()]
        settled_at = time.monotonic() + SETTLE_SECONDS
        until(lambda: time.monotonic() > settled_at, SETTLE_SECONDS + 5)
        for run in runs:
            pool.set_state(run, "SCHEDULED")
        for run in runs:
            pool.wait(run, ENDED)
        yield victims


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_is_retried_without_a_second_finalization(
    api: httpx.Client, victims: dict[str, Victim], step: str
) -> None:
    """Killed at any step and retried, a run finalizes once at most and ends done or unknown."""
    victim = victims[step]
    state = api.get(f"/flow_runs/{victim.run_id}").json()["state"]

    assert STEPS[step] == (state["type"], victim.tenant.finalizations), state
    assert len(victim.tenant.finalization_requests) <= 1
    if state["type"] == "FAILED":
        assert "OutcomeUnknownError" in state["message"]


def test_two_workers_never_finalize_twice(
    api: httpx.Client, prefect_environment: dict[str, str], tmp_path: Path
) -> None:
    """Of two workers with the same synchronization at once one finalizes, and both end well."""
    pool = Pool(api, "two-workers", prefect_environment)
    deployment = pool.deploy()
    with new_tenant() as tenant, pool.workers(tmp_path, number=2, limit=1):
        credentials = save_credentials(tenant, "two-workers")
        for number in range(ROUNDS):
            name = f"round-{number}"
            parameters = {
                "credentials": credentials,
                "synchronization_id": name,
                "strategy": "REMOVE_RESOURCES",
                "batch_job_ids": [send_tables(tenant, 2, name)],
                "wait_seconds": 60,
            }
            runs = [pool.start(deployment, parameters) for _ in range(2)]
            states = [pool.wait(run, ENDED)["state"] for run in runs]
            figures.count("rounds of two workers")
            assert ["COMPLETED"] * 2 == [state["type"] for state in states], states
            assert 1 == tenant.finalizations_of(name)
