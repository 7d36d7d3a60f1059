"""Log lines of a cycle: source, baseline, plan, guard, batches and finalization."""

from __future__ import annotations

from typing import Final

from collibra_tasks.cycle.baseline import Baseline
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.jobs.polling import describe_state
from collibra_tasks.models import Job
from collibra_tasks.sources.batches import Batch
from collibra_tasks.sources.records import SourceSummary
from collibra_tasks.wording import count_of

MAX_SHOWN_FILES: Final = 3


def describe_source(summary: SourceSummary) -> str:
    """Return files, commands and assets of a source that was read."""
    shown = ", ".join(summary.files[:MAX_SHOWN_FILES])
    more = summary.file_count - MAX_SHOWN_FILES
    names = f" ({shown}{f' and {more:,} more' if more > 0 else ''})" if shown else ""
    return (
        f"Source: {count_of(summary.file_count, 'file')}{names}, "
        f"{count_of(summary.command_count, 'command')}, {count_of(summary.asset_count, 'asset')}."
    )


def describe_baseline(baseline: Baseline) -> str:
    """Return the finalization with which a cycle is compared."""
    history = baseline.history
    if not history.finalized:
        return "Baseline: no earlier finalization is on record."
    parts = [f"Baseline: finalization {history.number}"]
    if history.finalized_on is not None:
        parts.append(f" of {history.finalized_on:%Y-%m-%d %H:%M:%S} UTC")
    parts.append(f", job {history.job_id}" if history.job_id else "")
    previous = baseline.previous
    count = "number of assets unknown" if previous is None else None
    parts.append(f", {count or count_of(previous.asset_count if previous else 0, 'asset')}.")
    return "".join(parts)


def describe_plan(plan: RemovalPlan) -> str:
    """Return the numbers of a plan."""
    older = plan.older_missing_count
    return (
        f"Plan {plan.plan_id}: {count_of(plan.asset_count, 'asset')}, {plan.new_count:,} new, "
        f"{plan.missing_count:,} missing"
        f"{f', {older:,} missing since earlier cycles' if older else ''}."
    )


def describe_guard(plan: RemovalPlan) -> str:
    """Return whether the guard allows a plan, or its reasons, without a full stop."""
    if plan.refusals:
        return f"refused: {'; '.join(plan.refusals)}"
    if plan.reasons:
        return f"an approval is needed: {'; '.join(plan.reasons)}"
    return "allowed"


def name_batch(batch: Batch, total: int | None) -> str:
    """Return the name of a batch in log, task runs and errors, such as ``batch 3 of 12``."""
    return f"batch {batch.number}" if total is None else f"batch {batch.number} of {total}"


def describe_batch(name: str, batch: Batch, job: Job, seconds: float) -> str:
    """Return the end of a batch."""
    commands = count_of(batch.command_count, "command")
    return (
        f"{name.capitalize()}: {commands}, job {job.id}, {describe_state(job)} "
        f"after {seconds:,.1f} s."
    )


def describe_proven_batch(name: str, batch: Batch, job_id: str) -> str:
    """Return the log line of a batch that an earlier attempt of the cycle imported."""
    commands = count_of(batch.command_count, "command")
    return f"{name.capitalize()}: {commands}, imported before by job {job_id}."
