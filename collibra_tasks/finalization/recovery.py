"""Recovery of a finalization whose response was lost."""

from __future__ import annotations

from collibra_tasks.errors import CollibraError, OutcomeUnknownError
from collibra_tasks.finalization.job_matching import JobMatches
from collibra_tasks.finalization.job_search import find_new_jobs
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.entry import LedgerEntry, Phase
from collibra_tasks.models import Job
from collibra_tasks.wording import count_of

MAX_SHOWN_JOBS = 5


def unknown_outcome(
    session: Session,
    entry: LedgerEntry,
    matches: JobMatches,
    *,
    cause: CollibraError | None = None,
) -> OutcomeUnknownError:
    """Return the error that names the candidates and the way out."""
    shown = [f"{job.id} ({job.name or 'no name'})" for job in matches.candidates[:MAX_SHOWN_JOBS]]
    found = (
        f"{count_of(len(matches.candidates), 'job')} may be this finalization: {', '.join(shown)}"
        if shown
        else "None of the visible jobs can be identified as this finalization"
    )
    blind = f" The search was incomplete: {matches.blind}." if matches.blind else ""
    origin = f" {cause}" if cause else ""
    return OutcomeUnknownError(
        f"The outcome of the finalization of {entry.synchronization_id!r} is unknown: flow run "
        f"{entry.flow_run_name or 'unknown'} ({entry.flow_run_id or 'no ID'}) sent the request, "
        f"and no clear response arrived.{origin} {found}.{blind} No further finalization is sent. "
        "Check Collibra's job list and run the deployment resolve-finalization for this "
        f"synchronization (ledger entry: Prefect variable {session.ledger.name_of(entry.number)})."
    )


def wait_for_writer(session: Session, entry: LedgerEntry) -> LedgerEntry | None:
    """Return the newest entry after its writer had the time to record the outcome.

    The writer's own deadline, by the store's clock, limits the wait. A writer whose flow run has
    ended, or an earlier attempt of this flow run, records nothing more.
    """
    newest: LedgerEntry | None = entry
    logged = False
    while newest is not None and newest.phase == Phase.INTENDED:
        past = newest.deadline_on is None or session.ledger.store.now() >= newest.deadline_on
        if (
            past
            or _is_own_earlier_attempt(session, newest)
            or session.has_ended(newest.flow_run_id)
        ):
            return newest
        if not logged and newest.deadline_on is not None:
            logged = True
            session.log(
                f"Flow run {newest.flow_run_name or 'unknown'} is sending a finalization. Waiting "
                f"until {newest.deadline_on:%H:%M:%S} UTC at the latest."
            )
        session.clock.sleep(session.timing.ledger_poll)
        newest = session.ledger.newest()
    return newest


def _is_own_earlier_attempt(session: Session, entry: LedgerEntry) -> bool:
    own = entry.flow_run_id is not None and entry.flow_run_id == session.flow_run.id
    return own and entry.attempt != session.attempt


def recover_finalization(session: Session, entry: LedgerEntry) -> LedgerEntry:
    """Find the job of an intent, record it, and return the entry.

    Raises:
        OutcomeUnknownError: If not exactly one job fits a learned name with this ID.
    """
    deadline = session.clock.monotonic() + session.timing.list_grace
    matches = find_new_jobs(session, entry)
    while matches.certain is None and session.clock.monotonic() < deadline:
        session.clock.sleep(session.timing.ledger_poll)
        matches = find_new_jobs(session, entry)
    if matches.certain is None:
        newest = session.ledger.newest()
        if newest is not None and newest.phase != Phase.INTENDED:
            return newest  # the writer was slow, or a person decided meanwhile
        raise unknown_outcome(session, entry, matches)
    return adopt_job(session, entry, matches.certain)


def adopt_job(session: Session, entry: LedgerEntry, job: Job) -> LedgerEntry:
    """Record a job as the one of an intent, unless the entry changed meanwhile."""
    adopted = entry.with_job(job)
    if not session.ledger.update_unless_changed(entry, adopted):
        newest = session.ledger.newest()
        return newest if newest is not None else entry
    session.log(f"Job {job.id} is the finalization whose response was lost. It is followed.")
    return adopted
