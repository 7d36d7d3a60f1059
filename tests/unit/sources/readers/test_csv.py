"""CSV files as people have them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collibra_tasks.errors import SourceError
from collibra_tasks.options import CsvOptions
from tests.support.source_files import (
    NOTES,
    asset,
    read_commands,
    read_csv,
    read_names,
    refuse,
    template,
)

CELLS = st.text(alphabet="ab;\"\\,'\r\n é#${}1", max_size=8)
NAMES = CELLS.filter(lambda text: bool(text.strip()))
ROWS = st.lists(st.tuples(NAMES, CELLS), min_size=1, max_size=12)
NAME_ONLY = template(asset("${name}"))


def refuse_csv(tmp_path: Path, text: str, layout: str = NOTES, **options: Any) -> str:
    with pytest.raises(SourceError) as refusal:
        read_csv(tmp_path, text, layout, **options)
    return str(refusal.value).removeprefix(str(tmp_path / "a.csv"))


def pairs(records: list[Any]) -> list[tuple[str, str]]:
    return [(each["identifier"]["name"], note_of(each)) for each, _ in records]


def note_of(command: dict[str, Any]) -> str:
    notes = command.get("attributes", {}).get("Note", [{"value": ""}])
    return str(notes[0]["value"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@settings(deadline=None)
@given(rows=ROWS, doubled=st.booleans())
def test_read_csv_rows_keeps_every_character(
    folder: Path, rows: list[tuple[str, str]], *, doubled: bool
) -> None:
    """Quoted cells are read exactly as they were written, with doubled or escaped quotes."""
    path = folder / "any.csv"
    dialect: dict[str, Any] = {"quoting": csv.QUOTE_ALL, "delimiter": ";"}
    if not doubled:
        dialect |= {"doublequote": False, "escapechar": "\\"}
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **dialect).writerows([("Name", "Text"), *rows])
    options = CsvOptions() if doubled else CsvOptions(escape="\\")

    commands = read_commands(path, template=NOTES, csv=options)

    assert rows == [(each["identifier"]["name"], note_of(each)) for each in commands]


def test_read_csv_rows_keeps_backslashes(tmp_path: Path) -> None:
    """With the default options a backslash is text like any other."""
    text = 'name;note\nSRV\\01;^\\d+$\nSRV01;\\\\files\\in\nends\\;"a \\"\n'
    expected = [("SRV\\01", "^\\d+$"), ("SRV01", "\\\\files\\in"), ("ends\\", "a \\")]
    assert expected == pairs(read_csv(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "lost"), [("SRV\\01;x", "0"), ("a;^\\d+$", "d"), ('a;"C:\\files"', "f")]
)
def test_read_csv_rows_refuses_a_lost_backslash(tmp_path: Path, text: str, lost: str) -> None:
    """A configured escape character that would vanish is refused with its row and the option."""
    reason = refuse_csv(tmp_path, f"name;note\n{text}\n", escape="\\")
    assert reason.startswith(f", row 2: the escape character '\\\\' stands before {lost!r}")
    assert "Set the CSV escape to an empty text" in reason


def test_read_csv_rows_understands_an_escaped_quote(tmp_path: Path) -> None:
    """A configured escape character before a quote makes the quote part of the cell."""
    records = read_csv(tmp_path, 'name;note\na;"5\\" and \\\\"\n', escape="\\")
    assert [("a", '5" and \\')] == pairs(records)


def test_read_csv_rows_names_the_escape_option(tmp_path: Path) -> None:
    """Quotes that are escaped with a backslash are refused, and the option is named."""
    reason = refuse_csv(tmp_path, 'name;note\na;"5\\" wide"\n')
    assert ", row 2: text follows the quote" in reason
    assert "set the CSV escape to a backslash" in reason


@pytest.mark.parametrize(
    "text",
    [
        "name;note\nT1;first;\nT2;second;;\nT3\n",
        "name;note;\nT1;first\nT2;second;;;\nT3;",
        "name;note;;\r\nT1;first;;\r\nT2;second;;\r\nT3;;;\r\n",
    ],
)
def test_read_csv_rows_tolerates_empty_cells_at_the_end(tmp_path: Path, text: str) -> None:
    """Surplus empty cells are harmless, and a missing last cell is an empty one."""
    expected = [("T1", "first"), ("T2", "second"), ("T3", "")]
    assert expected == pairs(read_csv(tmp_path, text))


def test_read_csv_rows_skips_rows_without_content(tmp_path: Path) -> None:
    """Rows of separators only and blank lines hold nothing and are skipped."""
    assert [("T1", "x")] == pairs(read_csv(tmp_path, "name;note\n;;\n\nT1;x\n;\n  ;\t\n"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a;b;c;d\n1;2;3;4\n5;6\n", ", row 3: the row has 2 cells instead of 4; it may be cut off"),
        ("a;b;c\n1;2;3\n4\n", ", row 3: the row has 1 cell instead of 3"),
        (
            "a;b\n1;2\n3;4; ;5\n",
            ", row 3: the row has 4 cells instead of 2; the first surplus one is '5'",
        ),
        ("a;b\n1;2\na;b\n3;4\n", ", row 3: the row repeats the header. Remove it."),
        ("a;b\n1;2\n3;4;5\n", ", row 3: the row has 3 cells instead of 2; the first surplus one"),
        ('a;b\n1;2\n3;"4', ', row 3: a quote (") opens a cell that is never closed'),
        ('a;b\n1;2\n3;"4\n5;6\n', ', row 3: a quote (") opens a cell that is never closed'),
        ('a;b\n1;"2"x\n', ', row 2: text follows the quote (") that closes a cell'),
        ('a;b\n1;x "2" y\n', ', row 2: a quote (") stands inside a cell that is not quoted'),
        ('a;b\n1; "2"\n', ', row 2: a quote (") stands inside a cell that is not quoted'),
        ("a;b\n1;\0\n", ", row 2: the row holds a NUL character"),
        ("a;b\n1;2\n\ufeffa;b\n3;4\n", ", row 3: the row begins with a byte order mark (U+FEFF)"),
        ("a;b\n;2\n", ", row 2: column 'a' is empty, but identifier.name needs it"),
        ("a;b\n  ;2\n", ", row 2: identifier.name: is blank"),
        ("a;b\n#N/A;2\n", ", row 2: cell A2 (column 'a') is #N/A, an error value of a spreadsheet"),
        ("a;b\n1;#REF!\n", ", row 2: cell B2 (column 'b') is #REF!"),
        ("\n", ": the table has no row. An empty source is an empty cycle"),
        ("a;b\n", ": the table has no row below the header. An empty source"),
        ("a;b\n;\n", ": the table has no row below the header"),
        ('a;b\n1;"' + "x" * 140_000 + '"\n', ", row 2: a cell has more than 131,072 characters"),
    ],
)
def test_read_csv_rows_refuses_broken_rows(tmp_path: Path, text: str, reason: str) -> None:
    """A row that is cut off, ambiguous or about nothing is refused with its number."""
    assert reason in refuse_csv(tmp_path, text)


@pytest.mark.parametrize(
    "error",
    [
        "#NV",
        "#BEZUG!",
        "#VALEUR!",
        "#N/D",
        "#RIF!",
        "#SAKNAS!",
        "#I/T",
        "#YOK",
        "#ССЫЛКА!",
        " #NV ",
        "Err:502",
    ],
)
def test_read_records_refuses_errors_of_spreadsheets_in_other_languages(
    tmp_path: Path, error: str
) -> None:
    """An error value that a spreadsheet wrote in its own language is refused with the cell."""
    path = tmp_path / "a.csv"
    path.write_text(f"name;note\nT1;{error}\n", encoding="utf-8")
    assert f"row 2: cell B2 (column 'note') is {error.strip()}, an error" in refuse(
        path, template=NOTES
    )


def test_read_records_ignores_errors_in_unused_columns(tmp_path: Path) -> None:
    """An error value in a column that the template does not use is harmless."""
    assert [("1", "2")] == pairs(read_csv(tmp_path, "a;b;c\n1;2;#REF!\n"))


def test_read_csv_rows_counts_lines_after_a_long_cell(tmp_path: Path) -> None:
    """A row is named by its number; once a cell spans several lines, by its line."""
    text = 'name;note\nT1;x\nT2;"1\n2"\n\nT3;y\n'
    positions = [str(record.position) for record in read_csv(tmp_path, text)]
    places = [each.removeprefix(str(tmp_path / "a.csv")) for each in positions]
    assert [", row 2", ", row 3", ", line 6"] == places


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_read_csv_rows_understands_any_line_end(tmp_path: Path, end: str) -> None:
    """Files of Windows, Unix and old Macs are read alike."""
    text = f"name;note{end}T1;x{end}T2;y{end}"
    assert [("T1", "x"), ("T2", "y")] == pairs(read_csv(tmp_path, text))


def test_read_csv_rows_understands_other_characters(tmp_path: Path) -> None:
    """Other separators and quotes are read where they are configured."""
    text = "name,note\n'a, ''b''',x\n"
    assert [("a, 'b'", "x")] == pairs(read_csv(tmp_path, text, separator=",", quote="'"))
    same = read_csv(tmp_path, text, separator=",", quote="'", escape="'")
    assert [("a, 'b'", "x")] == pairs(same)


def test_read_csv_rows_drops_leading_whitespace_on_request(tmp_path: Path) -> None:
    """Whitespace after a separator is dropped only where this is configured."""
    text = 'name;note\na; "x"\n'
    assert [("a", "x")] == pairs(read_csv(tmp_path, text, ignore_leading_whitespace=True))
    assert [("a", " x")] == pairs(read_csv(tmp_path, "name;note\na; x\n"))


def test_read_csv_rows_skips_a_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark is no part of the first column's name."""
    assert 1 == len(read_csv(tmp_path, "\ufeffname\na\n", NAME_ONLY))


