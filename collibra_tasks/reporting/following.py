"""Wait for a finalization job in a flow run, as a step with a progress artifact."""

from __future__ import annotations

from functools import partial

from collibra_tasks._prefect import run_step
from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.session import Session
from collibra_tasks.jobs.results import fetch_job_error
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.models import Job
from collibra_tasks.reporting.progress import ProgressArtifact
from collibra_tasks.reporting.run_report import RunReport


def progress_key(session: Session) -> str:
    """Return the artifact key of the progress, stable per environment and synchronization."""
    return resource_name("progress", session.environment.key, session.synchronization_id)


def follow_recorded_job(session: Session, report: RunReport, *, wait_seconds: float) -> None:
    """Follow the job of a report to its end; the progress artifact shows the finalization only.

    Args:
        session: Access to Collibra.
        report: Report with the ID of the job; it gets the ended job.
        wait_seconds: Maximum wait in seconds, 0 or more.

    Raises:
        CollibraError: As `follow_finalization`.
    """
    job_id = str(report.job_id)
    progress = ProgressArtifact(
        progress_key(session), description=f"Waiting for finalization job {job_id}."
    )
    report.job = follow_finalization(session, job_id, progress, wait_seconds=wait_seconds)


def follow_finalization(
    session: Session, job_id: str, progress: ProgressArtifact, *, wait_seconds: float
) -> Job:
    """Follow a finalization job to its end, as a step; return the job, COMPLETED with SUCCESS.

    Args:
        session: Access to Collibra.
        job_id: ID of the job.
        progress: Artifact that shows the state of the job.
        wait_seconds: Maximum wait in seconds, 0 or more.

    Raises:
        JobError: If the job ended otherwise.
        CollibraError: Every other error of ``wait_for_job``.
    """
    wait = partial(_wait, session, job_id, progress, wait_seconds)
    return run_step("wait for finalization", wait)


def _wait(session: Session, job_id: str, progress: ProgressArtifact, wait_seconds: float) -> Job:
    """Wait until the job has ended with full success, and the Prefect API is available."""
    try:
        job = session.follow_job(
            job_id,
            wait_seconds=wait_seconds,
            name="the finalization",
            watch=progress.show_finalization,
        )
        if error := fetch_job_error(session.client, job):
            raise error
    except CollibraError:
        # The Prefect API may be down after a long wait; the error is reported when it is back. A
        # cancellation is no CollibraError and does not wait.
        session.await_store()
        raise
    session.await_store()
    return job
