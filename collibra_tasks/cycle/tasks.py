"""Prefect part of a cycle: one call inside a flow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from prefect import runtime, task
from prefect.artifacts import create_markdown_artifact

from collibra_tasks._prefect import WRITE_TASK, require_sync_context
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.cycle.approval import PrefectApproval
from collibra_tasks.cycle.cycle import Cycle
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.plan_report import plan_payload, plan_sentence, render_plan
from collibra_tasks.cycle.planning import PlanPreview, make_plan
from collibra_tasks.cycle.record import close_cycle
from collibra_tasks.cycle.validation import validate_content
from collibra_tasks.errors import FinalizationRefusedError, OverlapError
from collibra_tasks.finalization.last_finalization import close_finalization
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.tasks import find_log, open_session
from collibra_tasks.jobs.tasks import wait_for_job
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.plans import ShownPlans
from collibra_tasks.ledger.variable_store import ImportSlots
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    FinalizationRequest,
    FinalizationStrategy,
    Job,
    Upload,
)
from collibra_tasks.options import BatchOptions, CycleOptions, OnOverlap
from collibra_tasks.reporting.events import emit_synchronization_event
from collibra_tasks.reporting.progress import ProgressArtifact, show_failed_commands
from collibra_tasks.reporting.receipts import Receipt
from collibra_tasks.reporting.run_report import RunReport
from collibra_tasks.reporting.tasks import publishing_receipt
from collibra_tasks.sources.opening import SourceLike, open_source
from collibra_tasks.sources.source import SourceContent


def synchronize(
    credentials: CollibraCredentials,
    synchronization_id: str,
    source: SourceLike,
    *,
    strategy: FinalizationStrategy | str = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: str | None = MISSING_FROM_SOURCE,
    options: CycleOptions | None = None,
) -> Receipt:
    """Synchronize a source with Collibra: one complete cycle, for use inside a flow.

    Args:
        credentials: URL and credentials of the Collibra environment.
        synchronization_id: 1 to 50 characters.
        source: Path, pattern, URL, several of those, or an iterable of import commands.
        strategy: Action on missing assets.
        missing_asset_status_id: UUID of the status for CHANGE_STATUS.
        options: All other options.

    Returns:
        The receipt; with ``not_sent`` if the flow run was skipped.

    Raises:
        SourceError: If the source is broken; nothing was sent.
        FinalizationRefusedError: If guard or a check refuses; nothing was finalized.
        JobIncompleteError: If a batch was not imported completely; nothing was finalized.
        CollibraError: Every other error of ``submit_finalization`` and ``wait_for_job``.
    """
    require_sync_context()
    if runtime.flow_run.get_id() is None:
        raise FinalizationRefusedError(
            "Not started: synchronize was called outside of a flow, so no receipt can be kept. "
            "Call it inside a flow."
        )
    options = options or CycleOptions()
    request = FinalizationRequest(
        synchronization_id, FinalizationStrategy(strategy), missing_asset_status_id
    )
    try:
        with publishing_receipt(
            credentials,
            synchronization_id,
            strategy=request.strategy,
            missing_asset_status_id=request.missing_asset_status_id,
        ) as report:
            _run(credentials, request, source, options, report)
    except OverlapError:
        if options.on_overlap != OnOverlap.SKIP:
            raise
    return report.receipt


@task(**WRITE_TASK, task_run_name="submit batch")
def submit_batch(
    credentials: CollibraCredentials,
    synchronization_id: str,
    commands: Sequence[Mapping[str, Any]],
    *,
    options: BatchOptions | None = None,
) -> Job:
    """Send one batch of import commands of a cycle, for a program that finalizes itself.

    The response may be lost. The batch is then not sent again, and the error names what is unknown.

    Args:
        credentials: URL and credentials of the Collibra environment.
        synchronization_id: 1 to 50 characters.
        commands: Import commands, at most 50,000.
        options: Upload options.

    Returns:
        The job that imports the batch. Wait for its end before you finalize.

    Raises:
        NotSentError, RefusedError: If nothing was imported.
        OutcomeUnknownError: If it is unknown whether the batch was received.
    """
    content = json.dumps(list(commands)).encode()
    with credentials.get_client() as client:
        return client.submit_batch(
            synchronization_id, Upload(content, "batch.json"), options or BatchOptions()
        )


def _run(
    credentials: CollibraCredentials,
    request: FinalizationRequest,
    source: SourceLike,
    options: CycleOptions,
    report: RunReport,
) -> None:
    log = find_log()
    with (
        open_source(source, options.source) as opened,
        opened.scan(log=log) as content,
        open_session(credentials, request.synchronization_id, storage=options.storage) as session,
    ):
        summary = content.summary
        log(
            f"Source: files {summary.file_count:,}, commands {summary.command_count:,}, "
            f"assets {summary.asset_count:,}."
        )
        cycle = _create_cycle(session, request, options, report, content)
        try:
            job = cycle.run(content)
        finally:
            report.batch_job_ids = cycle.batch_job_ids
            report.plan = cycle.plan
        report.job_id = job.id
        report.job = wait_for_job(credentials, job.id, wait_seconds=options.wait_seconds)
        close_finalization(session, report.job)
        close_cycle(session)


def _create_cycle(
    session: Session,
    request: FinalizationRequest,
    options: CycleOptions,
    report: RunReport,
    content: SourceContent,
) -> Cycle:
    names = (session.environment.key, request.synchronization_id)
    return Cycle(
        session=session,
        request=request,
        options=options,
        approval=PrefectApproval(session.environment.key),
        progress=ProgressArtifact(
            key=resource_name("progress", *names), total=content.summary.command_count
        ),
        reporter=_Reporter(session, report),
        slots=ImportSlots(session.environment.key, log=session.log),
        plans=ShownPlans(session.ledger.store, *names, log=session.log),
    )


class _Reporter:
    """Receiver of the cycle's findings: receipt, log and artifacts."""

    def __init__(self, session: Session, report: RunReport) -> None:
        self._session, self._report = session, report
        self._names = (session.environment.key, session.synchronization_id)
        self._shown: str | None = None

    def note(self, text: str) -> None:
        self._report.notes.append(text)

    def show_plan(self, plan: RemovalPlan) -> None:
        if plan.plan_id == self._shown:
            return
        self._shown = plan.plan_id
        previous = "unknown" if plan.previous_count is None else f"{plan.previous_count:,}"
        self._session.log(
            f"Plan {plan.plan_id}: {plan.asset_count:,} assets, previous cycle {previous}, "
            f"{plan.new_count:,} new, {plan.missing_count:,} missing."
        )
        for note in plan.notes:
            self._session.log(note)
        if plan.missing:
            PrefectApproval(self._names[0]).show_missing(
                plan, resource_name("missing", *self._names)
            )

    def show_failed_commands(self, rows: Sequence[dict[str, str]], batch_number: int) -> None:
        key = resource_name("failed-commands", *self._names)
        show_failed_commands(list(rows), key)
        self._session.log(f"Batch {batch_number}: {len(rows)} commands failed. See artifact {key}.")


