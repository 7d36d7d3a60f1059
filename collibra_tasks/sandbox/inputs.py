"""The three formats of an input: JSON, and tables with a template."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from collibra_tasks.sandbox.form import Form
from collibra_tasks.sandbox.tables import (
    InputError,
    import_openpyxl,
    read_csv,
    read_csv_dialect,
    read_excel,
    read_sheet,
    read_template,
)

Reader = Callable[[bytes], list[Any]]


def json_reader(_: Form) -> Reader:
    """Return a reader for a JSON file."""
    return _read_json


def csv_reader(form: Form) -> Reader:
    """Return a reader for a CSV file, as the form describes it."""
    template, dialect = read_template(form), read_csv_dialect(form)
    return lambda content: template.filled_with(read_csv(content, dialect))


def excel_reader(form: Form) -> Reader:
    """Return a reader for an Excel file, as the form describes it."""
    template, sheet = read_template(form), read_sheet(form)
    import_openpyxl()  # refuse the request, not the job that would come of it
    return lambda content: template.filled_with(read_excel(content, sheet))


READERS: dict[str, Callable[[Form], Reader]] = {
    "json": json_reader,
    "csv": csv_reader,
    "excel": excel_reader,
}


def _read_json(content: bytes) -> list[Any]:
    try:
        commands = json.loads(content)
    except ValueError:
        raise InputError("The file is not JSON.") from None
    if not isinstance(commands, list):
        raise InputError("The file is not a list of commands.")
    return commands
