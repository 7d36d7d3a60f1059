"""Sources as people have them, from the file to the batches; each kind has several inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks.errors import SourceError
from collibra_tasks.options import CsvOptions, SourceOptions
from collibra_tasks.sources import open_source
from collibra_tasks.sources.batches import Batch
from tests.support.importing import ImportingTenant
from tests.support.source_commands import (
    OTHER_RELATION,
    RELATION,
    Command,
    asset,
    community,
    complex_relation,
    domain,
    external,
    load_all,
    mapping,
    named,
    names,
)
from tests.support.source_files import write_excel

TABLE = {"name": "Table"}
PLACES = [community("C"), domain("D", type={"name": "Glossary"})]


def split_source(
    source: Any, size: int = 10_000, *, template: Sequence[Command] | None = None, **options: Any
) -> list[Batch]:
    """Return the batches of a source; keyword arguments are options of reading."""
    text = json.dumps(template) if template else ""
    with (
        open_source(source, SourceOptions(template=text, **options)) as opened,
        opened.scan(log=lambda _: None) as content,
    ):
        return list(content.order().iter_batches(size))


def refuse_source(source: Any, **options: Any) -> str:
    """Return the message of the error that a source ends with."""
    with pytest.raises(SourceError) as refusal:
        split_source(source, **options)
    return str(refusal.value)


def write(path: Path, content: object) -> str:
    """Write a text, bytes or JSON, and return the path."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
    return str(path)


def import_all(batches: Sequence[Batch], existing: Sequence[Command] = PLACES) -> list[str]:
    """Return the errors of a tenant that checks every target."""
    with ImportingTenant(existing) as tenant:
        tenant.send(batches)
        return tenant.errors


def tables(*commands: Command) -> list[Command]:
    """Return assets with a type, which a new asset needs."""
    return [{**command, "type": TABLE} for command in commands]


# A target comes in a later batch.


def test_forward_reference_of_one_file(tmp_path: Path) -> None:
    """A relation whose target would come in the next batch is sent after its target."""
    columns = tables(asset("c1", "c9"), *(asset(f"c{n}") for n in range(2, 12)))

    batches = split_source(write(tmp_path / "columns.json", columns), 5)

    order = [name for batch in batches for name in names(batch)]
    assert order.index("c9") < order.index("c1")
    assert [5, 5, 1] == [batch.command_count for batch in batches]
    assert [] == import_all(batches)


def test_forward_reference_to_a_later_file(tmp_path: Path) -> None:
    """A target in a later file is sent first."""
    paths = [
        write(tmp_path / "1.json", tables(asset("orders", "order_id"))),
        write(tmp_path / "2.json", tables(asset("order_id"))),
    ]

    batches = split_source(paths, 1)

    assert [["order_id"], ["orders"]] == [names(batch) for batch in batches]
    assert [] == import_all(batches)


def test_forward_reference_of_a_table_in_a_circle(tmp_path: Path) -> None:
    """Rows that refer to each other in a circle are sent without the relation first."""
    path = write(tmp_path / "people.csv", "name;manager\nAda;Bob\nBob;Ada\n")

    batches = split_source(path, template=tables(asset("${name}", "${manager}")))

    assert [["Ada", "Bob"], ["Ada"]] == [names(batch) for batch in batches]
    assert [False, True] == ["relations" in each for each in load_all(batches[:1])]
    assert [] == import_all(batches)


# Mappings and complex relations stand before their assets.


def test_mapping_first_in_a_file(tmp_path: Path) -> None:
    """Mappings and complex relations at the start of a file are sent after the assets."""
    mixed = [
        mapping("x-1", asset=named("x")),
        complex_relation("fm-1", "x", "y", complexRelationType={"name": "Field Mapping"}),
        *tables(asset("x"), asset("y")),
        *reversed(PLACES),
    ]

    batches = split_source(write(tmp_path / "mixed.json", mixed), 2)

    assert [["C"], ["D"], ["x", "y"], ["x-1"], ["fm-1"]] == [names(each) for each in batches]
    assert [] == import_all(batches, ())


def test_mapping_first_of_a_complex_relation() -> None:
    """The mapping of a complex relation follows it; a reference by a mapping's ID follows that."""
    commands = [
        mapping("m-2", complexRelation=external("fm-1")),
        complex_relation("fm-1", "x", complexRelationType={"name": "Field Mapping"}),
        *tables(asset("y", relations={RELATION: [external("x-1")]}), asset("x")),
        mapping("x-1", asset=named("x")),
    ]

    assert [] == import_all(split_source(commands, 1))


