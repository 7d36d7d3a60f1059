"""Guard: each limit on its edge, parts of a cycle, and routine losses."""

from __future__ import annotations

from typing import Any

import pytest

from collibra_tasks.cycle.guard import MAX_SHOWN_PARTS, check_removal
from collibra_tasks.cycle.plan import MAX_NAMES, RemovalPlan
from collibra_tasks.ledger.manifest import Manifest
from collibra_tasks.models import AssetRow, FinalizationStrategy
from collibra_tasks.options import RemovalLimits
from collibra_tasks.sources import asset_row
from tests.support.removal_plans import manifest, plan, rows

OPEN = RemovalLimits(max_missing_count=10**9, max_missing_percent=100, max_part_percent=100)
PARTS = RemovalLimits(max_missing_count=10**9, max_missing_percent=100)


def guard(
    after: Manifest,
    before: Manifest,
    limits: RemovalLimits | None = None,
    strategy: str = "CHANGE_STATUS",
    *,
    evicts: bool = False,
) -> RemovalPlan:
    return check_removal(plan(after, before, strategy), limits or RemovalLimits(), evicts=evicts)


def spread(domains: int, size: int, *, lost: int = 0) -> Manifest:
    """Return domains of one size, each without its first ``lost`` assets."""
    return manifest(*(rows(range(lost, size), f"D{n:03d}", f"C{n % 5}") for n in range(domains)))


@pytest.mark.parametrize(("lost", "allowed"), [(20, True), (21, False)])
def test_check_removal_percent(lost: int, allowed: bool) -> None:  # noqa: FBT001
    """Exactly 20% of the previous cycle may go missing; one asset more asks."""
    found = guard(manifest(rows(range(lost, 100))), manifest(rows(range(100))))

    assert found.allowed is allowed
    assert all("21 of 100" in each and "20" in each for each in found.reasons)


@pytest.mark.parametrize("share", [7.0, 29.0, 33.0, 57.0])
def test_check_removal_percent_is_exact(share: float) -> None:
    """A share that equals the limit passes for every limit, without rounding errors."""
    limits = RemovalLimits(max_missing_percent=share, max_part_percent=100)

    found = guard(manifest(rows(range(int(share), 100))), manifest(rows(range(100))), limits)

    assert found.allowed


@pytest.mark.parametrize(("size", "allowed"), [(9, True), (10, False)])
def test_check_removal_min_population(size: int, allowed: bool) -> None:  # noqa: FBT001
    """The percentage applies from exactly 10 assets in the previous cycle."""
    assert guard(manifest(rows(range(3, size))), manifest(rows(range(size)))).allowed is allowed


@pytest.mark.parametrize(("lost", "allowed"), [(5, True), (6, False)])
def test_check_removal_count(lost: int, allowed: bool) -> None:  # noqa: FBT001
    """Exactly max_missing_count assets may go missing; one more asks, with both numbers."""
    limits = RemovalLimits(max_missing_count=5)

    found = guard(manifest(rows(range(lost, 100))), manifest(rows(range(100))), limits)

    assert found.allowed is allowed
    assert all("6 of 100" in each and "is 5" in each for each in found.reasons)


def test_check_removal_count_of_a_large_cycle() -> None:
    """The default count stops a loss that is a small share of a large cycle."""
    before = spread(10, 600)

    assert guard(spread(10, 600, lost=100), before).allowed
    assert not guard(spread(10, 600, lost=101), before).allowed


def test_check_removal_zero_limits() -> None:
    """Limits of zero ask about a single missing asset, and allow new ones."""
    limits = RemovalLimits(max_missing_count=0)

    assert guard(manifest(rows("abcd")), manifest(rows("abc")), limits).allowed
    assert not guard(manifest(rows("ab")), manifest(rows("abc")), limits).allowed


