"""The plan of one synchronization that was shown last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import TypeAdapter

from collibra_tasks.ledger.store import Store
from collibra_tasks.ledger.stored_record import StoredRecord
from collibra_tasks.models import FlowRunInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlan:
    """A plan that was shown to a person.

    Attributes:
        plan_id: ID of the plan.
        number: Number of assets that would be removed or marked.
        shown_by: IDs of the flow run that showed the plan first, and of its outermost flow run.
    """

    plan_id: str
    number: int
    shown_by: tuple[str, ...] = ()

    def was_shown_by(self, flow_run: FlowRunInfo) -> bool:
        """Whether a flow run, or a run that it belongs to, showed the plan first."""
        return bool({flow_run.id, flow_run.root_id} & set(self.shown_by))


class ShownPlans(StoredRecord[ShownPlan]):
    """The plan of one synchronization that was shown last."""

    def __init__(
        self,
        store: Store,
        environment: str,
        synchronization_id: str,
        *,
        log: Callable[[str], None],
    ) -> None:
        """Name the record; nothing is read."""
        super().__init__(
            store, environment, synchronization_id, kind="plan", adapter=_records, log=log
        )

    def show(self, plan_id: str, number: int, flow_run: FlowRunInfo) -> None:
        """Record a plan as the one that was shown last; its first flow run stays on record."""
        shown = self.read()
        if shown is None or shown.plan_id != plan_id:
            ids = (each for each in (flow_run.id, flow_run.root_id) if each is not None)
            shown_by = tuple(dict.fromkeys(ids))
            self.write(ShownPlan(plan_id=plan_id, number=number, shown_by=shown_by))


_records = TypeAdapter(ShownPlan)
