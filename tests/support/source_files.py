"""Sources for tests: commands, tables and workbooks, and what is read from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from openpyxl import Workbook

from collibra_tasks.errors import SourceError
from collibra_tasks.options import CsvOptions, SourceOptions
from collibra_tasks.sources.opening import open_source
from collibra_tasks.sources.records import SourceRecord

Command = dict[str, Any]

DOMAIN_IDENTIFIER = {"name": "D", "community": {"name": "C"}}
COLUMN_OF_TABLE = "00000000-0000-0000-0000-000000007042:TARGET"


def asset(name: str, **fields: Any) -> Command:
    """Return an asset command about an asset in the domain D of the community C."""
    return {"resourceType": "Asset", "identifier": target(name), **fields}


def target(name: str) -> Command:
    """Return the identifier of an asset in the domain D of the community C."""
    return {"name": name, "domain": DOMAIN_IDENTIFIER}


def template(*commands: Command) -> str:
    """Return a template as JSON text."""
    return json.dumps(commands)


NOTES = template(asset("${1}", attributes={"Note": [{"value": "${2}"}]}))
"""Template of a table with a name and a note."""


def write_json(path: Path, commands: list[Command]) -> str:
    """Write a JSON array and return its path."""
    path.write_text(json.dumps(commands), encoding="utf-8")
    return str(path)


def write_excel(path: Path, **sheets: Sequence[Sequence[object]]) -> Path:
    """Write a workbook with these sheets, in their order."""
    workbook = Workbook()
    workbook.remove(workbook["Sheet"])
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    workbook.save(path)
    return path


def change_sheet(path: Path, old: bytes, new: bytes) -> None:
    """Change the XML of a workbook's first sheet."""
    with ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    assert old in parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(old, new)
    with ZipFile(path, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name, content)


def read_source(source: Any, **options: Any) -> list[SourceRecord]:
    """Read all records of a source."""
    with open_source(source, SourceOptions(**options)) as opened:
        return list(opened.read_records())


def read_commands(source: Any, **options: Any) -> list[Command]:
    """Read all commands of a source."""
    return [record.command for record in read_source(source, **options)]


def read_names(source: Any, **options: Any) -> list[str]:
    """Read the names of all assets of a source."""
    return [command["identifier"]["name"] for command in read_commands(source, **options)]


def read_csv(tmp_path: Path, text: str, layout: str = NOTES, **options: Any) -> list[SourceRecord]:
    """Read the records of a CSV text; keyword arguments are CSV options."""
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(options.get("encoding", "utf-8")))
    return read_source(path, template=layout, csv=CsvOptions(**options))


def fill_row(tmp_path: Path, command: Command, **cells: str) -> Command:
    """Return the command that a template makes of a table with one row."""
    path = write_excel(tmp_path / "row.xlsx", Rows=[list(cells), list(cells.values())])
    (filled,) = read_commands(path, template=template(command))
    return filled


def refuse(source: Any, **options: Any) -> str:
    """Return the message of the error that a source ends with."""
    with pytest.raises(SourceError) as refusal:
        read_source(source, **options)
    return str(refusal.value)