# The content of one asset is spread over the source.


def test_scattered_rows_of_a_table(tmp_path: Path) -> None:
    """Rows about one asset that are not neighbours become one command with all relations."""
    path = write(tmp_path / "tables.csv", "name;area\nT1;Finance\nT2;Sales\nT1;Risk\n")

    (batch,) = split_source(path, template=[asset("${name}", "${area}")])

    first, _ = load_all([batch])
    assert [named("Finance"), named("Risk")] == first["relations"][RELATION]
    assert ["T1", "T2"] == names(batch)
    assert "tables.csv, row 2" in str(batch.position_of(0))


def test_scattered_commands_of_two_files(tmp_path: Path) -> None:
    """Commands about one asset in several files become one with everything."""
    paths = [
        write(tmp_path / "1.json", [asset("T1", "Finance", tags=["a"]), asset("T2")]),
        write(tmp_path / "2.json", [asset("T1", "Risk", relation=OTHER_RELATION, tags=["b"])]),
    ]

    first, _ = load_all(split_source(paths))

    assert ["a", "b"] == first["tags"]
    assert {RELATION, OTHER_RELATION} == first["relations"].keys()


def test_scattered_commands_that_contradict_each_other(tmp_path: Path) -> None:
    """Two values of one single attribute in two files are refused with both places."""
    one, other = ({"Note": [{"value": text}]} for text in ("old", "new"))
    paths = [
        write(tmp_path / "1.json", [asset("T1", attributes=one)]),
        write(tmp_path / "2.json", [asset("T2"), asset("T1", attributes=other)]),
    ]

    assert f"{paths[0]}, index 0 and {paths[1]}, index 1: the attribute 'Note'" in refuse_source(
        paths
    )


# A table whose environment may ignore relations_action.


def test_table_becomes_json(tmp_path: Path) -> None:
    """A table is sent as JSON, for which every version knows relations_action."""
    csv = write(tmp_path / "a.csv", "name;area\nT1;Finance\n")
    excel = write_excel(tmp_path / "a.xlsx", S=[["name", "area"], ["T1", "Finance"]])
    template = [asset("${name}", "${area}")]

    for path in (csv, str(excel)):
        (batch,) = split_source(path, template=template)
        assert [asset("T1", "Finance")] == json.loads(batch.content)


# A backslash that most exporters do not mean as an escape character.

BACKSLASHES = "instance;note\nSRV\\01;^\\d+$\nSRV01;\\\\files\\in\n"
INSTANCES = [asset("${instance}", attributes={"Note": [{"value": "${note}"}]})]


def test_backslash_is_read_as_written(tmp_path: Path) -> None:
    """Backslashes stay in names and values, so that two names stay different."""
    (batch,) = split_source(write(tmp_path / "a.csv", BACKSLASHES), template=INSTANCES)

    notes = [each["attributes"]["Note"][0]["value"] for each in load_all([batch])]
    assert ["SRV\\01", "SRV01"] == names(batch)
    assert ["^\\d+$", "\\\\files\\in"] == notes


@pytest.mark.parametrize("cell", ["C:\\", "a\\;b", '"C:\\"', '"\\\\host\\"', "\\N"])
def test_backslash_at_the_end_of_a_cell(tmp_path: Path, cell: str) -> None:
    """A backslash before a separator or a quote belongs to its cell."""
    path = write(tmp_path / "a.csv", f"instance;note;more\n{cell};x;\n")

    (batch,) = split_source(path, template=INSTANCES)

    assert [cell.partition(";")[0].strip('"')] == names(batch)


def test_backslash_that_would_be_lost(tmp_path: Path) -> None:
    """With a backslash as the escape character, one that would vanish is refused."""
    path = write(tmp_path / "a.csv", BACKSLASHES)

    message = refuse_source(path, template=INSTANCES, csv=CsvOptions(escape="\\"))

    assert "row 2: the escape character" in message
    assert "Set the CSV escape to an empty text" in message


# Rows with one cell too many or too few.

FOUR = [asset("${1}", type={"name": "${2}"}, attributes={"Note": [{"value": "${3}${4}"}]})]


