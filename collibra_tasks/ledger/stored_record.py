"""One named value of a synchronization in the store, read into a dataclass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import Store

Record = TypeVar("Record")


class StoredRecord(Generic[Record]):
    """A record of one synchronization. A record that cannot be read counts as absent."""

    def __init__(
        self,
        store: Store,
        environment: str,
        synchronization_id: str,
        *,
        kind: str,
        adapter: TypeAdapter[Record],
        log: Callable[[str], None],
    ) -> None:
        """Name the record; nothing is read.

        Args:
            store: Store of the record.
            environment: Identity of the environment.
            synchronization_id: 1 to 50 characters.
            kind: Kind in the record's name, such as ``plan``.
            adapter: Adapter of the record's dataclass; it takes milliseconds to build.
            log: Receives the name of an unreadable record.
        """
        self._store, self._log = store, log
        self.name = resource_name(kind, environment, synchronization_id)
        self._tags = [f"collibra-{kind}"]
        self._adapter = adapter

    def read(self) -> Record | None:
        """Return the record; ``None`` if there is none."""
        found = self._store.read([self.name])
        if not found:
            return None
        try:
            return self._adapter.validate_python(found[0].value)
        except ValueError:
            self._log(f"The Prefect variable {self.name} cannot be read and is ignored.")
            return None

    def write(self, record: Record) -> None:
        """Create or replace the record."""
        value: dict[str, Any] = self._adapter.dump_python(record, mode="json")
        if not self._store.create(self.name, value, self._tags):
            self._store.update(self.name, value, self._tags)

    def clear(self) -> None:
        """Delete the record, if it exists."""
        self._store.delete(self.name)
