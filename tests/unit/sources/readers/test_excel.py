"""Excel workbooks as people have them."""

from __future__ import annotations

import gzip
import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from collibra_tasks.sources.excel_reader import format_cell
from tests.support.source_files import (
    NOTES,
    asset,
    change_sheet,
    read_commands,
    read_names,
    read_source,
    refuse,
    template,
    write_excel,
)

ROWS: list[list[object]] = [["Name", "Text"], ["a", None], ["b", 7], []]
BY_NAME = template(asset("${Name}"))


def test_read_records_reads_a_workbook(tmp_path: Path) -> None:
    """Rows of a workbook become commands, each with the sheet and the row."""
    path = write_excel(tmp_path / "a.xlsx", Tables=ROWS)
    records = read_source(path, template=NOTES)
    assert ["a", "b"] == [each.command["identifier"]["name"] for each in records]
    assert "7" == records[1].command["attributes"]["Note"][0]["value"]
    assert f"{path}, sheet 'Tables', row 3" == str(records[1].position)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("007", "007"),
        ("  x ", "  x "),
        (1.0, "1"),
        (1, "1"),
        (-3.5, "-3.5"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (-1.5e-9, "-0.0000000015"),
        (1e-300, "1e-300"),
        (2.0**53 - 1, "9007199254740991"),
        (9007199254740993, "9007199254740993"),
        (True, "true"),
        (False, "false"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2), "2026-01-02"),  # noqa: DTZ001 - a workbook has no time zones
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),  # noqa: DTZ001
        (datetime(2026, 1, 2, 3, 4, 4, 999_999), "2026-01-02T03:04:05"),  # noqa: DTZ001
        (time(3, 4), "03:04:00"),
        (timedelta(hours=30, minutes=5), "30:05:00"),
        (timedelta(minutes=-5), "-00:05:00"),
    ],
)
def test_format_cell_writes_plain_text(value: object, text: str) -> None:
    """Whole numbers have no fraction, and dates are written as ISO 8601."""
    assert text == format_cell(value)


@pytest.mark.parametrize(
    ("number", "accepted"), [(2**53 - 1, True), (2**53, False), (-(2**53), False), (10**18, False)]
)
def test_read_records_refuses_numbers_that_lost_digits(
    tmp_path: Path,
    number: int,
    accepted: bool,  # noqa: FBT001
) -> None:
    """A number with more digits than a workbook keeps is refused where the template uses it."""
    path = write_excel(tmp_path / "a.xlsx", S=[["Name", "Text"], [number, number]])
    if accepted:
        assert [str(number)] == read_names(path, template=BY_NAME)
    else:
        assert "row 2: cell A2 (column 'Name') is the number" in refuse(path, template=BY_NAME)
    other = write_excel(tmp_path / "b.xlsx", S=[["Name", "Text"], ["a", number]])
    assert ["a"] == read_names(other, template=BY_NAME)


def test_read_records_reads_typed_cells(tmp_path: Path) -> None:
    """Numbers, dates and booleans of a real workbook are read as plain text."""
    moment = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - a workbook has no time zones
    cells: list[object] = [1.0, date(2026, 1, 2), moment, True]
    path = write_excel(tmp_path / "a.xlsx", S=[["n", "d", "m", "b"], cells])
    layout = template(asset("${n} ${d} ${m} ${b}"))
    assert ["1 2026-01-02 2026-01-02T03:04:05 true"] == read_names(path, template=layout)


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#VALUE!"])
@pytest.mark.parametrize(("row", "cell"), [(["{}", "x"], "A2"), (["a", "{}"], "B2")])
def test_read_records_refuses_error_cells(
    tmp_path: Path, error: str, row: list[str], cell: str
) -> None:
    """An error value of a formula is refused with its sheet and cell."""
    cells = [each.format(error) for each in row]
    path = write_excel(tmp_path / "a.xlsx", Tables=[["Name", "Text"], cells])
    book = load_workbook(path)
    book["Tables"][cell].data_type = "e"
    book.save(path)
    reason = refuse(path, template=NOTES)
    assert f"sheet 'Tables', row 2: cell {cell} (column " in reason
    assert f"is {error}, an error value of a spreadsheet" in reason


@pytest.mark.parametrize("formula", ["=1/0", "=NA()", '="a"&"b"'])
def test_read_records_refuses_formulas_without_a_result(tmp_path: Path, formula: str) -> None:
    """A formula that was never calculated is refused with its cell, not read as empty."""
    path = write_excel(tmp_path / "a.xlsx", S=[["Name", "Text"], ["a", formula]])
    reason = refuse(path, template=NOTES)
    assert "sheet 'S', cell B2: the formula has no stored result" in reason


