"""Rows of CSV files, with every character as it is written."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from collibra_tasks.errors import SourceError
from collibra_tasks.options import CsvOptions
from collibra_tasks.sources.decoding import BYTE_ORDER_MARK, TextError, iter_lines, iter_text
from collibra_tasks.sources.files import SourceFile
from collibra_tasks.sources.records import RecordPosition
from collibra_tasks.sources.tables import Row, has_content

MAX_LINE_LENGTH: Final = 16 << 20
"""Maximum number of characters of a line; keeps memory bounded."""

_JOINED: Final = (
    "the row begins with a byte order mark (U+FEFF): several files were joined. List the single "
    "files as the source."
)
_SEPARATORS: Final = {";": "';'", ",": "','", "\t": "'\\t'", "|": "'|'"}


def read_csv_rows(file: SourceFile, options: CsvOptions) -> Iterator[Row]:
    """Yield the rows of a CSV file, the header included; rows without content are skipped.

    A row is numbered by its line. As long as no earlier cell spans several lines, that is also its
    number in a spreadsheet.

    Raises:
        SourceError: The file has another encoding, a quote is not closed, or a line is too long.
    """
    with file.reading() as stream:
        yield from _CsvFile(file.label, options, iter_text(stream, options.encoding))


def suggest_separator(cells: Sequence[str], options: CsvOptions) -> str:
    """Return the next step if a header was probably split at the wrong separator."""
    text = "".join(cells)
    counts = {each: text.count(each) for each in _SEPARATORS if each != options.separator}
    best = max(counts, key=lambda each: counts[each])
    if counts[best] < max(len(cells) - 1, 1):
        return ""
    return f" The separator seems to be {_SEPARATORS[best]}. Set the CSV separator."


class _CsvFile:
    """Rows of one CSV file, with the lines from which each was made."""

    def __init__(self, label: str, options: CsvOptions, pieces: Iterator[str]) -> None:
        self._label = label
        self._options = options
        self._lines: list[str] = []
        self._pieces = pieces
        self._is_well_quoted = _match_quoting(options)
        self._escape = options.escape if options.escape != options.quote else ""

    def __iter__(self) -> Iterator[Row]:
        quote = self._options.quote
        reader = csv.reader(
            self._take_lines(), strict=True, **_dialect(self._options, self._escape)
        )
        number = row_count = 0
        unit = "row"
        while True:
            cells = self._next_row(reader, number + 1, unit)
            if cells is None:
                return
            number, last = number + 1, reader.line_num
            row_count += 1
            if row_count != number:
                unit = "line"
            content = self._lines[0] if len(self._lines) == 1 else "".join(self._lines)
            if has_content(cells):
                suspect = quote in content or (self._escape and self._escape in content)
                problem = self._explain(cells, content) if suspect else ""
                if "\0" in content:
                    problem = "the row holds a NUL character (U+0000). Export the file again."
                if content.startswith(BYTE_ORDER_MARK):
                    problem = _JOINED
                yield Row(unit, number, cells, problem)
            self._lines.clear()
            number = last

    def _next_row(self, reader: Any, number: int, unit: str) -> list[str] | None:  # noqa: ANN401 - the csv module has no public type
        try:
            return next(reader, None)
        except TextError as fault:
            position = RecordPosition(self._label, unit, reader.line_num + 1)
            raise SourceError(f"{position}: {fault.reason}. {_find_step(fault)}.") from None
        except csv.Error as error:
            position = RecordPosition(self._label, unit, number)
            raise SourceError(f"{position}: {self._explain_broken(error)}") from None

    def _take_lines(self) -> Iterator[str]:
        for line in iter_lines(self._pieces, MAX_LINE_LENGTH):
            if len(line) > MAX_LINE_LENGTH:
                raise csv.Error(f"a line has more than {MAX_LINE_LENGTH:,} characters")
            self._lines.append(line)
            yield line

    def _explain(self, cells: Sequence[str], content: str) -> str:
        """Return the reason why a row with a quote or escape character is ambiguous."""
        quote, escape = self._options.quote, self._escape
        if escape:
            kept = (quote, escape, self._options.separator, "\r", "\n")
            for found in re.finditer(re.escape(escape) + "(.?)", content, re.DOTALL):
                if found[1] not in kept or not found[1]:
                    return (
                        f"the escape character {escape!r} stands before {found[1]!r} and would be "
                        "lost. Set the CSV escape to an empty text to read it as written."
                    )
        if any(quote in cell for cell in cells) and not self._is_well_quoted(content):
            return (
                f"a quote ({quote}) stands inside a cell that is not quoted. Quote the whole cell "
                "and double the quotes in it, or set the CSV quote to another character."
            )
        return ""

    def _explain_broken(self, error: csv.Error) -> str:
        quote = self._options.quote
        text = str(error)
        if "unexpected end" in text:
            return (
                f"a quote ({quote}) opens a cell that is never closed. The file may be cut short."
            )
        if "expected after" in text:
            hint = f"double the quotes inside quoted cells ({quote}{quote})"
            if f"\\{quote}" in "".join(self._lines) and not self._escape:
                hint += ", or set the CSV escape to a backslash"
            return f"text follows the quote ({quote}) that closes a cell. To mend it, {hint}."
        if "field limit" in text:
            limit = csv.field_size_limit()
            return (
                f"a cell has more than {limit:,} characters. A quote ({quote}) may not be closed."
            )
        return f"invalid CSV: {text}."


def _find_step(fault: TextError) -> str:
    if fault.step:
        return fault.step
    step = f"Set the CSV encoding to {fault.encoding!r}" if fault.encoding else "Check it"
    return f"{step}, or save it as UTF-8"


def _match_quoting(options: CsvOptions) -> Callable[[str], object]:
    """Return a match for rows whose quotes stand around cells or, doubled or escaped, inside.

    Python's reader accepts others, which other readers split differently (*observed*, opencsv).
    """
    separator, quote, escape = map(re.escape, (options.separator, options.quote, options.escape))
    blanks = " *" if options.ignore_leading_whitespace else ""
    escaped = "" if escape in ("", quote) else rf"{escape}.|"
    quoted = rf"{blanks}{quote}(?:{escaped}{quote}{quote}|[^{quote}{escape}])*+{quote}"
    cell = rf"(?:{quoted}|[^{quote}{separator}]*+)"
    return re.compile(rf"{cell}(?:{separator}{cell})*+[\r\n]*", re.DOTALL).fullmatch


def _dialect(options: CsvOptions, escape: str) -> dict[str, Any]:
    return {
        "delimiter": options.separator,
        "quotechar": options.quote,
        "escapechar": escape or None,
        "skipinitialspace": options.ignore_leading_whitespace,
    }
