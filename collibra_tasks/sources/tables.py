"""Tables: the header, the rows and their width, shared by CSV and Excel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.cells import RowError
from collibra_tasks.sources.command_keys import SPREADSHEET_ERRORS
from collibra_tasks.sources.files import EMPTY
from collibra_tasks.sources.placeholders import Columns, TemplateError, names_in
from collibra_tasks.sources.records import RecordFault, RecordPosition
from collibra_tasks.sources.templates import BoundTemplate, bind_template

_MAX_ROWS_ABOVE: Final = 20
"""Maximum number of rows that are searched for the header, to name a title row."""

Filled = tuple[object, RecordPosition] | RecordFault
Hint = Callable[[Sequence[str]], str]


class Row(NamedTuple):
    """Row of a table with at least one cell that is not empty.

    Attributes:
        unit: Unit of ``number``, as in `RecordPosition`.
        number: Number of the row, from 1.
        cells: Texts of the cells.
        problem: Reason why the cells cannot be trusted, or empty.
        doubts: Reasons why single cells cannot be trusted, by index; they follow the word *is*.
    """

    unit: str
    number: int
    cells: list[str]
    problem: str = ""
    doubts: Mapping[int, str] = MappingProxyType({})


@dataclass(slots=True, kw_only=True)
class Table:
    """Translation of the rows of one source into import commands.

    Attributes:
        template: The template, as `read_template` returns it.
        list_separator: Separator between several entries in one cell.
        header_row: Whether the first row holds the names of the columns.
        pads_rows: Whether rows may be shorter than the header, as in a workbook. Otherwise only
            the last cell may be missing.
        first_header: Header of the first file and the file's name; set by the first file.
    """

    template: Sequence[dict[str, Any]]
    list_separator: str
    header_row: bool
    pads_rows: bool
    first_header: tuple[tuple[str, ...], str] | None = field(default=None, init=False)

    def iter_commands(self, rows: Iterator[Row], file: str, hint: Hint) -> Iterator[Filled]:
        """Yield the commands of one file, and the faults of its rows.

        Args:
            rows: All rows of the file, the header included.
            file: Name of the file in messages.
            hint: Function that returns the next step when a column is missing in the given cells.

        Raises:
            SourceError: The file has no row, or its header does not fit the template.
        """
        first = next(rows, None)
        if first is None:
            raise SourceError(f"{file}: the table has no row. {EMPTY}")
        bound = self._bind(first, rows, file, hint)
        empty = True
        header = first.cells if self.header_row and bound.table.count > 1 else None
        for row in rows if self.header_row else chain([first], rows):
            empty = False
            if row.cells == header:
                position = RecordPosition(file, row.unit, row.number)
                yield RecordFault(position, "the row repeats the header. Remove it.")
            else:
                yield from self._fill(row, bound, file)
        if empty:
            step = hint(first.cells) if self.pads_rows else ""
            raise SourceError(f"{file}: the table has no row below the header. {EMPTY}{step}")

    def _bind(self, first: Row, rows: Iterator[Row], file: str, hint: Hint) -> BoundTemplate:
        columns = self._describe_columns(first)
        position = RecordPosition(file, first.unit, first.number)
        if first.problem:
            raise SourceError(f"{position}: {first.problem}")
        try:
            bound = bind_template(self.template, columns, self.list_separator)
        except TemplateError as error:
            step = self._find_header(first, rows) or hint(first.cells)
            if not step and self.first_header is not None:
                step = f" The header of {self.first_header[1]} has it."
            raise SourceError(f"{position}: {error}{step}") from None
        self._check_same_header(columns, file)
        one_column = self.header_row and columns.count == 1 and not self.pads_rows
        if one_column and (step := hint(first.cells)):
            raise SourceError(f"{position}: the table has one column, {first.cells[0]!r}.{step}")
        return bound

    def _describe_columns(self, first: Row) -> Columns:
        cells = _trim(first.cells)
        if self.header_row:
            return Columns(tuple(cells), len(cells))
        numbers = [int(name) for name in names_in(self.template) if name.isdecimal()]
        # The first row may lack its last cell, as any other.
        needed = max(numbers, default=0)
        return Columns(None, needed if needed == len(first.cells) + 1 else len(first.cells))

    def _find_header(self, first: Row, rows: Iterator[Row]) -> str:
        """Return the next step if a row further down has the columns."""
        if not self.header_row:
            return ""
        for row in islice(rows, _MAX_ROWS_ABOVE):
            cells = _trim(row.cells)
            try:
                bind_template(self.template, Columns(tuple(cells), len(cells)), self.list_separator)
            except TemplateError:
                continue
            if len(cells) > len(_trim(first.cells)) or not all(
                map(str.isdecimal, names_in(self.template))
            ):
                return (
                    f" The header seems to be {row.unit.rpartition(' ')[2]} {row.number}. "
                    "Delete the rows above it."
                )
        return ""

    def _check_same_header(self, columns: Columns, file: str) -> None:
        if columns.header is None:
            return
        if self.first_header is None:
            self.first_header = columns.header, file
            return
        header, first_file = self.first_header
        by_number = any(name.isdecimal() for name in names_in(self.template))
        if by_number and header != columns.header:
            raise SourceError(
                f"{file}: the header differs from that of {first_file}, and the template uses "
                "numbers of columns. Use names such as ${name}, or equal headers."
            )

    def _fill(self, row: Row, bound: BoundTemplate, file: str) -> Iterator[Filled]:
        position = RecordPosition(file, row.unit, row.number)
        cells = row.cells
        reason = row.problem or self._fit(cells, bound.table.count)
        if not reason and (row.doubts or "#" in (text := "".join(cells)) or "Err:" in text):
            reason = _find_error(row, bound)
        if reason:
            yield RecordFault(position, reason)
            return
        try:
            for filled in bound.fill(cells):
                if isinstance(filled, RowError):
                    yield RecordFault(position, str(filled))
                else:
                    yield filled, position
        except TemplateError as error:
            raise SourceError(f"{position}: {error}") from None

    def _fit(self, cells: list[str], count: int) -> str:
        """Bring a row to the width of the header; return the reason if that would lose a cell."""
        missing = count - len(cells)
        if missing > 0:
            if missing > 1 and not self.pads_rows:
                noun = "cell" if len(cells) == 1 else "cells"
                return (
                    f"the row has {len(cells)} {noun} instead of {count}; it may be cut off. "
                    "Export the file again, or check the separator."
                )
            cells.extend([""] * missing)
        elif missing < 0 and has_content(cells[count:]):
            surplus = next(each for each in cells[count:] if each.strip())
            return (
                f"the row has {len(_trim(cells))} cells instead of {count}; the first surplus one "
                f"is {surplus!r:.60}. Quote cells that hold the separator, or give every column a "
                "name."
            )
        return ""


def _find_error(row: Row, bound: BoundTemplate) -> str:
    """Return the reason against a cell that the template uses and that cannot be trusted."""
    for index in bound.columns:
        doubt = row.doubts.get(index, "")
        if (error := row.cells[index].strip()) in SPREADSHEET_ERRORS:
            doubt = f"{error}, an error value of a spreadsheet. Correct the formula."
        if doubt:
            cell = f"{column_letters(index)}{row.number}"
            return f"cell {cell} ({bound.table.describe(index)}) is {doubt}"
    return ""


def column_letters(index: int) -> str:
    """Return the letters of a spreadsheet column, for example ``AB`` for 27."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def has_content(cells: Sequence[str]) -> bool:
    """Return whether a row has a cell that is not blank."""
    return any(cell and not cell.isspace() for cell in cells)


def _trim(cells: Sequence[str]) -> list[str]:
    """Return the cells without the empty ones at the end."""
    length = len(cells)
    while length and not cells[length - 1].strip():
        length -= 1
    return list(cells[:length])
