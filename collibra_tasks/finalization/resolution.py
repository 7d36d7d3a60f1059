"""Decision of a person about a finalization with an unknown outcome, or about a job."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from collibra_tasks.errors import CollibraError, FinalizationRefusedError, NotFoundError
from collibra_tasks.finalization.checks import describe_owned_job
from collibra_tasks.finalization.job_matching import batch_id_of
from collibra_tasks.finalization.job_search import find_new_jobs
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.entry import (
    LedgerEntry,
    Phase,
    Resolution,
    ResolutionRecord,
)
from collibra_tasks.ledger.evidence import short_digests
from collibra_tasks.models import RUNNING_STATES, Job

CERTAINLY_LATER = timedelta(hours=1)
"""Maximum difference of the clocks by which jobs, requests and deadlines are dated."""


def resolve(session: Session, record: ResolutionRecord) -> LedgerEntry:
    """Record a decision about the newest entry; with ``inspect`` only return the entry.

    Args:
        session: Access to Collibra and the ledger.
        record: The decision, its author and its reason.

    Raises:
        FinalizationRefusedError: If nothing has to be resolved, or the decision cannot be true.
    """
    if record.resolution == Resolution.SET_ASIDE:
        return _set_aside(session, record)
    if record.resolution == Resolution.INSPECT:
        return _resolve_newest(session, record)
    with session.lock.acquire(timeout_seconds=session.timing.lock_expiry, purpose="resolution"):
        return _resolve_newest(session, record)


def _resolve_newest(session: Session, record: ResolutionRecord) -> LedgerEntry:
    entry = session.ledger.newest()
    inspects = record.resolution == Resolution.INSPECT
    if entry is None or not (entry.open or inspects):
        state = "no finalization is on record. Check the synchronization ID"
        if entry is not None:
            job = f"job {entry.job_id}" if entry.job_id else "without a job"
            state = f"its last finalization is {entry.phase} ({job}). No decision is needed"
        raise FinalizationRefusedError(
            f"Nothing to resolve for {session.synchronization_id!r}: {state}."
        )
    if inspects:
        return entry
    _check_author(record)
    match record.resolution:
        case Resolution.ADOPT_JOB:
            resolved = _adopt(session, entry, record)
        case Resolution.NOT_SENT:
            resolved = _mark_not_sent(session, entry, record)
        case _:
            resolved = _end(session, entry)
    resolved = replace(resolved, resolution=record)
    _write(session, entry, resolved)
    return resolved


def _check_author(record: ResolutionRecord) -> None:
    if not (record.by.strip() and record.reason.strip()):
        raise FinalizationRefusedError(
            "Not resolved: name and reason are missing. Fill in resolved_by and reason."
        )
    if record.job_id and record.resolution not in {Resolution.ADOPT_JOB, Resolution.SET_ASIDE}:
        raise FinalizationRefusedError(
            f"Not resolved: job_id does not go with {record.resolution}. Choose adopt_job if job "
            f"{record.job_id} closed this cycle, or clear job_id."
        )


def _set_aside(session: Session, record: ResolutionRecord) -> LedgerEntry:
    """Record that no run waits for a job: it never ends, or cannot be read."""
    _check_author(record)
    if not record.job_id:
        raise FinalizationRefusedError("Not resolved: set_aside needs the job_id of the job.")
    session.set_aside.add(record.job_id, f"{record.by}: {record.reason}")
    session.log(f"Job {record.job_id} is set aside by {record.by}: {record.reason}")
    entry = session.ledger.newest()
    if entry is None:
        return LedgerEntry(
            environment=session.environment.key,
            synchronization_id=session.synchronization_id,
            strategy="",
            resolution=record,
        )
    if entry.job_id != record.job_id or not entry.open:
        return entry
    resolved = replace(entry.resolved_without_job(), resolution=record)
    _write(session, entry, resolved)
    return resolved


def _write(session: Session, entry: LedgerEntry, resolved: LedgerEntry) -> None:
    if not session.ledger.update_unless_changed(entry, resolved):
        raise FinalizationRefusedError(
            "Not resolved: the ledger entry changed meanwhile. Run with resolution=inspect first."
        )


def _end(session: Session, entry: LedgerEntry) -> LedgerEntry:
    if entry.job_id is None:
        _check_deadline(session, entry)
        return entry.resolved_without_job()
    try:
        job = session.client.get_job(entry.job_id)
    except CollibraError as error:
        if error.transient and not isinstance(error, NotFoundError):
            raise FinalizationRefusedError(
                f"Not resolved: the state of job {entry.job_id} cannot be read ({error}). Try "
                "again, or choose set_aside."
            ) from error
        return entry.resolved_without_job()
    if job.state in RUNNING_STATES:
        raise FinalizationRefusedError(
            f"Not resolved: job {job.id} is {job.state}. Run the flow again to follow it. Choose "
            "set_aside if it never ends."
        )
    return entry.with_ended_job(job) if job.ended else entry.resolved_without_job()


def _mark_not_sent(session: Session, entry: LedgerEntry, record: ResolutionRecord) -> LedgerEntry:
    if entry.phase == Phase.SENT:
        raise FinalizationRefusedError(
            f"Not resolved: the request was sent and created job {entry.job_id}."
        )
    _check_deadline(session, entry)
    matches = find_new_jobs(session, entry)
    if matches.certain is not None and _may_be_of(entry, matches.certain):
        raise FinalizationRefusedError(
            f"Not resolved: job {matches.certain.id} has the name of this finalization. Choose "
            "adopt_job with that job_id."
        )
    candidates = [job for job in matches.candidates if _may_be_of(entry, job)]
    _check_excluded(candidates, record.excluded_job_ids)
    return entry.withdrawn()


def _may_be_of(entry: LedgerEntry, job: Job) -> bool:
    """Whether a job appeared before the writer's deadline, or too soon after it to tell.

    Collibra's Date header may be far behind the dates of its jobs. The deadline has the clock of
    the Prefect server, so the later of both counts.
    """
    times = [each for each in (entry.intended_on, entry.deadline_on) if each is not None]
    if not times or job.created_on is None:
        return True
    return job.created_on <= max(times) + CERTAINLY_LATER


def _check_excluded(candidates: Sequence[Job], excluded: Collection[str]) -> None:
    """Demand that a person names each job that may be the finalization."""
    unnamed = [job for job in candidates if job.id not in excluded]
    if unnamed:
        names = ", ".join(f"{job.id} ({job.name or 'no name'})" for job in unnamed[:5])
        raise FinalizationRefusedError(
            f"Not resolved: {len(unnamed)} jobs may be this finalization: {names}. Check each in "
            "Collibra, then list it in excluded_job_ids, or choose adopt_job."
        )


def _check_deadline(session: Session, entry: LedgerEntry) -> None:
    deadline = entry.deadline_on
    if deadline is not None and session.ledger.store.now() < deadline:
        raise FinalizationRefusedError(
            "Not resolved: the request may still be in flight. Try again after "
            f"{deadline:%H:%M:%S} UTC by the Prefect server's clock."
        )


def _adopt(session: Session, entry: LedgerEntry, record: ResolutionRecord) -> LedgerEntry:
    job_id = record.job_id
    if not job_id:
        raise FinalizationRefusedError("Not resolved: adopt_job needs the job_id of the job.")
    if entry.job_id not in {None, job_id}:
        raise FinalizationRefusedError(
            f"Not resolved: the request created job {entry.job_id}, not {job_id}."
        )
    try:
        job = session.client.get_job(job_id)
    except NotFoundError:
        raise FinalizationRefusedError(
            f"Not resolved: Collibra does not know job {job_id}. Check job_id."
        ) from None
    except CollibraError as error:
        raise FinalizationRefusedError(
            f"Not resolved: job {job_id} cannot be read ({error}). Choose ended if you know "
            "that it closed the cycle."
        ) from error
    owner = session.ledger.owners_of([job_id]).get(job_id)
    used = {*entry.evidence, *entry.history.evidence}
    if job_id == entry.history.job_id or short_digests([job_id])[0] in used:
        raise FinalizationRefusedError(
            f"Not resolved: job {job_id} filled a cycle or closed an earlier one. Check job_id."
        )
    if owner is not None and owner != session.synchronization_id:
        raise FinalizationRefusedError(
            f"Not resolved: job {job_id} is {describe_owned_job(owner)}. Check job_id."
        )
    other = batch_id_of(job)
    if other not in {None, session.synchronization_id}:
        raise FinalizationRefusedError(
            f"Not resolved: job {job_id} is a batch of the synchronization {other!r} by its name, "
            f"so it did not finalize {session.synchronization_id!r}. Check job_id."
        )
    if job_id in entry.jobs_before:  # IDs decide; clocks may differ
        raise FinalizationRefusedError(
            f"Not resolved: job {job_id} was in Collibra's job list before the request, so the "
            "request did not create it. Check job_id, or choose ended if that job closed this "
            "cycle."
        )
    if job.created_on and entry.intended_on and job.created_on < entry.intended_on:
        session.log(
            f"Job {job_id} is older than the request by Collibra's clock. It is adopted because a "
            "person named it."
        )
    return entry.with_job(job)
