"""Settle a finalization of which nobody knows the outcome."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from slugify import slugify

from collibra_tasks.adopting import Findings
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.finalizing import Finalizer
from collibra_tasks.ledger import Entry, Ledger, Phase, Resolution, Settlement
from collibra_tasks.models import Job
from collibra_tasks.receipts import render_table
from collibra_tasks.resolving import resolve
from collibra_tasks.tasks.finalization import LONGEST_REQUEST_TIMEOUTS, ledger_of


@task(cache_policy=NO_CACHE, task_run_name="settle-finalization-{synchronization_id}")
def settle_finalization(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    resolution: Resolution,
    resolved_by: str,
    reason: str,
    job_id: str | None = None,
) -> Entry:
    """Record what a person found out about the last finalization, and show the record.

    Args:
        credentials: The tenant.
        synchronization_id: The synchronization whose finalization is unknown.
        resolution: What was found out.
        resolved_by: Who says so.
        reason: How it was found out.
        job_id: The job that is adopted.

    Returns:
        The record's entry, as it is from now on.

    Raises:
        FinalizationRefusedError: If there is nothing to settle, or it can't be true.
    """
    ledger = ledger_of(credentials, synchronization_id)
    settlement = Settlement(
        resolution=Resolution(resolution), by=resolved_by, on=datetime.now(tz=UTC), reason=reason
    )
    with credentials.get_client() as client:
        longest = LONGEST_REQUEST_TIMEOUTS * credentials.request_timeout_seconds
        finalizer = Finalizer(client=client, ledger=ledger, longest_request_seconds=longest)
        findings = _find(finalizer)
        entry = resolve(
            client,
            ledger,
            settlement,
            job_id=job_id,
            longest_request_seconds=finalizer.longest_way_seconds,
            findings=findings,
        )
    get_run_logger().info("%s is now %s", ledger.name_of(entry), entry.phase)
    create_markdown_artifact(
        _render(ledger, entry, findings.candidates),
        key=f"finalization-{slugify(synchronization_id)}",
        description=f"Finalization of {synchronization_id}: {settlement.resolution}",
    )
    return entry


def _find(finalizer: Finalizer) -> Findings:
    entry = finalizer.ledger.latest()
    return finalizer.find(entry) if entry is not None and entry.open else Findings()


PHASES = {
    Phase.INTENDED: "not known whether it was sent",
    Phase.SENT: "sent, its end not recorded yet",
    Phase.ENDED: "finalized before",
    Phase.WITHDRAWN: "not sent",
}
ADVICE = (
    "Look at the job list in Collibra, around the moment above. If one of its jobs closed this "
    "cycle, run this deployment again with `adopt_job` and its `job_id`; if there is none, and "
    "assets still are as they were, with `not_sent`; if the cycle was closed and the job is gone, "
    "with `ended`."
)


def _render(ledger: Ledger, entry: Entry, candidates: tuple[Job, ...]) -> str:
    settlement = entry.settlement
    facts = [
        ("Record", f"`{ledger.name_of(entry)}`"),
        ("Phase", f"`{entry.phase}`: {PHASES[entry.phase]}"),
        ("Strategy", entry.strategy),
        ("Flow run", entry.flow_run_name and f"{entry.flow_run_name} (`{entry.flow_run_id}`)"),
        ("Intended", f"{entry.intended_on} by the tenant's clock" if entry.intended_on else None),
        ("Batches of this cycle", ", ".join(f"`{job}`" for job in entry.batch_job_ids)),
        ("Job", entry.job_id),
        ("Outcome", entry.outcome),
    ]
    if settlement is not None:
        facts += [
            ("Settled as", settlement.resolution),
            ("By", settlement.by),
            ("Because", settlement.reason),
        ]
    rows = [
        (job.id, job.name or "", job.state or "", f"{job.created_on or ''}") for job in candidates
    ]
    found = (
        render_table(("Job", "Name", "State", "Created"), rows)
        if rows
        else "None that this account can see."
    )
    parts = [
        f"# {entry.synchronization_id}: {PHASES[entry.phase]}",
        render_table(("", ""), [(name, value) for name, value in facts if value]),
    ]
    if entry.open:
        parts += [ADVICE, "## Jobs of the account that it may have started", found]
    return "\n\n".join(parts)
