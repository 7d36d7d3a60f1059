"""Sources of real users whose commands depend on each other, from the file to the batches."""

from __future__ import annotations

import json
from pathlib import Path

from collibra_tasks.options import SourceOptions
from collibra_tasks.sources.batches import Batch
from collibra_tasks.sources.opening import open_source
from tests.support.source_commands import (
    RELATION,
    Command,
    asset,
    complex_relation,
    domain,
    load_all,
    mapping,
    named,
    names,
)


def split_file(path: Path, size: int, template: list[Command] | None = None) -> list[Batch]:
    options = SourceOptions(template=json.dumps(template) if template else "")
    with open_source(path, options) as opened, opened.scan(log=print) as content:
        return list(content.order().iter_batches(size))


def test_forward_reference_in_a_file(tmp_path: Path) -> None:
    """A relation whose target would come in the next batch is sent after its target."""
    path = tmp_path / "fields.json"
    fields = [asset("field 1", "field 9"), *(asset(f"field {n}") for n in range(2, 12))]
    path.write_text(json.dumps(fields))

    batches = split_file(path, 5)

    order = [name for batch in batches for name in names(batch)]
    assert order.index("field 9") < order.index("field 1")
    assert [5, 5, 1] == [batch.command_count for batch in batches]


def test_forward_reference_of_a_table(tmp_path: Path) -> None:
    """Rows that refer to each other in a circle are sent without the relation first."""
    path = tmp_path / "people.csv"
    path.write_text("name;manager\nAda;Bob\nBob;Ada\n")
    template = [asset("${name}", "${manager}")]

    batches = split_file(path, 10, template)

    assert [["Ada", "Bob"], ["Ada"]] == [names(batch) for batch in batches]
    assert [False, True] == ["relations" in each for each in load_all(batches[:1])]


def test_mappings_first_in_a_file(tmp_path: Path) -> None:
    """Mappings and complex relations at the start of a file are sent after the assets."""
    path = tmp_path / "mixed.json"
    mixed = [
        mapping("x-1", asset=named("x")),
        complex_relation("fm-1", "x", "y", complexRelationType={"name": "Field Mapping"}),
        asset("x"),
        asset("y"),
        domain("D"),
    ]
    path.write_text(json.dumps(mixed))

    assert [["D"], ["x", "y"], ["x-1"], ["fm-1"]] == [names(each) for each in split_file(path, 2)]


def test_scattered_rows_of_a_table(tmp_path: Path) -> None:
    """Rows about one asset that are not neighbours become one command with all relations."""
    path = tmp_path / "tables.csv"
    path.write_text("name;area\nT1;Finance\nT2;Sales\nT1;Risk\n")

    (batch,) = split_file(path, 10, [asset("${name}", "${area}")])

    first, _ = load_all([batch])
    assert [named("Finance"), named("Risk")] == first["relations"][RELATION]
    assert ["T1", "T2"] == names(batch)
    assert "tables.csv, row 2" in str(batch.position_of(0))
