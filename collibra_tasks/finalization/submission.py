"""The one place that sends a finalization: claim, send once, record the job ID first."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    FinalizationRefusedError,
    NotSentError,
    RefusedError,
    TenantFaultError,
)
from collibra_tasks.finalization.job_list import JobList, read_newest_jobs
from collibra_tasks.finalization.job_matching import JobMatches
from collibra_tasks.finalization.job_search import find_new_jobs
from collibra_tasks.finalization.recovery import unknown_outcome
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.entry import History, LedgerEntry
from collibra_tasks.ledger.evidence import evidence_digests, normalize_job_ids
from collibra_tasks.ledger.store import StoreUnavailableError
from collibra_tasks.models import FinalizationRequest, Job
from collibra_tasks.wording import clock_time

UNAUTHORIZED = 401
MAX_BEFORE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Proof that a cycle is complete, bound to the generation that was judged.

    Job IDs are normalized when created, and an empty one is refused.

    Attributes:
        batch_job_ids: Jobs that filled the cycle.
        replaced_batch_job_ids: Failed jobs whose batches were sent again.
        allow_unverified_cycle: Whether the caller knows that the cycle is complete.
        content_digest: Digest of the uploaded content; ``None`` where batches came from elsewhere.
        manifest: Name of the manifest of what Collibra may hold when the cycle ends.
        tracked_manifest: Name of the manifest of all assets that Collibra may still track.
        shown_manifest: Name of the manifest of missing assets that approved plans have shown.
        plan_id: The approved plan, which this finalization uses up.
        other_batches: Number of batches by others in the cycle.
    """

    batch_job_ids: tuple[str, ...] = ()
    replaced_batch_job_ids: tuple[str, ...] = ()
    allow_unverified_cycle: bool = False
    content_digest: str | None = None
    manifest: str | None = None
    tracked_manifest: str | None = None
    shown_manifest: str | None = None
    plan_id: str | None = None
    other_batches: int = 0

    def __post_init__(self) -> None:
        """Check and normalize the job IDs."""
        for name in ("batch_job_ids", "replaced_batch_job_ids"):
            object.__setattr__(self, name, normalize_job_ids(getattr(self, name), name))


def claim_finalization(
    session: Session,
    request: FinalizationRequest,
    evidence: Evidence,
    *,
    generation: int,
    history: History,
) -> LedgerEntry | None:
    """Record the intent as entry ``generation + 1``.

    Returns:
        The entry; ``None`` if another flow run created a newer entry since the judgment.
    """
    before = read_newest_jobs(session, MAX_BEFORE)
    entry = LedgerEntry(
        environment=session.environment.key,
        synchronization_id=request.synchronization_id,
        strategy=request.strategy.value,
        missing_asset_status_id=request.missing_asset_status_id,
        attempt=session.attempt,
        flow_run_id=session.flow_run.id,
        flow_run_name=session.flow_run.name,
        root_flow_run_id=session.flow_run.root_id,
        content_digest=evidence.content_digest,
        manifest=evidence.manifest,
        tracked_manifest=evidence.tracked_manifest,
        shown_manifest=evidence.shown_manifest,
        evidence=evidence_digests(evidence.batch_job_ids),
        unverified=not evidence.batch_job_ids,
        intended_on=_time_of_intent(session, before),
        deadline_on=session.new_deadline(),
        jobs_before=tuple(job.id for job in before.jobs),
        list_was_read=before.blind is None,
        account_id=session.account.id if session.account else None,
        plan_id=evidence.plan_id,
        other_batches=evidence.other_batches,
    )
    return session.ledger.claim(entry, generation=generation, history=history)


def _time_of_intent(session: Session, before: JobList) -> datetime:
    """Return Collibra's time: its Date header, which may be behind the dates of its jobs."""
    dates = [job.created_on for job in before.jobs if job.created_on is not None]
    return max([session.client.server_time, *dates])


def send_finalization(session: Session, request: FinalizationRequest, intent: LedgerEntry) -> Job:
    """Send a claimed finalization once and record its job.

    The job list decides about every response other than success. Only a request that never left,
    or that certainly created no job after a 429, is sent again.

    Raises:
        NotSentError: If Collibra was not reached, or another flow run was faster.
        RefusedError: If Collibra refused the request and created no job.
        OutcomeUnknownError: If the outcome cannot be determined. A person has to decide.
    """
    claimed_on = session.clock.monotonic()
    give_up_on = claimed_on + session.timing.max_busy
    renewed = False
    while True:
        try:
            _check_claim(session, intent, claimed_on)
            job = _submit_and_record(session, request, intent)
        except NotSentError:
            _withdraw(session, intent)
            raise
        except FinalizationRefusedError:
            raise
        except CollibraError as error:
            if job_found := _adopt_after(session, intent, error):
                return job_found
            if _may_renew(error) and not renewed:
                renewed = True
            elif isinstance(error, BusyError):
                _pause(session, intent, error, give_up_on)
                if job_found := _decide(session, intent, find_new_jobs(session, intent), error):
                    return job_found
            else:
                _withdraw(session, intent)
                raise
            claimed_on = session.clock.monotonic()
            intent = _refresh(session, intent)
        else:
            session.log(f"Finalization: {intent.strategy}, job {job.id} was created.")
            return job


