"""Decision about a plan: allowed, approved, refused, or a question to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.plans import ShownPlan
from collibra_tasks.options import OnGuard

if TYPE_CHECKING:
    from collibra_tasks.cycle.cycle import Cycle


def decide_plan(cycle: Cycle, plan: RemovalPlan) -> Callable[[], object] | None:
    """Return ``None`` if the cycle may be finalized, or the question that has to be asked first.

    Raises:
        FinalizationRefusedError: If the plan is refused. The plan is recorded as shown.
    """
    if plan.refusals:
        raise _refused(cycle, plan.refusals, "Correct the source and run again")
    if not plan.reasons or plan.plan_id in cycle.approved:
        return None
    options = cycle.options
    if options.accept_missing_count is not None and _accepts(cycle, plan):
        cycle.reporter.note(_approval_note(plan, options.accept_reason))
        cycle.approved.add(plan.plan_id)
        return None
    shown = cycle.plans.read()
    current = ShownPlan(plan_id=plan.plan_id, number=plan.number)
    if shown != current:
        cycle.plans.write(current)
    if options.on_guard == OnGuard.ASK:
        return lambda: _ask(cycle, plan)
    raise _refused(
        cycle,
        plan.reasons,
        f"If plan {plan.plan_id} is right, run once more with "
        f"accept_missing_count={plan.number} and accept_reason",
    )


def _accepts(cycle: Cycle, plan: RemovalPlan) -> bool:
    """Whether ``accept_missing_count`` approves the plan that was shown last."""
    if cycle.session.flow_run.created_by_schedule:
        cycle.session.log(
            "accept_missing_count is ignored: it approves one plan in one manual run, and a "
            "schedule created this run."
        )
        return False
    count, shown = cycle.options.accept_missing_count, cycle.plans.read()
    if shown is None or shown.plan_id != plan.plan_id:
        cycle.session.log(
            f"accept_missing_count={count} is ignored: plan {plan.plan_id} was not shown before."
        )
        return False
    if count != plan.number:
        raise _refused(
            cycle,
            plan.reasons,
            f"You accepted {count:,} missing assets, but {plan.number:,} would be removed or "
            f"marked. Check the plan, then run with accept_missing_count={plan.number}",
        )
    if not cycle.options.accept_reason.strip():
        raise _refused(cycle, plan.reasons, "An approval needs a reason. Fill in accept_reason")
    return True


def _ask(cycle: Cycle, plan: RemovalPlan) -> None:
    """Ask a person without the lock; the plan is computed again after the response."""
    cycle.session.log(f"Waiting for approval of plan {plan.plan_id}: {'; '.join(plan.reasons)}.")
    found = cycle.approval.ask(plan, timeout_seconds=cycle.options.approval_seconds)
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
    cycle.reporter.note(_approval_note(plan, found.reason))
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
