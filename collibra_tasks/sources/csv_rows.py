"""Rows out of CSV, one by one, with their bytes untouched."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.files import SourceFile, read_lines
from collibra_tasks.sources.rows import Row
from collibra_tasks.sources.values import CsvOptions, Position

_MAX_LINE_BYTES: Final = 16 << 20


def read_csv_rows(file: SourceFile, options: CsvOptions) -> Iterator[Row]:
    """Read all rows, the header included; blank lines are passed over.

    Raises:
        SourceError: It is not CSV in UTF-8.
    """
    taken: list[bytes] = []
    quoted, well_quoted = options.quote.encode(), _match_quoting(options)
    reader = csv.reader(_take_lines(file, taken), strict=True, **_describe(options))
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            line = reader.line_num - len(taken) + 1
            raise SourceError(f"{file.label}, line {line}: broken CSV: {error}") from None
        if cells is None:
            return
        if cells:
            content = b"".join(taken)
            place = Position(file.label, "line", reader.line_num - len(taken) + 1)
            if quoted not in content or well_quoted(content.decode()):
                yield Row(place, cells, _end_line(content))
            else:
                raise SourceError(
                    f"{place}: a quote stands inside a cell that is not quoted, which others read "
                    "as the start of a quoted one, up to the next quote; quote the whole cell"
                )
        taken.clear()


def _match_quoting(options: CsvOptions) -> Callable[[str], object]:
    """Match a row whose quotes stand around cells or, doubled or escaped, inside quoted ones.

    Python's reader lets others pass; others' readers make something else of them (*observed*,
    opencsv).
    """
    separator, quote, escape = map(re.escape, (options.separator, options.quote, options.escape))
    blanks = " *" if options.ignore_leading_whitespace else ""
    escaped = "" if escape == quote else rf"{escape}.|"
    quoted = rf"{blanks}{quote}(?:{escaped}{quote}{quote}|[^{quote}{escape}])*+{quote}"
    cell = rf"(?:{quoted}|[^{quote}{separator}]*+)"
    return re.compile(rf"{cell}(?:{separator}{cell})*+[\r\n]*", re.DOTALL).fullmatch


def _take_lines(file: SourceFile, taken: list[bytes]) -> Iterator[str]:
    """Hand over lines as text, and keep their bytes until the row that they make is complete."""
    for _, content, text in read_lines(file, max_bytes=_MAX_LINE_BYTES):
        taken.append(content)
        yield text


def _end_line(content: bytes) -> bytes:
    return content if content.endswith(b"\n") else content + b"\n"


def _describe(options: CsvOptions) -> dict[str, Any]:
    escape = options.escape if options.escape != options.quote else ""  # then it is doubling
    return {
        "delimiter": options.separator,
        "quotechar": options.quote,
        "escapechar": escape or None,
        "skipinitialspace": options.ignore_leading_whitespace,
    }