@pytest.mark.parametrize("row", ["T1;Table;x;", "T1;Table;x;;", "T1;Table;x", "T1;Table;x;;;;"])
def test_trailing_cells_are_harmless(tmp_path: Path, row: str) -> None:
    """Surplus empty cells, and a missing last cell, change nothing."""
    path = write(tmp_path / "a.csv", f"name;type;note;owner\n{row}\nT2;Table;y;z\n")

    first, second = load_all(split_source(path, template=FOUR))

    assert [{"value": "x"}] == first["attributes"]["Note"]
    assert [{"value": "yz"}] == second["attributes"]["Note"]


@pytest.mark.parametrize(("row", "found"), [("T1;Table", "2 cells"), ("T1;Table;x;y;z", "5 cells")])
def test_trailing_cells_that_are_no_such(tmp_path: Path, row: str, found: str) -> None:
    """A row that is cut off inside, or has a surplus value, is refused."""
    path = write(tmp_path / "a.csv", f"name;type;note;owner\n{row}\n")

    assert f"row 2: the row has {found} instead of 4" in refuse_source(path, template=FOUR)


# A template whose identifier has no placeholder.


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("{1}", "Write ${1}."),
        ("$name", "Write ${name}."),
        ("{{name}}", "Write ${name}."),
        ("#name#", "Write ${name}."),
        ("[name]", "Write a placeholder such as ${name} in the identifier."),
        ("Table", "Write a placeholder such as ${name} in the identifier."),
    ],
)
def test_constant_identifier(tmp_path: Path, name: str, step: str) -> None:
    """Rows that would all become one asset are refused, with the placeholder to write."""
    path = write(tmp_path / "a.csv", "name;note\nT1;a\nT2;b\n")

    message = refuse_source(path, template=[asset(name, displayName="${2}")])

    assert message.endswith(step)


# Commands that Collibra can never import.

PLACE = {"name": "D", "community": {"name": "C"}}
UNIMPORTABLE: dict[str, Command] = {
    "no domain": {"identifier": {"name": "T1"}},
    "bare domain": {"identifier": {"name": "T1", "domain": {"name": "D"}}},
    "domain as text": {"identifier": {"name": "T1", "domain": "D"}},
    "ID and name": {"identifier": {"id": "0b8e5bb2-6c09-4bb4-9c3a-6a44ba3a5ba0", "name": "T1"}},
    "ID that is no UUID": {"identifier": {"id": "T1"}},
    "half an external ID": {"identifier": {"externalEntityId": "T1"}},
    "capital key": {"identifier": {"Name": "T1", "domain": PLACE}},
    "attribute as text": {"attributes": {"Note": ["text"]}},
    "attribute without a list": {"attributes": {"Note": {"value": "text"}}},
    "attributes as a list": {"attributes": [{"Note": "text"}]},
    "type as text": {"type": "Table"},
    "tags as text": {"tags": "pii"},
    "misspelt key": {"atributes": {}},
    "singular key": {"relation": {}},
    "wrong direction": {"relations": {f"{RELATION[:36]}:TARGTE": []}},
    "no direction": {"relations": {RELATION[:36]: []}},
    "target by a bare name": {"relations": {RELATION: [{"name": "T2"}]}},
    "blank name": {"identifier": {"name": "   ", "domain": PLACE}},
    "null name": {"identifier": {"name": None, "domain": PLACE}},
    "unknown resource": {"resourceType": "Assets"},
}


@pytest.mark.parametrize("what", UNIMPORTABLE)
def test_unimportable_command(tmp_path: Path, what: str) -> None:
    """A command that can never be imported is refused with file and index, before any batch."""
    path = write(tmp_path / "a.json", [asset("good"), asset("T1") | UNIMPORTABLE[what]])

    assert refuse_source(path).startswith(f"{path}, index 1: ")


def test_unimportable_commands_at_once(tmp_path: Path) -> None:
    """All of them are named in one error."""
    bad = [asset("T1") | change for change in UNIMPORTABLE.values()]

    message = refuse_source(write(tmp_path / "a.json", bad))

    assert message.startswith(f"The source has {len(bad)} faults")


def test_unknown_key_is_sent_and_logged_once() -> None:
    """A key that resembles no known one is logged once; Collibra's own error names it."""
    lines: list[str] = []
    commands = [asset(name, type=TABLE, frobnicate="x") for name in ("T1", "T2")]

    with (
        open_source(commands, SourceOptions()) as opened,
        opened.scan(log=lines.append) as content,
    ):
        errors = import_all(list(content.order().iter_batches()))

    (line,) = lines
    assert "Collibra's published description does not list: Asset.frobnicate." in line
    assert 2 == len(errors)
    assert all("frobnicate" in error for error in errors)


