"""Tables, and the templates that make commands of their rows.

Source: ``${n}`` stands for the n-th column, counted from 1, and is the only placeholder,
*documented*. That an absent column fails the job, that a sheet's index counts from 0 and that
indices of errors count the commands that the rows were turned into is *assumed*.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from collibra_tasks.sandbox.form import Form
from collibra_tasks.sandbox.refusals import RefusalError

BAD_REQUEST, NOT_IMPLEMENTED = 400, 501

Row = Sequence[str]


class InputError(Exception):
    """The input cannot be read; the job fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvDialect:
    """How a CSV file is written."""

    separator: str
    quote: str
    escape: str
    ignore_leading_whitespace: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Which sheet of a workbook is meant; the first, where neither is given."""

    name: str | None
    index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What every row is turned into."""

    commands: list[Any]
    skips_first_row: bool

    def filled_with(self, rows: list[Row]) -> list[Any]:
        """Return the commands of all rows."""
        return [
            _fill(command, row) for row in rows[self.skips_first_row :] for command in self.commands
        ]


def read_template(form: Form) -> Template:
    """Read the template, or refuse the request."""
    try:
        commands = json.loads(_required(form, "template"))
    except ValueError:
        raise RefusalError(BAD_REQUEST, "template is not JSON") from None
    if not isinstance(commands, list):
        raise RefusalError(BAD_REQUEST, "template is not a list of commands")
    return Template(commands=commands, skips_first_row=form.flag("headerRow"))


def read_csv_dialect(form: Form) -> CsvDialect:
    """Read how the file is written; three of the parts are mandatory."""
    separator, quote, escape = (_required(form, n) for n in ("separator", "quote", "escape"))
    if any(len(character) != 1 for character in (separator, quote, escape)):
        raise RefusalError(BAD_REQUEST, "separator, quote and escape are one character each")
    return CsvDialect(
        separator=separator,
        quote=quote,
        escape=escape,
        ignore_leading_whitespace=form.flag("ignoreLeadingWhitespace"),
    )


def read_sheet(form: Form) -> Sheet:
    """Read which sheet is meant."""
    index = form.text("sheetIndex")
    if index is not None and not index.isdecimal():
        raise RefusalError(BAD_REQUEST, "sheetIndex is not a number")
    return Sheet(name=form.text("sheetName"), index=None if index is None else int(index))


def _required(form: Form, name: str) -> str:
    value = form.text(name)
    if not value:
        raise RefusalError(BAD_REQUEST, f"{name} is missing")
    return value


def read_csv(content: bytes, dialect: CsvDialect) -> list[Row]:
    """Read a CSV file."""
    try:
        return list(
            csv.reader(
                io.StringIO(content.decode("utf-8-sig"), newline=""),
                delimiter=dialect.separator,
                quotechar=dialect.quote,
                escapechar=None if dialect.escape == dialect.quote else dialect.escape,
                skipinitialspace=dialect.ignore_leading_whitespace,
                strict=True,
            )
        )
    except (csv.Error, ValueError) as error:
        raise InputError(f"The file is not CSV: {error}") from error


def import_openpyxl() -> ModuleType:
    """Import what reads workbooks, and nothing else here needs."""
    try:
        return importlib.import_module("openpyxl")
    except ImportError:
        raise RefusalError(NOT_IMPLEMENTED, "install openpyxl for Excel files") from None


def read_excel(content: bytes, sheet: Sheet) -> list[Row]:
    """Read a sheet of a workbook."""
    load_workbook = import_openpyxl().load_workbook
    try:
        workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises what it meets: BadZipFile, KeyError, ...
        raise InputError(f"The file is not an Excel workbook: {error}") from error
    try:
        name = sheet.name or workbook.sheetnames[sheet.index or 0]
        return [_cells(row) for row in workbook[name].iter_rows(values_only=True)]
    except LookupError:
        raise InputError("The workbook has no such sheet.") from None
    finally:
        workbook.close()


def _cells(row: Iterable[object]) -> Row:
    return ["" if cell is None else str(cell) for cell in row]


def _fill(template: Any, row: Row) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(template, dict):
        return {_fill(name, row): _fill(value, row) for name, value in template.items()}
    if isinstance(template, list):
        return [_fill(item, row) for item in template]
    return _fill_text(template, row) if isinstance(template, str) else template


def _fill_text(text: str, row: Row) -> str:
    try:
        return re.sub(r"\$\{(\d+)\}", lambda match: row[int(match[1]) - 1], text)
    except IndexError:
        raise InputError(f"There is no column for {text}.") from None
