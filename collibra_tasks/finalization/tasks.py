"""Prefect tasks of finalization, and the session of a flow run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from collibra_tasks import _prefect
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.finalization.finalizer import Finalizer
from collibra_tasks.finalization.judgment import before_sending
from collibra_tasks.finalization.resolution import resolve
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.shield import shield_from_termination
from collibra_tasks.finalization.submission import Evidence
from collibra_tasks.ledger.entry import LedgerEntry, Resolution, ResolutionRecord
from collibra_tasks.ledger.identity import resolve_environment
from collibra_tasks.ledger.ledger import Ledger
from collibra_tasks.ledger.lock import CycleLock
from collibra_tasks.ledger.marker import CycleMarkers
from collibra_tasks.ledger.patterns import PatternBook, SetAsideJobs
from collibra_tasks.ledger.storage import open_storage
from collibra_tasks.ledger.variable_store import VariableStore
from collibra_tasks.models import FinalizationRequest, FinalizationStrategy, FlowRunInfo, Job
from collibra_tasks.options import OnOverlap, Timing

_PROCESS = uuid4().hex
_attached: dict[str, set[str]] = {}
_notes: dict[tuple[str, str], list[str]] = {}
"""Remarks of all sessions of an attempt about a synchronization, until its receipt has them."""


@contextmanager
def open_session(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    storage: str | None = None,
    timing: Timing = Timing(),  # noqa: B008 - a frozen value
) -> Iterator[Session]:
    """Connect to Collibra and to the ledger of a synchronization.

    Args:
        credentials: URL and credentials of the Collibra environment.
        synchronization_id: 1 to 50 characters.
        storage: Storage block of manifests and checkpoint; empty for the default folder; ``None``
            for the one of the open upload.
        timing: Intervals.

    Raises:
        NotSentError: If Collibra is not reachable.
        FinalizationRefusedError: If the caller is an ``async def`` flow.
    """
    _prefect.require_sync_context()
    log = find_log()
    flow_run = _prefect.current_flow_run()
    attempt = _attempt_token(flow_run)
    notes = _notes.setdefault((attempt, synchronization_id), [])
    store = VariableStore()
    with credentials.get_client() as client:
        environment = before_sending(
            lambda: resolve_environment(client, configured=credentials.environment, log=log)
        )
        _prefect.tag_flow_run(flow_run.id, (synchronization_id, environment.key))
        info = before_sending(client.get_application_info)
        names = (store, environment.key, synchronization_id)
        markers = CycleMarkers(*names, log=log)
        yield Session(
            client=client,
            environment=environment,
            ledger=Ledger(*names),
            lock=CycleLock(
                *names,
                flow_run=flow_run,
                has_ended=_prefect.flow_run_has_ended,
                timing=timing,
                clock=time,
                log=log,
            ),
            patterns=PatternBook(store, environment.key, log=log),
            set_aside=SetAsideJobs(*names),
            markers=markers,
            storage=open_storage(environment.key, synchronization_id, storage, markers, log=log),
            flow_run=flow_run,
            account=before_sending(client.get_account),
            version=info.version,
            attempt=attempt,
            attached=_attached.setdefault(attempt, set()),
            has_ended=_prefect.flow_run_has_ended,
            await_store=partial(_prefect.wait_for_api, log, timing),
            shield=partial(shield_from_termination, timing.signal_shield),
            request_timeout_seconds=credentials.request_timeout_seconds,
            notes=notes,
            timing=timing,
            clock=time,
            log=log,
        )


def _attempt_token(flow_run: FlowRunInfo) -> str:
    """Return the token of this process and attempt of the outermost flow run.

    Two flow runs that one attempt of a caller starts have the same token, so that the second one
    does not take the first one's finalization for its own earlier work.
    """
    return f"{_PROCESS[:12]}-{(flow_run.root_id or '')[:8]}-{flow_run.root_attempt}"


def find_log() -> Callable[[str], None]:
    """Return the flow run's log function, or the module's outside of a flow run."""
    try:
        return get_run_logger().info
    except MissingContextError:
        return logging.getLogger("collibra_tasks").info


@task(**_prefect.WRITE_TASK, task_run_name="submit finalization")
def submit_finalization(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    strategy: FinalizationStrategy | str = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: str | None = None,
    batch_job_ids: Sequence[str] = (),
    replaced_batch_job_ids: Sequence[str] = (),
    allow_unverified_cycle: bool = False,
    send_notification: bool = False,
    on_overlap: OnOverlap | str = OnOverlap.ATTACH,
    wait_seconds: float = 3600,
) -> Job:
    """Finalize a cycle of a synchronization, once.

    The intent is recorded before the request, and the job ID directly after it. A retried,
    restarted or second flow run follows the recorded job.

    Args:
        credentials: URL and credentials of the Collibra environment.
        synchronization_id: 1 to 50 characters.
        strategy: Action on missing assets; always sent.
        missing_asset_status_id: UUID of the status for CHANGE_STATUS.
        batch_job_ids: Jobs that filled the cycle, newer than the last finalization.
        replaced_batch_job_ids: Failed jobs whose content was sent again.
        allow_unverified_cycle: Whether to finalize without such evidence.
        send_notification: Whether Collibra notifies the user when the job ends.
        on_overlap: Behavior while another flow run finalizes the same synchronization.
        wait_seconds: Maximum wait for the lock and for jobs of earlier cycles, in seconds.

    Returns:
        The job that closes the cycle.

    Raises:
        FinalizationRefusedError: If a check refuses; nothing was sent.
        OverlapError: If another flow run is finalizing and must not be followed.
        NotSentError: If Collibra was not reached; nothing happened.
        RefusedError: If Collibra refused the request; nothing happened.
        OutcomeUnknownError: If the outcome is unknown. It is never sent again.
    """
    request = FinalizationRequest(
        synchronization_id,
        FinalizationStrategy(strategy),
        missing_asset_status_id,
        send_notification=send_notification,
    )
    evidence = Evidence(
        batch_job_ids=tuple(batch_job_ids),
        replaced_batch_job_ids=tuple(replaced_batch_job_ids),
        allow_unverified_cycle=allow_unverified_cycle,
    )
    with open_session(credentials, synchronization_id) as session:
        finalizer = Finalizer(
            session=session, on_overlap=OnOverlap(on_overlap), wait_seconds=wait_seconds
        )
        return finalizer.finalize(request, evidence)


@task(cache_policy=NO_CACHE, task_run_name="resolve finalization")
def resolve_finalization_record(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    resolution: Resolution | str,
    resolved_by: str,
    reason: str,
    job_id: str | None = None,
    excluded_job_ids: Sequence[str] = (),
) -> LedgerEntry:
    """Record a person's decision about the last finalization.

    Args:
        credentials: URL and credentials of the Collibra environment.
        synchronization_id: 1 to 50 characters.
        resolution: Decision.
        resolved_by: Person who decides.
        reason: Reason for the decision.
        job_id: Job that is adopted or set aside.
        excluded_job_ids: Jobs that are not this finalization, for ``not_sent``.

    Returns:
        The ledger entry as it is now.

    Raises:
        FinalizationRefusedError: If nothing has to be resolved, or the decision cannot be true.
    """
    record = ResolutionRecord(
        resolution=Resolution(resolution),
        by=resolved_by,
        on=datetime.now(tz=UTC),
        reason=reason,
        job_id=job_id,
        excluded_job_ids=tuple(excluded_job_ids),
    )
    with open_session(credentials, synchronization_id) as session:
        return resolve(session, record)
