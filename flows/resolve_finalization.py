"""Flow in which a person resolves a finalization with an unknown outcome."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from collibra_tasks import (
    CollibraCredentials,
    LedgerEntry,
    Resolution,
    failed_state,
    publish_inspection,
    publishing_receipt,
    resolve_finalization_record,
)
from collibra_tasks.cycle.finalizing import connect
from collibra_tasks.cycle.forms import SynchronizationId
from collibra_tasks.errors import CollibraError
from collibra_tasks.reporting.following import follow_recorded_job
from collibra_tasks.reporting.inspection import NO_ENTRY


@flow(
    name="resolve-finalization",
    flow_run_name="resolve {synchronization_id}",
    retries=0,
)
def resolve_finalization(
    credentials: CollibraCredentials,
    synchronization_id: SynchronizationId,
    resolution: Resolution = Resolution.INSPECT,
    job_id: str = "",
    excluded_job_ids: list[str] = [],  # noqa: B006 - Prefect copies it; the form then shows a list
    resolved_by: Annotated[str, Field(max_length=100)] = "",
    reason: Annotated[str, Field(max_length=500)] = "",
    wait_seconds: Annotated[float, Field(ge=0)] = 3600,
) -> State[Any]:
    """Resolve a finalization with an unknown outcome, or a job that never ends.

    Until then no flow run finalizes this synchronization. Run it with *inspect* first: it shows the
    record and the jobs that may belong to it, and changes nothing.

    Args:
        credentials: Saved block with the URL and the credentials of the Collibra environment. None
            selected: the block that the deployment names.
        synchronization_id: ID of the synchronization, 1 to 50 characters.
        resolution: Decision. inspect shows the record and changes nothing; adopt_job follows the
            job below as the finalization; not_sent means that Collibra did not receive the request
            and the cycle is open; ended means that the finalization was carried out and its job is
            gone; set_aside ignores a job that never ends or cannot be read.
        job_id: ID of the job in Collibra, for adopt_job and set_aside.
        excluded_job_ids: IDs of the jobs that are not this finalization, for not_sent. Each
            possible job has to be listed.
        resolved_by: Name of the person who decides. Not needed for inspect.
        reason: Reason for the decision; kept with the record.
        wait_seconds: Maximum wait for the job in seconds, 0 or more, for adopt_job.
    """
    try:
        if resolution == Resolution.INSPECT:
            return _describe(publish_inspection(credentials, synchronization_id))
        entry = resolve_finalization_record(
            credentials,
            synchronization_id,
            resolution=resolution,
            resolved_by=resolved_by,
            reason=reason,
            job_id=job_id or None,
            excluded_job_ids=excluded_job_ids,
        )
        if resolution == Resolution.ADOPT_JOB and entry.job_id is not None:
            _follow(credentials, entry, wait_seconds)
    except CollibraError as error:
        return failed_state(error)
    return _describe(entry)


def _follow(credentials: CollibraCredentials, entry: LedgerEntry, wait_seconds: float) -> None:
    """Follow the adopted job to its end, and publish its receipt."""
    with publishing_receipt(
        credentials,
        entry.synchronization_id,
        strategy=entry.strategy,
        missing_asset_status_id=entry.missing_asset_status_id,
    ) as report:
        report.job_id = entry.job_id
        session = connect(credentials, entry.synchronization_id, report)
        follow_recorded_job(session, report, wait_seconds=wait_seconds)


def _describe(entry: LedgerEntry | None) -> State[Any]:
    if entry is None:
        return Completed(message=f"No finalization is recorded. {NO_ENTRY}")
    job = f", job {entry.job_id}" if entry.job_id else ""
    message = f"Finalization {entry.number} of {entry.synchronization_id}: {entry.phase}{job}."
    return Completed(message=message, data=entry)