def test_read_records_accepts_a_formula_with_an_empty_text(tmp_path: Path) -> None:
    """A formula whose result is an empty text is an empty cell."""
    path = write_excel(tmp_path / "a.xlsx", S=[["Name", "Text"], ["a", '=""']])
    change_sheet(path, b'<c r="B2">', b'<c r="B2" t="str">')
    assert [asset("a")] == read_commands(path, template=NOTES)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "sheet 'S' has no row. An empty source is an empty cycle"),
        ([["Name", "Text"]], "the table has no row below the header"),
        ([["Name"], ["a"]], "the template uses ${2}, but the table has 1 column"),
        ([["Name", "Text"], [None, "b"]], "row 2: column 'Name' is empty"),
        ([["Name", "Text"], ["a", "b", "c"]], "row 2: the row has 3 cells instead of 2"),
        ([["My tables"], [], ["Name", "Text"], ["a"]], "The header seems to be row 3. Delete"),
    ],
)
def test_read_records_refuses_broken_sheets(
    tmp_path: Path, rows: list[list[object]], reason: str
) -> None:
    """A sheet without rows, columns or identifiers is refused with its row."""
    path = write_excel(tmp_path / "a.xlsx", S=rows)
    assert reason in refuse(path, template=NOTES)


def test_read_records_skips_empty_rows(tmp_path: Path) -> None:
    """Empty rows above, between and below the content are skipped, and rows keep their numbers."""
    path = write_excel(tmp_path / "a.xlsx", S=[[], ["Name"], ["a"], [], ["b"], [None]])
    records = read_source(path, template=BY_NAME)
    assert [3, 5] == [each.position.number for each in records]


def test_read_records_names_the_sheet_below_a_cover(tmp_path: Path) -> None:
    """A cover sheet in the first place is refused, and the sheet with the columns is named."""
    path = write_excel(tmp_path / "a.xlsx", Cover=[["Report 2026"], ["x"]], Notes=[], Tables=ROWS)
    for layout in (BY_NAME, NOTES):
        reason = refuse(path, template=layout)
        assert "Sheet 'Tables' has these columns: set sheet='Tables'" in reason
    assert ["a", "b"] == read_names(path, template=BY_NAME, sheet="Tables")


def test_read_records_offers_other_sheets_for_an_empty_one(tmp_path: Path) -> None:
    """An empty first sheet is refused with the names of the others."""
    path = write_excel(tmp_path / "a.xlsx", Empty=[], Tables=ROWS)
    reason = refuse(path, template=BY_NAME)
    assert "sheet 'Empty' has no row" in reason
    assert "Set sheet to another sheet of the workbook: 'Tables'" in reason


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_read_records_refuses_a_hidden_first_sheet(tmp_path: Path, state: Any) -> None:
    """A hidden first sheet is never read silently; it is read where it is named."""
    path = write_excel(tmp_path / "a.xlsx", Lists=[["Name"], ["hidden"]], Tables=ROWS)
    book = load_workbook(path)
    book["Lists"].sheet_state = state
    book.save(path)
    reason = refuse(path, template=BY_NAME)
    assert "the first sheet, 'Lists', is hidden. Set sheet='Tables'" in reason
    assert ["a", "b"] == read_names(path, template=BY_NAME, sheet="Tables")
    assert ["hidden"] == read_names(path, template=BY_NAME, sheet="Lists")


def test_read_records_names_the_sheets_for_a_wrong_one(tmp_path: Path) -> None:
    """A sheet that does not exist is refused with the names of those that do."""
    path = write_excel(tmp_path / "a.xlsx", Tables=ROWS)
    reason = refuse(path, template=BY_NAME, sheet="tables")
    assert "no sheet 'tables'; it has 'Tables'. Set sheet='Tables'" in reason


def test_read_records_ignores_a_misstated_size(tmp_path: Path) -> None:
    """Rows beyond the size that a sheet states are read too."""
    path = write_excel(tmp_path / "a.xlsx", S=[["Name", "Text"], ["a"], ["b"]])
    change_sheet(path, b'ref="A1:B3"', b'ref="A1:A1"')
    assert ["a", "b"] == read_names(path, template=NOTES)


@pytest.mark.parametrize(("old", "new"), [(b"</row>", b""), (b'r="1"', b'r="x"')])
def test_read_records_refuses_a_damaged_sheet(tmp_path: Path, old: bytes, new: bytes) -> None:
    """A workbook that opens but holds a damaged sheet is refused in one sentence."""
    path = write_excel(tmp_path / "a.xlsx", S=[["Name", "Text"], ["a"]])
    change_sheet(path, old, new)
    assert "a.xlsx: not a readable Excel workbook" in refuse(path, template=NOTES)


