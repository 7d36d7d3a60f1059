"""Flow that finalizes one cycle of a synchronization and follows its job to the end."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from collibra_tasks import (
    MISSING_FROM_SOURCE,
    CollibraCredentials,
    FinalizationStrategy,
    OnCancel,
    OnOverlap,
    completed_state,
    failed_state,
    publishing_receipt,
    report_or_cancel_job,
    skipped_state,
)
from collibra_tasks.cycle.finalizing import finalize_cycle
from collibra_tasks.cycle.forms import StatusId, SynchronizationId
from collibra_tasks.errors import CollibraError, OverlapError
from collibra_tasks.finalization.submission import Evidence
from collibra_tasks.models import FinalizationRequest


@flow(
    name="finalize-synchronization",
    flow_run_name="finalize {synchronization_id}",
    retries=0,
    on_cancellation=[report_or_cancel_job],
)
def finalize_synchronization(
    credentials: CollibraCredentials,
    synchronization_id: SynchronizationId,
    strategy: FinalizationStrategy = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: StatusId = MISSING_FROM_SOURCE,
    batch_job_ids: list[str] = [],  # noqa: B006 - Prefect copies it; the form then shows a list
    replaced_batch_job_ids: list[str] = [],  # noqa: B006 - as above
    allow_unverified_cycle: bool = False,
    send_notification: bool = False,
    wait_seconds: Annotated[float, Field(ge=0)] = 3600,
    on_overlap: OnOverlap = OnOverlap.ATTACH,
    on_cancel: OnCancel = OnCancel.LEAVE,  # noqa: ARG001 - read by report_or_cancel_job
) -> State[Any]:
    """Finalize a cycle that another program has uploaded, and follow the job to its end.

    Collibra then deletes, marks or ignores every asset that the batches of this cycle did not
    contain. A finalization cannot be repeated or undone, so the cycle must be complete.

    Args:
        credentials: Saved block with the URL and the credentials of the Collibra environment. None
            selected: the block that the deployment names.
        synchronization_id: ID under which the batches were sent, 1 to 50 characters.
        strategy: Action on missing assets. CHANGE_STATUS gives them the status below;
            REMOVE_RESOURCES deletes them; IGNORE changes nothing.
        missing_asset_status_id: UUID of the status for CHANGE_STATUS. Default: the packaged status
            "Missing from source". Use the same status in every cycle, because Collibra restores
            assets only from that status.
        batch_job_ids: IDs of the jobs that filled this cycle, as evidence. Each must have ended
            COMPLETED with SUCCESS after the last finalization.
        replaced_batch_job_ids: IDs of failed jobs of this cycle whose content was sent again.
        allow_unverified_cycle: Permission to finalize without evidence. Only for a cycle that is
            known to be complete: an empty cycle makes every asset missing.
        send_notification: Notification of the Collibra account when the job ends.
        wait_seconds: Maximum wait for the job in seconds, 0 or more. After it, the flow run fails
            and the job continues.
        on_overlap: Behavior while another flow run finalizes this synchronization. attach follows
            its job, or finalizes a newer cycle afterwards; skip and fail send nothing and end.
        on_cancel: Action on the job when this flow run is cancelled. leave does not stop it;
            cancel_job stops it in Collibra and may leave half of its changes.
    """
    try:
        with publishing_receipt(
            credentials,
            synchronization_id,
            strategy=strategy,
            missing_asset_status_id=missing_asset_status_id,
            batch_job_ids=batch_job_ids,
        ) as report:
            finalize_cycle(
                credentials,
                FinalizationRequest(
                    synchronization_id,
                    strategy,
                    missing_asset_status_id,
                    send_notification=send_notification,
                ),
                Evidence(
                    batch_job_ids=tuple(batch_job_ids),
                    replaced_batch_job_ids=tuple(replaced_batch_job_ids),
                    allow_unverified_cycle=allow_unverified_cycle,
                ),
                report,
                on_overlap=on_overlap,
                wait_seconds=wait_seconds,
            )
    except OverlapError as error:
        is_skipped = on_overlap == OnOverlap.SKIP
        return skipped_state(report.receipt) if is_skipped else failed_state(error)
    except CollibraError as error:
        return failed_state(error)
    return completed_state(report.receipt)