@pytest.mark.parametrize("key", ["relations", "attributes", "tags"])
def test_unknown_key_of_any_form(key: str) -> None:
    """A key of assets is an unknown one in a mapping; it is sent, whatever its form."""
    commands = [mapping("x-1", asset=named("x"), **{key: "y"}), mapping("x-1", asset=named("x"))]

    (batch,) = split_source(commands)

    assert ["y"] == [each[key] for each in load_all([batch])]


# Error values of a spreadsheet.


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!"])
def test_spreadsheet_error(tmp_path: Path, error: str) -> None:
    """An error value is refused with its cell, in a workbook and in the CSV that was made of it."""
    template = [asset("${name}")]
    excel = write_excel(tmp_path / "a.xlsx", Data=[["name"], ["T1"], [error]])
    csv = write(tmp_path / "a.csv", f"name\nT1\n{error}\n")

    assert "sheet 'Data', row 3: cell A3" in refuse_source(str(excel), template=template)
    assert "row 3: cell A3" in refuse_source(csv, template=template)


# Values that exporters send.


def test_values_that_people_send() -> None:
    """Numbers, booleans, null, HTML, empty lists and public IDs are imported."""
    values: dict[str, Any] = {
        "Row count": [{"value": 100}],
        "PII": [{"value": True}],
        "Score": [{"value": 0.5}],
        "Note": [{"value": "<p>5 % über dem Soll</p>"}],
        "Owner": [{"value": None}],
        "Codes": [{"values": ["a", 1, False]}],
        "Empty": [],
    }
    commands = [
        asset("T1", type=TABLE, attributes=values),
        asset("T2", type={"publicId": "Table"}, relations={RELATION: []}, tags=[]),
    ]

    assert [] == import_all(split_source(commands))


# Files of PowerShell.


def test_single_command_without_its_array(tmp_path: Path) -> None:
    """One command without its array is refused with what to do, however it arrives."""
    path = write(tmp_path / "a.json", json.dumps(asset("T1"), indent=4))

    assert refuse_source(path) == f"{path}, byte 0: a single command: put it in [ ]."
    assert refuse_source(asset("T1")) == "The source is a single command: put it in [ ]."


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    """A file in UTF-16 is refused by this name, with and without a byte order mark."""
    path = write(tmp_path / "a.json", json.dumps([asset("T1")]).encode(encoding))

    assert refuse_source(path).startswith(f"{path}, byte 0: the file is encoded as UTF-16. Save")


# Workbooks.


def test_workbook_is_split(tmp_path: Path) -> None:
    """A workbook with three commands per row is split like any other source."""
    rows = [["name", "part"], *([f"T{number}", f"P{number}"] for number in range(700))]
    path = write_excel(tmp_path / "a.xlsx", Data=rows)
    template = [domain("D"), asset("${name}", "${part}"), asset("${part}")]

    batches = split_source(str(path), 500, template=template)

    assert [1, 500, 500, 400] == [batch.command_count for batch in batches]


@pytest.mark.slow
def test_workbook_larger_than_one_request(tmp_path: Path) -> None:
    """59,510 rows with three commands each are no special case."""
    rows = [["name", "part"], *([f"T{number}", f"P{number}"] for number in range(59_510))]
    path = write_excel(tmp_path / "a.xlsx", Data=rows)
    template = [domain("D"), asset("${name}", "${part}"), asset("${part}")]

    batches = split_source(str(path), template=template)

    assert 2 * 59_510 + 1 == sum(batch.command_count for batch in batches)
    assert 13 == len(batches)


DATA: list[list[object]] = [["name"], ["T1"]]


@pytest.mark.parametrize(
    ("sheets", "step"),
    [
        ({"Cover": [["Report 2026"]], "Data": DATA}, "set sheet='Data'"),
        ({"Data": [["Report 2026"], [], *DATA]}, "The header seems to be row 3. Delete the rows"),
        ({"Empty": [], "Data": DATA}, "Set sheet to another sheet of the workbook: 'Data'"),
    ],
    ids=["cover", "title", "empty"],
)
def test_workbook_as_people_have_it(tmp_path: Path, sheets: dict[str, Any], step: str) -> None:
    """A cover sheet, a title row or an empty sheet is refused with the next step."""
    path = write_excel(tmp_path / "a.xlsx", **sheets)

    assert step in refuse_source(str(path), template=[asset("${name}")])
