"""Order of commands: what a command refers to is in Collibra before it."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks.errors import SourceError
from collibra_tasks.sources import ordering
from tests.support.source_commands import (
    OTHER_RELATION,
    RELATION,
    asset,
    community,
    complex_relation,
    domain,
    external,
    label,
    load,
    load_all,
    mapping,
    named,
    names,
    scan,
    split,
)


def sent_names(commands: list[Any], size: int = 10_000, known: Any = ()) -> list[str]:
    return list(chain.from_iterable(map(names, split(commands, size, known))))


def test_order_target_in_a_later_batch() -> None:
    """A new asset whose relation points to a later one is sent after it, once."""
    fields = [asset("field 1", "field 9"), *(asset(f"field {n}") for n in range(2, 12))]

    sent = sent_names(fields, 5)

    assert [f"field {n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 1, 10, 11)] == sent


def test_order_steady_state_keeps_the_order_of_the_source() -> None:
    """Nothing is sent twice or moved if the last cycle holds every target."""
    commands = [asset("a", "b", "a"), asset("c", "a"), asset("b", "a")]

    batches = split(commands, 2, map(label, "abc"))

    assert commands == load_all(batches)


def test_order_known_target_needs_no_order() -> None:
    """Only targets that the last cycle does not hold move a command."""
    commands = [asset("a", "b"), asset("c", "d"), asset("b"), asset("d")]

    assert ["a", "b", "d", "c"] == sent_names(commands, known=[label("b")])


def test_order_chain_in_reverse() -> None:
    """A chain of references is sent from its end."""
    assert list("dcba") == sent_names(
        [asset("a", "b"), asset("b", "c"), asset("c", "d"), asset("d")]
    )


def test_order_very_long_chain() -> None:
    """The length of a chain is not limited."""
    count = 20_000
    chained = [asset(f"{n}", f"{n + 1}") for n in range(count - 1)] + [asset(f"{count - 1}")]

    assert [f"{n}" for n in reversed(range(count))] == sent_names(chained)


def test_order_cycle_leaves_out_the_whole_relation_type_first() -> None:
    """On a cycle, one command is sent first without the relation type, and at the end whole."""
    commands = [
        asset("known"),
        asset("a", "known", "b", tags=["x"]),
        asset("b", "a"),
        asset("c"),
    ]
    commands[1]["relations"][OTHER_RELATION] = [named("known")]

    batches = split(commands)

    first, second = map(load, batches)
    assert ["known", "c", "a", "b"] == [each["identifier"]["name"] for each in first]
    assert {OTHER_RELATION: [named("known")]} == first[2]["relations"]
    assert ["x"] == first[2]["tags"]
    assert [commands[1]] == second
    assert batches[1].waits_for_earlier


def test_order_cycle_without_other_relations_sends_no_empty_relations() -> None:
    """A command whose only relation type is left out is first sent without relations."""
    first, second = map(load, split([asset("a", "b"), asset("b", "a")]))

    assert ["relations" in each for each in first] == [False, True]
    assert [asset("a", "b")] == second


def test_order_asset_that_refers_to_itself() -> None:
    """A new asset with a relation to itself is sent twice, a known one once."""
    first, second = load_all(split([asset("a", "a")]))

    assert ("relations" in first, second) == (False, asset("a", "a"))
    assert ["a"] == sent_names([asset("a", "a")], known=[label("a")])


def test_order_hub_of_cycles_is_the_only_command_sent_twice() -> None:
    """A table and its columns that refer to each other cost one command more in total."""
    columns = [f"column {n}" for n in range(50)]
    commands = [*(asset(name, "table") for name in columns), asset("table", *columns)]

    with scan(commands) as content:
        ordered = content.order()
        assert 1 == ordered.second_pass_count
        assert 52 == sum(batch.command_count for batch in ordered.iter_batches())


def test_order_command_that_waits_for_a_cycle_is_sent_once() -> None:
    """A command that only refers to a cycle is not part of it, whatever refers to the command."""
    waiting = [asset(f"w{n}", "gate") for n in range(5)]

    sent = sent_names([*waiting, asset("gate", "a"), asset("a", "b"), asset("b", "a")])

    assert ["a", "a"] == sorted(name for name in sent if sent.count(name) > 1)


def test_order_mappings_and_complex_relations_follow_their_assets() -> None:
    """Mappings and complex relations come after the assets that they refer to."""
    commands = [
        mapping("x-1", asset=named("x")),
        complex_relation("fm-1", "x", "y"),
        asset("x"),
        asset("y"),
    ]

    assert ["x", "y", "x-1", "fm-1"] == sent_names(commands, 2)


def test_order_mapping_of_a_complex_relation_follows_it() -> None:
    """A mapping of a complex relation comes last, since it needs the complex relation."""
    of_relation = mapping("m-2", complexRelation=external("fm-1"))
    commands = [
        of_relation,
        mapping("m-1", asset=named("x")),
        complex_relation("fm-1", "x"),
        asset("x"),
    ]

    assert ["x", "m-1", "fm-1", "m-2"] == sent_names(commands)


def test_order_parents_first_among_communities() -> None:
    """A community comes after its parent."""
    commands = [
        community("C", parent={"name": "B"}),
        community("B", parent={"name": "A"}),
        community("A"),
    ]

    assert list("ABC") == sent_names(commands, 1)


def test_order_parents_of_communities_on_a_cycle_are_refused() -> None:
    """Communities that are each other's parents can never be imported and are refused."""
    commands = [community("A", parent={"name": "B"}), community("B", parent={"name": "A"})]

    with pytest.raises(
        SourceError, match=r"a\.json, index 0: the community 'A' is its own ancestor"
    ):
        scan(commands)


