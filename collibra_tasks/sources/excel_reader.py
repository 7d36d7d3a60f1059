"""Rows of Excel workbooks, read with openpyxl.

python-calamine is faster, but returned an error cell as an empty text when tried (0.9.1), so that a
broken formula would look like a missing value. openpyxl returns the error value.
"""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from gzip import GzipFile
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.files import EMPTY, SourceFile
from collibra_tasks.sources.sheet_xml import (
    MergedCells,
    MergedRows,
    UncalculatedError,
    scan_sheet,
)
from collibra_tasks.sources.tables import Row, has_content

if TYPE_CHECKING:
    from openpyxl import Workbook

_DAMAGE: Final = (
    *(BadZipFile, ParseError, zlib.error, EOFError, NotImplementedError),
    *(ValueError, LookupError, TypeError, AttributeError),  # openpyxl's reactions to damaged XML
)
_MAX_EXACT: Final = 2.0**53
"""Limit below which a workbook keeps every whole number; Excel itself shows 15 digits."""

MAX_COLUMNS: Final = 16_384
"""Maximum number of columns of a sheet. Source: documented by Microsoft."""

_MIN_PLAIN: Final = 1e-15
"""Limit above which a fraction is written without an exponent."""


_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""Character that XML cannot hold, such as ``_x000D_``. Source: ECMA-376, ST_Xstring."""


class ExcelSheet:
    """One sheet of an open workbook.

    Attributes:
        name: Name of the sheet.
    """

    def __init__(self, workbook: Workbook, name: str, label: str) -> None:
        """Choose a sheet of a workbook."""
        self.name = name
        self._workbook = workbook
        self._label = label

    def iter_rows(self) -> Iterator[Row]:
        """Yield the rows of the sheet; empty ones are skipped.

        Raises:
            SourceError: The sheet is damaged, or has no row.
        """
        unit = f"sheet {self.name!r}, row"
        empty = True
        merged = MergedRows(self._scan())
        with _refusing_damage(self._label):
            for number, values in enumerate(_iter_values(self._workbook, self.name), start=1):
                cells = [format_cell(value) for value in values]
                while cells and not cells[-1]:
                    cells.pop()
                if has_content(cells):
                    empty = False
                    doubts = _find_inexact(values, cells) | merged.find_covered(number, MAX_COLUMNS)
                    yield Row(unit, number, cells, "", doubts)
        if empty:
            others = self._describe_others()
            raise SourceError(f"{self._label}: sheet {self.name!r} has no row. {EMPTY}{others}")

    def _scan(self) -> list[MergedCells]:
        """Return the merged cells, and refuse formulas without a result."""
        sheet: Any = self._workbook[self.name]
        try:
            with _refusing_damage(self._label), sheet._get_source() as part:  # noqa: SLF001 - the only way to the XML
                return scan_sheet(part)
        except UncalculatedError as cell:
            raise SourceError(
                f"{self._label}, sheet {self.name!r}, cell {cell}: the formula has no "
                "stored result. Open the workbook in Excel and save it."
            ) from None

    def suggest_sheet(self, needed: Sequence[str]) -> str:
        """Return the next step if another sheet has the columns of a template.

        Args:
            needed: Texts of the template's placeholders.
        """
        numbers = [int(name) for name in needed if name.isdecimal()]
        names = {name for name in needed if not name.isdecimal()}
        for other in self._others():
            first = next(_iter_values(self._workbook, other), ())
            header = [format_cell(value) for value in first]
            if names <= set(header) and max(numbers, default=0) <= len(header):
                return f" Sheet {other!r} has these columns: set sheet={other!r}."
        return self._describe_others()

    def _others(self) -> list[str]:
        return [name for name in _sheet_names(self._workbook) if name != self.name]

    def _describe_others(self) -> str:
        others = ", ".join(map(repr, self._others()))
        return f" Set sheet to another sheet of the workbook: {others}." if others else ""


@contextmanager
def open_sheet(file: SourceFile, sheet: str) -> Iterator[ExcelSheet]:
    """Open one sheet of a workbook.

    Args:
        file: The workbook.
        sheet: Name of the sheet; empty for the first.

    Raises:
        SourceError: The file is no workbook, the sheet does not exist, the first one is hidden, or
            openpyxl is not installed.
    """
    try:
        from openpyxl import load_workbook  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise SourceError(
            f"{file.label}: openpyxl, which reads Excel, is not installed. "
            'Run: pip install "collibra-tasks[excel]".'
        ) from None
    with file.reading() as stream, _seekable(stream) as content:
        with _refusing_damage(file.label):
            workbook = load_workbook(content, read_only=True, data_only=True)
        try:
            yield ExcelSheet(workbook, _choose_sheet(workbook, sheet, file.label), file.label)
        finally:
            workbook.close()


def format_cell(value: object) -> str:
    """Return the text of a cell: whole numbers without a fraction, dates as ISO 8601.

    Args:
        value: A value as openpyxl returns it.
    """
    if value is None or isinstance(value, str):
        text = value or ""
        return _ESCAPED.sub(_unescape, text) if "_x" in text else text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _format_float(value)
    if isinstance(value, datetime):
        return _format_moment(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return _format_duration(value) if isinstance(value, timedelta) else str(value)


def _format_float(value: float) -> str:
    if value.is_integer() and abs(value) < _MAX_EXACT:
        return str(int(value))
    text = str(value)
    # Collibra would not read an exponent as the number that the sheet shows.
    is_small = "e-" in text and abs(value) >= _MIN_PLAIN
    return format(Decimal(text), "f") if is_small else text


def _unescape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    # No text that Collibra stores can hold these.
    return found[0] if character == "\0" or "\ud800" <= character <= "\udfff" else character


def _find_inexact(values: Sequence[object], cells: Sequence[str]) -> dict[int, str]:
    """Return the indexes of numbers whose last digits were lost in the workbook."""
    return {
        index: f"the number {cells[index]}, whose last digits a spreadsheet does not keep. Format "
        "the column as text before the digits are written."
        for index, value in enumerate(values)
        if type(value) in (float, int) and not -_MAX_EXACT < value < _MAX_EXACT  # type: ignore[operator]  # a number
    }


def _format_moment(moment: datetime) -> str:
    # Excel stores a fraction of a day; what is below a millisecond is rounding.
    rounded = moment.replace(microsecond=0) + timedelta(
        milliseconds=round(moment.microsecond / 1000)
    )
    if rounded.time() == time():
        return rounded.date().isoformat()
    return rounded.isoformat(timespec="milliseconds" if rounded.microsecond else "seconds")


def _format_duration(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _sheet_names(workbook: Workbook) -> list[str]:
    return [sheet.title for sheet in workbook.worksheets]


def _choose_sheet(workbook: Workbook, name: str, label: str) -> str:
    names = _sheet_names(workbook)
    shown = ", ".join(map(repr, names))
    if name:
        if name in names:
            return name
        close = get_close_matches(name, names, n=1)
        hint = f" Set sheet={close[0]!r}." if close else ""
        raise SourceError(f"{label}: the workbook has no sheet {name!r}; it has {shown}.{hint}")
    if not names:
        raise SourceError(f"{label}: the workbook has no sheet with cells. {EMPTY}")
    first = workbook.worksheets[0]
    if first.sheet_state != "visible":
        visible = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
        choice = visible[0] if visible else names[0]
        raise SourceError(
            f"{label}: the first sheet, {first.title!r}, is hidden. Set sheet={choice!r}, or the "
            f"name of another sheet: {shown}."
        )
    return first.title


def _iter_values(workbook: Workbook, name: str) -> Iterator[tuple[object, ...]]:
    sheet: Any = workbook[name]  # the stubs give a read-only sheet no rows
    sheet.reset_dimensions()  # the size that a sheet states may be wrong, and would cut it
    rows: Iterator[tuple[object, ...]] = sheet.iter_rows(values_only=True)
    return rows


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Give openpyxl a file on disk, because it jumps; gzip and URLs are slow at that."""
    if _is_on_disk(stream):
        yield stream
        return
    with TemporaryFile(prefix="workbook-") as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _is_on_disk(stream: BinaryIO) -> bool:
    if isinstance(stream, GzipFile):
        return False  # has the descriptor of the packed file
    try:
        stream.fileno()
    except OSError:
        return False
    return True


@contextmanager
def _refusing_damage(label: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{label}: not a readable Excel workbook (.xlsx): {str(error).rstrip('.')}. "
            "Save it again as .xlsx."
        ) from None
