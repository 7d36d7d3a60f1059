"""The shipped automations on a real server, applied by their command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from collibra_tasks.ledger.entry import Phase
from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import (
    credentials_of,
    import_tables,
    newest_entry,
    save_credentials,
    until,
    write_tables,
)
from tests.support.pool import Pool
from tests.support.prefect_server import ROOT
from tests.support.webhook import Webhook

pytestmark = pytest.mark.slow

SYNCHRONIZATION = "warehouse-nightly"  # of the shipped deployments
UPSTREAM = "load-warehouse/nightly"
BLOCK = "custom-webhook/collibra-alerts"
CRASHED_SECONDS = 150


@dataclass
class Scene:
    """A work pool, a flow run whose worker was killed, and two that wait.

    Attributes:
        pool: Work pool with the shipped deployments and a worker.
        webhook: Receiver of the notifications.
        dead: Flow run whose process and worker were killed.
        waiting: Flow run whose process waits for a job.
        suspended: Flow run without a process, which waits for an approval.
        outputs: Outputs of two calls of the command.
    """

    pool: Pool
    webhook: Webhook
    dead: str
    waiting: str
    suspended: str
    outputs: list[str]


def apply_automations(pool: Pool) -> str:
    """Apply all automations as the documentation describes it; return the output."""
    done = subprocess.run(  # noqa: S603 - our own command
        [
            sys.executable,
            "deployments/automations/apply.py",
            *("--notify", BLOCK, "--after", UPSTREAM),
        ],
        env=pool.environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def delete_automations(api: httpx.Client) -> None:
    """Delete all automations, which would also act on the flow runs of other tests."""
    for automation in api.post("/automations/filter", json={}).raise_for_status().json():
        api.delete(f"/automations/{automation['id']}").raise_for_status()


def create_upstream() -> None:
    """Create the deployment of a program that uploads batches."""
    from prefect.client.orchestration import get_client

    flow_name, _, name = UPSTREAM.partition("/")
    with get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow_from_name(flow_name), name)


def complete_upstream(api: httpx.Client, *job_ids: str) -> None:
    """Complete a flow run of the upstream deployment, with its batch jobs as a label."""
    from prefect.client.orchestration import get_client

    upstream = api.get(f"/deployments/name/{UPSTREAM}").raise_for_status().json()
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(UUID(upstream["id"]))
        client.update_flow_run_labels(run.id, {"collibra.batch_job_ids": " ".join(job_ids)})
    request = {"state": {"type": "COMPLETED"}, "force": True}
    api.post(f"/flow_runs/{run.id}/set_state", json=request).raise_for_status()


def start_waiting(pool: Pool, tenant: Sandbox, name: str) -> str:
    """Start a finalization that waits for a job which does not end."""
    tenant.stall_jobs()
    job_id = import_tables(tenant, 3, name)
    run = pool.start(
        "finalize-synchronization",
        credentials=save_credentials(tenant, f"automations-{name}"),
        synchronization_id=name,
        batch_job_ids=[job_id],
    )
    until(lambda: (entry := newest_entry(tenant, name)) is not None and entry.phase == Phase.SENT)
    return run


def start_suspended(pool: Pool, tenant: Sandbox, folder: Path) -> str:
    """Start a synchronization that is suspended until a person approves its plan."""
    from flows.synchronize_source import synchronize_source

    export = folder / "export.json"
    synchronize_source(credentials_of(tenant), "suspended", write_tables(export, 20))
    run = pool.start(
        "synchronize-source",
        credentials=save_credentials(tenant, "automations-suspended"),
        synchronization_id="suspended",
        source=write_tables(export, 10),
        on_guard="ask",
    )
    assert "PAUSED" == pool.wait(run, {"PAUSED", "FAILED", "CRASHED"})["type"]
    return run


@pytest.fixture(scope="module")
def tenants() -> Iterator[dict[str, Sandbox]]:
    """Serve a sandbox for each flow run, since their clocks and faults differ."""
    sandboxes = {name: Sandbox().start() for name in ("dead", "waiting", "suspended", "upload")}
    yield sandboxes
    for sandbox in sandboxes.values():
        sandbox.stop()


@pytest.fixture(scope="module")
def scene(
    api: httpx.Client,
    prefect_environment: dict[str, str],
    tenants: dict[str, Sandbox],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """Apply the automations, start the flow runs, and kill a worker with its flow run."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    folder = tmp_path_factory.mktemp("automations")
    save_credentials(tenants["upload"], "production")
    create_upstream()
    pool = Pool(api, "automations", prefect_environment)
    pool.deploy(folder)
    with Webhook() as webhook:
        content = {"subject": "{{subject}}", "body": "{{body}}"}
        CustomWebhookNotificationBlock(name="test", url=webhook.url, json_data=content).save(
            BLOCK.partition("/")[2]
        )
        outputs = [apply_automations(pool), apply_automations(pool)]
        try:
            # The first worker is at its limit, so the second one gets the other flow runs.
            with pool.worker(folder, "waiting", limit=1):
                waiting = start_waiting(pool, tenants["waiting"], "waiting")
                dying = pool.worker(folder, "dying")
                with dying as process:
                    suspended = start_suspended(pool, tenants["suspended"], folder)
                    dead = start_waiting(pool, tenants["dead"], "dead")
                    process.kill()
                    pool.send_signal(dead, signal.SIGKILL)
                with pool.worker(folder, "next"):
                    yield Scene(pool, webhook, dead, waiting, suspended, outputs)
                    pool.set_state(suspended, "CANCELLED")
                    pool.kill_running()
        finally:
            delete_automations(api)


