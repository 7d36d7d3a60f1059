"""Batches: limits, positions, digests."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from collibra_tasks.errors import SourceError
from collibra_tasks.sources import batches as batches_module
from tests.support.source_commands import (
    asset,
    community,
    complex_relation,
    domain,
    load,
    mapping,
    named,
    names,
    scan,
    split,
)


def test_iter_batches_full_batches() -> None:
    """Every batch but the last holds exactly the maximum."""
    batches = split([asset(f"{number:02}") for number in range(25)], 10)

    assert [10, 10, 5] == [batch.command_count for batch in batches]
    assert [1, 2, 3] == [batch.number for batch in batches]
    assert (10, 19) == (batches[1].first.number, batches[1].last.number)


def test_iter_batches_twice_gives_the_same_batches() -> None:
    """Splitting the same content again gives the same digests, so that a restart can resume."""
    commands = [asset(f"{n}", f"{(n + 1) % 25}") for n in range(25)]

    with scan(commands) as one, scan(commands) as other:
        first = [batch.digest for batch in one.order().iter_batches(10)]
        assert first == [batch.digest for batch in one.order().iter_batches(10)]
        assert first == [batch.digest for batch in other.order().iter_batches(10)]


def test_digest_is_the_sha256_of_the_content() -> None:
    """The digest of a batch identifies its bytes."""
    (batch,) = split([asset("a")])

    assert sha256(batch.content).hexdigest() == batch.digest


def test_iter_batches_kinds_are_not_mixed() -> None:
    """Communities, domains, assets, mappings and complex relations have batches of their own."""
    mixed = [
        complex_relation("m", "a"),
        mapping("e", asset=named("a")),
        asset("a"),
        domain("D"),
        community("C"),
    ]

    assert [
        ("Community",),
        ("Domain",),
        ("Asset",),
        ("Mapping",),
        ("Complex Relation",),
    ] == [batch.resource_types for batch in split(mixed)]


def test_iter_batches_large_commands_close_a_batch() -> None:
    """A batch is closed at 16 MiB, so that memory does not grow with the size of the commands."""
    batches = split([asset(str(number), text="x" * (5 << 20)) for number in range(4)])

    assert [3, 1] == [batch.command_count for batch in batches]


def test_iter_batches_characteristics_close_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is closed before it exceeds the maximum of attributes, relations and tags."""
    monkeypatch.setattr(batches_module, "MAX_CHARACTERISTICS", 6)
    attributes = {"Note": [{"value": "x"}]}
    three = [asset(str(n), "T", tags=["t"], attributes=attributes) for n in range(3)]

    assert [2, 1] == [batch.command_count for batch in split(three)]


def test_count_batches_follows_every_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of batches follows from commands, characteristics, size and phase."""
    monkeypatch.setattr(batches_module, "MAX_CHARACTERISTICS", 6)
    small = [
        asset(str(n), "T", tags=["t"], attributes={"Note": [{"value": "x"}]}) for n in range(3)
    ]
    large = [asset(f"large {number}", text="x" * (9 << 20)) for number in range(2)]

    with scan([*small, *large, domain("D")]) as content:
        ordered = content.order()

        assert 4 == len(list(ordered.iter_batches(50_000))) == ordered.count_batches(50_000)


def test_iter_batches_command_beyond_the_limits_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single command with more characteristics than a batch may have is still sent."""
    monkeypatch.setattr(batches_module, "MAX_CHARACTERISTICS", 2)

    assert [["a"], ["b"], ["c"]] == [
        names(batch) for batch in split([asset("a"), asset("b", tags=list("xyz")), asset("c")])
    ]


@pytest.mark.parametrize("size", [0, 50_001])
def test_iter_batches_maximum_out_of_range_is_refused(size: int) -> None:
    """A maximum outside of 1 to 50,000 is refused at once."""
    with scan([asset("a")]) as content, pytest.raises(SourceError, match="from 1 to 50,000"):
        content.order().iter_batches(size)


@pytest.mark.parametrize("size", [1, 50_000])
def test_iter_batches_maximum_at_the_edge_is_accepted(size: int) -> None:
    """1 and 50,000 are allowed."""
    assert split([asset("a")], size)


def test_position_of_leads_back_to_the_source() -> None:
    """The index that Collibra reports leads to the file, the place and the identifier."""
    commands = [asset("b", "a"), asset("a"), domain("D")]

    for batch in split(commands):
        for index, command in enumerate(load(batch)):
            position = batch.position_of(index)
            assert command == commands[position.number]
            assert position.identifier.endswith(command["identifier"]["name"])


@pytest.mark.parametrize("index", [-1, 1])
def test_position_of_unknown_index_is_an_error(index: int) -> None:
    """An index outside of the batch is never taken for a command."""
    (batch,) = split([asset("a")])

    with pytest.raises(IndexError, match="Batch 1 has 1 commands"):
        batch.position_of(index)


def test_content_is_equal_to_the_source() -> None:
    """Text in any script, numbers and nested values arrive as they were written."""
    text = (
        r'{"digits": [0.1, -3, 1e3], "text": "\ud83d\ude00é\/ < \u0000", "deep": [[{"a": null}]]}'
    )
    command = asset("Ünï 😀", **json.loads(text))

    assert [[command]] == [load(batch) for batch in split([command])]


def test_waits_for_earlier_between_phases() -> None:
    """The first batch of a phase waits; batches of one phase without references do not."""
    commands = [domain("D"), *(asset(f"{n}") for n in range(6)), mapping("m", asset=named("1"))]

    assert [False, True, False, False, True] == [
        batch.waits_for_earlier for batch in split(commands, 2)
    ]


def test_waits_for_earlier_communities_and_domains_are_never_concurrent() -> None:
    """Every batch of communities or domains waits for the one before it."""
    commands = [*map(community, "AB"), *map(domain, "XY")]

    assert [False, True, True, True] == [batch.waits_for_earlier for batch in split(commands, 1)]


def test_waits_for_earlier_on_a_new_target_of_an_earlier_batch() -> None:
    """A batch waits if it refers to a new asset of a batch that may still be running."""
    commands = [asset("a"), asset("b"), asset("c", "a"), asset("d", "b"), asset("e", "a")]

    assert [False, False, True, False, False] == [b.waits_for_earlier for b in split(commands, 1)]
    known = ["C > D > a", "C > D > b"]
    assert [False] * 5 == [b.waits_for_earlier for b in split(commands, 1, known)]


def test_close_deletes_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stays on disk, also if the scan fails."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with scan([asset("a")]):
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    with pytest.raises(SourceError):
        scan([asset("a", displayName="x"), asset("a", displayName="y")])
    assert not list(tmp_path.iterdir())
