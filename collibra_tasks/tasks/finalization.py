"""Close a cycle, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from prefect import runtime, task
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger

from collibra_tasks import guards, waiting
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import NotFoundError
from collibra_tasks.finalizing import Finalizer, Order, Run
from collibra_tasks.ledger import Entry, Ledger
from collibra_tasks.models import FinalizationStrategy, Job, OnOverlap, Upload
from collibra_tasks.tasks.patience import wait_for_prefect
from collibra_tasks.tasks.retrying import READ, WRITE
from collibra_tasks.variables import VariableStore
from collibra_tasks.wire.calls import finalization_call

LONGEST_REQUEST_TIMEOUTS = 3
"""A request may use its timeout to connect, to be written and to be answered."""


def ledger_of(credentials: CollibraCredentials, synchronization_id: str) -> Ledger:
    """Return the record of a synchronization, as the Prefect server keeps it."""
    return Ledger(VariableStore(), credentials.base_url, synchronization_id)


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

    A retried run whose earlier attempt has closed the cycle has nothing to look at any more.

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
    own = find_own(credentials, synchronization_id)
    if own and (own.served(batch_job_ids) or not batch_job_ids):
        return
    if not batch_job_ids:
        guards.judge_unverified(strategy, allowed=allow_unverified_cycle).enforce()
    inspect_status.fn(credentials, strategy, missing_asset_status_id)
    with credentials.get_client() as client:
        exists = client.synchronization_exists(synchronization_id)
        guards.judge_synchronization(synchronization_id, exists=exists).enforce()
        guards.judge_evidence([_inspect_job(client, job_id) for job_id in batch_job_ids]).enforce()


@task(**READ)
def inspect_status(
    credentials: CollibraCredentials,
    strategy: FinalizationStrategy,
    missing_asset_status_id: str | None,
) -> None:
    """Look whether the tenant has the status that CHANGE_STATUS would give.

    Args:
        credentials: The tenant.
        strategy: What is to happen to assets that did not come back.
        missing_asset_status_id: The status.

    Raises:
        FinalizationRefusedError: If it does not exist.
    """
    if strategy != FinalizationStrategy.CHANGE_STATUS:
        return
    with credentials.get_client() as client:
        try:
            client.get_status(str(missing_asset_status_id))
        except NotFoundError:
            reason = f"the tenant has no status {missing_asset_status_id}"
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
    on_overlap: OnOverlap = OnOverlap.ATTACH,
    manifest: str | None = None,
    whole: Upload | None = None,
) -> Job:
    """Close a cycle of a synchronization, once.

    The intent is written down on the Prefect server before the request leaves, and the job as soon
    as it is known. A retried, restarted or second run finds that record and follows the job that is
    under way; where the answer was lost, it looks for the job among the account's; and it sends
    nothing while nobody knows what became of the one before.

    Sent again only where it is certain that the tenant took nothing: no connection was made, or it
    answered 429, after the pause that it asked for.

    Args:
        credentials: The tenant.
        synchronization_id: 1 to 50 characters.
        strategy: What happens to assets that did not come back; always sent.
        missing_asset_status_id: The status for CHANGE_STATUS; not sent with another strategy.
        batch_job_ids: The jobs that filled this cycle, newer than the last finalization.
        allow_unverified_cycle: Whether to go on without any such job.
        send_notification: Whether Collibra tells the account when the job has ended.
        manifest: Where it is kept what the cycle holds, for the next cycle to compare with.
        whole: The whole cycle, to be sent and closed in one call; then no batch filled it. Only for
            a cycle that a guard has agreed to.
        on_overlap: Whether to follow another run's finalization, or to send nothing and end.

    Returns:
        The job that closes the cycle.

    Raises:
        FinalizationRefusedError: If these batches were finalized before, or the request would not
            mean one thing; nothing was sent.
        OverlapError: If another run is finalizing, and it is not to be followed.
        NotSentError: If the tenant could not be reached; nothing happened.
        RefusedError: If the tenant said no; nothing happened.
        OutcomeUnknownError: If no clear answer came, to this request or to the one before; it is
            never sent again.
    """
    order = Order(
        strategy=FinalizationStrategy(strategy),
        missing_asset_status_id=missing_asset_status_id,
        batch_job_ids=tuple(batch_job_ids),
        allow_unverified_cycle=allow_unverified_cycle,
        send_notification=send_notification,
        manifest=manifest,
        whole=whole,
    )
    with credentials.get_client() as client:
        return _finalizer(credentials, client, synchronization_id, on_overlap).finalize(order)


@task(**WRITE, task_run_name="settle-last-{synchronization_id}")
def settle_last(
    credentials: CollibraCredentials, synchronization_id: str, *, wait_seconds: float = 3600
) -> Entry | None:
    """Wait until the last finalization on record has ended: batches sent before are of its cycle.

    Args:
        credentials: The tenant.
        synchronization_id: 1 to 50 characters.
        wait_seconds: How long to follow it, in seconds.

    Returns:
        What is on record of it; ``None`` if nothing is.

    Raises:
        OutcomeUnknownError: If nobody can know what became of it.
        JobTimedOutError: If it had not ended in time.
    """
    with credentials.get_client() as client:
        finalizer = _finalizer(credentials, client, synchronization_id)
        return replace(finalizer, wait_seconds=wait_seconds).settle_last()


def find_own(credentials: CollibraCredentials, synchronization_id: str) -> Entry | None:
    """Find what an earlier attempt of this flow run has finalized; ``None`` if nothing."""
    with credentials.get_client() as client:
        return _finalizer(credentials, client, synchronization_id).find_own()


def may_have_sent(credentials: CollibraCredentials, synchronization_id: str) -> bool:
    """Tell whether this flow run, in any of its attempts, has finalized or may have."""
    with credentials.get_client() as client:
        return _finalizer(credentials, client, synchronization_id).may_have_sent()


def _finalizer(
    credentials: CollibraCredentials,
    client: CollibraClient,
    synchronization_id: str,
    on_overlap: OnOverlap = OnOverlap.ATTACH,
) -> Finalizer:
    return Finalizer(
        client=client,
        ledger=ledger_of(credentials, synchronization_id),
        run=_this_run(),
        on_overlap=OnOverlap(on_overlap),
        is_over=lambda entry: is_run_over(entry.flow_run_id),
        longest_request_seconds=LONGEST_REQUEST_TIMEOUTS * credentials.request_timeout_seconds,
        grace_seconds=waiting.GRACE_SECONDS,
        await_store=lambda: wait_for_prefect(get_run_logger().warning),
        log=get_run_logger().info,
    )


def _this_run() -> Run:
    root_id, attempt = runtime.flow_run.get_root_flow_run_id(), runtime.flow_run.get_run_count()
    return Run(
        id=runtime.flow_run.get_id(),
        name=runtime.flow_run.get_name(),
        root_id=root_id,
        root_attempt=attempt if root_id == runtime.flow_run.get_id() else _attempt_of(root_id),
        attempt=attempt,
        due_on=runtime.flow_run.get_scheduled_start_time() if runtime.flow_run.get_id() else None,
    )


def _attempt_of(flow_run_id: str | None) -> int:
    if flow_run_id is None:
        return 0
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(flow_run_id)).run_count


def is_run_over(flow_run_id: str | None) -> bool:
    """Tell whether the Prefect server knows that a flow run has ended."""
    if flow_run_id is None:
        return False
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(flow_run_id)).state
        except ObjectNotFound:
            return False
    return state is not None and state.is_final()
