"""Prefect task that waits for a job."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from collibra_tasks import _prefect
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import CollibraError
from collibra_tasks.jobs import polling
from collibra_tasks.jobs.polling import describe_state
from collibra_tasks.jobs.results import fetch_job_error
from collibra_tasks.models import Job
from collibra_tasks.options import Timing


@task(cache_policy=NO_CACHE, task_run_name="wait for job {job_id}")
def wait_for_job(
    credentials: CollibraCredentials,
    job_id: str,
    *,
    wait_seconds: float = 3600,
    timing: Timing = Timing(),  # noqa: B008 - a frozen value
) -> Job:
    """Wait for a job until it has ended with full success.

    Args:
        credentials: URL and credentials of the Collibra environment.
        job_id: ID of the job.
        wait_seconds: Maximum wait in seconds, 0 or more.
        timing: Pauses between two reads.

    Returns:
        The job, COMPLETED with SUCCESS.

    Raises:
        JobError: If it ended otherwise; one of its four subclasses, with Collibra's errors.
        JobTimedOutError: If it did not end in time; it continues in Collibra.
        OutcomeUnknownError: If Collibra does not have the job for more than 30 seconds.
        UnexpectedAnswerError: If its state is an undocumented word.

    Example:
        ```python
        job = wait_for_job(credentials, job_id, wait_seconds=600)
        ```
    """
    log = get_run_logger()
    try:
        with credentials.get_client() as client:
            job = polling.wait_for_job(
                client.get_job, job_id, wait_seconds=wait_seconds, timing=timing, log=log.info
            )
            log.info("Job %s ended as %s.", job_id, describe_state(job))
            if error := fetch_job_error(client, job):
                raise error
    except CollibraError:
        # The Prefect API may be down after a long wait; the error is reported when it is back. A
        # cancellation is no CollibraError and does not wait.
        _prefect.wait_for_api(log.warning, timing)
        raise
    _prefect.wait_for_api(log.warning, timing)
    return job
