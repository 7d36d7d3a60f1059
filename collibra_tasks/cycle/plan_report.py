"""Report on a plan as Markdown, and its outcome in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from collibra_tasks.cycle.log_lines import describe_guard
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.planning import PlanPreview
from collibra_tasks.models import AssetRow, FinalizationStrategy
from collibra_tasks.reporting.markdown import render_table
from collibra_tasks.wording import count_of

MAX_SHOWN_ASSETS = 100
_EFFECTS = {
    FinalizationStrategy.REMOVE_RESOURCES: "deleted",
    FinalizationStrategy.CHANGE_STATUS: "marked",
    FinalizationStrategy.IGNORE: "ignored",
}


def plan_sentence(plan: RemovalPlan) -> str:
    """Return the outcome of a plan in one sentence with its counts."""
    assets = count_of(plan.asset_count, "asset")
    counts = f"{assets}, {plan.new_count:,} new, {plan.missing_count:,} missing"
    return f"Plan {plan.plan_id} of {plan.synchronization_id}: {counts}; {describe_guard(plan)}."


def plan_payload(plan: RemovalPlan) -> dict[str, Any]:
    """Return the payload of the event about a plan."""
    return {
        "plan_id": plan.plan_id,
        "number": plan.number,
        "allowed": plan.allowed,
        "missing_count": plan.missing_count,
        "new_count": plan.new_count,
        "asset_count": plan.asset_count,
        "previous_count": plan.previous_count,
        "message": plan_sentence(plan),
    }


def render_plan(preview: PlanPreview) -> str:
    """Return the plan as Markdown: numbers, reasons, assets, and the way to approve it."""
    plan, content = preview.plan, preview.content
    parts = [
        f"# {plan.synchronization_id}: {_headline(plan)}",
        *(f"> {note}" for note in plan.notes),
        render_table(("", ""), _list_facts(plan)),
        _render_list("Reasons", [*plan.refusals, *plan.reasons]),
        _render_approval(plan),
        _render_assets("New assets", preview.new_assets, plan.new_count),
        _render_assets(
            "Missing assets", plan.missing, plan.missing_count + plan.older_missing_count
        ),
        _render_list(
            "Unknown references",
            content.unknown_reference_labels,
            total=content.unknown_reference_count,
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _headline(plan: RemovalPlan) -> str:
    if plan.refusals:
        return f"plan {plan.plan_id} is refused"
    extent = "is allowed" if plan.allowed else "needs an approval"
    return f"plan {plan.plan_id} {extent}"


def _list_facts(plan: RemovalPlan) -> list[tuple[str, str]]:
    previous = "unknown" if plan.previous_count is None else f"{plan.previous_count:,}"
    facts = [
        ("Strategy", f"{plan.strategy}: missing assets are {_EFFECTS[plan.strategy]}"),
        ("Assets in this cycle", f"{plan.asset_count:,}"),
        ("Assets in the previous cycle", previous),
        ("New assets", f"{plan.new_count:,}"),
        ("Missing assets", f"{plan.missing_count:,}"),
    ]
    if plan.older_missing_count:
        facts.append(("Missing since earlier cycles", f"{plan.older_missing_count:,}"))
    return facts


def _render_approval(plan: RemovalPlan) -> str:
    if plan.refusals:
        return "## Next step\n\nCorrect the source. A person cannot approve this plan."
    if not plan.reasons:
        return ""
    return (
        "## Approve\n\nIf the plan is right, run synchronize-source once, not by a schedule, with "
        f"`accept_missing_count={plan.number}` and an `accept_reason`. Otherwise correct the "
        "source."
    )


def _render_list(title: str, lines: Sequence[str], *, total: int = 0) -> str:
    if not lines:
        return ""
    shown = "\n".join(f"- {line}" for line in lines)
    return f"## {title}\n\n{shown}{_count_more(total - len(lines))}"


def _render_assets(title: str, rows: Sequence[AssetRow], total: int) -> str:
    shown = sorted(rows[:MAX_SHOWN_ASSETS], key=_domain_of)
    if not shown:
        return ""
    cells = [
        (domain if index == 0 else "", row.asset)
        for domain, group in groupby(shown, _domain_of)
        for index, row in enumerate(group)
    ]
    table = render_table(("Domain", "Asset"), cells)
    return f"## {title}\n\n{table}{_count_more(total - len(cells))}"


def _domain_of(row: AssetRow) -> str:
    return row.domain


def _count_more(count: int) -> str:
    return f"\n\nand {count:,} more" if count > 0 else ""
