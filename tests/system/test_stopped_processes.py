"""Processes of flow runs that are killed, terminated or cancelled under a real worker."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from collibra_tasks.ledger.entry import Phase
from collibra_tasks.sandbox import Hold, Sandbox
from tests.support import counters
from tests.support.flow_runs import (
    credentials_of,
    import_tables,
    newest_entry,
    save_credentials,
    until,
)
from tests.support.pool import SETTLE_SECONDS, Pool

pytestmark = pytest.mark.slow

STEPS = ("the request", "the response", "the wait")
FLOW = "finalize-synchronization"


@dataclass
class Victim:
    """A flow run on a sandbox of its own that is stopped at one step."""

    tenant: Sandbox
    run_id: str
    hold: Hold | None

    @property
    def is_ready(self) -> bool:
        """Whether the flow run is at its step."""
        if self.hold is not None:
            return self.hold.reached.is_set()
        entry = newest_entry(self.tenant)
        return entry is not None and (entry.number, entry.phase) == (2, Phase.SENT)

    def release(self) -> None:
        """End the held request and the job."""
        if self.hold is not None:
            self.hold.release()
        self.tenant.finish_jobs()


def finalize_once(tenant: Sandbox) -> None:
    """Finalize a first cycle, so that the names of this environment's jobs are known."""
    from flows.finalize_synchronization import finalize_synchronization

    job_id = import_tables(tenant, 3)
    finalize_synchronization(credentials_of(tenant), "nightly", batch_job_ids=[job_id])


def start(pool: Pool, tenant: Sandbox, step: str) -> Victim:
    """Start the finalization of a second cycle that stops at a step."""
    finalize_once(tenant)
    job_id = import_tables(tenant, 3)
    hold = None
    if step == "the wait":
        tenant.stall_jobs()
    else:
        hold = tenant.hold_next_answer(before_commit=step == "the request")
    name = f"stopped-{tenant.url.rpartition(':')[2]}"
    parameters: dict[str, Any] = {
        "credentials": save_credentials(tenant, name, request_timeout_seconds=15),
        "synchronization_id": "nightly",
        "batch_job_ids": [job_id],
        "wait_seconds": 120,
    }
    return Victim(tenant, pool.start(FLOW, **parameters), hold)


@pytest.fixture(scope="module")
def killed(pool: Pool) -> Iterator[dict[str, Victim]]:
    """Kill a flow run at each step, retry all of them, and wait for their ends."""
    victims: dict[str, Victim] = {}
    tenants = {step: Sandbox().start() for step in STEPS}
    try:
        for step, tenant in tenants.items():
            victims[step] = start(pool, tenant, step)
        for victim in victims.values():
            until(lambda victim=victim: victim.is_ready)  # type: ignore[misc]  # bound per loop
            pool.send_signal(victim.run_id)
            counters.count("processes killed at a named step")
        for victim in victims.values():
            pool.wait(victim.run_id, {"CRASHED"})
            victim.release()
        time.sleep(SETTLE_SECONDS)
        for victim in victims.values():
            pool.set_state(victim.run_id, "SCHEDULED")
        for victim in victims.values():
            pool.wait(victim.run_id)
        yield victims
    finally:
        for tenant in tenants.values():
            tenant.stop()


@pytest.mark.parametrize("step", STEPS)
def test_killed_run_is_retried_without_a_second_finalization(
    pool: Pool, killed: dict[str, Victim], step: str
) -> None:
    """A flow run that was killed during a step and retried ends well; its cycle is sent once."""
    victim = killed[step]
    state = pool.read(victim.run_id)["state"]

    assert "COMPLETED" == state["type"], (state, pool.log(victim.run_id))
    assert 2 == victim.tenant.finalizations
    assert 2 == len(victim.tenant.finalization_requests)


def test_termination_during_the_request(pool: Pool, tenant: Sandbox) -> None:
    """After SIGTERM during the request the job ID is recorded before the flow run ends."""
    victim = start(pool, tenant, "the response")
    until(lambda: victim.is_ready)

    pool.send_signal(victim.run_id, signal.SIGTERM)
    assert victim.hold is not None
    victim.hold.release()
    state = pool.wait(victim.run_id)

    entry = newest_entry(tenant)
    assert state["type"] in {"CRASHED", "CANCELLED"}, state
    assert (2, tenant.jobs[-1].id) == (entry.number, entry.job_id)
    assert 2 == tenant.finalizations


@pytest.mark.parametrize("on_cancel", ["leave", "cancel_job"])
def test_cancelled_run_reports_its_job(pool: Pool, tenant: Sandbox, on_cancel: str) -> None:
    """Log and artifact of a cancelled flow run name its job, which is stopped only on request.

    A job that was left is followed by the next flow run.
    """
    tenant.stall_jobs()
    save_credentials(tenant, "cancelled")
    parameters = {
        # As in the shipped file; the form of the UI refers to the block by its ID.
        "credentials": {"$ref": {"block_document_slug": "collibra-credentials/cancelled"}},
        "synchronization_id": "nightly",
        "batch_job_ids": [import_tables(tenant, 3)],
        "on_cancel": on_cancel,
    }
    run = pool.start(FLOW, **parameters)
    until(lambda: (entry := newest_entry(tenant)) is not None and entry.phase == Phase.SENT)
    job = tenant.jobs[-1]

    pool.set_state(run, "CANCELLING", force=False)
    pool.wait(run, {"CANCELLED"})

    def is_reported() -> bool:
        texts = map(str, pool.artifacts(run))  # the progress is a number
        return any(job.id in text and "cancelled" in text for text in texts)

    until(is_reported, 30)
    until(lambda: job.id in pool.log(run), 30)
    assert (on_cancel == "cancel_job") == (tenant.jobs[-1].state == "DELETED")
    if on_cancel == "leave":
        tenant.finish_jobs()
        state = pool.wait(pool.start(FLOW, **parameters))
        assert "COMPLETED" == state["type"], state
        assert job.id in state["message"]
    assert 1 == tenant.finalizations
