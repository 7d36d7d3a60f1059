"""Marker of an open cycle on the Prefect server: its content is in the storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import TypeAdapter

from collibra_tasks.ledger.store import Store
from collibra_tasks.ledger.stored_record import StoredRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleMarker:
    """An upload that began and was not finalized.

    Attributes:
        generation: Number of the newest ledger entry when the upload began.
        content_digest: Digest of the uploaded content.
        storage: Storage block of its checkpoint; empty for the default folder.
        flow_run_name: Flow run that uploads.
        batch_count: Number of batches that were sent at least.
        manifest: Name of the manifest of everything that was uploaded; ``None`` if it is unknown.
        is_first: Whether Collibra did not know the synchronization before the upload.
    """

    generation: int
    content_digest: str = ""
    storage: str = ""
    flow_run_name: str | None = None
    batch_count: int = 0
    manifest: str | None = None
    is_first: bool = False


class CycleMarkers(StoredRecord[CycleMarker]):
    """The marker of one synchronization: batches may have arrived since a generation."""

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
            store, environment, synchronization_id, kind="cycle", adapter=_records, log=log
        )


_records = TypeAdapter(CycleMarker)
