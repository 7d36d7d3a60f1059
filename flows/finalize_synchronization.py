"""Close one cycle of a synchronization and follow its job to the end."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from collibra_tasks import (
    MISSING_FROM_SOURCE,
    CollibraCredentials,
    FinalizationStrategy,
    OnCancel,
    OnOverlap,
    Receipt,
    inspect_cycle,
    reported,
    skipped,
    submit_finalization,
    tell_or_cancel_job,
    wait_for_job,
)
from collibra_tasks.errors import OverlapError


@flow(
    flow_run_name="finalize-{synchronization_id}",
    retries=0,
    on_cancellation=[tell_or_cancel_job],
)
def finalize_synchronization(
    credentials: CollibraCredentials,
    synchronization_id: Annotated[str, Field(min_length=1, max_length=50)],
    strategy: FinalizationStrategy = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: str = MISSING_FROM_SOURCE,
    batch_job_ids: list[str] = [],  # noqa: B006 - Prefect copies it; the form then offers a list
    allow_unverified_cycle: bool = False,
    send_notification: bool = False,
    wait_seconds: Annotated[float, Field(ge=0)] = 3600,
    on_overlap: OnOverlap = OnOverlap.ATTACH,
    on_cancel: OnCancel = OnCancel.LEAVE,  # noqa: ARG001 - read when the run is cancelled
) -> Receipt | State[Receipt]:
    """Close a synchronization's cycle in Collibra: deal with every asset that did not come back.

    This can delete assets, can't be repeated safely and has no dry run. The cycle must be complete:
    an asset that this cycle's batches did not bring counts as missing.

    Args:
        credentials: The tenant and the account.
        synchronization_id: The ID that the batches were sent under, 1 to 50 characters.
        strategy: CHANGE_STATUS marks missing assets with the status below; REMOVE_RESOURCES deletes
            them; IGNORE leaves them alone.
        missing_asset_status_id: For CHANGE_STATUS, the UUID of a status. The default is the
            packaged status "Missing from source". Keep to one status: assets that come back are
            restored only by it.
        batch_job_ids: The jobs that filled this cycle, as evidence. Each must have ended COMPLETED
            with SUCCESS, and be newer than the last finalization.
        allow_unverified_cycle: Go on without such evidence. Only for a cycle that you know is
            complete: an empty one makes every asset missing.
        send_notification: Let Collibra notify the account when the job has ended.
        wait_seconds: How long to follow the job, in seconds. After that the run fails; the job
            goes on.
        on_overlap: While another run finalizes this synchronization: attach follows its job and
            ends with its outcome, or goes on to its own cycle if it has newer batches; skip and
            fail send nothing and end at once.
        on_cancel: When this run is cancelled: leave lets the job in Collibra go on; cancel_job asks
            Collibra to stop it, which may leave half of the work done.
    """
    try:
        with reported(
            credentials,
            synchronization_id,
            strategy=strategy,
            missing_asset_status_id=missing_asset_status_id,
            batch_job_ids=batch_job_ids,
        ) as report:
            inspect_cycle(
                credentials,
                synchronization_id,
                strategy=strategy,
                missing_asset_status_id=missing_asset_status_id,
                batch_job_ids=batch_job_ids,
                allow_unverified_cycle=allow_unverified_cycle,
            )
            job = submit_finalization(
                credentials,
                synchronization_id,
                strategy=strategy,
                missing_asset_status_id=missing_asset_status_id,
                batch_job_ids=batch_job_ids,
                allow_unverified_cycle=allow_unverified_cycle,
                send_notification=send_notification,
                on_overlap=on_overlap,
            )
            report.job_id = job.id
            wait_for_job(credentials, job.id, wait_seconds=wait_seconds)
    except OverlapError:
        if on_overlap != OnOverlap.SKIP:
            raise
        return skipped(report.receipt)
    return report.receipt
