"""Guard: comparison of a removal plan with the limits; pure functions."""

from __future__ import annotations

from dataclasses import replace

from collibra_tasks.cycle.plan import PartLoss, RemovalPlan
from collibra_tasks.cycle.renames import Renamed
from collibra_tasks.models import FinalizationStrategy
from collibra_tasks.options import RemovalLimits

MAX_SHOWN_PARTS = 5
RENAME_PERCENT = 80
"""Minimum percentage of the missing assets whose names come back, for a rename."""


def check_removal(plan: RemovalPlan, limits: RemovalLimits, *, evicts: bool = False) -> RemovalPlan:
    """Return the plan with every reason why a person has to approve it.

    Under IGNORE nothing is removed or marked, so the guard only counts. An empty cycle is refused
    with every strategy.

    Args:
        plan: The plan.
        limits: Limits on what may go missing without approval.
        evicts: Whether unchanged commands run again. An asset that was renamed in Collibra is then
            created again, and REMOVE_RESOURCES deletes the renamed one.
    """
    if not plan.asset_count:
        reason = "the source holds no asset, so every asset of the previous cycle would be missing"
        return replace(plan, refusals=(*plan.refusals, reason))
    if plan.strategy == FinalizationStrategy.IGNORE:
        return replace(plan, notes=(*plan.notes, "IGNORE: missing assets stay as they are."))
    if plan.previous_count is None:
        return plan
    whole = _excesses(plan, limits)
    parts = _part_excesses(plan, limits, whole_is_covered=bool(whole))
    plan = plan.with_reasons((), notes=_older(plan) if not plan.unshown_count else ())
    reasons = [*whole, *parts, *(_older(plan) if plan.unshown_count else ())]
    if evicts and plan.strategy == FinalizationStrategy.REMOVE_RESOURCES:
        reasons.append(
            "evict_before with REMOVE_RESOURCES deletes every asset that was renamed in Collibra, "
            f"in addition to the {plan.missing_count:,} missing assets"
        )
    return plan.with_reasons(reasons)


def _excesses(plan: RemovalPlan, limits: RemovalLimits) -> list[str]:
    count, previous = plan.missing_count, plan.previous_count or 0
    share = f"{count:,} of {previous:,} assets of the previous cycle ({plan.percent:.1f}%)"
    renamed = _explain_rename(plan.renamed, count, plan.strategy)
    if count and count == previous:
        return [f"all {previous:,} assets of the previous cycle are missing{renamed}"]
    reasons = []
    if count > limits.max_missing_count:
        limit = f"max_missing_count is {limits.max_missing_count:,}"
        reasons.append(f"{share} are missing; {limit}{renamed}")
    if previous >= limits.min_population and plan.percent > limits.max_missing_percent:
        reasons.append(
            f"{share} are missing; max_missing_percent is {limits.max_missing_percent:g}"
        )
    return reasons


def _part_excesses(
    plan: RemovalPlan, limits: RemovalLimits, *, whole_is_covered: bool
) -> list[str]:
    lost = [
        part
        for part in plan.parts
        if part.previous_count >= limits.min_part_population
        and part.percent > limits.max_part_percent
        and not (whole_is_covered and part.previous_count == plan.previous_count)
    ]
    reasons = [_describe_part(part, plan) for part in lost[:MAX_SHOWN_PARTS]]
    if len(lost) > MAX_SHOWN_PARTS:
        reasons.append(f"{len(lost) - MAX_SHOWN_PARTS} more parts lost most of their assets")
    return reasons


def _describe_part(part: PartLoss, plan: RemovalPlan) -> str:
    extent = (
        f"all {part.previous_count:,} assets"
        if part.missing_count == part.previous_count
        else f"{part.missing_count:,} of {part.previous_count:,} assets ({part.percent:.1f}%)"
    )
    renamed = _explain_rename(part.renamed, part.missing_count, plan.strategy)
    return f"{extent} of the {part.kind} {part.name!r} are missing{renamed}"


def _explain_rename(renamed: Renamed, missing_count: int, strategy: FinalizationStrategy) -> str:
    """Return what Collibra will do if most missing assets come back under another identifier."""
    if not missing_count or 100 * renamed.count < RENAME_PERCENT * missing_count:
        return ""
    action = "deletes" if strategy == FinalizationStrategy.REMOVE_RESOURCES else "marks"
    if 2 * renamed.reidentified_count > renamed.count:
        # Source: assumed. Collibra documents no comparison of different kinds of identifiers.
        return (
            f"; {renamed.count:,} new assets have the same names and another kind of identifier, "
            f"which looks like a rename: Collibra {action} the old assets, even if both "
            "identifiers stand for the same asset"
        )
    return (
        f"; {renamed.count:,} new assets elsewhere have the same names, which looks like a "
        f"rename: Collibra creates the new assets and {action} the old ones"
    )


def _older(plan: RemovalPlan) -> list[str]:
    if not plan.older_missing_count:
        return []
    count = f"{plan.older_missing_count:,} assets that earlier cycles ignored or marked"
    shown = (
        f"no approved plan has shown {plan.unshown_count:,} of them"
        if plan.unshown_count
        else "approved plans have shown them"
    )
    return [f"{count} may be deleted by REMOVE_RESOURCES; {shown}"]
