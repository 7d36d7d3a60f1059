"""Epochs of a lock in the store: numbered values, of which the newest names the holder."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Self

from pydantic import TypeAdapter

from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import COMMON_TAG, MissingValueError, Store, StoredValue

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """The holder of a lock.

    Attributes:
        token: Token of one acquisition; a second attempt of a flow run has another one.
        flow_run_id: ID of the flow run; ``None`` outside of a flow run.
        flow_run_name: Name of the flow run.
        purpose: Reason for holding the lock, a noun such as ``upload``.
        released: Whether the holder has released the lock.
    """

    token: str
    flow_run_id: str | None = None
    flow_run_name: str | None = None
    purpose: str = ""
    released: bool = False

    def __str__(self) -> str:
        """Return the holder for a sentence."""
        who = f"flow run {self.flow_run_name!r}" if self.flow_run_name else "another process"
        return f"{who} ({self.purpose})" if self.purpose else who


_holders = TypeAdapter(LockHolder)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch in the store; ``holder`` is ``None`` if its value is unreadable."""

    number: int
    name: str
    holder: LockHolder | None
    created_on: datetime | None
    updated_on: datetime | None

    @classmethod
    def from_stored(cls, number: int, stored: StoredValue) -> Self:
        """Read an epoch, whatever its value is."""
        holder = None
        with suppress(ValueError):
            holder = _holders.validate_python(stored.value)
        return cls(number, stored.name, holder, stored.created_on, stored.updated_on)

    def is_held_by(self, token: str) -> bool:
        """Return whether an acquisition holds the lock in this epoch."""
        return self.holder is not None and self.holder.token == token and not self.holder.released

    def __str__(self) -> str:
        """Return holder and start for a sentence."""
        who = str(self.holder) if self.holder else f"the unreadable variable {self.name}"
        if self.created_on is None:
            return f"{who} holds it"
        return f"{who} has held it since {self.created_on:%Y-%m-%d %H:%M:%S} UTC"


class Epochs:
    """The epochs of one lock in the store."""

    def __init__(self, store: Store, environment: str, synchronization_id: str, log: Log) -> None:
        """Name the lock; nothing is read."""
        self.synchronization_id = synchronization_id
        self._store, self._log = store, log
        self._tag = resource_name("lock", environment, synchronization_id)
        self._named: set[str] = set()

    def read(self) -> list[Epoch]:
        """Return all epochs, the newest first."""
        epochs = []
        for stored in self._store.find(self._tag):
            match = re.fullmatch(re.escape(self._tag) + r"-(\d{8,})", stored.name)
            if match is None:
                self._report(stored.name, "is no part of the lock and is ignored")
                continue
            epochs.append(Epoch.from_stored(int(match[1]), stored))
            if epochs[-1].holder is None:
                self._report(stored.name, "is unreadable; it counts as held until it expires")
        return sorted(epochs, key=lambda epoch: epoch.number, reverse=True)

    def create(self, number: int, holder: LockHolder) -> None:
        """Create an epoch, unless it exists."""
        self._store.create(self._name_of(number), asdict(holder), [COMMON_TAG, self._tag])

    def update(self, number: int, holder: LockHolder) -> None:
        """Write an epoch again, which renews it."""
        self._store.update(self._name_of(number), asdict(holder), [COMMON_TAG, self._tag])

    def restore_tag(self, number: int) -> None:
        """Write an epoch again that has lost its tag, as by ``prefect variable set``.

        It counts as renewed, so another run waits until it expires.
        """
        for kept in self._store.read([self._name_of(number)]):
            value = kept.value if isinstance(kept.value, dict) else {"text": str(kept.value)}
            with suppress(MissingValueError):  # deleted meanwhile: its number is free
                self._store.update(kept.name, value, [COMMON_TAG, self._tag])

    def delete(self, epoch: Epoch) -> None:
        """Delete an outdated epoch."""
        self._store.delete(epoch.name)

    def now(self) -> datetime:
        """Return the time by the store's clock."""
        return self._store.now()

    def _name_of(self, number: int) -> str:
        return f"{self._tag}-{number:08d}"

    def _report(self, name: str, fault: str) -> None:
        if name not in self._named:
            self._named.add(name)
            self._log(f"Variable {name} {fault}. Delete it if a person created or edited it.")
