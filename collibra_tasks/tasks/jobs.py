"""Follow a job to its end."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from collibra_tasks import waiting
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import CollibraError
from collibra_tasks.models import Job
from collibra_tasks.results import fetch_results
from collibra_tasks.tasks.patience import wait_for_prefect


@task(cache_policy=NO_CACHE, task_run_name="wait-for-job-{job_id}")
def wait_for_job(
    credentials: CollibraCredentials,
    job_id: str,
    *,
    wait_seconds: float = 3600,
    longest_pause_seconds: float = waiting.LONGEST_PAUSE_SECONDS,
) -> Job:
    """Follow a job to its true end.

    Args:
        credentials: The tenant.
        job_id: The job.
        wait_seconds: How long to look, in seconds, 0 or more.
        longest_pause_seconds: The longest pause between two looks, in seconds.

    Returns:
        The job, COMPLETED with SUCCESS.

    Raises:
        JobError: If it ended otherwise; one of its four kinds, with Collibra's errors.
        JobTimedOutError: If it had not ended in time; it goes on.
        OutcomeUnknownError: If the tenant does not know it, for longer than half a minute.
        UnexpectedAnswerError: If its state is a word that nobody documented.
    """
    log = get_run_logger()
    try:
        with credentials.get_client() as client:
            job = waiting.wait_for_job(
                lambda: client.get_job(job_id),
                job_id,
                wait_seconds=wait_seconds,
                longest_pause_seconds=longest_pause_seconds,
                grace_seconds=waiting.GRACE_SECONDS,
                log=log.info,
            )
            _check(client, job)
    except CollibraError:
        wait_for_prefect(log.warning)
        raise
    wait_for_prefect(log.warning)
    return job


def _check(client: CollibraClient, job: Job) -> None:
    if error := waiting.judge_job(job):
        results = fetch_results(client, job.id)
        raise error.with_results(results.summary, results.failures)