def plan_cycle(
    credentials: CollibraCredentials,
    synchronization_id: str,
    source: SourceLike,
    *,
    strategy: FinalizationStrategy | str = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: str | None = MISSING_FROM_SOURCE,
    options: CycleOptions | None = None,
    validate_on_tenant: bool = False,
) -> RemovalPlan:
    """Return and publish the plan of a cycle; nothing in Collibra changes.

    Args:
        credentials: URL and credentials of the Collibra environment.
        synchronization_id: 1 to 50 characters.
        source: Path, pattern, URL, several of those, or an iterable of import commands.
        strategy: Action on missing assets.
        missing_asset_status_id: UUID of the status for CHANGE_STATUS.
        options: Options of the source, limits, storage, ``evict_before`` and ``wait_seconds``.
        validate_on_tenant: Whether Collibra checks the commands by a simulated plain import.

    Raises:
        SourceError: If the source is broken.
        CollibraError: If Collibra or the ledger cannot be read.
    """
    require_sync_context()
    options = options or CycleOptions()
    request = FinalizationRequest(
        synchronization_id, FinalizationStrategy(strategy), missing_asset_status_id
    )
    log = find_log()
    with (
        open_source(source, options.source) as opened,
        opened.scan(log=log) as content,
        open_session(credentials, synchronization_id, storage=options.storage) as session,
    ):
        names = (session.environment.key, synchronization_id)
        plans = ShownPlans(session.ledger.store, *names, log=log)
        preview = make_plan(
            session, request, content, options.limits, plans=plans, evicts=options.evict_before
        )
        if validate_on_tenant:
            found = validate_content(session, preview.content, wait_seconds=options.wait_seconds)
            plan = preview.plan.with_reasons(found.reasons, notes=found.notes)
            preview = replace(preview, plan=plan)
    _publish_plan(preview, session.environment.key)
    return preview.plan


def _publish_plan(preview: PlanPreview, environment: str) -> None:
    plan = preview.plan
    find_log()(plan_sentence(plan))
    create_markdown_artifact(
        render_plan(preview),
        key=resource_name("plan", environment, plan.synchronization_id),
        description=plan_sentence(plan)[:1_000],
    )
    emit_synchronization_event("planned", plan.synchronization_id, environment, plan_payload(plan))