@pytest.mark.parametrize("size", [1, 9, 10, 500])
@pytest.mark.parametrize("limits", [RemovalLimits(), OPEN], ids=["default", "open"])
def test_check_removal_everything_is_missing(size: int, limits: RemovalLimits) -> None:
    """Losing everything asks at any size, with any limits."""
    found = guard(manifest(rows(["other"])), manifest(rows(range(size))), limits)

    assert found.reasons == (f"all {size} assets of the previous cycle are missing",)


def test_check_removal_small_cycle_with_another_asset() -> None:
    """Nine assets that are replaced by one other are not deleted without approval."""
    found = guard(manifest(rows(["other"])), manifest(rows(range(9))), strategy="REMOVE_RESOURCES")

    assert found.reasons == ("all 9 assets of the previous cycle are missing",)


def test_check_removal_nothing_before() -> None:
    """A previous cycle without assets has nothing to lose."""
    assert guard(manifest(rows("a")), manifest()).allowed


@pytest.mark.parametrize("strategy", list(FinalizationStrategy))
def test_check_removal_empty_cycle(strategy: FinalizationStrategy) -> None:
    """A source without an asset is refused with every strategy, and no person can approve it."""
    found = guard(manifest(), manifest(rows("abc")), OPEN, strategy.value)

    assert not found.allowed
    assert len(found.refusals) == 1


def test_check_removal_empty_first_cycle() -> None:
    """A source without an asset is refused in the first cycle too."""
    assert check_removal(plan(manifest(), None), RemovalLimits()).refusals


@pytest.mark.parametrize(("size", "allowed"), [(9, True), (10, False)])
def test_check_removal_lost_domain(size: int, allowed: bool) -> None:  # noqa: FBT001
    """Losing a whole domain asks where it had at least 10 assets, and names it."""
    rest = rows(range(1_000), "Rest")

    found = guard(manifest(rest), manifest(rest, rows(range(size), "Lost")))

    assert found.allowed is allowed
    assert all("all 10 assets of the domain 'Lost'" in each for each in found.reasons)


@pytest.mark.parametrize(("lost", "allowed"), [(5, True), (6, False)])
def test_check_removal_half_a_domain(lost: int, allowed: bool) -> None:  # noqa: FBT001
    """Exactly half of a domain may go missing; more than half asks, with its name."""
    rest = rows(range(1_000), "Rest")
    before = manifest(rest, rows(range(10), "Half"))

    found = guard(manifest(rest, rows(range(lost, 10), "Half")), before)

    assert found.allowed is allowed
    assert all("6 of 10 assets (60.0%) of the domain 'Half'" in each for each in found.reasons)


def test_check_removal_lost_community() -> None:
    """Losing a community asks, although each of its domains is too small to ask."""
    rest = rows(range(1_000), "Rest", "Stays")
    small = [rows(range(5), f"D{number}", "Gone") for number in range(4)]

    found = guard(manifest(rest), manifest(rest, *small))

    assert found.reasons == ("all 20 assets of the community 'Gone' are missing",)


def test_check_removal_lost_source_file() -> None:
    """Losing a source file asks where most names of files come back."""
    kept = [rows(range(n * 500, n * 500 + 500), file=f"{n}.json") for n in range(2)]
    lost = rows(range(5_000, 5_020), file="lost.json")

    found = guard(manifest(*kept), manifest(*kept, lost))

    assert found.reasons == ("all 20 assets of the source file 'lost.json' are missing",)


def test_check_removal_dated_files() -> None:
    """File names that hold a date ask nothing."""
    before = manifest(rows(range(100), file="export-2026-11-24.json"))
    after = manifest(rows(range(4, 100), file="export-2026-11-25.json"))

    assert guard(after, before).allowed


def test_check_removal_dated_files_beside_a_constant_one() -> None:
    """One name that returns among several dated ones is not most of them."""
    before = manifest(rows(range(50), file="all.json"), rows(range(50, 100), file="24.json"))
    after = manifest(rows(range(50), file="all.json"), rows(range(50, 100), file="25.json"))

    assert guard(after, before).allowed


def test_check_removal_one_file_becomes_two() -> None:
    """The same content in two files instead of one passes."""
    before = manifest(rows(range(100), file="all.json"))
    after = manifest(rows(range(50), file="1.json"), rows(range(50, 100), file="2.json"))

    assert guard(after, before).allowed


