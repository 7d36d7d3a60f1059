"""Rows out of an Excel workbook, only to count and check them: the file is sent whole."""

from __future__ import annotations

from collections.abc import Iterator
from zipfile import BadZipFile

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.files import SourceFile
from collibra_tasks.sources.rows import Row
from collibra_tasks.sources.values import Position


def read_excel_rows(file: SourceFile, sheet: str | None) -> Iterator[Row]:
    """Read all rows of one sheet, by default the first; rows without any cell are passed over.

    Rows are as wide as the first one, unless they hold more.

    Raises:
        SourceError: It is no workbook, or lacks the sheet.
    """
    columns = 0
    for number, row in enumerate(_read_values(file, sheet), start=1):
        cells = [_write_cell(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            columns = columns or len(cells)
            cells += [""] * (columns - len(cells))
            yield Row(Position(file.label, "row", number), cells)


def _read_values(file: SourceFile, sheet: str | None) -> Iterator[tuple[object, ...]]:
    from openpyxl import load_workbook  # noqa: PLC0415 - slow to import, and few sources are Excel

    with file.reading() as stream:
        try:
            workbook = load_workbook(stream, read_only=True, data_only=True)
        except (BadZipFile, KeyError, ValueError) as error:
            raise SourceError(f"{file.label}: is no Excel workbook (.xlsx): {error}") from None
        try:
            if sheet is not None and sheet not in workbook.sheetnames:
                raise SourceError(f"{file.label}: there is no sheet {sheet!r}")
            yield from workbook[sheet or workbook.sheetnames[0]].iter_rows(values_only=True)
        finally:
            workbook.close()


def _write_cell(value: object) -> str:
    return "" if value is None else str(value)
