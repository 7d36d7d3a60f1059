"""Templates: which commands result from a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collibra_tasks.errors import SourceError
from collibra_tasks.options import SourceOptions
from collibra_tasks.sources.cells import RowError
from collibra_tasks.sources.opening import open_source
from collibra_tasks.sources.placeholders import Columns
from collibra_tasks.sources.templates import bind_template, read_template
from tests.support.source_files import (
    COLUMN_OF_TABLE,
    NOTES,
    asset,
    read_commands,
    read_csv,
    target,
    template,
    write_excel,
)

LEG = "00000000-0000-0000-0000-000000007088:TARGET"
USER = "00000000-0000-0000-0000-000000900001"
EXTERNAL = {"externalSystemId": "erp", "externalEntityId": "${id}"}


def fill(command: dict[str, Any], separator: str = ",", **cells: str) -> dict[str, Any]:
    """Return the command that one row makes of a template."""
    table = Columns(tuple(cells), len(cells))
    bound = bind_template(read_template(json.dumps([command])), table, separator)
    (filled,) = bound.fill(list(cells.values()))
    if isinstance(filled, RowError):
        raise filled
    return filled


def refuse_row(command: dict[str, Any], separator: str = ",", **cells: str) -> str:
    with pytest.raises(RowError) as refusal:
        fill(command, separator, **cells)
    return str(refusal.value)


@settings(deadline=None)
@given(name=st.text(min_size=1), note=st.text(min_size=1))
def test_fill_inserts_cells_as_data(name: str, note: str) -> None:
    """Filling in never loses or invents a character, also if a cell looks like a placeholder."""
    command = asset("<${n}>", attributes={"Note": [{"value": "${t}"}]})
    for text in (note, "${n}", "${1}", '"},{"x', "a,b"):
        filled = fill(command, n=name, t=text)
        assert f"<{name}>" == filled["identifier"]["name"]
        assert [{"value": text}] == filled["attributes"]["Note"]


@settings(deadline=None)
@given(cells=st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_fill_keeps_every_tag(cells: list[str]) -> None:
    """Each entry of a list becomes one tag; only blank entries are refused."""
    entries = [each.replace(",", "") for each in cells]
    cell = ",".join(entries)
    if not all(each.strip() for each in entries) and len(entries) > 1:
        assert "blank entry" in refuse_row(asset("${n}", tags=["${t}"]), n="a", t=cell)
        return
    tags = fill(asset("${n}", tags=["${t}"]), n="a", t=cell).get("tags", [])
    assert [each.strip() if len(entries) > 1 else each for each in entries if each] == tags


@pytest.mark.parametrize(
    ("field", "cells", "expected"),
    [
        ({"displayName": "${d}"}, {"d": "x"}, {"displayName": "x"}),
        ({"displayName": "${d}"}, {"d": ""}, {}),
        ({"displayName": "${d} (${e})"}, {"d": "x", "e": ""}, {"displayName": "x ()"}),
        ({"displayName": "${d} (${e})"}, {"d": "", "e": ""}, {}),
        ({"displayName": "fixed"}, {"d": ""}, {"displayName": "fixed"}),
        ({"status": {"name": "${d}"}}, {"d": ""}, {}),
        ({"attributes": {"Note": [{"value": "${d}"}]}}, {"d": ""}, {}),
        ({"attributes": {"Note": [{"value": "Rows: ${d}"}]}}, {"d": ""}, {}),
        (
            {"attributes": {"A": [{"value": "${d}"}], "B": [{"value": "${e}"}], "C": []}},
            {"d": "", "e": "x"},
            {"attributes": {"B": [{"value": "x"}], "C": []}},
        ),
        (
            {"attributes": {"A": [{"value": "${d}"}, {"value": "fixed"}]}},
            {"d": ""},
            {"attributes": {"A": [{"value": "fixed"}]}},
        ),
        (
            {"attributes": {"${d}": [{"value": "${e}"}]}},
            {"d": "Note", "e": "x"},
            {"attributes": {"Note": [{"value": "x"}]}},
        ),
        ({"attributes": {"${d}": [{"value": "${e}"}]}}, {"d": "Note", "e": ""}, {}),
        (
            {"attributes": {"Names": [{"values": ["${d}"]}]}},
            {"d": "surname,name"},
            {"attributes": {"Names": [{"values": ["surname", "name"]}]}},
        ),
        ({"attributes": {"Names": [{"values": ["${d}"]}]}}, {"d": ""}, {}),
        (
            {"attributes": {"Note": [{"value": "${d}"}]}},
            {"d": "a,b"},
            {"attributes": {"Note": [{"value": "a,b"}]}},
        ),
        ({"tags": ["${d}"]}, {"d": "TAG_1, TAG_2"}, {"tags": ["TAG_1", "TAG_2"]}),
        ({"tags": ["${d}"]}, {"d": ""}, {}),
        ({"tags": ["${d}"]}, {"d": " one "}, {"tags": [" one "]}),
        ({"tags": ["pii", "${d}"]}, {"d": ""}, {"tags": ["pii"]}),
        ({"tags": ["${d},${e}"]}, {"d": "a,b", "e": "c"}, {"tags": ["a", "b", "c"]}),
        ({"tags": ["${d},${e}"]}, {"d": "", "e": "c"}, {"tags": ["c"]}),
        ({"tags": ["sys:${d}"]}, {"d": "a"}, {"tags": ["sys:a"]}),
        ({"relations": {COLUMN_OF_TABLE: [target("${d}")]}}, {"d": ""}, {}),
        (
            {"relations": {COLUMN_OF_TABLE: [target("${d}"), target("${e}")]}},
            {"d": "", "e": "a, b"},
            {"relations": {COLUMN_OF_TABLE: [target("a, b")]}},
        ),
        ({"responsibilities": {"Steward": [{"user": {"id": "${d}"}}]}}, {"d": ""}, {}),
        (
            {"responsibilities": {"Steward": [{"user": {"id": "${d}"}}], "Owner": []}},
            {"d": USER},
            {"responsibilities": {"Steward": [{"user": {"id": USER}}], "Owner": []}},
        ),
    ],
)
def test_fill_leaves_out_empty_cells(
    field: dict[str, Any], cells: dict[str, str], expected: dict[str, Any]
) -> None:
    """Empty cells leave out values, targets, people and tags; constants stay."""
    assert asset("a") | expected == fill(asset("${n}") | field, n="a", **cells)


@pytest.mark.parametrize(
    ("field", "cells", "reason"),
    [
        ({"type": {"name": "${d}"}}, {"d": ""}, "column 'd' is empty, but type.name needs it"),
        ({"tags": ["${d}"]}, {"d": "a,,b"}, "column 'd' has a blank entry in the list 'a,,b'"),
        ({"tags": ["sys:${d}"]}, {"d": "a,b"}, "but the template adds text to the cell"),
        (
            {"relations": {COLUMN_OF_TABLE: [{"name": "${d}", "domain": {"id": "${e}"}}]}},
            {"d": "x", "e": ""},
            "column 'e' is empty, but a target of",
        ),
        (
            {"attributes": {"${d}": [{"value": "1"}], "${e}": [{"value": "2"}]}},
            {"d": "x", "e": "x"},
            "the key 'x' results twice",
        ),
        ({"attributes": {"${d}": [{"value": "${e}"}]}}, {"d": "", "e": "x"}, "is empty, but its"),
    ],
)
def test_fill_refuses_what_is_ambiguous(
    field: dict[str, Any], cells: dict[str, str], reason: str
) -> None:
    """A row from which two commands could result is refused with the column."""
    assert reason in refuse_row(asset("${n}") | field, n="a", **cells)


def test_fill_refuses_an_empty_part_of_a_name() -> None:
    """A name that is made of several cells is never shortened silently."""
    assert "column 't' is empty" in refuse_row(asset("${s}>${t}"), s="sales", t="")


def complex_relation(**fields: Any) -> dict[str, Any]:
    domain = {"name": "${domain}", "community": {"name": "${community}"}}
    leg = {"name": "${name}", "domain": domain}
    command = {"resourceType": "Complex Relation", "identifier": EXTERNAL}
    return command | {"relations": {LEG: [leg]}} | fields


def test_fill_splits_parallel_lists() -> None:
    """The cells of a complex relation's targets may hold lists of equal length."""
    filled = fill(complex_relation(), id="1", name="A1, A2", domain="D, D", community="C, C")
    assert {LEG: [target("A1"), target("A2")]} == filled["relations"]


