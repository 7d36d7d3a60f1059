"""CSV in parts, and Excel whole, both through a template."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from collibra_tasks.errors import SourceError
from collibra_tasks.sources import Batch, CsvOptions, Source, open_source
from tests.sources.commands import note_into, split

IDENTIFIER = {"name": "${1}", "domain": {"name": "D", "community": {"name": "C"}}}
ASSET = {"resourceType": "Asset", "identifier": IDENTIFIER}
DOMAIN = {"resourceType": "Domain", "identifier": IDENTIFIER["domain"]}
TEMPLATE = json.dumps([ASSET | {"attributes": {"Definition": [{"value": "${2}"}]}}])
BOTH = json.dumps([DOMAIN, ASSET])

CELLS = st.text(alphabet="ab;\"\\,'\r\n é", max_size=8)
ROWS = st.lists(st.tuples(CELLS.filter(bool), CELLS), min_size=1, max_size=12)


def write_csv(path: Path, rows: Sequence[Sequence[str]], **dialect: Any) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **({"delimiter": ";", "escapechar": "\\"} | dialect)).writerows(rows)
    return path


def write_excel(path: Path, rows: Sequence[Sequence[object]], sheet: str = "Sheet") -> Path:
    workbook = Workbook()
    chosen = workbook[sheet] if sheet in workbook.sheetnames else workbook.create_sheet(sheet)
    for row in rows:
        chosen.append(list(row))
    workbook.save(path)
    return path


def change_sheet(path: Path, old: bytes, new: bytes) -> None:
    with ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    assert old in parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(old, new)
    with ZipFile(path, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name, content)


def open_rows(tmp_path: Path, text: str, template: str = TEMPLATE, **options: Any) -> Source:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    return open_source(path, template=template, **options)


def read_rows(batch: Batch, **dialect: Any) -> list[list[str]]:
    lines = batch.content.decode().splitlines(keepends=True)
    return list(csv.reader(lines, strict=True, **({"delimiter": ";"} | dialect)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@given(rows=ROWS, size=st.integers(1, 5), doubled=st.booleans())
def test_rows_survive_the_nastiest_quoting(
    folder: Path, rows: list[tuple[str, str]], size: int, *, doubled: bool
) -> None:
    """All parts together are the file, to the byte, and each begins with the header."""
    dialect: dict[str, Any] = {"quoting": csv.QUOTE_ALL, "doublequote": doubled}
    options = CsvOptions(escape='"' if doubled else "\\")
    if doubled:
        dialect["escapechar"] = None
    path = write_csv(folder / "nasty.csv", [("Name", "Text"), *rows], **dialect)
    header = path.read_bytes().split(b"\n")[0] + b"\n"
    seen: list[str] = []

    with open_source(path, template=TEMPLATE, csv=options) as source:
        source.survey(note_into(seen))
        batches = split(source, size)

    assert all(batch.content.startswith(header) for batch in batches)
    bodies = b"".join(batch.content.removeprefix(header) for batch in batches)
    assert path.read_bytes() == header + bodies
    assert [f"C > D > {name}" for name, _ in rows] == seen
    assert len(rows) == sum(batch.commands for batch in batches)


def test_rows_about_one_asset_stay_together(tmp_path: Path) -> None:
    """Neighbouring rows about one asset are never split, because Collibra merges them."""
    text = "Name;Text\n" + "".join(f"{name};\n" for name in "abbbbc")

    with open_rows(tmp_path, text) as source:
        assert ["a", "bbbb", "c"] == [
            "".join(row[0] for row in read_rows(batch)[1:]) for batch in split(source, 2)
        ]


def test_a_row_counts_as_all_its_commands(tmp_path: Path) -> None:
    """A template of two commands puts half as many rows in a batch, and indexes by command."""
    with open_rows(tmp_path, "Name\n" + "".join(f"{name}\n" for name in "abcde"), BOTH) as source:
        first, *_ = batches = split(source, 4)

    assert [4, 4, 2] == [batch.commands for batch in batches]
    assert ("Asset", "Domain") == first.resource_types
    assert ["C > D", "C > D > a", "C > D", "C > D > b"] == [
        first.position_of(index).identifier for index in range(4)
    ]
    assert [2, 2, 3, 3] == [first.position_of(index).number for index in range(4)]


def test_a_position_is_the_line_in_an_editor(tmp_path: Path) -> None:
    """A row is found by the line where it begins, whatever lines its cells span."""
    with open_rows(tmp_path, 'Name;Text\na;"1\n2"\n\nb;\n') as source:
        (batch,) = split(source)

    assert (2, 5) == (batch.first.number, batch.last.number)
    assert f"{tmp_path / 'a.csv'}, line 5" == str(batch.last)


def test_columns_may_be_named_by_their_header(tmp_path: Path) -> None:
    """A template may name columns by their header; Collibra gets their numbers."""
    template = TEMPLATE.replace("${1}", "${Table name}").replace("${2}", "${Text}")

    with open_rows(tmp_path, "Text;Table name\nx;T\n", template) as source:
        survey = source.survey()
        (batch,) = split(source)

    assert "C > D > T" == batch.first.identifier
    assert survey.template is not None
    assert ["${2}", "${1}"] == [
        json.loads(survey.template)[0]["identifier"]["name"],
        json.loads(survey.template)[0]["attributes"]["Definition"][0]["value"],
    ]


def test_without_a_header_every_row_counts(tmp_path: Path) -> None:
    """Where there is no header, the first row is content and nothing is repeated."""
    with open_rows(tmp_path, "a;\nb;\n", csv=CsvOptions(header_row=False)) as source:
        assert [b"a;\n", b"b;\n"] == [batch.content for batch in split(source, 1)]


def test_other_separators_are_understood(tmp_path: Path) -> None:
    """A file with other characters than Collibra's defaults is read with those."""
    options = CsvOptions(separator=",", quote="'", escape="'")

    with open_rows(tmp_path, "Name,Text\n'a, ''b''',x", csv=options) as source:
        (batch,) = split(source)

    assert "C > D > a, 'b'" == batch.first.identifier
    assert batch.content.endswith(b"\n")


