"""Report on a finalization with an unknown outcome, for the person who resolves it."""

from __future__ import annotations

from datetime import datetime

from collibra_tasks.finalization.job_matching import JobMatches
from collibra_tasks.ledger.entry import LedgerEntry
from collibra_tasks.models import Job
from collibra_tasks.reporting.markdown import render_table

NEXT_STEPS = (
    "Run resolve-finalization with the right resolution: `adopt_job` with the job's ID, `not_sent` "
    "with the IDs of all possible jobs as excluded jobs, `ended` if the finalization was carried "
    "out and its job is gone."
)

NO_ENTRY = (
    "Nothing has to be resolved. If you expected a finalization, check the synchronization ID."
)


def render_inspection(entry: LedgerEntry | None, matches: JobMatches | None) -> str:
    """Return the newest ledger entry and the jobs that may belong to it as Markdown.

    Args:
        entry: Newest ledger entry, or ``None``.
        matches: Jobs that were not in the job list before the request, or ``None``.
    """
    if entry is None:
        return f"# No finalization is recorded\n\n{NO_ENTRY}"
    parts = [
        f"# {entry.synchronization_id}: finalization {entry.number} is {entry.phase.value}",
        render_table(("", ""), _list_facts(entry)),
    ]
    if matches is not None:
        parts += _render_matches(matches)
    parts.append(NEXT_STEPS if entry.open else "Nothing has to be resolved.")
    return "\n\n".join(part for part in parts if part)


def _list_facts(entry: LedgerEntry) -> list[tuple[str, str]]:
    facts = [
        ("Environment", entry.environment),
        ("Strategy", entry.strategy),
        ("Flow run", entry.flow_run_name),
        ("Job", entry.job_id and f"`{entry.job_id}`"),
        ("Outcome", entry.outcome),
        ("Intended", _format_moment(entry.intended_on)),
        ("In flight at most until", _format_moment(entry.deadline_on)),
    ]
    return [(label, value) for label, value in facts if value]


def _format_moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _render_matches(matches: JobMatches) -> list[str]:
    groups = (
        ("Possible", matches.named),
        ("Possible, without a known name", matches.others),
        ("Unlikely", matches.unlikely),
    )
    rows = [_row(label, job) for label, jobs in groups for job in jobs]
    head = ("Match", "Job", "Name", "Type", "State", "Created")
    table = render_table(head, rows) if rows else "No new job is in Collibra's job list."
    blind = f"The job list is incomplete: {matches.blind}" if matches.blind else ""
    return ["## Jobs created since the request", blind, table]


def _row(label: str, job: Job) -> tuple[str, ...]:
    state = ", ".join(word for word in (job.state, job.result) if word)
    created = _format_moment(job.created_on) or ""
    return (label, f"`{job.id}`", job.name or "", job.type or "", state, created)