def test_fill_splits_lists_beside_constants() -> None:
    """Constant parts of a target hold for every entry of a list."""
    command = complex_relation(relations={LEG: [target("${name}")]})
    assert {LEG: [target("A1"), target("A2")]} == fill(command, id="1", name="A1,A2")["relations"]
    assert {LEG: [target("A1,A2")]} == fill(command, "|", id="1", name="A1,A2")["relations"]


def test_fill_splits_lists_in_the_identifier() -> None:
    """A complex relation that is identified by its relations has lists there too."""
    command = {"resourceType": "Complex Relation", "identifier": {LEG: [target("${name}")]}}
    assert {LEG: [target("A1"), target("A2")]} == fill(command, name="A1, A2")["identifier"]


@pytest.mark.parametrize("domain", ["D", "D, D, D"])
def test_fill_refuses_lists_of_different_lengths(domain: str) -> None:
    """Parallel lists of different lengths are refused with the length of each."""
    reason = refuse_row(complex_relation(), id="1", name="A1, A2", domain=domain, community="C, C")
    assert "lists of different lengths (column 'name': 2, column 'domain':" in reason


def test_fill_leaves_out_an_empty_target_of_a_complex_relation() -> None:
    """A target whose cells are all empty is left out."""
    assert "relations" not in fill(complex_relation(), id="1", name="", domain="", community="")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("{1}", "${1}"),
        ("$name", "${name}"),
        ("{{name}}", "${name}"),
        ("{{ name }}", "${name}"),
        ("#name#", "${name}"),
        ("{name}", "${name}"),
        ("%name%", "${name}"),
        ("<name>", "${name}"),
        ("$(name)", "${name}"),
        ("$1", "${1}"),
        ("{0}", "${1} for the first column"),
        ("#title#", "one such as ${name}"),
        ("{row.name}", "${name}"),
        ("$NAME", "${name}"),
        ("${{name}}", "${name}"),
    ],
)
def test_bind_template_names_the_placeholder_meant(tmp_path: Path, name: str, meant: str) -> None:
    """A text that looks like a placeholder and is none is refused with the right one."""
    with pytest.raises(SourceError) as refusal:
        read_csv(tmp_path, "name;note\nT1;a\n", NOTES.replace("${1}", name))
    assert f"{name!r} is not a placeholder. Write {meant}." in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        {"identifier": target("${1}") | {"domain": {"id": "{{domain}}"}}},
        {"identifier": {"name": "${1}", "domain": {"name": "{d}", "community": {"name": "C"}}}},
        {"relations": {COLUMN_OF_TABLE: [target("$(parent)")]}},
        {"type": {"name": "$type"}},
    ],
    ids=["domain ID", "domain", "target", "type"],
)
def test_bind_template_refuses_lookalikes_in_names(
    tmp_path: Path, change: dict[str, object]
) -> None:
    """The name of a domain, target or type that looks like a placeholder is refused."""
    with pytest.raises(SourceError):
        read_csv(tmp_path, "name;note\nT1;a\n", template(asset("${1}") | change))