def test_apply_creates_then_updates(scene: Scene) -> None:
    """The command creates three automations; a second call updates them."""
    names = [row["name"] for row in scene.pool.api.post("/automations/filter", json={}).json()]

    assert 3 == len(names) == len(set(names))
    assert [f"Created: {name}" in scene.outputs[0] for name in names] == [True] * 3
    assert [f"Updated: {name}" in scene.outputs[1] for name in names] == [True] * 3


def test_upload_is_finalized_and_refusal_notified(
    scene: Scene, tenants: dict[str, Sandbox]
) -> None:
    """A completed upload is finalized with its jobs; one without jobs is refused and notified."""
    tenant = tenants["upload"]
    job_id = import_tables(tenant, 3, SYNCHRONIZATION)

    complete_upstream(scene.pool.api, job_id)
    first = wait_for_finalization(scene.pool, [])
    complete_upstream(scene.pool.api)
    second = wait_for_finalization(scene.pool, [first["id"]])
    until(lambda: find_notification(scene.webhook, "refused"), 30)

    assert ["COMPLETED", "FAILED"] == [run["state"]["type"] for run in (first, second)]
    assert [[job_id], []] == [run["parameters"]["batch_job_ids"] for run in (first, second)]
    assert 1 == tenant.finalizations
    body = find_notification(scene.webhook, "refused")["body"]
    assert second["state"]["message"] in body
    assert f"/runs/flow-run/{second['id']}" in body


def wait_for_finalization(pool: Pool, seen: list[str]) -> dict[str, Any]:
    """Wait until a finalization of the shipped deployment has ended, and return its flow run."""
    deployment = pool.deployment("finalize-synchronization")["id"]
    query = {
        "deployments": {"id": {"any_": [deployment]}},
        "flow_runs": {"name": {"like_": SYNCHRONIZATION}},
    }

    def find() -> dict[str, Any]:
        found: list[dict[str, Any]] = pool.api.post("/flow_runs/filter", json=query).json()
        ended = [run for run in found if run["state"]["type"] in {"COMPLETED", "FAILED"}]
        return next((run for run in ended if run["id"] not in seen), {})

    until(find)
    return find()


def find_notification(webhook: Webhook, kind: str) -> dict[str, Any]:
    """Return the notification of a kind of event."""
    subject = f"Collibra synchronization {SYNCHRONIZATION}: {kind}"
    return next((each for each in webhook.received if each["subject"] == subject), {})


def test_unknown_outcome_is_notified(scene: Scene) -> None:
    """The event of an unknown outcome sends a notification; that of a finalization does not."""
    from collibra_tasks.reporting.events import emit_synchronization_event

    for kind in ("finalized", "unknown"):
        message = f"This cycle is {kind}."
        emit_synchronization_event(kind, SYNCHRONIZATION, "acme", {"message": message})
    until(lambda: find_notification(scene.webhook, "unknown"), 30)

    assert "This cycle is unknown." in find_notification(scene.webhook, "unknown")["body"]
    assert not find_notification(scene.webhook, "finalized")


def test_dead_run_is_crashed(scene: Scene, tenants: dict[str, Sandbox]) -> None:
    """The flow run of a killed worker becomes Crashed; waiting and suspended ones do not."""
    state = scene.pool.wait(scene.dead, {"CRASHED"}, CRASHED_SECONDS)

    assert "sent no heartbeat" in state["message"]
    # Their heartbeats began before those of the dead flow run, so they would be Crashed by now.
    assert "RUNNING" == scene.pool.read(scene.waiting)["state"]["type"]
    assert "PAUSED" == scene.pool.read(scene.suspended)["state"]["type"]
    tenants["waiting"].finish_jobs()
    assert "COMPLETED" == scene.pool.wait(scene.waiting)["type"]
