"""What Prefect runs and retries.

Nothing here is cached: a remembered state never ends, and a remembered refusal never lifts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from prefect import runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_run_logger
from prefect.tasks import Task
from slugify import slugify

from collibra_tasks import guards, waiting
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import CollibraError, NotFoundError, OutcomeUnknownError, may_repeat
from collibra_tasks.ledger import Entry, Ledger, Phase, withdrawn
from collibra_tasks.models import FinalizationStrategy, Job
from collibra_tasks.receipts import Receipt, complete_receipt, render_receipt
from collibra_tasks.results import fetch_results
from collibra_tasks.wire.calls import finalization_call


def _read_again(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return may_repeat(state.result(raise_on_failure=False), write=False)


def _write_again(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return may_repeat(state.result(raise_on_failure=False), write=True)


PATIENCE_SECONDS = 30.0
"""How much longer than one request another run may take to write down what it sent."""
DELAYS = [2.0, 5.0, 15.0, 45.0]
READ: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "retries": len(DELAYS),
    "retry_delay_seconds": DELAYS,
    "retry_condition_fn": _read_again,
}
WRITE: dict[str, Any] = READ | {"retry_condition_fn": _write_again}


@task(**READ, task_run_name="inspect-cycle-{synchronization_id}")
def inspect_cycle(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    strategy: FinalizationStrategy = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: str | None = None,
    batch_job_ids: Sequence[str] = (),
    allow_unverified_cycle: bool = False,
) -> None:
    """Look before finalizing, whether all is there that this finalization relies on.

    Args:
        credentials: The tenant.
        synchronization_id: 1 to 50 characters.
        strategy: What is to happen to assets that did not come back.
        missing_asset_status_id: The status for CHANGE_STATUS; it must exist.
        batch_job_ids: The jobs that filled this cycle; each must be COMPLETED with SUCCESS.
        allow_unverified_cycle: Whether to go on without any such job.

    Raises:
        FinalizationRefusedError: With the reasons, if anything is amiss.
    """
    strategy = FinalizationStrategy(strategy)
    finalization_call(  # refuses what would not make one request with one meaning
        synchronization_id, strategy=strategy, missing_asset_status_id=missing_asset_status_id
    )
    if not batch_job_ids:
        guards.judge_unverified(strategy, allowed=allow_unverified_cycle).enforce()
    with credentials.get_client() as client:
        exists = client.synchronization_exists(synchronization_id)
        guards.judge_synchronization(synchronization_id, exists=exists).enforce()
        if strategy == FinalizationStrategy.CHANGE_STATUS:
            _inspect_status(client, str(missing_asset_status_id))
        guards.judge_evidence([_inspect_job(client, job_id) for job_id in batch_job_ids]).enforce()


def _inspect_status(client: CollibraClient, status_id: str) -> None:
    try:
        client.get_status(status_id)
    except NotFoundError:
        reason = f"the tenant has no status {status_id}"
        guards.Verdict((reason,)).enforce()


def _inspect_job(client: CollibraClient, job_id: str) -> Job:
    try:
        return client.get_job(job_id)
    except NotFoundError:
        reason = f"the tenant does not know the batch job {job_id}"
        guards.Verdict((reason,)).enforce()
        raise


@task(**WRITE, task_run_name="submit-finalization-{synchronization_id}")
def submit_finalization(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    strategy: FinalizationStrategy = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: str | None = None,
    batch_job_ids: Sequence[str] = (),
    allow_unverified_cycle: bool = False,
    send_notification: bool = False,
) -> Job:
    """Close a cycle of a synchronization, once.

    The intent is written down on the Prefect server before the request leaves, and the job as soon
    as it is known. A second run finds that record: it follows the job that is under way, and sends
    nothing while nobody knows what became of the one before.

    Sent again only where it is certain that the tenant took nothing: no connection was made, or it
    answered 429, after the pause that it asked for.

    Args:
        credentials: The tenant.
        synchronization_id: 1 to 50 characters.
        strategy: What happens to assets that did not come back; always sent.
        missing_asset_status_id: The status for CHANGE_STATUS; not sent with another strategy.
        batch_job_ids: The jobs that filled this cycle; none may have served a finalization before.
        allow_unverified_cycle: Whether to go on without any such job.
        send_notification: Whether Collibra tells the account when the job has ended.

    Returns:
        The job that closes the cycle.

    Raises:
        FinalizationRefusedError: If these batches were finalized before, or the request would not
            mean one thing; nothing was sent.
        NotSentError: If the tenant could not be reached; nothing happened.
        RefusedError: If the tenant said no; nothing happened.
        OutcomeUnknownError: If no clear answer came, to this request or to the one before; it is
            never sent again.
    """
    log = get_run_logger()
    ledger = Ledger(credentials.base_url, synchronization_id)
    intent = Entry(
        tenant=credentials.base_url,
        synchronization_id=synchronization_id,
        strategy=FinalizationStrategy(strategy).value,
        flow_run_id=runtime.flow_run.get_id(),
        flow_run_name=runtime.flow_run.get_name(),
        attempt=runtime.flow_run.get_run_count(),
        batch_job_ids=tuple(batch_job_ids),
    )
    patience = credentials.request_timeout_seconds + PATIENCE_SECONDS
    with credentials.get_client() as client:
        claimed = None
        while claimed is None:
            job, last = _already_sent(client, ledger, intent, patience_seconds=patience)
            if job is not None:
                log.info("Following job %s, which was sent before; nothing is sent", job.id)
                return job
            guards.judge_used(batch_job_ids, last.batch_job_ids if last else ()).enforce()
            if not batch_job_ids:
                guards.judge_unverified(
                    FinalizationStrategy(strategy),
                    allowed=allow_unverified_cycle,
                    finalized_before=last is not None and last.finalized,
                ).enforce()
            version = client.get_version()
            claimed = ledger.claim(intent, last)
        try:
            job = waiting.submit_when_free(
                lambda: client.submit_finalization(
                    synchronization_id,
                    strategy=FinalizationStrategy(strategy),
                    missing_asset_status_id=missing_asset_status_id,
                    send_notification=send_notification,
                    version=version,
                ),
                log=log.warning,
            )
        except CollibraError as error:
            if not isinstance(error, OutcomeUnknownError):
                ledger.update(withdrawn(claimed, last))
            raise
        log.info("Collibra closes the cycle of %r in job %s", synchronization_id, job.id)
        ledger.update(replace(claimed, phase=Phase.SENT, job_id=job.id))
    return job


def _already_sent(
    client: CollibraClient, ledger: Ledger, intent: Entry, *, patience_seconds: float
) -> tuple[Job | None, Entry | None]:
    """Find the job to follow instead of sending; else the closed entry that ours comes after."""
    entry = ledger.latest()
    deadline = time.monotonic() + patience_seconds
    mine = entry is not None and entry.was_this_run(intent.flow_run_id, intent.attempt)
    while entry and entry.phase == Phase.INTENDED and not mine and time.monotonic() < deadline:
        time.sleep(1)  # another run may be sending just now
        entry = ledger.latest()
    if entry is None or entry.phase in {Phase.ENDED, Phase.WITHDRAWN}:
        return _job_of_own_entry(entry, intent), entry
    if entry.job_id is None:
        raise OutcomeUnknownError(_unsettled(ledger, entry))
    with suppress(NotFoundError):
        if client.get_job(entry.job_id).ended and not mine:
            closed = replace(entry, phase=Phase.ENDED)
            ledger.update(closed)
            return None, closed
    return Job(id=entry.job_id), entry


def _job_of_own_entry(entry: Entry | None, intent: Entry) -> Job | None:
    if entry is None or entry.job_id is None:
        return None
    own = entry.was_this_run(intent.flow_run_id, intent.attempt)
    return Job(id=entry.job_id) if own else None


def _unsettled(ledger: Ledger, entry: Entry) -> str:
    return (
        f"not sent: flow run {entry.flow_run_name or '?'} was about to finalize "
        f"{entry.synchronization_id!r}, and whether it did is not known; look at the job list in "
        "Collibra. When you know that nothing is under way and the cycle is to be closed, delete "
        f"the variable {ledger.name_of(entry)!r} in Prefect and run again"
    )


@task(cache_policy=NO_CACHE, task_run_name="wait-for-job-{job_id}")
def wait_for_job(
    credentials: CollibraCredentials,
    job_id: str,
    *,
    wait_seconds: float = 3600,
    longest_pause_seconds: float = waiting.LONGEST_PAUSE_SECONDS,
) -> Job:
    """Follow a job to its true end.

    Args:
        credentials: The tenant.
        job_id: The job.
        wait_seconds: How long to look, in seconds, 0 or more.
        longest_pause_seconds: The longest pause between two looks, in seconds.

    Returns:
        The job, COMPLETED with SUCCESS.

    Raises:
        JobError: If it ended otherwise; one of its four kinds, with Collibra's errors.
        JobTimedOutError: If it had not ended in time; it goes on.
        OutcomeUnknownError: If the tenant does not know it, for longer than half a minute.
        UnexpectedAnswerError: If its state is a word that nobody documented.
    """
    log = get_run_logger()
    with credentials.get_client() as client:
        job = waiting.wait_for_job(
            lambda: client.get_job(job_id),
            job_id,
            wait_seconds=wait_seconds,
            longest_pause_seconds=longest_pause_seconds,
            log=log.info,
        )
        if error := waiting.judge_job(job):
            results = fetch_results(client, job_id)
            raise error.with_results(results.summary, results.failures)
    return job


@task(cache_policy=NO_CACHE, task_run_name="publish-receipt-{synchronization_id}")
def publish_receipt(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    strategy: FinalizationStrategy,
    missing_asset_status_id: str | None = None,
    batch_job_ids: Sequence[str] = (),
    job_id: str | None = None,
    notes: Sequence[str] = (),
) -> Receipt:
    """Write down what became of a finalization, and leave it as an artifact in the UI.

    Trouble with reading from the tenant leaves gaps in the receipt; it raises nothing.

    Args:
        credentials: The tenant.
        synchronization_id: What was finalized.
        strategy: What was asked for.
        missing_asset_status_id: The status that was asked for.
        batch_job_ids: The jobs that filled the cycle.
        job_id: The finalization job, where it is known.
        notes: What else a person should read; the error, if there was one.

    Returns:
        The receipt.
    """
    strategy = FinalizationStrategy(strategy)
    sent_status = strategy == FinalizationStrategy.CHANGE_STATUS
    receipt = Receipt(
        tenant=credentials.base_url,
        synchronization_id=synchronization_id,
        strategy=strategy,
        missing_asset_status_id=missing_asset_status_id if sent_status else None,
        batch_job_ids=tuple(batch_job_ids),
        requested_by=_requester(),
        job_id=job_id,
        notes=tuple(notes),
    )
    with credentials.get_client() as client, suppress(CollibraError):
        account = client.get_account()
        receipt = replace(receipt, account=account.name if account else None)
        if job_id is not None:
            job = client.get_job(job_id)
            receipt = complete_receipt(receipt, job, fetch_results(client, job_id))
            if job.ended:
                Ledger(credentials.base_url, synchronization_id).close(job_id)
    create_markdown_artifact(
        render_receipt(receipt),
        key=f"finalization-{slugify(synchronization_id)}",
        description=f"Finalization of {synchronization_id}",
    )
    return receipt


def _requester() -> str | None:
    name = runtime.flow_run.get_name()
    deployment = runtime.deployment.get_name()
    return " of ".join(filter(None, (name and f"flow run {name}", deployment))) or None


class Report:
    """What a flow learns on its way, and the receipt that comes of it."""

    job_id: str | None = None
    receipt: Receipt


@contextmanager
def reported(
    credentials: CollibraCredentials,
    synchronization_id: str,
    **request: Any,  # noqa: ANN401 - what publish_receipt takes
) -> Iterator[Report]:
    """Publish a receipt at the end of a block, however the block ends.

    Args:
        credentials: The tenant.
        synchronization_id: What is finalized.
        **request: What else ``publish_receipt`` takes.
    """
    report = Report()
    notes: tuple[str, ...] = ()
    try:
        yield report
    except BaseException as error:
        notes = (str(error) or type(error).__name__,)
        raise
    finally:
        report.receipt = publish_receipt(
            credentials, synchronization_id, job_id=report.job_id, notes=notes, **request
        )
