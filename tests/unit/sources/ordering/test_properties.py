"""Promises that hold for any source, in any order of its rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collibra_tasks.sources.batches import Batch
from collibra_tasks.sources.identifiers import (
    format_identifier,
    reference_keys,
    resource_key,
)
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
    label,
    load,
    load_all,
    mapping,
    named,
    scan,
    split,
)

NAMES = "abcdefgh"
OUTSIDE = "xy"  # never in the source
KIND = {"name": "Field Mapping"}
OPPOSITE = RELATION.replace("TARGET", "SOURCE")


@st.composite
def assets(draw: st.DrawFn) -> Command:
    """Draw a part of an asset; parts never contradict each other."""
    name = draw(st.sampled_from(NAMES))
    relations: dict[str, Any] = {
        relation: [
            external(entity) if entity.isupper() else named(entity)
            for entity in draw(st.lists(st.sampled_from(NAMES + OUTSIDE + "MN"), max_size=3))
        ]
        for relation in draw(st.sets(st.sampled_from([RELATION, OTHER_RELATION, OPPOSITE])))
    }
    tags = draw(st.lists(st.sampled_from("pqr"), max_size=2, unique=True))
    return asset(name, relations=relations, tags=tags, type={"name": "Table"})


@st.composite
def others(draw: st.DrawFn) -> Command:
    """Draw a resource of another type."""
    name = draw(st.sampled_from(NAMES))
    return draw(
        st.sampled_from(
            [
                community("C"),
                community("S", parent={"name": "C"}),
                domain("D", type={"name": "Glossary"}),
                mapping("M", asset=named("a")),
                mapping("N", asset=named("b")),
                mapping("O", complexRelation=external("k")),
                complex_relation("k", name, complexRelationType=KIND),
            ]
        )
    )


SOURCES = st.lists(st.one_of(assets(), assets(), others()), max_size=30)
KNOWN = st.sets(st.sampled_from(NAMES)).map(lambda names: set(map(label, names)))
SIZES = st.integers(1, 7)


def named_at_the_other_end(
    commands: list[Command], relations: dict[str, dict[str, set[str]]]
) -> list[tuple[str, str, str]]:
    """Return each asset with a list of relations in which an asset that names it is missing."""
    assets = {
        format_identifier(each["identifier"]): format_identifier(each["asset"])
        for each in commands
        if each["resourceType"] == "Mapping" and "asset" in each
    }
    ends = {
        (asset, role, assets.get(target, target))
        for asset, lists in relations.items()
        for role, targets in lists.items()
        for target in targets
    }
    return [
        (target, asset, there)
        for here, there in ((RELATION, OPPOSITE), (OPPOSITE, RELATION))
        for asset, role, target in ends
        if role == here
        and there in relations.get(target, {})
        and (target, there, asset) not in ends
    ]


def expected_relations(commands: list[Command]) -> dict[str, dict[str, list[str]]]:
    """Return the relations of every asset: the union of all its commands, at both ends."""
    expected: dict[str, dict[str, set[str]]] = {}
    for command in commands:
        if command["resourceType"] == "Asset":
            types = expected.setdefault(resource_key(command).label, {})
            for name, targets in command["relations"].items():
                types.setdefault(name, set()).update(map(format_identifier, targets))
    for owner, other, role in named_at_the_other_end(commands, expected):
        expected[owner][role].add(other)
    return {
        asset: {name: sorted(targets) for name, targets in types.items()}
        for asset, types in expected.items()
    }


def labels(relations: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {name: sorted(set(map(format_identifier, each))) for name, each in relations.items()}


def provided(commands: list[Command]) -> set[str]:
    """Return the labels of all assets that a source provides, by name or external ID."""
    found = {resource_key(each).label for each in commands if each["resourceType"] == "Asset"}
    return found | {
        format_identifier(each["identifier"])
        for each in commands
        if each["resourceType"] == "Mapping" and "asset" in each
    }


def outside(commands: list[Command], known: set[str]) -> list[Command]:
    """Return what Collibra has to hold before, because the source does not bring it along."""
    inside = provided(commands) | {resource_key(each).label for each in commands}
    needed = [key.label for each in commands for key in reference_keys(each)]
    missing = {each for each in needed if each not in inside} | known
    mapped = sorted(each[-1] for each in missing if each.startswith("external erp/"))
    entities = [each for each in mapped if each.isupper()]
    complex_entities = [each for each in mapped if each.islower()]
    names = {each[-1] for each in missing if each.startswith(label(""))} | set("x" * len(mapped))
    places = [community("C"), domain("D", type={"name": "Glossary"})]
    return [
        *(places if names or "C > D" not in inside else places[: "C" not in inside]),
        *(asset(name, type={"name": "Table"}) for name in sorted(names)),
        *(mapping(entity, asset=named("x")) for entity in entities),
        *(complex_relation(each, "x", complexRelationType=KIND) for each in complex_entities),
    ]


@given(SOURCES, KNOWN, SIZES)
@settings(deadline=None)
def test_count_batches_any_source(commands: list[Command], known: set[str], size: int) -> None:
    """The number of batches is known before the first one is built."""
    with scan(commands) as content:
        ordered = content.order(sorted(known))

        assert len(list(ordered.iter_batches(size))) == ordered.count_batches(size)


def related_names(commands: list[Command]) -> dict[str, dict[str, list[str]]]:
    """Return the names to which the relations of each asset lead at the end."""
    mapped = {"external erp/M": "x", "external erp/N": "x"}
    for each in commands:
        if each["resourceType"] == "Mapping" and "asset" in each:
            mapped[format_identifier(each["identifier"])] = each["asset"]["name"]
    return {
        asset[-1]: {
            role: sorted({mapped.get(target, target[-1]) for target in targets})
            for role, targets in relations.items()
            if targets
        }
        for asset, relations in expected_relations(commands).items()
    }


def held_relations(tenant: ImportingTenant, commands: list[Command]) -> Any:
    """Return the relations of the source's assets that the source names."""
    held = tenant.relations()
    return {
        name: {role: held[name].get(role, []) for role in roles}
        for name, roles in related_names(commands).items()
    }


