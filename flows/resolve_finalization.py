"""Settle a finalization of which nobody knows the outcome."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from collibra_tasks import (
    CollibraCredentials,
    Entry,
    FinalizationStrategy,
    Resolution,
    reported,
    settle_finalization,
    wait_for_job,
)


@flow(flow_run_name="resolve-{synchronization_id}", retries=0)
def resolve_finalization(
    credentials: CollibraCredentials,
    synchronization_id: Annotated[str, Field(min_length=1, max_length=50)],
    resolved_by: Annotated[str, Field(max_length=100)] = "",
    reason: Annotated[str, Field(max_length=500)] = "",
    resolution: Resolution = Resolution.LEAVE,
    job_id: str = "",
    wait_seconds: Annotated[float, Field(ge=0)] = 3600,
) -> Entry:
    """Settle a finalization of which nobody knows whether Collibra carried it out.

    Until then no run finalizes this synchronization. Look at the job list in Collibra first; with
    *leave* this run shows the record and the jobs that may be meant, and changes nothing.

    Args:
        credentials: The tenant and the account.
        synchronization_id: The synchronization whose last finalization is unknown.
        resolved_by: Who settles it; your name. With leave, nobody has to say.
        reason: How it was found out; kept with the record.
        resolution: adopt_job - the job below closed the cycle, follow it; not_sent - Collibra never
            got the request, the cycle is still open; ended - it was carried out, and its job is
            gone or unknown; leave - show what is known, change nothing. That nothing was sent, or
            that all is over, can be said once no request can be under way any more, a few minutes
            after it was made.
        job_id: For adopt_job, the job in Collibra.
        wait_seconds: For adopt_job, how long to follow the job, in seconds.
    """
    entry = settle_finalization(
        credentials,
        synchronization_id,
        resolution=resolution,
        resolved_by=resolved_by,
        reason=reason,
        job_id=job_id or None,
    )
    if resolution == Resolution.ADOPT_JOB and entry.job_id is not None:
        with reported(
            credentials,
            synchronization_id,
            strategy=FinalizationStrategy(entry.strategy),
            batch_job_ids=entry.batch_job_ids,
        ) as report:
            report.job_id = entry.job_id
            wait_for_job(credentials, entry.job_id, wait_seconds=wait_seconds)
    return entry