@pytest.mark.parametrize(
    ("content", "encoding", "reason"),
    [
        ("name\nÄ\n", "cp1252", ", row 2: byte 5 (0xC4) is not UTF-8; in Windows-1252 it is 'Ä'"),
        ("name\nÄ\n", "utf-16", ", row 1: the file is encoded as UTF-16. Set the CSV encoding to"),
        ("name\nÄ\n", "utf-16-le", ", row 1: the file is encoded as UTF-16"),
        ("name\nÄ\n", "utf-32-be", ", row 1: the file is encoded as UTF-32"),
    ],
)
def test_read_csv_rows_names_the_encoding(
    tmp_path: Path, content: str, encoding: str, reason: str
) -> None:
    """Another encoding is named with the option that helps; with it, the file is read."""
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode(encoding))
    message = refuse(path, template=NAME_ONLY)
    assert reason in message
    named = message.partition("encoding to '")[2].partition("'")[0]
    assert ["Ä"] == read_names(path, template=NAME_ONLY, csv=CsvOptions(encoding=named))


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_read_csv_rows_refuses_utf_8_read_as_another_encoding(tmp_path: Path, mark: str) -> None:
    """UTF-8, with or without its mark, is not read as if it were Windows-1252."""
    path = tmp_path / "a.csv"
    path.write_bytes(f"{mark}name\nÄ\n".encode())
    options = {"template": NAME_ONLY, "csv": CsvOptions(encoding="cp1252")}
    assert "encoded as UTF-8. Set the CSV encoding to 'utf-8'" in refuse(path, **options)


