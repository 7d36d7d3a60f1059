"""Rows out of an Excel workbook, only to count and check them: the file is sent whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.files import SourceFile
from collibra_tasks.sources.rows import Row
from collibra_tasks.sources.values import Position

if TYPE_CHECKING:
    from openpyxl import Workbook

_DAMAGE: Final = (
    *(BadZipFile, ParseError, zlib.error, EOFError, NotImplementedError),
    *(ValueError, LookupError, TypeError, AttributeError),  # how openpyxl stumbles over odd XML
)


def read_excel_rows(file: SourceFile, sheet: str | None) -> Iterator[Row]:
    """Read all rows of one sheet, by default the first; empty ones at its end are passed over.

    Rows are as wide as the first one, unless they hold more.

    Raises:
        SourceError: It is no workbook, or lacks the sheet, or has an empty row before its last; or
            openpyxl is not installed.
    """
    columns = empty = 0
    for number, row in enumerate(_read_values(file, sheet), start=1):
        cells = [_write_cell(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            empty = empty or number
        elif empty:
            raise SourceError(
                f"{file.label}, row {empty}: is empty; a workbook is sent whole, and Collibra "
                "would take it for a row: delete it"
            )
        else:
            columns = columns or len(cells)
            cells += [""] * (columns - len(cells))
            yield Row(Position(file.label, "row", number), cells)


def _read_values(file: SourceFile, sheet: str | None) -> Iterator[tuple[object, ...]]:
    try:
        from openpyxl import load_workbook  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise SourceError(
            f"{file.label}: Excel is read with openpyxl, which is not installed here; "
            'pip install "collibra-tasks[excel]"'
        ) from None
    with file.reading() as stream, _refusing_damage(file):
        workbook = load_workbook(stream, read_only=True, data_only=True)
        try:
            yield from _choose_sheet(workbook, sheet, file).iter_rows(values_only=True)
        finally:
            workbook.close()


def _choose_sheet(workbook: Workbook, name: str | None, file: SourceFile) -> Any:  # noqa: ANN401 - the stubs give a read-only sheet no rows
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    name = workbook.sheetnames[0] if name is None else name
    if name not in sheets:
        raise SourceError(f"{file.label}: there is no sheet {name!r} with cells")
    chosen: Any = sheets[name]
    chosen.reset_dimensions()  # what a sheet says of its own size may be wrong, and would cut it
    return chosen


@contextmanager
def _refusing_damage(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise SourceError(f"{file.label}: is no sound Excel workbook (.xlsx): {error}") from None


def _write_cell(value: object) -> str:
    return "" if value is None else str(value)