def _submit_and_record(session: Session, request: FinalizationRequest, intent: LedgerEntry) -> Job:
    """Send the request and record the job ID before anything else, a log line included.

    A worker that was killed meanwhile makes the next log line end the process (observed).
    """
    with session.shield():
        job = session.client.submit_finalization(request, version=session.version)
        failure = _record(session, intent.with_job(job))
    if failure is not None:
        session.log(f"Job {job.id} could not be recorded yet: {failure}")
        with suppress(Exception):  # Prefect's; the second attempt to record decides
            session.await_store()
        if again := _record(session, intent.with_job(job)):
            session.log(f"Job {job.id} could not be recorded and is followed anyway: {again}")
    return job


def _record(session: Session, entry: LedgerEntry) -> Exception | None:
    try:
        session.ledger.update(entry)
    except Exception as error:  # noqa: BLE001 - the store's; the job exists and must be followed
        return error
    return None


def _check_claim(session: Session, intent: LedgerEntry, claimed_on: float) -> None:
    """Check directly before the request that the claim still holds.

    A process that stood still must not send: another flow run or a person may have decided since.
    """
    try:
        newest = session.ledger.newest()
    except StoreUnavailableError as error:
        raise NotSentError(
            f"Not sent: the ledger could not be read directly before the request ({error}). Run "
            "the flow again."
        ) from error
    if newest is None or newest.claim_id != intent.claim_id:
        raise NotSentError(
            f"Not sent: another flow run claimed the finalization of {intent.synchronization_id!r} "
            "first. Run the flow again."
        )
    if newest.phase != intent.phase:
        raise FinalizationRefusedError(
            f"Not sent: the finalization of {intent.synchronization_id!r} was resolved by a person "
            "before it was sent. Run the flow again."
        )
    flight = timedelta(seconds=session.max_flight_seconds - session.timing.max_stall)
    late = intent.deadline_on is not None and (
        session.ledger.store.now() > intent.deadline_on - flight
    )
    if late or session.clock.monotonic() - claimed_on > session.timing.max_stall:
        raise NotSentError(
            f"Not sent: more than {session.timing.max_stall:g} seconds passed between the record "
            "of the intent and the request. Run the flow again."
        )


def _adopt_after(session: Session, intent: LedgerEntry, error: CollibraError) -> Job | None:
    """Return the job that a failed request created; ``None`` if it certainly created none.

    The list is read twice, because a job may enter it late.

    Raises:
        OutcomeUnknownError: If the job list does not decide.
    """
    first = find_new_jobs(session, intent)
    session.clock.sleep(session.timing.list_recheck)
    return _decide(session, intent, find_new_jobs(session, intent).with_earlier(first), error)


def _decide(
    session: Session, intent: LedgerEntry, matches: JobMatches, error: CollibraError
) -> Job | None:
    if matches.certain is not None:
        return _adopt(session, intent, matches.certain)
    if _may_renew(error) or (matches.none_possible and _is_refusal(error)):
        return None
    raise unknown_outcome(session, intent, matches, cause=error) from error


def _adopt(session: Session, intent: LedgerEntry, job: Job) -> Job:
    failure = _record(session, intent.with_job(job))
    session.log(f"Job {job.id} is the finalization whose response was lost. It is followed.")
    if failure is not None:
        session.log(f"Job {job.id} could not be recorded: {failure}")
    return Job(id=job.id)


def _is_refusal(error: CollibraError) -> bool:
    """Whether a response without a new job means that nothing happened; 5xx stays unknown."""
    return isinstance(error, RefusedError) and not isinstance(error, TenantFaultError)


def _may_renew(error: CollibraError) -> bool:
    """Whether Collibra itself rejected the token, so it cannot have processed the request."""
    return (
        isinstance(error, AccessDeniedError)
        and error.status_code == UNAUTHORIZED
        and error.error_code is not None
    )


def _pause(session: Session, intent: LedgerEntry, error: BusyError, give_up_on: float) -> None:
    requested = error.retry_after_seconds
    pause = max(1.0, session.timing.busy_pause if requested is None else requested)
    if session.clock.monotonic() + pause > give_up_on:
        _withdraw(session, intent)
        final = BusyError(
            f"{error} Not sent again: the pause of {pause:,g} seconds would end after the limit of "
            f"{session.timing.max_busy:,g} seconds. Nothing was finalized. Run the flow again "
            "later.",
            retry_after_seconds=requested,
            status_code=error.status_code,
            error_code=error.error_code,
        )
        final.safe_to_repeat = final.transient = False
        raise final from error
    end = clock_time(pause, session.clock.time())
    session.log(f"{error} The request is sent again at {end}.")
    session.clock.sleep(pause)


def _refresh(session: Session, intent: LedgerEntry) -> LedgerEntry:
    """Record a new deadline before the request is repeated.

    The jobs before the first request stay on record: its own job may enter the list late.
    """
    fresh = replace(
        intent, intended_on=session.client.server_time, deadline_on=session.new_deadline()
    )
    try:
        written = session.ledger.update_unless_changed(intent, fresh)
    except StoreUnavailableError as error:
        _withdraw(session, intent)
        raise NotSentError(f"Not sent again: {error} Run the flow again.") from error
    if not written:
        raise NotSentError("Not sent: the ledger entry changed meanwhile. Run the flow again.")
    return fresh


def _withdraw(session: Session, intent: LedgerEntry) -> None:
    try:
        session.ledger.update_unless_changed(intent, intent.withdrawn())
    except Exception as error:  # noqa: BLE001 - the store's; the error of the request matters more
        session.log(f"The withdrawal of the finalization could not be recorded: {error}")