def test_check_removal_one_of_fifty_files() -> None:
    """One export file of fifty that is missing asks with its name."""
    files = [rows(range(n * 200, n * 200 + 200), file=f"part-{n:02d}.json") for n in range(50)]

    found = guard(manifest(*files[:-1]), manifest(*files))

    assert found.reasons == ("all 200 assets of the source file 'part-49.json' are missing",)


def test_check_removal_two_files_become_one() -> None:
    """The content of two files in one of them passes, although a file name is gone."""
    before = manifest(rows(range(50), file="1.json"), rows(range(50, 100), file="2.json"))

    assert guard(manifest(rows(range(100), file="1.json")), before).allowed


def test_check_removal_routine_loss() -> None:
    """A loss of 4% that is spread over all domains passes."""
    assert guard(spread(50, 200, lost=8), spread(50, 200)).allowed


def test_check_removal_one_of_fifty_domains() -> None:
    """A domain that disappears under a limit on the whole asks with every strategy that acts."""
    for strategy in ("CHANGE_STATUS", "REMOVE_RESOURCES"):
        found = guard(spread(49, 200), spread(50, 200), strategy=strategy)

        assert found.reasons == ("all 200 assets of the domain 'D049' are missing",)


def test_check_removal_part_that_is_the_whole() -> None:
    """The limits of parts hold for the only domain where no limit on the whole was exceeded."""
    found = guard(manifest(rows(range(60, 100))), manifest(rows(range(100))), PARTS)

    assert any("60 of 100 assets (60.0%) of the domain 'D'" in each for each in found.reasons)


def test_check_removal_part_thresholds() -> None:
    """The thresholds of parts are options, and each is exact."""
    rest = rows(range(1_000), "Rest")
    before = manifest(rest, rows(range(20), "Part"))
    after = manifest(rest, rows(range(5, 20), "Part"))

    assert guard(after, before, RemovalLimits(max_part_percent=25)).allowed
    assert not guard(after, before, RemovalLimits(max_part_percent=24.9)).allowed
    limits = RemovalLimits(max_part_percent=24.9, min_part_population=21)
    assert guard(after, before, limits).allowed


def test_check_removal_many_parts() -> None:
    """A plan names some of many lost parts, and counts the others."""
    before, after = spread(100, 100), spread(92, 100)

    found = guard(after, before)

    assert len(found.reasons) == MAX_SHOWN_PARTS + 1
    assert found.reasons[-1] == "3 more parts lost most of their assets"


def test_check_removal_ignore() -> None:
    """IGNORE counts what is missing and does not refuse."""
    found = guard(manifest(rows(["x"])), manifest(rows(range(500))), None, "IGNORE")

    assert found.allowed
    assert found.missing_count == 500
    assert found.notes


@pytest.mark.parametrize(
    ("strategy", "action"), [("REMOVE_RESOURCES", "deletes"), ("CHANGE_STATUS", "marks")]
)
def test_check_removal_rename(strategy: str, action: str) -> None:
    """A renamed domain asks, and the reason tells the rename and its effect."""
    rest = rows(range(1_000), "Rest")
    before = manifest(rest, rows(range(5_000, 5_020), "Old"))

    found = guard(manifest(rest, rows(range(5_000, 5_020), "New")), before, strategy=strategy)

    (reason,) = found.reasons
    assert "'Old'" in reason
    assert "rename" in reason
    assert action in reason


@pytest.mark.parametrize(("moved", "renamed"), [(8, True), (7, False)])
def test_check_removal_rename_edge(moved: int, renamed: bool) -> None:  # noqa: FBT001
    """A loss looks like a rename when exactly four fifths of the missing names are new."""
    rest = rows(range(1_000, 2_000), "Rest")
    before = manifest(rest, rows(range(10), "Old"))

    (reason,) = guard(manifest(rest, rows(range(moved), "New")), before).reasons

    assert ("rename" in reason) is renamed


