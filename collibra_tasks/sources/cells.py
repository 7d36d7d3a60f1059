"""Cells in a template: constants, and texts with placeholders.

The text of a cell is inserted as data and never read again, so that a cell may hold anything,
also a placeholder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from collibra_tasks.sources.placeholders import PLACEHOLDER, Columns

Row = Sequence[str]


class RowError(ValueError):
    """Reason why a row cannot be filled in; the reader adds the place."""


class Node(Protocol):
    """Part of a template.

    Attributes:
        columns: Indexes of the columns that the part uses; empty for a constant.
    """

    @property
    def columns(self) -> tuple[int, ...]:
        """Return the indexes of the columns."""

    def fill(self, row: Row) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value for a row."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Value without a placeholder: text, number, boolean or null."""

    value: Any
    columns: tuple[int, ...] = ()

    def fill(self, _row: Row) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Text:
    """Text with placeholders.

    Attributes:
        parts: Constant texts and indexes of columns, in order.
        required: Label of the text for messages if no cell may be empty, else empty.
    """

    parts: tuple[str | int, ...]
    columns: tuple[int, ...]
    table: Columns = field(repr=False)
    required: str = ""

    def fill(self, row: Row) -> str:
        """Return the text with the cells in it.

        Raises:
            RowError: A required cell is empty.
        """
        if self.required:
            for index in self.columns:
                if not row[index]:
                    cell = self.table.describe(index)
                    raise RowError(f"{cell} is empty, but {self.required} needs it.")
        if len(self.parts) == 1:
            return row[self.columns[0]]
        return "".join([each if isinstance(each, str) else row[each] for each in self.parts])


def compile_text(text: str, table: Columns, required: str = "") -> Node:
    """Return the compiled form of a text.

    Args:
        text: Text of a template, with or without placeholders.
        table: Columns of the table.
        required: Label of the text for messages if no cell may be empty.
    """
    pieces = PLACEHOLDER.split(text)  # texts at even places, names at odd ones
    if len(pieces) == 1:
        return Constant(text)
    parts: list[str | int] = [
        table.find(piece) if number % 2 else piece
        for number, piece in enumerate(pieces)
        if number % 2 or piece
    ]
    columns = tuple(dict.fromkeys(part for part in parts if isinstance(part, int)))
    return Text(tuple(parts), columns, table, required)


def union_columns(nodes: Iterable[Node]) -> tuple[int, ...]:
    """Return the columns of several parts, each once."""
    return tuple(dict.fromkeys(index for node in nodes for index in node.columns))