@pytest.mark.parametrize(
    ("content", "named"),
    [("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be"), ("utf-8", "utf-8")],
)
def test_read_csv_rows_refuses_utf_16_without_its_mark(
    tmp_path: Path, content: str, named: str
) -> None:
    """Text that is not the configured UTF-16 is refused with the encoding that it has."""
    path = tmp_path / "a.csv"
    path.write_bytes("name;note\nΔ1;x\n".encode(content))

    message = refuse(path, template=NOTES, csv=CsvOptions(encoding="utf-16"))

    assert message.endswith(f"Set the CSV encoding to {named!r}.")


def test_read_csv_rows_finds_utf_16_of_other_alphabets(tmp_path: Path) -> None:
    """UTF-16 is recognized though the first letters have no zero byte."""
    path = tmp_path / "a.csv"
    path.write_bytes("Όνομα;Σημείωση\nΠίνακας;Πωλήσεις\n".encode("utf-16-le"))  # noqa: RUF001 - Greek

    assert "encoded as UTF-16. Set the CSV encoding to 'utf-16-le'" in refuse(path, template=NOTES)


@pytest.mark.parametrize(
    ("text", "layout", "reason"),
    [
        ("name,note\na,b\n", template(asset("${name}", displayName="${note}")), "seems to be ','"),
        ("name\tnote\na\tb\n", NOTES, "The separator seems to be '\\t'. Set the CSV separator"),
        ("name,note\na,b\n", NAME_ONLY, "columns are 'name,note'. The separator seems to be ','"),
        ("name,note\na,b\n", template(asset("${1}")), "the table has one column, 'name,note'. The"),
        ("My export\nname;note\na;b\n", NOTES, "The header seems to be row 2. Delete the rows"),
        ("Export;2026\n\nname;note\na;b\n", NAME_ONLY, "The header seems to be row 3"),
        ("Name;Note\na;b\n", NAME_ONLY, "columns are 'Name', 'Note'. Write ${Name}"),
        ("x;name;name\na;b;c\n", NAME_ONLY, "2 columns named 'name'. Write ${2} or ${3} instead"),
        ("x\na\n", NOTES, ", row 1: the template uses ${2}, but the table has 1 column"),
        ("x;y\na;b\n", template(asset("${0}")), "the template uses ${0}, but the table has 2"),
        ("2;1\na;b\n", NOTES, "the placeholder ${1} is ambiguous"),
    ],
)
def test_bind_template_explains_a_header(
    tmp_path: Path, text: str, layout: str, reason: str
) -> None:
    """A wrong separator, a title row and a wrong name are distinguished, with the next step."""
    assert reason in refuse_csv(tmp_path, text, layout)