def test_bind_template_accepts_marks_in_free_texts(tmp_path: Path) -> None:
    """An attribute may hold braces and signs that are no column's name."""
    note = {"Note": [{"value": "{draft} $total #a#"}]}

    (record,) = read_csv(tmp_path, "name\nT1\n", template(asset("${1}", attributes=note)))

    assert note == record.command["attributes"]


@pytest.mark.parametrize("name", ["NAME", "Name", "nmae"])
def test_bind_template_names_the_column_meant(tmp_path: Path, name: str) -> None:
    """A misspelt column is refused with the right one, also in another case."""
    with pytest.raises(SourceError, match=r"Write \$\{name\} in the template"):
        read_csv(tmp_path, "name;note\nT1;a\n", template(asset(f"${{{name}}}")))


@pytest.mark.parametrize(("name", "meant"), [("Table", "${name}"), ("note", "${note}")])
def test_fill_refuses_a_constant_identifier(tmp_path: Path, name: str, meant: str) -> None:
    """An identifier without placeholder is refused at the second row, with the probable one."""
    layout = NOTES.replace("${1}", name)
    with pytest.raises(SourceError, match=r"row 3: the template's identifier has no") as refusal:
        read_csv(tmp_path, "name;note\nT1;a\nT2;b\nT3;c\n", layout)
    assert f"Write a placeholder such as {meant} in the identifier" in str(refusal.value)
    assert 1 == len(read_csv(tmp_path, "name;note\nT1;a\n", layout))


