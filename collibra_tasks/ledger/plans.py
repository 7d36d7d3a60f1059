"""The plan of one synchronization that was shown last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collibra_tasks.ledger.store import Store
from collibra_tasks.ledger.stored_record import StoredRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlan:
    """A plan that was shown to a person: its ID and its number of assets."""

    plan_id: str
    number: int


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
            store, environment, synchronization_id, kind="plan", record_type=ShownPlan, log=log
        )
