"""Merge of commands that have the same identifier.

Rules, for every field of the merged command:

* ``attributes``, ``relations`` and ``responsibilities`` are united per type or role, ``tags`` as a
  whole. Equal values count once. A list that is the same in all commands stays as it is. Lists
  that differ become one list, sorted by JSON text: the order of the commands has no effect.
* Attributes of one type with ``values`` (one multi-value attribute) become one attribute with all
  values.
* Attributes of one type with ``value`` are united only where at least one command lists several
  values. Commands with one value each must have the same value: the type may allow only one, and
  the merge cannot know which one is right.
* An empty list adds nothing to another list. ``null`` is the same as an absent field.
* Every other field (``type``, ``status``, ``displayName``, a field that the library does not know)
  is a single value and must be equal in all commands that have it.

The first command decides position and source file of the merged command.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from collibra_tasks.sources.canonical import dump_json
from collibra_tasks.sources.command_keys import normalize_key
from collibra_tasks.sources.identifiers import (
    ASSET,
    COMMUNITY,
    COMPLEX_RELATION,
    DOMAIN,
    MAPPING,
)
from collibra_tasks.sources.records import RecordPosition

Command = dict[str, Any]
Value = Any
"""Any JSON value."""

MAX_SHOWN_VALUE: Final = 80
"""Maximum number of characters of a value in an error message."""

_MAPS: Final = {"attributes": "attribute", "relations": "relation", "responsibilities": "role"}

_UNITED: Final = {
    COMMUNITY: ("identifier", "responsibilities"),
    DOMAIN: ("identifier", "responsibilities"),
    ASSET: ("identifier", "tags", *_MAPS),
    MAPPING: ("identifier",),
    COMPLEX_RELATION: ("identifier", "attributes", "relations"),
}
"""Fields that are merged by a rule of their own, by resource type."""


class CommandMerger:
    """Merge of the commands about one resource, one command at a time.

    Only distinct values are held, so that memory depends on the merged command.
    """

    def __init__(self) -> None:
        """Start without any command."""
        self._fields: dict[str, _Single | _Identifier | _Union | _Map] = {}

    def add(self, command: Command, position: RecordPosition) -> None:
        """Add the next command, in the order of the source."""
        for name, value in command.items():
            if name not in self._fields:
                united = name in _UNITED.get(command.get("resourceType", ASSET), ())
                self._fields[name] = _collector(name) if united else _Single()
            self._fields[name].add(value, position)

    def merge(self) -> Command:
        """Return the merged command; where values differ, the first one."""
        return {name: collector.merge() for name, collector in self._fields.items()}

    def find_faults(self) -> list[str]:
        """Return one sentence for each pair of values that exclude each other."""
        return [fault for name, each in self._fields.items() for fault in each.find_faults(name)]


@dataclass(slots=True)
class _Single:
    """A field that has one value, with the first value that differs from it."""

    value: Any = None
    text: bytes = b""
    position: RecordPosition | None = None
    other: tuple[bytes, RecordPosition] | None = None

    def add(self, value: Value, position: RecordPosition) -> None:
        if value is None:
            return
        text = dump_json(value)
        if self.position is None:
            self.value, self.text, self.position = value, text, position
        elif self.text != text and self.other is None:
            self.other = text, position

    def merge(self) -> Value:
        return self.value

    def find_faults(self, name: str) -> list[str]:
        if self.position is None or self.other is None:
            return []
        return [_describe(f"the field {name}", (self.text, self.position), self.other)]


@dataclass(slots=True)
class _Identifier:
    """The identifier: spellings of the same identifier differ at most in case or order."""

    spellings: dict[bytes, Any] = field(default_factory=dict)

    def add(self, value: Value, _: RecordPosition) -> None:
        self.spellings[dump_json(value)] = value

    def merge(self) -> Value:
        return self.spellings[min(self.spellings)]

    def find_faults(self, _: str) -> list[str]:
        return []


@dataclass(slots=True)
class _Union:
    """A list whose elements are united."""

    elements: dict[bytes, Any] = field(default_factory=dict)
    first: Any = None
    text: bytes = b""
    is_same: bool = True

    def add(self, value: Value, _: RecordPosition) -> None:
        if value is None:
            return
        text = dump_json(value)
        if self.first is None:
            self.first, self.text = value, text
        self.is_same &= self.text == text
        for each in value:
            self.elements.setdefault(dump_json(each), each)

    def merge(self) -> Value:
        if self.is_same:
            return self.first
        return [self.elements[text] for text in sorted(self.elements)]

    def find_faults(self, _: str) -> list[str]:
        return []


@dataclass(slots=True)
class _Attributes(_Union):
    """The attributes of one type, which may be several single values or one multi-value."""

    places: dict[bytes, RecordPosition] = field(default_factory=dict)
    has_several: bool = False

    def add(self, value: Value, position: RecordPosition) -> None:
        _Union.add(self, value, position)
        for each in value or ():
            self.places.setdefault(dump_json(each), position)
        self.has_several |= len(value or ()) > 1

    def merge(self) -> Value:
        if self.is_same or not self._is_multi_value():
            return _Union.merge(self)
        values = _Union()
        for each in self.elements.values():
            values.add(each["values"], next(iter(self.places.values())))
        return [{"values": values.merge()}]

    def find_faults(self, name: str) -> list[str]:
        if self.has_several or len(self.elements) <= 1 or self._is_multi_value():
            return []
        one, other = list(self.places.items())[:2]
        return [_describe(name, one, other)]

    def _is_multi_value(self) -> bool:
        return not self.has_several and all(
            isinstance(each, dict)
            and each.keys() == {"values"}
            and isinstance(each["values"], list)
            for each in self.elements.values()
        )


@dataclass(slots=True)
class _Map:
    """Lists by type or role."""

    word: str
    lists: dict[str, _Union] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    is_given: bool = False

    def add(self, value: Value, position: RecordPosition) -> None:
        if value is None:
            return
        self.is_given = True
        for spelling, each in value.items():
            key = normalize_key(spelling)
            if key not in self.lists:
                self.lists[key] = _Attributes() if self.word == "attribute" else _Union()
            self.spellings[key] = min(spelling, self.spellings.get(key, spelling))
            self.lists[key].add(each, position)

    def merge(self) -> Value:
        if not self.is_given:
            return None
        return {self.spellings[key]: each.merge() for key, each in self.lists.items()}

    def find_faults(self, _: str) -> list[str]:
        return [
            fault
            for key, each in self.lists.items()
            for fault in each.find_faults(f"the {self.word} {key!r}")
        ]


def _collector(name: str) -> _Single | _Identifier | _Union | _Map:
    if name == "identifier":
        return _Identifier()
    if name == "tags":
        return _Union()
    return _Map(_MAPS[name]) if name in _MAPS else _Single()


def _describe(
    subject: str, one: tuple[bytes, RecordPosition], other: tuple[bytes, RecordPosition]
) -> str:
    return (
        f"{one[1]} and {other[1]}: {subject} of {one[1].identifier!r} has two different values, "
        f"{_shorten(one[0])} and {_shorten(other[0])}"
    )


def _shorten(text: bytes) -> str:
    shown = text.decode()
    return shown if len(shown) <= MAX_SHOWN_VALUE else f"{shown[:MAX_SHOWN_VALUE]}…"
