"""Translation of a template into parts that are filled in for each row.

Lists are split only in ``tags``, in ``values`` and in the targets of complex relations, because
Collibra publishes no other case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collibra_tasks.sources.cells import Constant, Node, Text, compile_text, union_columns
from collibra_tasks.sources.filling import (
    Cell,
    FixedList,
    FixedObject,
    Many,
    Optional,
    Parallel,
    Required,
)
from collibra_tasks.sources.placeholders import PLACEHOLDER, Columns

_REQUIRED_KEYS: Final = ("resourceType", "identifier", "type", "complexRelationType")
_LIST_KEYS: Final = ("tags", "values")
_MAP_KEYS: Final = ("attributes", "relations", "responsibilities")


@dataclass(frozen=True, slots=True)
class Compiler:
    """Translation of a template's JSON values into parts that are filled in.

    Attributes:
        table: Columns of the table.
        separator: Separator between several entries in one cell.
        parallel: Whether the cells of a relation's target may hold lists.
    """

    table: Columns
    separator: str
    parallel: bool

    def compile_command(self, command: dict[str, Any]) -> Optional:
        """Return the compiled form of one import command."""
        entries = [
            (self._key(key), self._compile_field(key, value)) for key, value in command.items()
        ]
        return Optional(tuple(entries), union_columns(value for _, value in entries))

    def _compile_field(self, key: str, value: Any) -> Node:  # noqa: ANN401 - any JSON value
        if key in _MAP_KEYS and isinstance(value, dict):
            return self._compile_map(value, targets=key == "relations")
        if key in _LIST_KEYS and isinstance(value, list):
            return self._compile_list(value)
        if isinstance(value, str):
            return self._text(value, key if key in _REQUIRED_KEYS else "")
        node = self._fixed(value, key)
        return Required(node) if key in _REQUIRED_KEYS else node

    def _compile_map(self, value: dict[str, Any], *, targets: bool) -> Node:
        entries = [(self._key(key), self._items(each, key, targets)) for key, each in value.items()]
        return Optional(tuple(entries), _columns_of(entries))

    def _items(self, value: Any, label: str, targets: bool) -> Node:  # noqa: ANN401, FBT001 - any JSON value
        if not isinstance(value, list):
            return self._fixed(value, label)
        items = tuple(self._item(each, label, targets) for each in value)
        return Many(items, union_columns(items))

    def _item(self, value: Any, label: str, targets: bool) -> Node:  # noqa: ANN401, FBT001 - any JSON value
        if isinstance(value, dict) and {"value", "values"} & value.keys():
            entries = [(key, self._compile_field(key, each)) for key, each in value.items()]
            return Optional(tuple(entries), union_columns(each for _, each in entries))
        node = self._fixed(value, f"a target of {label}" if targets else label)
        if targets and self.parallel and node.columns:
            return Parallel(node, node.columns, self.separator, self.table)
        return node

    def _compile_list(self, value: list[Any]) -> Node:
        items = tuple(node for each in value for node in self._cells(each))
        return Many(items, union_columns(items))

    def _cells(self, value: Any) -> Iterator[Node]:  # noqa: ANN401 - any JSON value
        if not isinstance(value, str) or not PLACEHOLDER.search(value):
            yield self._fixed(value, "")
            return
        for part in self._split_outside(value):
            node = self._text(part)
            yield Cell(node, node.columns, self.separator) if isinstance(node, Text) else node

    def _split_outside(self, text: str) -> list[str]:
        """Split a text at the list separators that stand outside its placeholders."""
        names = [found[0] for found in PLACEHOLDER.finditer(text)]
        masked = PLACEHOLDER.sub("\0", text)
        parts = [part.strip() for part in masked.split(self.separator)]
        remaining = iter(names)
        return [
            "".join(next(remaining) if each == "\0" else each for each in p) for p in parts if p
        ]

    def _fixed(self, value: Any, label: str) -> Node:  # noqa: ANN401 - any JSON value
        if isinstance(value, str):
            return self._text(value, label)
        if isinstance(value, list):
            items = tuple(self._leg(each, label) for each in value)
            if any(isinstance(item, Parallel) for item in items):
                return Many(items, union_columns(items))
            return FixedList(items, union_columns(items))
        if isinstance(value, dict):
            entries = [
                (self._key(key, label), self._fixed(each, f"{label}.{key}" if label else key))
                for key, each in value.items()
            ]
            constant = all(isinstance(key, str) for key, _ in entries)
            return FixedObject(tuple(entries), _columns_of(entries), constant)
        return Constant(value)

    def _leg(self, value: Any, label: str) -> Node:  # noqa: ANN401 - any JSON value
        """Compile an item of a list in an identifier: the target of a complex relation."""
        node = self._fixed(value, label)
        if self.parallel and node.columns and isinstance(value, dict):
            return Parallel(node, node.columns, self.separator, self.table)
        return node

    def _text(self, text: str, required: str = "") -> Node:
        return compile_text(text, self.table, required)

    def _key(self, key: str, required: str = "") -> str | Node:
        node = self._text(key, required)
        return key if isinstance(node, Constant) else node


def _columns_of(entries: Sequence[tuple[str | Node, Node]]) -> tuple[int, ...]:
    return union_columns(each for pair in entries for each in pair if not isinstance(each, str))