def test_order_asset_by_external_id_that_has_a_name() -> None:
    """A reference by name finds an asset that is identified by external IDs."""
    by_id = {"resourceType": "Asset", "identifier": external("e"), **named("a")}

    assert ["e", "b"] == sent_names([asset("b", "a"), by_id])
    assert ["b", "e"] == sent_names([asset("b", "a"), by_id], known=["external erp/e"])
    assert ["b", "e"] == sent_names([asset("b", "a"), by_id], known=[label("a")])


def test_order_reference_by_an_external_id_of_a_new_mapping() -> None:
    """A reference by an external ID that a mapping of a new asset provides follows the mapping."""
    by_id = asset("a", relations={RELATION: [external("e")]})
    commands = [by_id, mapping("e", asset=named("b")), asset("b")]

    batches = split(commands)

    assert [["a", "b"], ["e"], ["a"]] == [names(batch) for batch in batches]
    assert "relations" not in load(batches[0])[0]
    assert [by_id] == load(batches[2])


def test_order_reference_by_an_external_id_of_a_known_asset() -> None:
    """The mapping of a known asset comes first, so that nothing is sent twice."""
    by_id = asset("a", relations={RELATION: [external("e")]})
    commands = [by_id, mapping("e", asset=named("b")), asset("b")]

    assert ["e", "a", "b"] == sent_names(commands, known=[label("a"), label("b")])


def test_unknown_references_are_counted_once_each() -> None:
    """Assets that neither source nor last cycle holds are counted, with up to 100 labels."""
    commands = [
        asset("a", "x", "y", "a"),
        asset("b", "x", "z", "a"),
        mapping("m", asset=named("w")),
    ]

    with scan(commands) as content:
        ordered = content.order([label("z")])

    assert [label("w"), label("x"), label("y")] == list(ordered.unknown_reference_labels)
    assert 3 == ordered.unknown_reference_count


def test_unknown_references_lists_one_hundred_labels() -> None:
    """Of 101 unknown assets all are counted and 100 are listed."""
    with scan([asset("a", *(f"{n:03}" for n in range(101)))]) as content:
        ordered = content.order()

    assert 101 == ordered.unknown_reference_count
    assert 100 == len(ordered.unknown_reference_labels)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_order_compares_labels_in_groups(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """The last cycle is read once, one label at a time, whatever the size of the groups."""
    monkeypatch.setattr(ordering, "LABELS_PER_LOOKUP", size)
    held = iter([label(name) for name in "acdfx"])

    with scan([asset("z", *"gfedcb"), asset("y", "x")]) as content:
        ordered = content.order(held)

    assert [label("b"), label("e"), label("g")] == list(ordered.unknown_reference_labels)


def test_order_twice_is_independent() -> None:
    """A plan and the upload after it order the same content with different last cycles."""
    commands = [asset("a", "b"), asset("b")]

    with scan(commands) as content:
        first, steady = content.order(), content.order([label("b")])
        assert [["b", "a"]] == [names(batch) for batch in first.iter_batches()]
        assert [["a", "b"]] == [names(batch) for batch in steady.iter_batches()]


def test_summary_counts_the_merged_commands() -> None:
    """The summary counts what is sent: resources after the merge and their references."""
    commands = [community("C"), domain("D"), asset("a", "b"), domain("D"), asset("a", "b", "c")]

    with scan(commands) as content:
        summary = content.summary

    assert (3, 1, 2) == (summary.command_count, summary.asset_count, summary.other_count)
    assert 2 == summary.reference_count
    assert (("a.json",), 1) == (summary.files, summary.file_count)


def test_scan_logs_the_number_of_merged_resources() -> None:
    """The log has one sentence for all merges, and none without one."""
    lines: list[str] = []

    scan([asset("a"), asset("b")], lines.append).close()
    scan([asset("a", tags=["x"]), asset("a", tags=["y"])], lines.append).close()

    assert ["Merged commands with the same identifier for 1 resource."] == lines


def test_iter_assets_are_sorted_and_unique() -> None:
    """The manifest has each asset once, sorted by code points."""
    with scan([asset("b"), asset("B"), asset("ä"), asset("b", tags=["x"]), domain("D")]) as content:
        assert [label(name) for name in ("B", "b", "ä")] == [r.asset for r in content.iter_assets()]


def test_scan_empty_source() -> None:
    """A source without commands has no batches and no assets."""
    with scan([]) as content:
        assert (0, []) == (content.summary.command_count, list(content.iter_assets()))
        assert [] == list(content.order().iter_batches())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([asset("a", tags=["x"])], [asset("a", tags=["y"])]),
        ([asset("a")], [asset("b")]),
        ([asset("a")], [asset("a"), asset("b")]),
        ([asset("a", n=1)], [asset("a", n=True)]),
    ],
)
def test_digest_differs_for_different_content(one: Any, other: Any) -> None:
    """Any change of the content changes the digest."""
    with scan(one) as first, scan(other) as second:
        assert first.digest != second.digest


def test_replaced_source_file_does_not_matter(tmp_path: Path) -> None:
    """Nothing is read from the source after the scan."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps([asset("a")]))

    with scan(json.loads(path.read_text())) as content:
        path.unlink()
        assert [["a"]] == [names(batch) for batch in content.order().iter_batches()]