def test_several_files_are_one_table(tmp_path: Path) -> None:
    """Rows of several files share batches under one header, and keep their own place."""
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"Name;Text\n{name};\n")

    with open_source(str(tmp_path / "*.csv"), template=TEMPLATE) as source:
        (batch,) = split(source)

    assert b"Name;Text\na;\nb;\n" == batch.content
    assert str(tmp_path / "b.csv") == batch.last.file


def test_a_byte_order_mark_is_not_sent(tmp_path: Path) -> None:
    """A byte order mark is no part of the first column's name."""
    (tmp_path / "a.csv").write_text("Name;Text\na;\n", encoding="utf-8-sig")

    with open_source(tmp_path / "a.csv", template=TEMPLATE) as source:
        assert [b"Name;Text\na;\n"] == [batch.content for batch in split(source)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n\n", "there is no row in it; an empty source is an empty cycle"),
        ("Name;Text\n\n", "there is no row below the header; an empty source is an empty cycle"),
        ("Name\na\n", "the template names column 2 of 1"),
        ("Name;Text\na;b\nc\n", "line 3: the row has 1 cells instead of 2"),
        ("Name;Text\na;b;c\n", "line 2: the row has 3 cells instead of 2"),
        ("Name;Text\n;b\n", "line 2: the identifier's name is empty"),
        ('Name;Text\na;"b\nc\n', "line 2: broken CSV: unexpected end of data"),
        ('Name;Text\na;"b"c\n', "line 2: broken CSV"),
        ('Name;Text\na;5" wide\nb;6" wide\n', "line 2: a quote stands inside a cell"),
        ('Name;Text\na;\\"b\n', "line 2: a quote stands inside a cell"),
    ],
)
def test_broken_rows_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    """A row that is not like the header, or is about nothing, is refused with its line."""
    with open_rows(tmp_path, text) as source, pytest.raises(SourceError, match=reason):
        source.survey()


def test_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    """A row that is not UTF-8 is refused with its line."""
    (tmp_path / "a.csv").write_bytes("Name;Text\nÄ;\n".encode("latin-1"))

    with (
        open_source(tmp_path / "a.csv", template=TEMPLATE) as source,
        pytest.raises(SourceError, match="line 2, byte 0 of the line: not UTF-8"),
    ):
        source.survey()


def test_another_header_is_refused(tmp_path: Path) -> None:
    """Files with different headers are not one table."""
    (tmp_path / "a.csv").write_text("Name;Text\na;\n")
    (tmp_path / "b.csv").write_text("Text;Name\n;b\n")

    with (
        open_source(str(tmp_path / "*.csv"), template=TEMPLATE) as source,
        pytest.raises(SourceError, match=r"b\.csv: the header is not that of .*a\.csv"),
    ):
        source.survey()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("${Tabel}", "the column 'Tabel' that the template names is not in the header"),
        ("${Twice}", "the column 'Twice' that the template names is in the header 2 times"),
        ("${0}", "the template names column 0 of 3"),
    ],
)
def test_a_missing_column_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    """A column that the template names must be there, once."""
    with (
        open_rows(tmp_path, "Name;Twice;Twice\na;;\n", TEMPLATE.replace("${2}", name)) as source,
        pytest.raises(SourceError, match=reason),
    ):
        source.survey()


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{", "the template is broken JSON"),
        ("[]", "not a JSON array of at least one command"),
        ('[{"resourceType": "Asset"}]', "command 0: the Asset command has no identifier"),
        (Path("nowhere.json"), "the template nowhere.json cannot be read: No such file"),
        ("nowhere.json", "the template nowhere.json cannot be read: No such file"),
    ],
)
def test_a_broken_template_is_refused(tmp_path: Path, template: Any, reason: str) -> None:
    """A template that is no list of commands is refused when the source is opened."""
    with pytest.raises(SourceError, match=reason):
        open_rows(tmp_path, "Name;Text\na;\n", template)


