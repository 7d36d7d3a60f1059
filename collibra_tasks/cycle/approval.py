"""Approval of a removal plan by a person in the Prefect UI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.ports import ApprovalInput
from collibra_tasks.reporting.events import emit_synchronization_event
from collibra_tasks.reporting.progress import show_table

MAX_SHOWN_NAMES: Final = 10
POLL_SECONDS: Final = 5


class ApprovalForm(RunInput):
    """Form in which a person approves or rejects a removal plan."""

    expected_number: int = Field(
        ge=0,
        description="Number of assets that would be removed or marked. Repeat it to approve the "
        "plan; any other number rejects the plan.",
    )
    reason: str = Field(
        min_length=1, max_length=500, description="Reason for the approval; kept with the receipt."
    )


class PrefectApproval:
    """Approvals in the Prefect UI.

    A deployed flow run is suspended and needs no process while it waits; other flow runs are
    paused. Each plan is a question of its own: a flow run that resumes with another plan waits for
    another approval, and one that resumes with the same plan continues.

    Example:
        ```python
        approval = PrefectApproval(environment.key).ask(plan, timeout_seconds=86_400)
        ```
    """

    def __init__(self, environment: str = "") -> None:
        """Store the identity of the Collibra environment for events."""
        self._environment = environment

    def ask(
        self, plan: RemovalPlan, *, timeout_seconds: int, shown_names: int = MAX_SHOWN_NAMES
    ) -> ApprovalInput | None:
        """Wait for a person, and return the input; ``None`` if none arrived in time.

        Args:
            plan: Plan to approve.
            timeout_seconds: Maximum wait in seconds.
            shown_names: Maximum number of missing assets in the form.

        Raises:
            prefect.exceptions.Pause: If the flow run is suspended; let it pass.
        """
        key = f"plan-{plan.plan_id}"
        if not _is_asked(key):
            self._emit(plan)
        form = ApprovalForm.with_initial_data(description=render_question(plan, shown_names))
        try:
            if runtime.deployment.get_id():
                found = suspend_flow_run(wait_for_input=form, timeout=timeout_seconds, key=key)
            else:
                found = pause_flow_run(
                    wait_for_input=form,
                    timeout=timeout_seconds,
                    key=key,
                    poll_interval=POLL_SECONDS,
                )
        except FlowPauseTimeout:
            return None
        # A flow run that is resumed without input, for instance by the API, is not approved.
        is_filled = isinstance(found, ApprovalForm)
        return ApprovalInput(found.expected_number, found.reason) if is_filled else None

    def _emit(self, plan: RemovalPlan) -> None:
        emit_synchronization_event(
            "waiting-for-approval",
            plan.synchronization_id,
            self._environment,
            {
                "plan_id": plan.plan_id,
                "number": plan.number,
                "missing_count": plan.missing_count,
                "new_count": plan.new_count,
                "asset_count": plan.asset_count,
                "message": " ".join(plan.reasons),
            },
        )

    def show_missing(self, plan: RemovalPlan, key: str) -> None:
        """Create a table of the missing assets.

        Args:
            plan: Plan to show.
            key: Key of the artifact.
        """
        previous = "" if plan.previous_count is None else f" of {plan.previous_count:,}"
        shown = len(plan.missing)
        cut = f"; the first {shown:,}" if shown < plan.missing_count else ""
        title = (
            f"{plan.missing_count:,}{previous} assets of the previous cycle are missing from this "
            f"cycle{cut}"
        )
        show_table([row._asdict() for row in plan.missing], key, title)


def _is_asked(key: str) -> bool:
    """Return whether this flow run was paused with a key before, and has resumed."""
    flow_run_id = runtime.flow_run.get_id()
    if flow_run_id is None:
        return False
    with get_client(sync_client=True) as client:
        policy = client.read_flow_run(UUID(str(flow_run_id))).empirical_policy
    return key in (policy.pause_keys or ())


def render_question(plan: RemovalPlan, shown_names: int = MAX_SHOWN_NAMES) -> str:
    """Return the text above the approval form as Markdown."""
    return "\n".join(_render_lines(plan, shown_names))


def _render_lines(plan: RemovalPlan, shown_names: int) -> Iterator[str]:
    yield f"**{plan.synchronization_id}**, {plan.strategy}: {' '.join(plan.reasons)}"
    yield ""
    # First, because a long list moves the field for the number out of sight.
    yield f"Enter the number **{plan.number}** to approve. Any other number rejects the plan."
    yield ""
    yield from (f"- {row.asset}" for row in plan.missing[:shown_names])
    remaining = plan.missing_count - len(plan.missing[:shown_names])
    if remaining > 0:
        yield f"- and {remaining:,} more; the artifact of this flow run lists them"
