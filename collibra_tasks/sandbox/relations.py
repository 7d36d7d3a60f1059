"""Relations between assets, stored at both ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

_End = tuple[str, str]


class Relations:
    """IDs of related assets, by asset ID and by relation type with direction.

    A copy shares its content with the original. Each of them copies what it changes, so that an
    import that is rolled back costs little.
    """

    def __init__(
        self,
        targets: dict[_End, dict[str, None]] | None = None,
        roles: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Start without relations, or with the content of another object."""
        self._targets = targets or {}
        self._roles = roles or {}
        self._owned: set[_End] = set()

    def copy(self) -> Self:
        """Return an independent copy."""
        self._owned = set()
        return type(self)(dict(self._targets), dict(self._roles))

    def roles(self, asset_id: str) -> tuple[str, ...]:
        """Return the relation types and directions in which an asset has relations."""
        return self._roles.get(asset_id, ())

    def targets(self, asset_id: str, role: str) -> tuple[str, ...]:
        """Return the IDs of the assets that a relation type and direction relates."""
        return tuple(self._targets.get((asset_id, role), ()))

    def replace(self, asset_id: str, role: str, targets: Iterable[str]) -> None:
        """Replace the relations of one type and direction, at both ends."""
        end, opposite = (asset_id, role), opposite_of(role)
        before, after = self._targets.get(end, {}), dict.fromkeys(targets)
        if list(before) == list(after):
            return
        self._store(end, after)
        for target in before.keys() - after.keys():
            self._remove((target, opposite), asset_id)
        for target in after:
            self._add((target, opposite), asset_id)

    def _add(self, end: _End, target: str) -> None:
        held = self._targets.get(end, {})
        if target in held:
            return
        if end in self._owned:
            held[target] = None
        else:
            self._store(end, {**held, target: None})

    def _remove(self, end: _End, target: str) -> None:
        held = self._targets.get(end, {})
        if end in self._owned and len(held) > 1:
            held.pop(target, None)
        else:
            self._store(end, {each: None for each in held if each != target})

    def _store(self, end: _End, targets: dict[str, None]) -> None:
        asset_id, role = end
        others = tuple(each for each in self.roles(asset_id) if each != role)
        if targets:
            self._owned.add(end)
            self._targets[end] = targets
            self._roles[asset_id] = (*others, role)
        else:
            self._owned.discard(end)
            self._targets.pop(end, None)
            self._roles[asset_id] = others


def opposite_of(role: str) -> str:
    """Return the same relation type in the opposite direction."""
    relation_type, _, direction = role.rpartition(":")
    return f"{relation_type}:{'SOURCE' if direction == 'TARGET' else 'TARGET'}"
