"""Marker of an open cycle on the Prefect server: its content is in the storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleMarker:
    """An upload that began and was not finalized.

    Attributes:
        generation: Number of the newest ledger entry when the upload began.
        content_digest: Digest of the uploaded content.
        storage: Storage block of its checkpoint; empty for the default folder.
        flow_run_name: Flow run that uploads.
        batch_count: Number of batches that were sent at least.
    """

    generation: int
    content_digest: str = ""
    storage: str = ""
    flow_run_name: str | None = None
    batch_count: int = 0


_markers = TypeAdapter(CycleMarker)


class CycleMarkers:
    """The marker of one synchronization. A marker that cannot be read counts as absent."""

    def __init__(
        self,
        store: Store,
        environment: str,
        synchronization_id: str,
        *,
        log: Callable[[str], None],
    ) -> None:
        """Name the marker; nothing is read."""
        self._store = store
        self.name = resource_name("cycle", environment, synchronization_id)
        self._log = log

    def read(self) -> CycleMarker | None:
        """Return the marker; ``None`` if there is none."""
        found = self._store.read([self.name])
        if not found:
            return None
        try:
            return _markers.validate_python(found[0].value)
        except ValueError:
            self._log(f"The Prefect variable {self.name} cannot be read and is ignored.")
            return None

    def write(self, marker: CycleMarker) -> None:
        """Record that batches of a cycle may have arrived since a generation."""
        value = asdict(marker)
        if not self._store.create(self.name, value, ["collibra-cycle"]):
            self._store.update(self.name, value, ["collibra-cycle"])

    def clear(self) -> None:
        """Delete the marker."""
        self._store.delete(self.name)