@settings(max_examples=80, deadline=None)
@given(commands=SOURCES, known=KNOWN, size=SIZES)
def test_all_assets_and_relations_arrive_and_no_target_is_missing(
    commands: list[Command], known: set[str], size: int
) -> None:
    """Collibra ends with the whole source, and every target exists when it is needed."""
    with ImportingTenant(outside(commands, known)) as tenant:
        batches = split(commands, size, known)
        tenant.send(batches)

        assert [] == tenant.errors
        assert related_names(commands) == held_relations(tenant, commands)
        assert all(batch.command_count <= size for batch in batches)
        tenant.close_cycle()
        tenant.send(split(commands, size, provided(commands) | known))
        assert [] == tenant.errors
        assert related_names(commands) == held_relations(tenant, commands)


@settings(max_examples=75, deadline=None)
@given(commands=SOURCES, known=KNOWN, size=SIZES)
def test_no_list_of_relations_is_shortened(
    commands: list[Command], known: set[str], size: int
) -> None:
    """A relation type is sent complete or not at all; the last command about an asset is whole."""
    expected = expected_relations(commands)
    last: dict[str, Command] = {}

    for command in load_all(split(commands, size, known)):
        if command["resourceType"] == "Asset":
            name = resource_key(command).label
            last[name] = command
            relations = labels(command.get("relations", {}))
            assert relations.items() <= expected[name].items()

    assert expected == {name: labels(each.get("relations", {})) for name, each in last.items()}


@settings(max_examples=75, deadline=None)
@given(commands=SOURCES, size=SIZES, data=st.data())
def test_any_order_of_rows_gives_the_same_manifest_and_content(
    commands: list[Command], size: int, data: st.DataObject
) -> None:
    """Manifest, digest, counts and merged commands do not depend on the order of the rows."""
    shuffled = data.draw(st.permutations(commands))

    with scan(commands) as one, scan(shuffled) as other:
        assert list(one.iter_assets()) == list(other.iter_assets())
        assert one.digest == other.digest
        assert one.summary == other.summary
        first, second = one.order(), other.order()
        assert first.unknown_reference_labels == second.unknown_reference_labels
        last = [
            {resource_key(each): each for each in load_all(ordered.iter_batches(size))}
            for ordered in (first, second)
        ]
        assert last[0] == last[1]


@settings(max_examples=50, deadline=None)
@given(commands=SOURCES, size=SIZES)
def test_steady_state_sends_everything_once(commands: list[Command], size: int) -> None:
    """If the last cycle holds all assets, each command is sent once, in the order of the source."""
    sent = [resource_key(each) for each in load_all(split(commands, size, provided(commands)))]

    assert all(count == 1 for count in Counter(sent).values())
    once = list(dict.fromkeys(map(resource_key, commands)))
    for resource_type in ("Asset", "Complex Relation"):
        assert [each for each in once if each.resource_type == resource_type] == [
            each for each in sent if each.resource_type == resource_type
        ]


@settings(max_examples=50, deadline=None)
@given(commands=SOURCES, known=KNOWN, size=SIZES)
def test_batches_that_may_run_together_do_not_depend_on_each_other(
    commands: list[Command], known: set[str], size: int
) -> None:
    """Batches that are sent at the same time find their targets in any order."""
    together: list[list[Batch]] = []
    for batch in split(commands, size, known):
        if batch.waits_for_earlier or not together:
            together.append([])
        together[-1].append(batch)

    with ImportingTenant(outside(commands, known)) as tenant:
        for batches in together:
            tenant.send(reversed(batches))

        assert [] == tenant.errors
        assert related_names(commands) == held_relations(tenant, commands)


@settings(max_examples=50, deadline=None)
@given(commands=SOURCES, known=KNOWN, size=SIZES)
def test_splitting_is_deterministic(commands: list[Command], known: set[str], size: int) -> None:
    """The same rows, last cycle and limits give the same batches, byte for byte."""
    one, other = split(commands, size, known), split(commands, size, known)

    assert [batch.digest for batch in one] == [batch.digest for batch in other]
    assert [load(batch) for batch in one] == [load(batch) for batch in other]
