"""A person settles a finalization of which nobody knows the outcome."""

from __future__ import annotations

from dataclasses import replace

from collibra_tasks.adopting import Findings
from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import (
    BusyError,
    CollibraError,
    FinalizationRefusedError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
)
from collibra_tasks.ledger import Entry, Ledger, Phase, Resolution, Settlement
from collibra_tasks.models import RUNNING_STATES


def resolve(
    client: CollibraClient,
    ledger: Ledger,
    settlement: Settlement,
    *,
    job_id: str | None = None,
    longest_request_seconds: float = 200.0,
    findings: Findings | None = None,
) -> Entry:
    """Write down what a person found out about the newest entry; with ``leave``, only read it.

    Args:
        client: The tenant.
        ledger: The synchronization's record.
        settlement: What was found out, by whom and how.
        job_id: The job that is adopted.
        longest_request_seconds: How long after its intent a request may still be under way; until
            then nobody can say that it was not sent, or that all is over.
        findings: What the tenant's job list says of the intent.

    Raises:
        FinalizationRefusedError: If there is nothing to settle, or it can't be true.
    """
    entry = ledger.latest()
    leave = settlement.resolution == Resolution.LEAVE
    if entry is None or not (entry.open or leave):
        said = f"the last one is {entry.phase}" if entry else "nothing was ever finalized from here"
        message = f"there is nothing to settle for {ledger.synchronization_id!r}: {said}"
        raise FinalizationRefusedError(message)
    if job_id and settlement.resolution != Resolution.ADOPT_JOB:
        message = (
            f"nothing was settled: a job_id goes with adopt_job, and {settlement.resolution} was "
            f"said; say adopt_job if job {job_id} closed this cycle, or leave job_id empty"
        )
        raise FinalizationRefusedError(message)
    if leave:
        return entry
    if not (settlement.by.strip() and settlement.reason.strip()):
        message = "nothing was settled: say who settles it (resolved_by), and why (reason)"
        raise FinalizationRefusedError(message)
    match settlement.resolution:
        case Resolution.ADOPT_JOB:
            entry = _adopt(client, ledger, entry, job_id)
        case Resolution.NOT_SENT:
            _check_not_sent(client, entry, findings or Findings(), longest_request_seconds)
            entry = entry.withdrawn()
        case Resolution.ENDED:
            entry = _end(client, entry, longest_request_seconds)
    settled = replace(entry, settlement=settlement)
    ledger.update(settled)
    return settled


def _end(client: CollibraClient, entry: Entry, longest_request_seconds: float) -> Entry:
    if entry.job_id is None:
        _check_not_under_way(client, entry, longest_request_seconds)
        return entry.ended_unseen(latest=entry.on_its_way_until(longest_request_seconds))
    try:
        job = client.get_job(entry.job_id)
    except (NotSentError, OutcomeUnknownError, BusyError) as error:
        message = (
            f"nothing was settled: the tenant does not say whether job {entry.job_id} is still at "
            f"work ({error}); try again when it answers"
        )
        raise FinalizationRefusedError(message) from error
    except CollibraError:  # it is gone, or says what nobody understands
        return entry.ended_unseen()
    if job.state in RUNNING_STATES:
        message = (
            f"nothing was settled: job {job.id} is {job.state}, so it has not ended; run the flow "
            "again to follow it"
        )
        raise FinalizationRefusedError(message)
    return entry.ended(job) if job.ended else entry.ended_unseen()


def _check_not_sent(
    client: CollibraClient, entry: Entry, findings: Findings, longest_request_seconds: float
) -> None:
    if entry.phase == Phase.SENT:
        message = f"nothing was settled: it was sent, the tenant answered with job {entry.job_id}"
        raise FinalizationRefusedError(message)
    if job := findings.certain:
        message = (
            f"nothing was settled: it was sent, job {job.id} has the name of its finalization; "
            "say adopt_job with that job_id"
        )
        raise FinalizationRefusedError(message)
    _check_not_under_way(client, entry, longest_request_seconds)


def _check_not_under_way(
    client: CollibraClient, entry: Entry, longest_request_seconds: float
) -> None:
    client.get_account()  # shows the tenant's clock
    sure_on = entry.on_its_way_until(longest_request_seconds)
    if sure_on is not None and client.tenant_time < sure_on:
        message = (
            "nothing was settled: the request may still be under way; this can be said from "
            f"{sure_on:%H:%M:%S} UTC on, by the tenant's clock"
        )
        raise FinalizationRefusedError(message)


def _adopt(client: CollibraClient, ledger: Ledger, entry: Entry, job_id: str | None) -> Entry:
    if not job_id:
        message = "adopt_job needs the job_id of the job that closed this cycle"
        raise FinalizationRefusedError(message)
    if entry.job_id not in {None, job_id}:
        message = f"nothing was settled: it was sent, and is job {entry.job_id}, not {job_id}"
        raise FinalizationRefusedError(message)
    try:
        job = client.get_job(job_id)
    except NotFoundError:
        message = f"the tenant does not know the job {job_id}"
        raise FinalizationRefusedError(message) from None
    if job.created_on and entry.intended_on and job.created_on < entry.intended_on:
        message = f"job {job_id} is older than the intent, so it can't have closed this cycle"
        raise FinalizationRefusedError(message)
    if job_id in {*entry.batch_job_ids, *entry.past.batch_job_ids}:
        message = f"job {job_id} is on record as one that filled a cycle, or closed an earlier one"
        raise FinalizationRefusedError(message)
    for other in ledger.of_tenant():
        if job_id in {other.job_id, *other.batch_job_ids} and other.claim != entry.claim:
            message = f"job {job_id} belongs to {other.synchronization_id!r}, flow run "
            raise FinalizationRefusedError(message + f"{other.flow_run_name or '?'}")
    return entry.sent(job)