def test_check_removal_rename_of_many_assets() -> None:
    """A rename is recognized although a plan names only some of its assets."""
    names = [f"{number:06d}" for number in range(3 * MAX_NAMES // 2)]

    found = guard(manifest(rows(names, "New")), manifest(rows(names, "Old")))

    assert found.reasons[0].endswith("creates the new assets and marks the old ones")


def test_check_removal_rename_to_names_that_existed() -> None:
    """Assets of the same name that existed before do not make a loss look like a rename."""
    before = manifest(rows(range(10), "Old"), rows(range(10), "Copy"))

    (reason,) = guard(manifest(rows(range(10), "Copy")), before, PARTS).reasons

    assert "rename" not in reason


def identified(kind: str, count: int) -> list[AssetRow]:
    """Return assets with one kind of identifier; some of their names hold a separator."""
    commands: list[dict[str, Any]] = []
    for number in range(count):
        name = f"T{number} > x"
        domain = {"name": "Tables", "community": {"name": "C"}}
        command: dict[str, Any] = {"resourceType": "Asset", "name": name}
        command["identifier"] = {
            "name": {"name": name, "domain": domain},
            "external ID": {"externalSystemId": "erp", "externalEntityId": f"{number:04d}"},
            "ID": {"id": f"0b8e5bb2-6c09-4bb4-9c3a-{number:012x}"},
            "domain ID": {"name": name, "domain": {"id": "0b8e5bb2-6c09-4bb4-9c3a-6a44ba3a5ba0"}},
        }[kind]
        if kind == "external ID":
            command["domain"] = domain
        commands.append(command)
    return [asset_row(command, "a.json") for command in commands]


KINDS = ["name", "external ID", "ID", "domain ID"]


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_check_removal_other_kind_of_identifier(before: str, after: str) -> None:
    """The same names under another kind of identifier look like a rename, with its effect."""
    rest = rows(range(1_000), "Rest")
    old, new = manifest(rest, identified(before, 20)), manifest(rest, identified(after, 20))

    found = guard(new, old, RemovalLimits(max_missing_count=19), strategy="REMOVE_RESOURCES")

    assert found.allowed is (before == after)
    assert all("rename" in each for each in found.reasons)
    assert all("another kind of identifier" in each for each in found.reasons)
    assert all("deletes the old assets" in each for each in found.reasons)


def test_check_removal_everything_under_another_kind_of_identifier() -> None:
    """A cycle whose assets all come back under other identifiers names the rename."""
    found = guard(manifest(identified("ID", 20)), manifest(identified("name", 20)))

    assert found.reasons[0].startswith("all 20 assets of the previous cycle are missing; 20 new")


def test_check_removal_other_kind_of_identifier_in_an_old_manifest() -> None:
    """A manifest that was written without names is read, and the loss is still found."""
    old = [row._replace(name="") for row in identified("external ID", 20)]

    found = guard(manifest(identified("name", 20)), manifest(old))

    assert "all 20 assets of the previous cycle are missing" in found.reasons


def test_check_removal_older_missing() -> None:
    """REMOVE_RESOURCES asks when it may delete what earlier cycles ignored or marked."""
    drawn = plan(
        manifest(rows("ab")),
        manifest(rows("ab")),
        "REMOVE_RESOURCES",
        tracked=manifest(rows("abxy")),
    )

    found = check_removal(drawn, OPEN)

    assert not found.allowed
    assert found.reasons[0].startswith("2 assets that earlier cycles ignored or marked")


@pytest.mark.parametrize(
    ("strategy", "allowed"),
    [("REMOVE_RESOURCES", False), ("CHANGE_STATUS", True), ("IGNORE", True)],
)
def test_check_removal_evict_before(strategy: str, allowed: bool) -> None:  # noqa: FBT001
    """evict_before asks with REMOVE_RESOURCES, because renamed assets are deleted."""
    same = manifest(rows("abc"))

    assert guard(same, same, None, strategy, evicts=True).allowed is allowed