def test_columns_find_a_name_with_blanks_around_it(tmp_path: Path) -> None:
    """A column is found by its name also if the header has blanks around it."""
    records = read_csv(tmp_path, "x; name \na;b\n", NAME_ONLY)
    assert ["b"] == [each.command["identifier"]["name"] for each in records]


def test_read_records_without_a_header(tmp_path: Path) -> None:
    """Where there is no header, the first row is content, also without its last cell."""
    records = read_csv(tmp_path, "a\nb;x\n", header_row=False)
    assert [("a", ""), ("b", "x")] == pairs(records)
    reason = refuse_csv(tmp_path, "a;x\n", NAME_ONLY, header_row=False)
    assert "has no header row. Use the column's number" in reason


def test_read_records_joins_files(tmp_path: Path) -> None:
    """Files with equal columns are one table; the place of each record names its file."""
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"name;note\n{name};\n")
    assert ["a", "b"] == read_names(str(tmp_path / "*.csv"), template=NOTES)


def test_read_records_compares_headers(tmp_path: Path) -> None:
    """Files with differing headers are refused where the template counts the columns."""
    (tmp_path / "a.csv").write_text("name;note\na;\n")
    (tmp_path / "b.csv").write_text("note;name\n;b\n")
    source = str(tmp_path / "*.csv")
    assert f"b.csv: the header differs from that of {tmp_path / 'a.csv'}" in refuse(
        source, template=NOTES
    )
    assert ["a", "b"] == read_names(source, template=NAME_ONLY)


def test_read_records_lists_twenty_faults_with_the_total(tmp_path: Path) -> None:
    """Up to twenty faulty rows are listed in one error, with their total number."""
    with pytest.raises(SourceError) as refusal:
        read_csv(tmp_path, "a;b\n" + ";x\n" * 1_030)
    assert str(refusal.value).startswith("The source has 1,030 faults; the first 20 are:\n- ")
    assert 20 == len(refusal.value.faults)
    assert f"{tmp_path / 'a.csv'}, row 21: column 'a' is empty" in refusal.value.faults[-1]
