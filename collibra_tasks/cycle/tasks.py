"""Prefect part of a cycle: one call inside a flow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import runtime, task
from prefect.artifacts import create_markdown_artifact

from collibra_tasks._prefect import WRITE_TASK, require_sync_context, shorten_message
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.plan_report import plan_payload, plan_sentence, render_plan
from collibra_tasks.cycle.planning import PlanPreview
from collibra_tasks.cycle.run import preview_cycle, run_cycle
from collibra_tasks.errors import FinalizationRefusedError, OverlapError
from collibra_tasks.finalization.tasks import find_log, open_session
from collibra_tasks.ledger.identity import normalize_environment, resource_name
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    FinalizationRequest,
    FinalizationStrategy,
    Job,
    Upload,
)
from collibra_tasks.options import BatchOptions, CycleOptions, OnOverlap
from collibra_tasks.reporting.events import emit_synchronization_event
from collibra_tasks.reporting.receipts import Receipt, describe_error
from collibra_tasks.reporting.tasks import publishing_receipt
from collibra_tasks.sources.opening import SourceLike


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
            run_cycle(credentials, request, source, options, report)
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
    environment = normalize_environment(credentials.environment or credentials.base_url)
    try:
        request = FinalizationRequest(
            synchronization_id, FinalizationStrategy(strategy), missing_asset_status_id
        )
        with open_session(credentials, synchronization_id, storage=options.storage) as session:
            environment = session.environment.key
            preview = preview_cycle(session, request, source, options, validate_on_tenant)
    except Exception as error:
        payload = {"message": describe_error(error)}
        emit_synchronization_event("failed", synchronization_id, environment, payload)
        raise
    _publish_plan(preview, environment)
    return preview.plan


def _publish_plan(preview: PlanPreview, environment: str) -> None:
    plan, key = (
        preview.plan,
        resource_name("plan", environment, preview.plan.synchronization_id),
    )
    sentence = plan_sentence(plan)
    create_markdown_artifact(render_plan(preview), key=key, description=shorten_message(sentence))
    find_log()(f"{sentence} Artifact: {key}")
    emit_synchronization_event("planned", plan.synchronization_id, environment, plan_payload(plan))
