"""Merge of commands with the same identifier, wherever they stand."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from collibra_tasks.errors import SourceError
from collibra_tasks.models import AssetRow
from collibra_tasks.sources.canonical import dump_json, load_json
from collibra_tasks.sources.records import RecordPosition, SourceRecord
from collibra_tasks.sources.source import scan_source
from tests.support.source_commands import (
    OTHER_RELATION,
    RELATION,
    Command,
    asset,
    community,
    complex_relation,
    domain,
    external,
    label,
    load_all,
    mapping,
    named,
    scan,
    split,
)


def merge(*fields: dict[str, Any]) -> Command:
    """Merge commands about one asset that are not neighbours, and return the result."""
    commands = [asset("T1", **each) for each in fields]
    with_others = [
        each for number, one in enumerate(commands) for each in (one, asset(f"{number}"))
    ]
    (merged,) = [one for one in load_all(split(with_others)) if one["identifier"]["name"] == "T1"]
    return merged


def refuse(*fields: dict[str, Any]) -> SourceError:
    with pytest.raises(SourceError) as caught:
        merge(*fields)
    return caught.value


def test_merge_scattered_rows_unites_relations() -> None:
    """Rows about one asset that are not neighbours become one command with all relations."""
    rows = [asset("T1", "Finance"), asset("T2", "Sales"), asset("T1", "Risk")]

    sent = load_all(split(rows))

    assert ["T1", "T2"] == [each["identifier"]["name"] for each in sent]
    assert [named("Finance"), named("Risk")] == sent[0]["relations"][RELATION]


def test_merge_relations_of_different_types_keeps_each_type() -> None:
    """Relations of different types are not mixed."""
    merged = merge(
        {"relations": {RELATION: [named("a")]}}, {"relations": {OTHER_RELATION: [named("b")]}}
    )

    assert {RELATION: [named("a")], OTHER_RELATION: [named("b")]} == merged["relations"]


def test_merge_equal_values_count_once() -> None:
    """A tag, relation or responsibility that two commands share is sent once."""
    owner = {"user": {"id": "00000000-0000-0000-0000-000000000001"}}
    other = {"userGroup": {"id": "00000000-0000-0000-0000-000000000002"}}

    merged = merge(
        {"tags": ["pii", "eu"], "responsibilities": {"Owner": [owner]}},
        {"tags": ["pii", "us"], "responsibilities": {"Owner": [other, owner]}},
    )

    assert ["eu", "pii", "us"] == merged["tags"]
    assert [owner, other] == merged["responsibilities"]["Owner"]


def test_merge_equal_lists_keeps_their_order() -> None:
    """A list that all commands share is sent as written."""
    assert ["b", "a"] == merge({"tags": ["b", "a"]}, {"tags": ["b", "a"], "displayName": "T"})[
        "tags"
    ]


def test_merge_fields_of_different_commands_are_put_together() -> None:
    """A single value that only one of the commands has is part of the result."""
    merged = merge({"displayName": "T"}, {"type": {"name": "Table"}}, {"displayName": "T"})

    assert ("T", {"name": "Table"}) == (merged["displayName"], merged["type"])


def test_merge_null_is_an_absent_field() -> None:
    """A field that is null in one command does not contradict another command."""
    merged = merge(
        {"displayName": None, "tags": None, "relations": None},
        {"displayName": "T", "tags": ["a"], "relations": {RELATION: [named("a")]}},
        {"relations": {RELATION: None}},
    )

    assert ("T", ["a"]) == (merged["displayName"], merged["tags"])
    assert [named("a")] == merged["relations"][RELATION]


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("type", {"name": "Table"}, {"name": "View"}),
        ("status", {"name": "New"}, {"name": "Accepted"}),
        ("displayName", "T1", "t1"),
        ("futureField", 1, True),
    ],
)
def test_merge_different_single_values_is_refused(field: str, one: Any, other: Any) -> None:
    """Two values for one single value are refused with both places and both values."""
    error = refuse({field: one}, {field: other})

    assert f"a.json, index 0 and a.json, index 2: the field {field} of 'C > D > T1'" in str(error)
    assert dump_json(one).decode() in str(error)
    assert dump_json(other).decode() in str(error)


def test_merge_different_values_of_a_single_attribute_is_refused() -> None:
    """Two commands with one value each for an attribute must have the same value."""
    error = refuse(
        {"attributes": {"Note": [{"value": "a"}]}}, {"attributes": {"Note": [{"value": "b"}]}}
    )

    assert "the attribute 'Note' of 'C > D > T1' has two different values" in str(error)
    assert "a.json, index 0 and a.json, index 2" in str(error)


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ((["a"], ["a"]), ["a"]),
        ((["a"], []), ["a"]),
        ((["a", "b"], ["c"]), ["a", "b", "c"]),
        ((["b"], ["c"], ["a", "b"]), ["a", "b", "c"]),
        (([], []), []),
    ],
)
def test_merge_attributes_with_several_values_are_united(
    lists: tuple[list[str], ...], expected: list[str]
) -> None:
    """Values of one attribute are united where one command lists several, in any order of rows."""
    for arrangement in permutations(lists):
        fields = [{"attributes": {"Note": [{"value": v} for v in each]}} for each in arrangement]
        assert [{"value": v} for v in expected] == merge(*fields)["attributes"]["Note"]


def test_merge_multi_value_attribute_becomes_one_attribute() -> None:
    """Rows that each carry a part of a multi-value attribute become one attribute."""
    rows = [{"attributes": {"Kind": [{"values": each}]}} for each in (["b"], ["a", "b"], ["c"])]

    assert [{"values": ["a", "b", "c"]}] == merge(*rows)["attributes"]["Kind"]


def test_merge_value_and_values_of_one_attribute_is_refused() -> None:
    """A single value and a multi-value of one attribute type contradict each other."""
    error = refuse(
        {"attributes": {"Note": [{"value": "a"}]}}, {"attributes": {"Note": [{"values": ["a"]}]}}
    )

    assert "the attribute 'Note'" in str(error)


def test_merge_shows_twenty_faults_and_the_total() -> None:
    """All contradictions are found in one pass; the error lists 20 and counts all."""
    commands = [asset(f"{n:02}", displayName=text) for text in "ab" for n in range(21)]

    with pytest.raises(SourceError) as caught:
        scan(commands)

    assert 20 == len(caught.value.faults)
    assert "21 contradictions" in str(caught.value)
    assert "(and 1 more)" in str(caught.value)


def test_merge_exactly_twenty_faults_are_shown() -> None:
    """Twenty contradictions are all listed."""
    with pytest.raises(SourceError) as caught:
        scan([asset(f"{n:02}", displayName=text) for text in "ab" for n in range(20)])

    assert 20 == len(caught.value.faults)
    assert "more)" not in str(caught.value)


def test_merge_repeated_communities_and_domains_are_sent_once() -> None:
    """A table that repeats community and domain in every row costs two commands."""
    rows = [each for n in "abc" for each in (community("C"), domain("D"), asset(n))]

    assert ["Community", "Domain", *["Asset"] * 3] == [
        each["resourceType"] for each in load_all(split(rows))
    ]


def test_merge_complex_relations_unites_their_legs() -> None:
    """Rows about one complex relation become one command with all targets."""
    (merged,) = load_all(split([complex_relation("m", "a"), complex_relation("m", "b")]))

    assert [named("a"), named("b")] == merged["relations"][RELATION]


def test_merge_spellings_of_one_identifier() -> None:
    """Identifiers that differ in the case of a UUID are the same; the order does not matter."""
    uuid = "0b8e5bb2-6c09-4bb4-9c3a-6a44ba3a5ba0"
    commands = [
        {"resourceType": "Asset", "identifier": {"id": text}, "tags": [text[0]]}
        for text in (uuid, uuid.upper())
    ]

    one, other = (load_all(split(each)) for each in (commands, commands[::-1]))
    assert 1 == len(one)
    assert one == other


def test_merge_spellings_of_one_relation_type() -> None:
    """Relation types that differ in the case of their UUID are one; no list replaces the other."""
    upper = "0000000A-0000-0000-0000-000000007042:TARGET"
    parts = [
        asset("T1", "a", relation=upper),
        asset("T1", "b", relation=upper.lower()[:36] + ":TARGET"),
    ]

    (merged,) = load_all(split(parts))
    (other,) = load_all(split(parts[::-1]))

    assert {upper: [named("a"), named("b")]} == merged["relations"] == other["relations"]


def test_merge_relations_named_at_both_ends() -> None:
    """A list of relations never deletes a relation that the source names at its other end."""
    opposite = RELATION.replace("TARGET", "SOURCE")
    commands = [
        asset("T1", "c"),
        asset("T2", "c"),
        asset("c", "d", relation=opposite),
        asset("d"),
        asset("e", relations={opposite: []}),
    ]
    logged: list[str] = []

    with scan(commands, log=logged.append) as content:
        sent = load_all(content.order().iter_batches())

    lists = {each["identifier"]["name"]: each["relations"] for each in sent if "relations" in each}
    assert [named("d"), named("T1"), named("T2")] == lists["c"][opposite]
    assert {RELATION: [named("c")]} == lists["T1"] == lists["T2"]
    assert {opposite: []} == lists["e"]
    assert ["Added 2 relations, named at their other end, to lists of relations."] == logged


BY_NAME = asset("a")
BY_ID = {"resourceType": "Asset", "identifier": {"id": "0b8e5bb2-6c09-4bb4-9c3a-6a44ba3a5ba0"}}
BY_EXTERNAL_ID = {"resourceType": "Asset", "identifier": external("1")}
BY_OTHER_EXTERNAL_ID = {"resourceType": "Asset", "identifier": external("2")}


@pytest.mark.parametrize(
    "commands",
    [
        [BY_NAME, BY_EXTERNAL_ID | named("a")],
        [BY_ID | named("a"), BY_NAME],
        [BY_ID | named("a"), BY_EXTERNAL_ID | named("a")],
        [
            BY_EXTERNAL_ID | named("a"),
            {**BY_EXTERNAL_ID, **named("a"), "identifier": external("2")},
        ],
        [BY_EXTERNAL_ID, mapping("1", asset=named("a")), BY_NAME],
    ],
    ids=["name", "id", "both", "external", "mapping"],
)
def test_scan_refuses_two_identifiers_of_one_asset(commands: list[Command]) -> None:
    """An asset that two commands identify in two ways is refused with both places."""
    with pytest.raises(SourceError, match="1 asset has two identifiers") as refusal:
        scan([asset("other"), *commands])

    last = len(commands)
    assert f"a.json, index 1 and a.json, index {last}: " in str(refusal.value)
    assert str(refusal.value).endswith("are the same asset")


def test_scan_counts_two_identifiers_of_many_assets() -> None:
    """Twenty of many assets with two identifiers are shown, and all are counted."""
    names = [f"t{number:02d}" for number in range(21)]
    doubles = [
        {"resourceType": "Asset", "identifier": external(each), **named(each)} for each in names
    ]

    with pytest.raises(SourceError, match="21 assets have two identifiers") as refusal:
        scan([*map(asset, names), *doubles])

    assert 20 == len(refusal.value.faults)
    assert str(refusal.value).endswith("(and 1 more)")


def test_scan_accepts_one_identifier_per_asset() -> None:
    """An equal name in another domain is another asset; a mapping alone identifies none."""
    commands = [
        BY_NAME,
        {"resourceType": "Asset", "identifier": external("2"), **named("a", "E")},
        mapping("1", asset=named("a")),
        BY_ID | named("b"),
    ]

    with scan(commands) as content:
        assert 3 == content.summary.asset_count


def test_merge_keeps_every_digit() -> None:
    """Numbers of any length pass the merge unchanged."""
    digits = load_json(f"[0.10, -0.0, 1e400, {'9' * 5_000}, {2**70}]")
    expected = f"[0.10,-0.0,1E+400,{'9' * 5_000},{2**70}]".encode()

    (batch,) = split([asset("a", numbers=digits, tags=["a"]), asset("a", numbers=digits)])

    assert expected in batch.content


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("nan"), "\ud83d", {1}])
def test_scan_value_that_is_not_json_is_refused_with_its_place(value: Any) -> None:
    """A value that JSON cannot hold is refused instead of sent as null."""
    with pytest.raises(SourceError, match=r"a\.json, index 1: writing the command as JSON failed"):
        scan([asset("a", null=None), asset("b", value=value)])


def test_iter_assets_first_command_decides_the_file() -> None:
    """An asset with commands in two files belongs to the file that has it first."""
    position = RecordPosition("b.json", "index", 0, label("T1"))
    records = [
        SourceRecord(asset("T1", tags=["x"]), position),
        SourceRecord(asset("T1", tags=["y"]), position._replace(file="a.json", number=7)),
    ]

    with scan_source(records, files=["b.json", "a.json"], log=print) as content:
        assert [AssetRow(label("T1"), "C > D", "C", "b.json")] == list(content.iter_assets())
        (batch,) = content.order().iter_batches()
        assert position == batch.first


def test_iter_assets_domain_may_come_from_any_command() -> None:
    """An asset with external IDs gets its domain and name from any of its commands."""
    parts = [
        {"resourceType": "Asset", "identifier": external("e"), "tags": ["x"]},
        {"resourceType": "Asset", "identifier": external("e"), **named("T1")},
        {"resourceType": "Asset", "identifier": external("f")},
    ]

    with scan(parts) as content:
        assert [
            AssetRow("external erp/e", "C > D", "C", "a.json", "T1"),
            AssetRow("external erp/f", "", "", "a.json"),
        ] == list(content.iter_assets())
