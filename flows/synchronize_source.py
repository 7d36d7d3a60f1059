"""Flow that synchronizes a source with Collibra: one complete cycle."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from collibra_tasks import (
    MISSING_FROM_SOURCE,
    CollibraCredentials,
    CycleOptions,
    FinalizationStrategy,
    OnGuard,
    OnOverlap,
    completed_state,
    failed_state,
    report_or_cancel_job,
    skipped_state,
    synchronize,
)
from collibra_tasks.cycle.forms import (
    BatchSending,
    GuardLimits,
    SourceReading,
    StatusId,
    SynchronizationId,
)
from collibra_tasks.errors import CollibraError


@flow(
    name="synchronize-source",
    flow_run_name="synchronize {synchronization_id}",
    retries=0,
    on_cancellation=[report_or_cancel_job],
)
def synchronize_source(
    credentials: CollibraCredentials,
    synchronization_id: SynchronizationId,
    source: str | list[str],
    strategy: FinalizationStrategy = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: StatusId = MISSING_FROM_SOURCE,
    template: str = "",
    max_commands_per_batch: Annotated[int, Field(ge=1, le=50_000)] = 10_000,
    max_missing_count: Annotated[int, Field(ge=0)] = 1_000,
    max_missing_percent: Annotated[float, Field(ge=0, le=100)] = 20.0,
    on_guard: OnGuard = OnGuard.FAIL,
    accept_missing_count: Annotated[int, Field(ge=0)] | None = None,
    accept_reason: str = "",
    wait_seconds: Annotated[float, Field(ge=0)] = 3600,
    on_overlap: OnOverlap = OnOverlap.ATTACH,
    reading: SourceReading = SourceReading(),  # noqa: B008 - a frozen value
    sending: BatchSending = BatchSending(),  # noqa: B008 - a frozen value
    limits: GuardLimits = GuardLimits(),  # noqa: B008 - a frozen value
) -> State[Any]:
    """Synchronize a source with Collibra: compare, upload and finalize one complete cycle.

    The whole source is read and compared with the previous finalized cycle before anything is sent.
    If the source is broken or empty, or if more assets are missing than the limits allow, nothing
    changes in Collibra. If a batch is not imported completely, the cycle is not finalized.

    Args:
        credentials: Saved block with the URL and the credentials of the Collibra environment. None
            selected: the block that the deployment names.
        synchronization_id: ID of this synchronization, 1 to 50 characters. Use the same ID in every
            cycle: a cycle is compared with the previous one of the same ID.
        source: Path, pattern such as exports/*.json, URL, or list of them, as seen from the worker.
            Import commands as JSON or JSON lines, or CSV and Excel tables with a template.
        strategy: Action on missing assets. CHANGE_STATUS gives them the status below;
            REMOVE_RESOURCES deletes them; IGNORE changes nothing.
        missing_asset_status_id: UUID of the status for CHANGE_STATUS. Default: the packaged status
            "Missing from source". Use the same status in every cycle, because Collibra restores
            assets only from that status.
        template: JSON array of import commands for CSV and Excel, with a placeholder for each
            column; or the path of a file that contains it.
        max_commands_per_batch: Maximum number of import commands per batch, 1 to 50,000.
        max_missing_count: Maximum number of assets that may go missing without approval.
        max_missing_percent: Maximum percentage of the previous cycle's assets that may go missing
            without approval, 0 to 100.
        on_guard: Behavior when more assets are missing than allowed. fail ends the flow run; ask
            shows the plan and waits for an approval.
        accept_missing_count: Approval of the plan that was shown last, once: its number of assets
            to be removed or marked. Refused in scheduled flow runs.
        accept_reason: Reason for this approval; kept with the receipt.
        wait_seconds: Maximum wait for each job in seconds, 0 or more.
        on_overlap: Behavior while another flow run synchronizes the same ID. attach waits for its
            end; skip and fail send nothing and end.
        reading: Format of the source files.
        sending: Upload of the batches, storage, and cancellation.
        limits: Further limits on missing assets, and the wait for an approval.
    """
    try:
        receipt = synchronize(
            credentials,
            synchronization_id,
            source,
            strategy=strategy,
            missing_asset_status_id=missing_asset_status_id,
            options=CycleOptions(
                source=reading.to_options(template),
                batches=sending.to_options(max_commands_per_batch),
                limits=limits.to_limits(max_missing_count, max_missing_percent),
                on_guard=on_guard,
                accept_missing_count=accept_missing_count,
                accept_reason=accept_reason,
                approval_seconds=limits.approval_seconds,
                evict_before=sending.evict_before,
                storage=sending.storage,
                wait_seconds=wait_seconds,
                on_overlap=on_overlap,
            ),
        )
    except CollibraError as error:
        return failed_state(error)
    return skipped_state(receipt) if receipt.not_sent else completed_state(receipt)
