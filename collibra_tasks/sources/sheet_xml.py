"""Facts in the XML of an Excel sheet that openpyxl does not return when it streams rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

_UNCALCULATED: Final = re.compile(
    rb'<c (?![^>]*t="str")([^>]*)>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)(?:<v */>|<v></v>)?</c>'
)
"""Formula without a stored result; with ``t="str"`` the result is an empty text."""

_CELL_NAME: Final = re.compile(rb'\br="([A-Z]+[0-9]+)"')
_MERGED: Final = re.compile(rb'<mergeCell [^>]*\bref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"')
_MAX_CELL_BYTES: Final = 64 << 10
_CHUNK_BYTES: Final = 1 << 20


class UncalculatedError(Exception):
    """A formula without a stored result; the text is the name of its cell."""


class MergedCells(NamedTuple):
    """Area of merged cells; only its first cell has the value.

    Attributes:
        first_row: Number of the first row, from 1.
        last_row: Number of the last row.
        first_column: Index of the first column, from 0.
        last_column: Index of the last column.
        name: Name of the first cell.
    """

    first_row: int
    last_row: int
    first_column: int
    last_column: int
    name: str


def scan_sheet(part: BinaryIO) -> list[MergedCells]:
    """Return the merged cells of a sheet, sorted by their first row.

    Args:
        part: XML of the sheet.

    Raises:
        UncalculatedError: A formula has no stored result; openpyxl would return an empty cell.
    """
    merged: set[MergedCells] = set()
    overlap = b""
    while content := part.read(_CHUNK_BYTES):
        text = overlap + content
        if found := _UNCALCULATED.search(text):
            name = _CELL_NAME.search(found[1])
            raise UncalculatedError(name[1].decode() if name else "unknown")
        merged.update(_find_merged(text))
        overlap = content[-_MAX_CELL_BYTES:]
    return sorted(merged)


class MergedRows:
    """Merged cells that cover a row; the rows are visited in ascending order."""

    def __init__(self, merged: list[MergedCells]) -> None:
        """Start above the first row."""
        self._waiting = list(reversed(merged))
        self._active: list[MergedCells] = []

    def find_covered(self, row: int, width: int) -> dict[int, str]:
        """Return the cells of a row that another cell covers, with the reason.

        Args:
            row: Number of the row, from 1.
            width: Number of columns that matter.
        """
        while self._waiting and self._waiting[-1].first_row <= row:
            self._active.append(self._waiting.pop())
        if not self._active:
            return {}
        self._active = [each for each in self._active if each.last_row >= row]
        return {
            index: f"merged with {each.name}, which alone has the value. Unmerge the cells and "
            "write the value in each."
            for each in self._active
            for index in range(each.first_column, min(each.last_column + 1, width))
            if (row, index) != (each.first_row, each.first_column)
        }


def _find_merged(text: bytes) -> Iterator[MergedCells]:
    if b"<mergeCell " not in text:
        return
    for column, row, last_column, last_row in _MERGED.findall(text):
        yield MergedCells(
            int(row),
            int(last_row),
            _column_index(column),
            _column_index(last_column),
            (column + row).decode(),
        )


def _column_index(letters: bytes) -> int:
    index = 0
    for letter in letters:
        index = index * 26 + letter - ord("A") + 1
    return index - 1