def test_a_template_may_be_a_file(tmp_path: Path) -> None:
    """A template is read from a file where a path is given, be it as text, as in a run form."""
    (tmp_path / "template.json").write_text(BOTH)
    path = write_csv(tmp_path / "a.csv", [["Name"], ["a"]])

    for template in (tmp_path / "template.json", str(tmp_path / "template.json")):
        with open_source(path, template=template) as source:
            assert 2 == source.survey().commands


@pytest.mark.parametrize("text", ["", ";;", "\n"])
def test_a_separator_is_one_character(text: str) -> None:
    """A separator that is not one character is refused."""
    with pytest.raises(SourceError, match="the CSV separator must be one character"):
        CsvOptions(separator=text)


def test_excel_goes_whole(tmp_path: Path) -> None:
    """A workbook is one batch, to the byte, with a position for every row."""
    rows: list[list[object]] = [["Name", "Text"], ["a", None], ["b", 7], []]
    path = write_excel(tmp_path / "a.xlsx", rows)

    with open_source(path, template=TEMPLATE) as source:
        (batch,) = split(source, 1)

    assert path.read_bytes() == batch.content
    assert ("excel", "a.xlsx", 2) == (batch.format, batch.file_name, batch.commands)
    assert (2, 3) == (batch.first.number, batch.last.number)
    assert "C > D > b" == batch.last.identifier


def test_an_excel_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    """Another sheet than the first is read where it is named, and must be there."""
    path = write_excel(tmp_path / "a.xlsx", [["Name", "Text"], ["a"]], "Tables")

    with open_source(path, template=TEMPLATE, sheet="Tables") as source:
        assert 1 == source.survey().commands
    with (
        open_source(path, template=TEMPLATE, sheet="Views") as source,
        pytest.raises(SourceError, match="there is no sheet 'Views'"),
    ):
        source.survey()


def test_a_workbook_above_the_limit_is_refused(tmp_path: Path) -> None:
    """A workbook of more than 50,000 commands is refused, and CSV is named as the way out."""
    rows = [["Name", "Text"], ["a"], ["b"]]
    many = json.dumps([ASSET] * 25_001)

    with (
        open_source(write_excel(tmp_path / "a.xlsx", rows), template=many) as source,
        pytest.raises(SourceError, match=r"row 3: .* 50,000 commands; save it as CSV"),
    ):
        source.survey()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "there is no row in it; an empty source is an empty cycle"),
        ([["Name", "Text"]], "there is no row below the header"),
        ([["Name"], ["a"]], "the template names column 2 of 1"),
        ([["Name", "Text"], [None, "b"]], "row 2: the identifier's name is empty"),
        ([["Name", "Text"], ["a", "b", "c"]], "row 2: the row has 3 cells instead of 2"),
        ([["Name", "Text"], ["a"], [], ["b"]], "row 3: is empty"),
        ([[], ["Name", "Text"], ["a"]], "row 1: is empty"),
    ],
)
def test_broken_sheets_are_refused(tmp_path: Path, rows: list[list[object]], reason: str) -> None:
    """A sheet without rows, columns or identifiers is refused with its row."""
    with (
        open_source(write_excel(tmp_path / "a.xlsx", rows), template=TEMPLATE) as source,
        pytest.raises(SourceError, match=reason),
    ):
        source.survey()


def test_a_sheet_that_misstates_its_size_is_read_whole(tmp_path: Path) -> None:
    """Rows beyond the size that a sheet states are counted, for Collibra would read them too."""
    path = write_excel(tmp_path / "a.xlsx", [["Name", "Text"], ["a"], ["b"]])
    change_sheet(path, b'ref="A1:B3"', b'ref="A1:A1"')

    with open_source(path, template=TEMPLATE) as source:
        assert 2 == source.survey().commands


@pytest.mark.parametrize(("old", "new"), [(b"</row>", b""), (b'r="1"', b'r="x"')])
def test_a_damaged_sheet_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    """A workbook that opens and holds a sheet that can't be read is refused in a sentence."""
    path = write_excel(tmp_path / "a.xlsx", [["Name", "Text"], ["a"]])
    change_sheet(path, old, new)

    with (
        open_source(path, template=TEMPLATE) as source,
        pytest.raises(SourceError, match=r"a\.xlsx: is no sound Excel workbook"),
    ):
        source.survey()


def test_without_openpyxl_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where openpyxl is not installed, one sentence says what to install."""
    path = write_excel(tmp_path / "a.xlsx", [["Name", "Text"], ["a"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with (
        open_source(path, template=TEMPLATE) as source,
        pytest.raises(SourceError, match=r'pip install "collibra-tasks\[excel\]"'),
    ):
        source.survey()


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    """A file that only has the name of a workbook is refused."""
    (tmp_path / "a.xlsx").write_text("Name;Text")

    with (
        open_source(tmp_path / "a.xlsx", template=TEMPLATE) as source,
        pytest.raises(SourceError, match=r"a\.xlsx: is no sound Excel workbook"),
    ):
        source.survey()
