"""Parts of a template, compiled once, that are filled in for each row.

Empty cells leave out what may be left out: a value, a target, a tag, a person, an optional text.
Source: Collibra's published tables and JSON with the same content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from collibra_tasks.sources.cells import Node, Row, RowError, Text
from collibra_tasks.sources.placeholders import Columns

LEFT_OUT: Final = object()
"""Mark of a part that is left out, because all its cells are empty."""


@dataclass(frozen=True, slots=True)
class FixedObject:
    """Object all of whose parts are needed, such as an identifier or a type.

    Attributes:
        entries: Keys and values; a key without placeholder is a plain text.
        constant_keys: Whether no key has a placeholder.
    """

    entries: tuple[tuple[Any, Node], ...]
    columns: tuple[int, ...]
    constant_keys: bool

    def fill(self, row: Row) -> dict[str, Any]:
        """Return the object."""
        if self.constant_keys:
            return {key: value.fill(row) for key, value in self.entries}
        return _build_object([(_fill_key(key, row), each.fill(row)) for key, each in self.entries])


@dataclass(frozen=True, slots=True)
class FixedList:
    """List all of whose items are needed."""

    items: tuple[Node, ...]
    columns: tuple[int, ...]

    def fill(self, row: Row) -> list[Any]:
        """Return the list."""
        return [item.fill(row) for item in self.items]


@dataclass(frozen=True, slots=True)
class Optional:
    """Object whose entries are left out where all their cells are empty.

    Attributes:
        entries: Keys and values; a key without placeholder is a plain text.
    """

    entries: tuple[tuple[Any, Node], ...]
    columns: tuple[int, ...]

    def fill(self, row: Row) -> dict[str, Any]:
        """Return the object.

        Raises:
            RowError: A cell that holds a key is empty, but its value is not.
        """
        kept = []
        for key, value in self.entries:
            content = fill_or_leave_out(value, row)
            if content is LEFT_OUT:
                continue
            name = _fill_key(key, row)
            if not name:
                raise RowError(
                    "a cell that names an attribute, relation or role is empty, but its value is "
                    "not."
                )
            kept.append((name, content))
        return _build_object(kept)


@dataclass(frozen=True, slots=True)
class Many:
    """List whose items are left out where all their cells are empty."""

    items: tuple[Node, ...]
    columns: tuple[int, ...]

    def fill(self, row: Row) -> list[Any]:
        """Return the list."""
        filled: list[Any] = []
        for item in self.items:
            content = fill_or_leave_out(item, row)
            if content is LEFT_OUT:
                continue
            if isinstance(item, Cell | Parallel):
                filled.extend(content)
            else:
                filled.append(content)
        return filled


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of a list of tags or values: its cell may hold several, separated."""

    text: Text
    columns: tuple[int, ...]
    separator: str

    def fill(self, row: Row) -> list[str]:
        """Return the texts of the cell.

        Raises:
            RowError: The cell holds several, and the template adds text to it.
        """
        if len(self.text.parts) == 1:
            return split_cell(
                row[self.columns[0]], self.separator, self.text.table, self.columns[0]
            )
        for index in self.columns:
            if self.separator in row[index]:
                raise RowError(
                    f"{self.text.table.describe(index)} holds the list separator "
                    f"{self.separator!r}, but the template adds text to the cell. "
                    "Use a cell of its own for each entry, or set list_separator."
                )
        return [self.text.fill(row)]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Target of a complex relation: its cells may hold lists of equal length."""

    target: Node
    columns: tuple[int, ...]
    separator: str
    table: Columns = field(repr=False)

    def fill(self, row: Row) -> list[Any]:
        """Return the targets.

        Raises:
            RowError: The cells hold lists of different lengths.
        """
        if not any(self.separator in row[index] for index in self.columns):
            return [self.target.fill(row)]
        lists = {i: split_cell(row[i], self.separator, self.table, i) for i in self.columns}
        lengths = {len(each) for each in lists.values()}
        if len(lengths) > 1:
            found = ", ".join(f"{self.table.describe(i)}: {len(each)}" for i, each in lists.items())
            raise RowError(
                f"the cells of a relation's targets hold lists of different lengths ({found}). "
                "Write the same number in each, or set list_separator if a name holds "
                f"{self.separator!r}."
            )
        targets = []
        for number in range(lengths.pop()):
            part = list(row)
            for index, entries in lists.items():
                part[index] = entries[number]
            targets.append(self.target.fill(part))
        return targets


@dataclass(frozen=True, slots=True)
class Required:
    """Part of a command that is never left out, even if all its cells are empty."""

    node: Node

    @property
    def columns(self) -> tuple[int, ...]:
        """Return the indexes of the columns."""
        return self.node.columns

    def fill(self, row: Row) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value."""
        return self.node.fill(row)


def fill_or_leave_out(node: Node, row: Row) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a part, or `LEFT_OUT` if it uses cells and all of them are empty."""
    if not node.columns or isinstance(node, Required):
        return node.fill(row)
    if isinstance(node, Optional | Many):  # a constant beside empty cells stays
        return node.fill(row) or LEFT_OUT
    for index in node.columns:
        if row[index]:
            return node.fill(row)
    return node.fill(row) if isinstance(node, Text) and node.required else LEFT_OUT


def split_cell(cell: str, separator: str, table: Columns, index: int) -> list[str]:
    """Return the entries of a cell; a cell without separator is one entry, as written.

    Raises:
        RowError: An entry is blank.
    """
    if separator not in cell:
        return [cell]
    entries = [entry.strip() for entry in cell.split(separator)]
    if not all(entries):
        raise RowError(
            f"{table.describe(index)} has a blank entry in the list {cell!r:.60}. "
            f"Remove the surplus {separator!r}, or set list_separator."
        )
    return entries


def _build_object(entries: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(entries)
    if len(built) != len(entries):
        keys = [key for key, _ in entries]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RowError(f"the key {twice!r:.60} results twice in one object.")
    return built


def _fill_key(key: Any, row: Row) -> str:  # noqa: ANN401 - a text or a part of a template
    return key if isinstance(key, str) else str(key.fill(row))
