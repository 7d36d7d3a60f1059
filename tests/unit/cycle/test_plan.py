"""Removal plans: counts, names and the ID under which a plan is approved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collibra_tasks.cycle.plan import MAX_NAMES, RemovalPlan
from collibra_tasks.cycle.renames import Renamed
from tests.support.removal_plans import manifest, plan, rows
from tests.support.sessions import World, numbered


def test_plan_removal_counts() -> None:
    """The plan counts assets, missing ones and new ones, and names the missing ones."""
    found = plan(manifest(rows("bcde")), manifest(rows("abc")))

    assert (found.asset_count, found.previous_count) == (4, 3)
    assert (found.missing_count, found.new_count, found.number) == (1, 2, 1)
    assert [row.asset for row in found.missing] == ["C > D > a"]


def test_plan_removal_identical_cycles() -> None:
    """A cycle that equals the previous one removes nothing and needs no approval."""
    found = plan(manifest(rows("abc")), manifest(rows("abc")))

    assert (found.missing_count, found.new_count, found.number) == (0, 0, 0)
    assert found.allowed
    assert (found.missing, found.parts) == ((), ())


def test_plan_removal_unknown_previous_cycle() -> None:
    """Without a previous cycle, the number to repeat is the number of assets in the cycle."""
    found = plan(manifest(rows("abc")), None)

    assert (found.previous_count, found.missing_count, found.number) == (None, 0, 3)


def test_plan_removal_names_a_limited_number() -> None:
    """A plan counts all missing assets and names at most 10,000 of them."""
    previous = manifest(rows(f"{number:06d}" for number in range(MAX_NAMES + 5)))

    found = plan(manifest(rows("a")), previous)

    assert found.missing_count == MAX_NAMES + 5
    assert len(found.missing) == MAX_NAMES


@pytest.mark.parametrize(
    ("strategy", "older", "number"), [("REMOVE_RESOURCES", 2, 3), ("CHANGE_STATUS", 0, 1)]
)
def test_plan_removal_older_missing_assets(strategy: str, older: int, number: int) -> None:
    """Only REMOVE_RESOURCES counts assets that earlier cycles ignored or marked."""
    tracked = manifest(rows("abcxy"))

    found = plan(manifest(rows("ab")), manifest(rows("abc")), strategy, tracked=tracked)

    assert (found.missing_count, found.older_missing_count, found.number) == (1, older, number)
    assert found.missing[0].asset == "C > D > c"


def test_plan_removal_older_asset_that_returns() -> None:
    """An asset that comes back is not removed, although an earlier cycle marked it."""
    found = plan(
        manifest(rows("abx")),
        manifest(rows("ab")),
        "REMOVE_RESOURCES",
        tracked=manifest(rows("abx")),
    )

    assert (found.number, found.new_count) == (0, 1)


def test_plan_id_same_facts() -> None:
    """The same facts have the same ID, in every process."""
    first = plan(manifest(rows("ab")), manifest(rows("abc")))
    second = plan(manifest(rows("ab")), manifest(rows("abc")))

    assert first.plan_id == second.plan_id


@pytest.mark.parametrize(
    "other",
    [
        plan(manifest(rows("ab")), manifest(rows("abc")), "REMOVE_RESOURCES"),
        plan(manifest(rows("ab")), manifest(rows("abc")), generation=4),
        plan(manifest(rows("ac")), manifest(rows("abc"))),
        plan(manifest(rows("a")), manifest(rows("abc"))),
        plan(manifest(rows("ab")), None),
        plan(manifest(rows("ab")), manifest(rows("abc"))).with_reasons(["batches by others"]),
        replace(plan(manifest(rows("ab")), manifest(rows("abc"))), synchronization_id="other"),
    ],
    ids=["strategy", "generation", "name", "number", "unknown", "reason", "synchronization"],
)
def test_plan_id_other_facts(other: RemovalPlan) -> None:
    """Another synchronization, strategy, generation, name or reason has another ID."""
    assert other.plan_id != plan(manifest(rows("ab")), manifest(rows("abc"))).plan_id


def test_plan_id_ignores_what_is_not_removed() -> None:
    """New assets, notes, source files and the order of reasons leave the ID as it is."""
    first = plan(manifest(rows("ab")), manifest(rows("abc"))).with_reasons(["one", "two"])
    second = plan(manifest(rows("abxyz", file="b.json")), manifest(rows("abc", file="b.json")))
    second = second.with_reasons(["two", "one"], notes=["a note"])

    assert first.plan_id == second.plan_id


def test_parts_sizes_and_losses() -> None:
    """Each domain, community and source file that lost assets is listed with its old size."""
    before = manifest(rows("abc", "D1"), rows("de", "D2", file="b.json"))
    after = manifest(rows("abc", "D1"), rows("d", "D2", file="b.json"))

    found = {(each.kind, each.name): each for each in plan(after, before).parts}

    assert set(found) == {("domain", "D2"), ("community", "C"), ("source file", "b.json")}
    assert (found["domain", "D2"].previous_count, found["domain", "D2"].missing_count) == (2, 1)
    assert found["community", "C"].previous_count == 5


def test_parts_without_comparable_files() -> None:
    """Source files are not compared where most of their names are new."""
    before = manifest(rows("abc", file="export-24.json"))
    after = manifest(rows("ab", file="export-25.json"))

    assert {each.kind for each in plan(after, before).parts} == {"domain", "community"}


def test_renamed_counts_by_part() -> None:
    """Missing assets whose name a new asset has are counted per part and for the whole cycle."""
    before = manifest(rows("abc", "D1"), rows("de", "D2"))
    after = manifest(rows("a", "D1"), rows("bd", "New"))

    found = plan(after, before)

    assert found.renamed == Renamed(2, 0)
    assert {part.name: part.renamed.count for part in found.parts if part.kind == "domain"} == {
        "D1": 1,
        "D2": 1,
    }


def test_renamed_pairs_names() -> None:
    """One new asset is the new form of one missing asset, not of all with its name."""
    before = manifest(*(rows(["readme"], f"D{number}") for number in range(12)))

    assert plan(manifest(rows(["readme"], "New")), before).renamed.count == 1


def test_synchronize_shows_the_plan_before_anything_is_sent() -> None:
    """The plan of a refused cycle is shown, and Collibra has received nothing of it."""
    world = World()
    world.synchronize(numbered(20))
    jobs = len(world.sandbox.jobs)

    world.synchronize_or_error(numbered(5))

    assert world.record.plans[-1].missing_count == 15
    assert len(world.sandbox.jobs) == jobs
