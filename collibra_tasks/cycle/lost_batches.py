"""Batches whose response was lost: wait until no job of theirs can run any more."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from collibra_tasks.errors import CollibraError, OutcomeUnknownError
from collibra_tasks.finalization.job_matching import batch_id_of
from collibra_tasks.finalization.session import Session


def wait_for_lost_jobs(
    session: Session,
    lost: OutcomeUnknownError,
    *,
    since: datetime,
    known_ids: Collection[str],
    wait_seconds: float,
) -> None:
    """Wait until no job that a lost request may have created still runs.

    Args:
        session: Access to Collibra.
        lost: Error of the request whose response was lost.
        since: Time before the request, by Collibra's clock.
        known_ids: Jobs that the request certainly did not create.
        wait_seconds: Maximum wait in seconds.

    Raises:
        OutcomeUnknownError: If such a job still runs after the wait, or the list is unreadable.
    """
    began = session.clock.monotonic()
    while True:
        running = _find_running(session, lost, since, known_ids)
        waited = session.clock.monotonic() - began
        if not running and waited >= session.timing.list_grace:
            return
        if waited >= wait_seconds:
            found = f" Job {running[0]} may be this batch and has not ended." if running else ""
            raise OutcomeUnknownError(
                f"{lost}{found} Run the flow again after the end of all its jobs.",
                job_id=running[0] if running else None,
            ) from lost
        session.clock.sleep(session.timing.ledger_poll)


def _find_running(
    session: Session, lost: OutcomeUnknownError, since: datetime, known_ids: Collection[str]
) -> list[str]:
    """Return the IDs of running jobs of this synchronization; a word if the list is unreadable."""
    user_id = session.account.id if session.account else None
    earliest = since - timedelta(seconds=session.timing.clock_resolution)
    running = []
    try:
        for job in session.client.iter_jobs(user_id=user_id):
            if job.created_on is not None and job.created_on < earliest:
                break
            is_other = batch_id_of(job) not in {None, session.synchronization_id}
            if not (job.ended or is_other or job.id in known_ids):
                running.append(job.id)
    except CollibraError as error:
        if not error.transient:
            raise lost from error
        return ["unknown"]
    return running
