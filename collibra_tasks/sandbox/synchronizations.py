"""Synchronizations: what was sent under one id, cycle by cycle."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from collibra_tasks.sandbox.commands import Command, CommandKey


class Known(NamedTuple):
    """What is kept of a command: its hash, and the asset it speaks of."""

    digest: str
    asset_id: str | None


@dataclass(slots=True)
class Synchronization:
    """What the tenant tracks for one synchronization id.

    Attributes:
        previous: The assets of the cycle that was finalized last.
        present: The assets of the open cycle so far.
        known: The hash cache.
        seen: The commands of the open cycle so far.
    """

    previous: frozenset[str] = frozenset()
    present: set[str] = field(default_factory=set)
    known: dict[CommandKey, Known] = field(default_factory=dict)
    seen: set[CommandKey] = field(default_factory=set)

    @property
    def missing(self) -> frozenset[str]:
        """Return the assets that finalizing now would find missing.

        Source: the comparison goes from cycle to cycle, *documented*; that an empty cycle makes
        every asset missing is *assumed*.
        """
        return self.previous - self.present

    def copy(self) -> Self:
        """Return a second one that can change alone."""
        return replace(self, present=set(self.present), known=dict(self.known), seen=set(self.seen))

    def unchanged(self, command: Command) -> Known | None:
        """Return what is known of a command whose like was executed before.

        Source: only commands that differ from the previous cycle are executed, *documented*.
        """
        known = self.known.get(command.key)
        return known if known and known.digest == command.digest else None

    def count_in(self, command: Command, asset_id: str | None) -> None:
        """Keep that a command was executed, or found unchanged, in the open cycle."""
        self.known[command.key] = Known(command.digest, asset_id)
        self.seen.add(command.key)
        if asset_id:
            self.present.add(asset_id)

    def close_cycle(self) -> None:
        """Make the open cycle the previous one."""
        self.previous, self.present = frozenset(self.present), set()
        self.known = {key: known for key, known in self.known.items() if key in self.seen}
        self.seen = set()

    def become(self, other: Self) -> None:
        """Track what another one tracks."""
        self.previous, self.present = other.previous, other.present
        self.known, self.seen = other.known, other.seen

    def evict(self) -> None:
        """Forget the hashes, so that every command is executed again.

        Source: what is tracked stays tracked, *documented*.
        """
        self.known.clear()


class Synchronizations(dict[str, Synchronization]):
    """All synchronizations by id."""

    def open(self, synchronization_id: str) -> Synchronization:
        """Return a synchronization, which exists from now on."""
        return self.setdefault(synchronization_id, Synchronization())

    def tracked(self, synchronization_id: str) -> Synchronization:
        """Return a synchronization, or an empty one where there is none."""
        return self.get(synchronization_id) or Synchronization()