def test_bind_template_refuses_a_template_without_placeholders(tmp_path: Path) -> None:
    """A template that makes every row equal is refused."""
    with pytest.raises(SourceError, match="the template has no placeholder"):
        read_csv(tmp_path, "name\nT1\n", template(asset("T1")))


def test_fill_accepts_constants_beside_placeholders(tmp_path: Path) -> None:
    """Constant containers and constant assets stand beside rows, and are yielded once."""
    system = asset("System {EU}", displayName="costs $5")
    layout = template(system, asset("${name}"))
    records = read_csv(tmp_path, "name;5\nT1;a\nT2;b\n", layout)
    names = [record.command["identifier"]["name"] for record in records]
    assert ["System {EU}", "T1", "T2"] == names


def test_fill_yields_equal_containers_once(tmp_path: Path) -> None:
    """A domain that repeats on every row is yielded once, another one again."""
    domain = {"name": "${d}", "community": {"name": "C"}}
    layout = template({"resourceType": "Domain", "identifier": domain}, asset("${name}"))
    records = read_csv(tmp_path, "d;name\nD;1\nD;2\nE;3\nD;4\n", layout)
    found = [record.position.identifier for record in records]
    assert ["C > D", "C > D > 1", "C > D > 2", "C > E", "C > D > 3", "C > D > 4"] == found


def test_fill_never_shares_parts_between_commands() -> None:
    """A command may be changed without changing the next one."""
    command = asset("${n}", attributes={"Note": [{"value": "fixed"}]})
    bound = bind_template(read_template(json.dumps([command])), Columns(("n",), 1), ",")
    (first,) = bound.fill(["a"])
    assert isinstance(first, dict)
    first["attributes"]["Note"].append("changed")
    first["identifier"]["domain"]["name"] = "changed"
    (second,) = bound.fill(["b"])
    assert command | {"identifier": target("b")} == second


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "The template is invalid JSON"),
        ("[]", "not a JSON array of at least one import command"),
        ('{"resourceType": "Asset"}', "a single command: put it in [ ]"),
        ('[{"resourceType": "Asset"}]', "command 1: the Asset command has no identifier"),
        ('[{"a": 1, "a": 2}]', "the key 'a' stands twice"),
        (template(asset("${1")), "has '${' without '}'"),
        (template(asset("${}")), "has an empty placeholder"),
        (template(asset("${1}", atributes={})), "command 1: atributes: unknown key of Asset"),
        (template(asset("${1}", attributes={"Note": ["${2}"]})), "each entry must be an object"),
        (template(asset("${1}", tags="${2}")), 'tags: must be a list, not text. Write ["${...}"]'),
        ('[{"a": NaN}]', "NaN is not JSON"),
        ("nowhere.json", "'nowhere.json' cannot be read: No such file"),
    ],
)
def test_open_source_refuses_a_broken_template(tmp_path: Path, text: str, reason: str) -> None:
    """A template that is no list of commands is refused when the source is opened."""
    (tmp_path / "a.csv").write_text("name;note\na;\n")
    with pytest.raises(SourceError) as refusal:
        open_source(tmp_path / "a.csv", SourceOptions(template=text))
    assert reason in str(refusal.value)


def test_read_template_reads_a_file(tmp_path: Path) -> None:
    """A template is read from a file where a path is given."""
    (tmp_path / "template.json").write_text(NOTES, encoding="utf-8-sig")
    path = write_excel(tmp_path / "a.xlsx", S=[["n", "t"], ["a"]])
    commands = read_commands(path, template=str(tmp_path / "template.json"))
    assert [asset("a")] == commands


def test_read_template_refuses_another_encoding(tmp_path: Path) -> None:
    """A template in UTF-16 is refused in one sentence."""
    (tmp_path / "template.json").write_text(NOTES, encoding="utf-16")
    with pytest.raises(SourceError, match="is not UTF-8"):
        read_template(tmp_path / "template.json")
