"""A person settles a finalization of which nobody knows the outcome."""

from __future__ import annotations

from dataclasses import replace

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import FinalizationRefusedError, NotFoundError
from collibra_tasks.ledger import Entry, Ledger, Phase, Resolution, Settlement


def resolve(
    client: CollibraClient, ledger: Ledger, settlement: Settlement, *, job_id: str | None = None
) -> Entry:
    """Write down what a person found out about the newest entry.

    Args:
        client: The tenant.
        ledger: The synchronization's record.
        settlement: What was found out, by whom and how.
        job_id: The job that is adopted.

    Raises:
        FinalizationRefusedError: If there is nothing to settle, or it can't be true.
    """
    entry = ledger.latest()
    if entry is None or not entry.open:
        said = f"the last one is {entry.phase}" if entry else "nothing was ever finalized from here"
        message = f"there is nothing to settle for {ledger.synchronization_id!r}: {said}"
        raise FinalizationRefusedError(message)
    settled = replace(_settle(client, ledger, entry, settlement, job_id), settlement=settlement)
    ledger.update(settled)
    return settled


def _settle(
    client: CollibraClient, ledger: Ledger, entry: Entry, settlement: Settlement, job_id: str | None
) -> Entry:
    match settlement.resolution:
        case Resolution.ADOPT_JOB:
            return _adopt(client, ledger, entry, job_id)
        case Resolution.NOT_SENT:
            if entry.phase == Phase.SENT:
                message = f"it was sent: the tenant answered with job {entry.job_id}"
                raise FinalizationRefusedError(message)
            return entry.withdrawn()
        case Resolution.ENDED:
            return replace(entry, phase=Phase.ENDED, outcome="settled by a person")
        case Resolution.LEAVE:
            return entry


def _adopt(client: CollibraClient, ledger: Ledger, entry: Entry, job_id: str | None) -> Entry:
    if not job_id:
        message = "adopt_job needs the job_id of the job that closed this cycle"
        raise FinalizationRefusedError(message)
    try:
        job = client.get_job(job_id)
    except NotFoundError:
        message = f"the tenant does not know the job {job_id}"
        raise FinalizationRefusedError(message) from None
    if job.created_on and entry.intended_on and job.created_on < entry.intended_on:
        message = f"job {job_id} is older than the intent, so it can't have closed this cycle"
        raise FinalizationRefusedError(message)
    for other in ledger.of_tenant():
        if job_id in {other.job_id, *other.batch_job_ids} and other.claim != entry.claim:
            message = f"job {job_id} belongs to {other.synchronization_id!r}, flow run "
            raise FinalizationRefusedError(message + f"{other.flow_run_name or '?'}")
    return entry.sent(job)
