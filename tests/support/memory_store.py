"""In-memory ports of the ledger, with faults that tests inject."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.manifest import Manifest
from collibra_tasks.ledger.store import (
    MAX_FOUND_VALUES,
    MAX_VALUE_BYTES,
    MissingValueError,
    StoredValue,
    StoreUnavailableError,
)
from tests.support.memory_faults import START, CrashError, Faults, ManualClock, Moment

__all__ = [
    "START",
    "CrashError",
    "ManualClock",
    "MemorySlots",
    "MemoryStorage",
    "MemoryStore",
    "Moment",
]


@dataclass(kw_only=True)
class _Row:
    text: str
    tags: tuple[str, ...]
    created_on: datetime | None
    updated_on: datetime | None


class MemoryStore(Faults):
    """Named values in memory.

    ``requests`` counts the calls by operation: create, update, delete, read, find.
    """

    def __init__(self, clock: ManualClock | None = None, *, is_shared: bool = True) -> None:
        super().__init__()
        self.clock = clock or ManualClock()
        self._is_shared = is_shared
        self._rows: dict[str, _Row] = {}

    @property
    def is_shared(self) -> bool:
        return self._is_shared

    def create(self, name: str, value: dict[str, Any], tags: Sequence[str]) -> bool:
        text = _check(name, value)
        with self.during("create", name):
            created = name not in self._rows
            if created:
                self._write(name, text, tags)
        return created

    def update(self, name: str, value: dict[str, Any], tags: Sequence[str]) -> None:
        text = _check(name, value)
        with self.during("update", name):
            if name not in self._rows:
                raise MissingValueError(f"{name} does not exist.")
            self._write(name, text, tags)

    def delete(self, name: str) -> None:
        with self.during("delete", name):
            self._rows.pop(name, None)

    def read(self, names: Sequence[str]) -> list[StoredValue]:
        with self.during("read", ",".join(names)):
            return [self._stored(name) for name in names if name in self._rows]

    def find(self, tag: str, *, limit: int = MAX_FOUND_VALUES) -> list[StoredValue]:
        with self.during("find", tag):
            names = sorted((n for n, row in self._rows.items() if tag in row.tags), reverse=True)
            return [self._stored(name) for name in names[:limit]]

    def now(self) -> datetime:
        return self.clock.now()

    def put(
        self,
        name: str,
        value: Any,
        tags: Sequence[str] = (),
        *,
        updated_on: datetime | Literal["now"] | None = "now",
    ) -> None:
        """Write a value as a person does in the UI: uncounted, unchecked, of any shape."""
        self._write(name, json.dumps(value), tags)
        if updated_on != "now":
            self._rows[name].updated_on = updated_on

    def remove(self, name: str) -> None:
        """Delete a value as a person does in the UI."""
        self._rows.pop(name, None)

    def snapshot(self) -> dict[str, Any]:
        """Return all values by name, uncounted."""
        return {name: json.loads(row.text) for name, row in self._rows.items()}

    def save(self) -> Callable[[], None]:
        """Return a function that restores the present content, as a database restore does."""
        rows = {name: _Row(**vars(row)) for name, row in self._rows.items()}

        def restore() -> None:
            self._rows = {name: _Row(**vars(row)) for name, row in rows.items()}

        return restore

    def _write(self, name: str, text: str, tags: Sequence[str]) -> None:
        now = self.clock.now()
        before = self._rows.get(name)
        created_on = before.created_on if before else now
        self._rows[name] = _Row(text=text, tags=tuple(tags), created_on=created_on, updated_on=now)

    def _stored(self, name: str) -> StoredValue:
        row = self._rows[name]
        return StoredValue(
            name=name,
            value=json.loads(row.text),
            updated_on=row.updated_on,
            created_on=row.created_on,
        )


class MemoryStorage(Faults):
    """Manifests and checkpoint of one synchronization in memory.

    ``requests`` counts the calls by operation: read_manifest, write_manifest, list_manifests,
    prune_manifests, read_checkpoint, write_checkpoint.
    """

    def __init__(self, clock: ManualClock | None = None) -> None:
        super().__init__()
        self.clock = clock or ManualClock()
        self.manifests: dict[str, tuple[Manifest, datetime]] = {}
        self._checkpoint: bytes | None = None

    def read_manifest(self, name: str) -> Manifest | None:
        with self.during("read_manifest", name):
            manifest, _ = self.manifests.get(name, (None, None))
        return manifest

    def write_manifest(self, manifest: Manifest) -> str:
        name = f"manifest-{manifest.digest[:16]}"
        with self._writing("write_manifest", name):
            self.manifests[name] = (manifest, self.clock.now())
        return name

    def list_manifests(self) -> list[tuple[str, datetime]]:
        with self.during("list_manifests", ""):
            found = [(name, on) for name, (_, on) in self.manifests.items()]
        return sorted(found, key=lambda each: each[1], reverse=True)

    def prune_manifests(self, *, keep: Sequence[str] = ()) -> None:
        with self.during("prune_manifests", ""):
            for name, _ in self.list_manifests()[20:]:
                if name not in keep:
                    del self.manifests[name]

    def read_checkpoint(self) -> Checkpoint | None:
        with self.during("read_checkpoint", ""):
            content = self._checkpoint
        return Checkpoint.from_bytes(content) if content is not None else None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        with self._writing("write_checkpoint", ""):
            self._checkpoint = checkpoint.to_bytes()

    def forget_checkpoint(self) -> None:
        """Lose the checkpoint, as an emptied bucket does."""
        self._checkpoint = None

    def save(self) -> Callable[[], None]:
        """Return a function that restores the present content, as a backup does."""
        manifests, checkpoint = dict(self.manifests), self._checkpoint

        def restore() -> None:
            self.manifests, self._checkpoint = dict(manifests), checkpoint

        return restore

    @contextmanager
    def _writing(self, operation: str, name: str) -> Iterator[None]:
        try:
            with self.during(operation, name):
                yield
        except StoreUnavailableError as error:
            raise FinalizationRefusedError(f"Storage not writable: {error}") from error


class MemorySlots:
    """Import slots of one environment in memory."""

    def __init__(self, limit: int = 8) -> None:
        self.limit, self.taken = limit, 0

    @contextmanager
    def acquire(self, count: int, *, wait_seconds: float) -> Iterator[int]:
        got = min(count, self.limit - self.taken)
        if got < 1:
            raise FinalizationRefusedError(f"No import slot became free in {wait_seconds:g} s.")
        self.taken += got
        try:
            yield got
        finally:
            self.taken -= got


def _check(name: str, value: dict[str, Any]) -> str:
    assert re.fullmatch(r"[a-z0-9_-]{1,255}", name), f"Prefect refuses the name {name!r}"
    text = json.dumps(value)
    if len(text.encode()) > MAX_VALUE_BYTES:
        raise ValueError(f"{name} is larger than {MAX_VALUE_BYTES:,} bytes.")
    return text
