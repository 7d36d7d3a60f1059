"""The last finalization on record: its end, its job's name, and finalizations by others."""

from __future__ import annotations

from datetime import datetime

from collibra_tasks.errors import CollibraError, OverlapError
from collibra_tasks.finalization.closed_cycle import name_closed_upload
from collibra_tasks.finalization.job_matching import name_pattern
from collibra_tasks.finalization.recovery import recover_finalization, wait_for_writer
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.entry import MAX_NAME, History, LedgerEntry, Origin, Phase
from collibra_tasks.ledger.old_records import refuse_old_records
from collibra_tasks.ledger.patterns import LearnedPattern
from collibra_tasks.models import Job
from collibra_tasks.options import OnOverlap


def settle_intent(session: Session, on_overlap: OnOverlap) -> LedgerEntry | None:
    """Return the newest entry once its job is known, or it was withdrawn.

    Raises:
        OverlapError: If another flow run is sending and ``on_overlap`` is not ``attach``.
        OutcomeUnknownError: If the job of a lost response cannot be identified.
    """
    newest = session.ledger.newest()
    if newest is None:
        refuse_old_records(
            session.ledger.store, session.client.base_url, session.synchronization_id
        )
        return None
    if newest.phase == Phase.SENT:
        return _record_if_ended(session, newest)
    if newest.phase != Phase.INTENDED:
        return newest
    late = newest.deadline_on is None or session.ledger.store.now() >= newest.deadline_on
    if not (late or session.has_ended(newest.flow_run_id)):
        refuse_overlap(session, newest, on_overlap)
    newest = wait_for_writer(session, newest)
    if newest is None or newest.phase != Phase.INTENDED:
        return newest
    found = recover_finalization(session, newest)
    return _record_if_ended(session, found) if found.phase == Phase.SENT else found


def _record_if_ended(session: Session, entry: LedgerEntry) -> LedgerEntry:
    """Record the end of a job whose flow run was killed, so that it is not taken for a newer one.

    A job that cannot be read stays open.
    """
    try:
        job = session.client.get_job(str(entry.job_id))
    except CollibraError:
        return entry
    return record_end(session, entry, job) if job.ended else entry


def refuse_overlap(session: Session, entry: LedgerEntry, on_overlap: OnOverlap) -> None:
    """Raise an error if another flow run's open finalization must not be followed."""
    own = entry.flow_run_id is not None and entry.flow_run_id == session.flow_run.id
    if on_overlap == OnOverlap.ATTACH or own or not entry.open:
        return
    raise OverlapError(
        f"Not sent: flow run {entry.flow_run_name or 'unknown'} is finalizing "
        f"{entry.synchronization_id!r} (job {entry.job_id or 'not known yet'}). Run again after "
        "its end, or choose on_overlap=attach.",
        job_id=entry.job_id,
    )


def wait_for_last_finalization(
    session: Session, *, wait_seconds: float, on_overlap: OnOverlap = OnOverlap.ATTACH
) -> LedgerEntry | None:
    """Return the newest entry after its job has ended and the end is on record.

    Raises:
        OverlapError: If it is still open and ``on_overlap`` is not ``attach``.
        OutcomeUnknownError: If its outcome cannot be determined.
        JobTimedOutError: If it does not end within ``wait_seconds``.
    """
    newest = settle_intent(session, on_overlap)
    if newest is None or newest.phase != Phase.SENT or newest.job_id is None:
        return newest
    refuse_overlap(session, newest, on_overlap)
    job = session.wait_for_job(
        newest.job_id, wait_seconds=wait_seconds, reason="it finalizes an earlier cycle"
    )
    return record_end(session, newest, job)


def record_end(session: Session, entry: LedgerEntry, job: Job) -> LedgerEntry:
    """Record the end of a finalization job, and learn its name."""
    ended = entry.with_ended_job(job)
    if not session.ledger.update_unless_changed(entry, ended):
        newest = session.ledger.newest()
        return newest if newest is not None else ended
    if entry.origin == Origin.OURS:
        name = name_pattern(job, session.synchronization_id)
        session.patterns.learn(LearnedPattern(name=name, release=session.release))
    return ended


def record_foreign_finalization(
    session: Session,
    job: Job,
    *,
    generation: int,
    history: History,
    other_batches: int = 0,
    ended_on: datetime | None = None,
) -> LedgerEntry | None:
    """Record a finalization by others as the next entry: earlier batches are void.

    Args:
        session: Access to ledger and storage.
        job: The finalization; of several, the newest one.
        generation: Number of the newest entry.
        history: Summary of the entries up to that generation.
        other_batches: Number of batches by others in the cycle that it closed.
        ended_on: Last end of several finalizations; ``None`` for the job's own.

    Returns:
        The entry; ``None`` if another flow run created a newer entry meanwhile.
    """
    session.log(
        f"Job {job.id} ({job.name}) finalized {session.synchronization_id!r} and was not sent by "
        "this library. Batches before it do not count any more."
    )
    entry = LedgerEntry(
        environment=session.environment.key,
        synchronization_id=session.synchronization_id,
        strategy="",
        origin=Origin.FOREIGN,
        phase=Phase.ENDED,
        job_id=job.id,
        job_name=job.name and job.name[:MAX_NAME],
        job_type=job.type,
        job_created_on=job.created_on,
        job_ended_on=ended_on or job.ended_on,
        outcome=f"{job.state or 'no state'}, {job.result or 'no result'}",
        failed=not job.succeeded,
        manifest=name_closed_upload(session, history),
        other_batches=other_batches,
    )
    return session.ledger.claim(entry, generation=generation, history=history)


def close_finalization(session: Session, job: Job) -> None:
    """Record the end of a job, if the newest entry names it and is still open."""
    newest = session.ledger.newest()
    if newest is not None and newest.open and newest.job_id == job.id and job.ended:
        record_end(session, newest, job)