def test_read_records_refuses_what_is_no_workbook(tmp_path: Path) -> None:
    """A file that only has the name of a workbook is refused."""
    (tmp_path / "a.xlsx").write_text("Name;Text")
    reason = refuse(tmp_path / "a.xlsx", template=NOTES)
    assert "a.xlsx: not a readable Excel workbook" in reason


def test_read_records_names_the_missing_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without openpyxl, one sentence names what to install."""
    path = write_excel(tmp_path / "a.xlsx", S=ROWS)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert 'pip install "collibra-tasks[excel]"' in refuse(path, template=NOTES)


def test_read_records_unpacks_a_workbook(tmp_path: Path) -> None:
    """A workbook that is packed with gzip is read as any other."""
    content = write_excel(tmp_path / "a.xlsx", S=ROWS).read_bytes()
    (tmp_path / "b.xlsx.gz").write_bytes(gzip.compress(content))
    assert ["a", "b"] == read_names(tmp_path / "b.xlsx.gz", template=NOTES)


def test_read_records_streams_a_workbook_of_many_commands(tmp_path: Path) -> None:
    """A workbook may hold any number of commands; equal containers are yielded once."""
    rows = [["Name"], *[[f"t{number}"] for number in range(2_000)]]
    path = write_excel(tmp_path / "a.xlsx", S=rows)
    community = {"resourceType": "Community", "identifier": {"name": "C"}}
    domain = {"resourceType": "Domain", "identifier": asset("x")["identifier"]["domain"]}
    layout = template(community, domain, asset("${1}"))
    kinds = [each["resourceType"] for each in read_commands(path, template=layout)]
    assert ["Community", "Domain", *["Asset"] * 2_000] == kinds


def write_merged(path: Path, *areas: str, rows: list[list[object]]) -> Path:
    """Write a workbook with one sheet in which areas are merged."""
    write_excel(path, S=rows)
    book = load_workbook(path)
    for area in areas:
        book["S"].merge_cells(area)
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("area", "cell"),
    [("A2:A3", "row 3: cell A3 (column 'Name')"), ("B2:B4", "row 3: cell B3 (column 'Text')")],
)
def test_read_records_refuses_merged_cells(tmp_path: Path, area: str, cell: str) -> None:
    """A cell that is covered by a merged one is refused, because its value is lost."""
    rows: list[list[object]] = [["Name", "Text"], ["a", "x"], ["b", "y"], ["c", "z"]]
    path = write_merged(tmp_path / "a.xlsx", area, rows=rows)

    reason = refuse(path, template=NOTES)

    first = area.partition(":")[0]
    assert f"{cell} is merged with {first}, which alone has the value. Unmerge" in reason


def test_read_records_ignores_merged_cells_in_unused_columns(tmp_path: Path) -> None:
    """Merged cells beside, above and below the cells that the template uses are harmless."""
    rows: list[list[object]] = [["Name", "Text", "More"], ["a", "x", "m"], ["b", "y"]]
    path = write_merged(tmp_path / "a.xlsx", "C2:C3", "A8:C9", rows=rows)

    assert ["a", "b"] == read_names(path, template=NOTES)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a_x000D_b", "a\rb"),
        ("_x005F_x000D_", "_x000D_"),
        ("a_x0000_", "a_x0000_"),
        ("_xyz_", "_xyz_"),
    ],
)
def test_format_cell_decodes_escaped_characters(written: str, text: str) -> None:
    """A character that XML cannot hold is read as the one that the sheet shows."""
    assert text == format_cell(written)


def test_read_records_names_the_sheet_below_an_empty_table(tmp_path: Path) -> None:
    """A sheet that has only a header is refused, and the sheet with rows is named."""
    path = write_excel(tmp_path / "a.xlsx", Layout=ROWS[:1], Tables=ROWS)

    assert "no row below the header" in refuse(path, template=BY_NAME)
    assert "set sheet='Tables'" in refuse(path, template=BY_NAME)


def test_read_records_skips_lock_files(tmp_path: Path) -> None:
    """The file that Excel writes beside an open workbook is no part of a glob."""
    write_excel(tmp_path / "a.xlsx", Tables=ROWS)
    (tmp_path / "~$a.xlsx").write_bytes(b"owner")

    assert ["a", "b"] == read_names(str(tmp_path / "*.xlsx"), template=BY_NAME)
