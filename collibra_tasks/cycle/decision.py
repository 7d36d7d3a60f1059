"""Decision about a plan: allowed, approved, refused, or a question to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.plans import ShownPlan
from collibra_tasks.options import OnGuard
from collibra_tasks.wording import clock_time

if TYPE_CHECKING:
    from collibra_tasks.cycle.cycle import Cycle


def decide_plan(cycle: Cycle, plan: RemovalPlan) -> Callable[[], object] | None:
    """Return ``None`` if the cycle may be finalized, or the question that has to be asked first.

    Raises:
        FinalizationRefusedError: If the plan is refused. The plan is recorded as shown.
    """
    if plan.refusals:
        raise _refused(cycle, plan.refusals, "Correct the source and run again")
    options = cycle.options
    is_accepted = options.accept_missing_count is not None and plan.plan_id not in cycle.approved
    if not plan.reasons:
        if is_accepted:
            _log_ignored(cycle, f"plan {plan.plan_id} needs no approval")
        return None
    if plan.plan_id in cycle.approved:
        return None
    shown = cycle.plans.read()
    cycle.plans.show(plan.plan_id, plan.number, cycle.session.flow_run)
    cause = _find_cause_to_ignore(cycle, plan, shown) if is_accepted else None
    ignored = [_log_ignored(cycle, cause)] if cause else []
    if is_accepted and not ignored:
        _check_acceptance(cycle, plan, shown)
        _approve(cycle, plan, options.accept_reason)
        return None
    if options.on_guard == OnGuard.ASK:
        return lambda: _ask(cycle, plan)
    raise _refused(cycle, plan.reasons, ". ".join([*ignored, _next_step(plan)]))


def _check_acceptance(cycle: Cycle, plan: RemovalPlan, shown: ShownPlan | None) -> None:
    """Check that ``accept_missing_count`` approves a plan: the one that was shown last.

    Raises:
        FinalizationRefusedError: If plan or number differ from those shown last.
    """
    count = cycle.options.accept_missing_count or 0
    if shown is None or shown.plan_id != plan.plan_id:
        before = f"plan {shown.plan_id} was shown last" if shown else "no plan was shown before"
        raise _refused(
            cycle,
            plan.reasons,
            f"You accepted {count:,} missing assets, but {before}, and the plan has changed. "
            f"{_next_step(plan)}",
        )
    if count != plan.number:
        raise _refused(
            cycle,
            plan.reasons,
            f"You accepted {count:,} missing assets, but {plan.number:,} would be removed or "
            f"marked. Check the plan. {_next_step(plan)}",
        )
    if not cycle.options.accept_reason.strip():
        raise _refused(cycle, plan.reasons, "An approval needs a reason. Fill in accept_reason")


def _find_cause_to_ignore(cycle: Cycle, plan: RemovalPlan, shown: ShownPlan | None) -> str | None:
    """Return why ``accept_missing_count`` approves nothing in this run, whatever its number."""
    flow_run = cycle.session.flow_run
    if flow_run.created_by_schedule:
        return "it approves one plan in one manual run, and a schedule created this run"
    if shown is None:
        return f"plan {plan.plan_id} was not shown before"
    if shown.was_shown_by(flow_run):
        return f"this flow run itself was the first to show plan {shown.plan_id}"
    if any(entry.plan_id == shown.plan_id for entry in cycle.session.ledger.entries()):
        return f"plan {shown.plan_id} was shown last, and its approval is used up"
    return None


def _log_ignored(cycle: Cycle, cause: str) -> str:
    text = f"accept_missing_count={cycle.options.accept_missing_count} is ignored: {cause}"
    cycle.session.log(f"{text}.")
    return text


def _next_step(plan: RemovalPlan) -> str:
    return (
        f"If plan {plan.plan_id} is right, start a new flow run, not a retry, with "
        f"accept_missing_count={plan.number} and accept_reason"
    )


def _ask(cycle: Cycle, plan: RemovalPlan) -> None:
    """Ask a person without the lock; the plan is computed again after the response."""
    seconds = cycle.options.approval_seconds
    end = clock_time(seconds, cycle.session.clock.time())
    cycle.session.log(
        f"Waiting for approval of plan {plan.plan_id} until {end} at the latest: "
        f"{'; '.join(plan.reasons)}."
    )
    found = cycle.approval.ask(plan, timeout_seconds=seconds)
    if found is None:
        raise _refused(cycle, plan.reasons, "No approval arrived in time. Run again")
    if found.number != plan.number:
        raise _refused(
            cycle,
            plan.reasons,
            f"You accepted {found.number:,} missing assets, but {plan.number:,} would be removed "
            "or marked. Run again and check the plan",
        )
    if not found.reason.strip():
        raise _refused(cycle, plan.reasons, "An approval needs a reason. Run again")
    _approve(cycle, plan, found.reason)


def _approve(cycle: Cycle, plan: RemovalPlan, reason: str) -> None:
    note = _approval_note(plan, reason)
    cycle.session.log(note)
    cycle.reporter.note(note)
    cycle.approved.add(plan.plan_id)


def _approval_note(plan: RemovalPlan, reason: str) -> str:
    return (
        f"Plan {plan.plan_id} was approved with {plan.number:,} assets: {'; '.join(plan.reasons)}. "
        f"Reason: {reason.strip()}"
    )


def _refused(cycle: Cycle, reasons: tuple[str, ...], next_step: str) -> FinalizationRefusedError:
    extent = "" if cycle.batch_job_ids else ", nothing was sent"
    return FinalizationRefusedError(
        f"Not finalized{extent}: {'; '.join(reasons)}. {next_step}.", reasons=reasons
    )
