"""The plan of one synchronization that was shown last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlan:
    """A plan that was shown to a person: its ID and its number of assets."""

    plan_id: str
    number: int


class ShownPlans:
    """Record of the plan that was shown last. A record that cannot be read counts as absent."""

    def __init__(
        self,
        store: Store,
        environment: str,
        synchronization_id: str,
        *,
        log: Callable[[str], None],
    ) -> None:
        """Name the record; nothing is read."""
        self._store = store
        self.name = resource_name("plan", environment, synchronization_id)
        self._log = log

    def read(self) -> ShownPlan | None:
        """Return the plan that was shown last; ``None`` if there is none."""
        found = self._store.read([self.name])
        if not found:
            return None
        try:
            return ShownPlan(**found[0].value)
        except TypeError:
            self._log(f"The Prefect variable {self.name} cannot be read and is ignored.")
            return None

    def write(self, plan: ShownPlan) -> None:
        """Record a plan that is shown."""
        value = asdict(plan)
        if not self._store.create(self.name, value, ["collibra-plan"]):
            self._store.update(self.name, value, ["collibra-plan"])
