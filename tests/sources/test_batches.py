"""Batches of JSON: order, size, neighbours, and what stands in them."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collibra_tasks.errors import SourceError
from collibra_tasks.sources import iter_batches, open_source, write_identifier
from tests.sources.commands import (
    Command,
    asset,
    community,
    domain,
    load,
    note_into,
    split,
    write_json,
)

KINDS = ("Community", "Domain", "Asset")
MAKERS = st.sampled_from([community, domain, asset])


@st.composite
def commands(draw: st.DrawFn) -> list[Command]:
    """Draw commands about few things, so that neighbours and repeats are common."""
    names = draw(st.lists(st.tuples(MAKERS, st.sampled_from("abc")), min_size=1, max_size=40))
    return [make(name, number=number) for number, (make, name) in enumerate(names)]


def in_phases(commands: list[Command]) -> list[Command]:
    return sorted(commands, key=lambda command: KINDS.index(command["resourceType"]))


def name_of(command: Command) -> tuple[str, str]:
    return command["resourceType"], write_identifier(command["identifier"])


@given(given_commands=commands(), size=st.integers(1, 10))
def test_nothing_is_lost_or_reordered(given_commands: list[Command], size: int) -> None:
    """All batches together are the source: communities, then domains, then the rest in order."""
    with open_source(given_commands) as source:
        batches = split(source, size)

    assert in_phases(given_commands) == [each for batch in batches for each in load(batch)]
    assert all(len(batch.resource_types) == 1 for batch in batches)


@given(given_commands=commands(), size=st.integers(1, 10))
def test_collibra_merges_what_it_would_have_merged(
    given_commands: list[Command], size: int
) -> None:
    """Commands are neighbours in a batch exactly where they were neighbours in the source."""
    with open_source(given_commands) as source:
        batches = split(source, size)

    runs = [list(run) for _, run in groupby(given_commands, key=name_of)]
    sent = [list(run) for batch in batches for _, run in groupby(load(batch), key=name_of)]
    assert sorted(runs, key=lambda run: run[0]["number"]) == sorted(
        sent, key=lambda run: run[0]["number"]
    )
    assert all(
        batch.commands <= size or len({name_of(each) for each in load(batch)}) == 1
        for batch in batches
    )


@given(given_commands=commands(), size=st.integers(1, 10))
def test_every_index_leads_back(given_commands: list[Command], size: int) -> None:
    """The index that Collibra reports leads to the very command in the source."""
    with open_source(given_commands) as source:
        for batch in split(source, size):
            for index, command in enumerate(load(batch)):
                position = batch.position_of(index)
                assert command == given_commands[position.number]
                assert name_of(command)[1] == position.identifier


def test_a_full_batch_is_full() -> None:
    """Without neighbours, every batch but the last holds exactly the limit."""
    with open_source([asset(str(number)) for number in range(25)]) as source:
        batches = split(source, 10)

    assert [10, 10, 5] == [batch.commands for batch in batches]
    assert [1, 2, 3] == [batch.number for batch in batches]
    assert (10, 19) == (batches[1].first.number, batches[1].last.number)


def test_the_same_source_splits_the_same_way(tmp_path: Path) -> None:
    """Splitting twice gives the same digests, so that a restart knows what was sent."""
    path = write_json(tmp_path / "a.json", [asset(str(number)) for number in range(25)])

    with open_source(path) as one, open_source(path) as other:
        assert [b.digest for b in split(one, 10)] == [b.digest for b in split(other, 10)]


def test_neighbours_beyond_the_limit_go_together() -> None:
    """Neighbours about one thing stay together, though they exceed the batch's limit."""
    parts = [asset("wide", part=part) for part in range(12)]

    with open_source([asset("before"), *parts, asset("after")]) as source:
        assert [1, 12, 1] == [batch.commands for batch in split(source, 5)]


def test_neighbours_beyond_the_ceiling_are_refused_at_the_survey() -> None:
    """More than 50,000 neighbours about one thing can't be sent, and the survey says so."""
    with (
        open_source(asset("wide") for _ in range(50_001)) as source,
        pytest.raises(SourceError, match=r"commands, index 50000: more than 50,000 neighbours"),
    ):
        source.survey()


def test_a_domain_repeated_before_every_asset_is_sent_once() -> None:
    """An extractor that repeats the same domain for each asset costs no batch for each."""
    repeated = [each for name in "abc" for each in (domain("D"), asset(name))]

    with open_source(repeated) as source:
        assert [1, 3] == [batch.commands for batch in split(source)]


def test_a_large_batch_is_closed_early() -> None:
    """A batch is closed at 16 MiB, so that memory does not grow with the commands' size."""
    with open_source(asset(str(number), text="x" * (5 << 20)) for number in range(4)) as source:
        assert [3, 1] == [batch.commands for batch in split(source)]


@pytest.mark.parametrize("size", [0, 50_001])
def test_a_limit_out_of_range_is_refused(size: int) -> None:
    """A limit outside 1 to 50,000 is refused before anything is read."""
    with open_source([asset("a")]) as source, pytest.raises(SourceError, match="from 1 to 50,000"):
        iter_batches(source, source.survey(), max_commands_per_batch=size)


def test_an_index_that_is_not_there_is_an_error() -> None:
    """An index outside the batch is never taken for a command."""
    with open_source([asset("a")]) as source:
        (batch,) = split(source)

    for index in (-1, 1):
        with pytest.raises(IndexError, match="has 1 commands"):
            batch.position_of(index)


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_values_pass_untouched(tmp_path: Path, suffix: str) -> None:
    """What is sent is what was written, to the byte: numbers, escapes, spacing."""
    text = json.dumps(asset("Ünï")).replace('"Asset"', r'"\u0041sset" ')[:-1]
    text += r', "n": [1e400, 0.10, -0.0], "u": "\ud83d\ude00é\/", '
    text += f'"digits": {"9" * 5_000}}}'
    path = tmp_path / f"exact{suffix}"
    path.write_text(f"[ {text} ]" if suffix == ".json" else text, encoding="utf-8")

    with open_source(path) as source:
        (batch,) = split(source)

    assert f"[{text}]".encode() == batch.content


def test_elements_survive_every_edge_of_the_window(tmp_path: Path) -> None:
    """Commands cut anywhere by the reading window, in any script, come out whole."""
    everything = [asset(f"{number} é € 😀", text='€\\"😀' * 20_000) for number in range(40)]
    path = tmp_path / "wide.json"
    path.write_text(json.dumps(everything, ensure_ascii=False, indent=1), encoding="utf-8")

    with open_source(path) as source:
        assert everything == [each for batch in split(source, 7) for each in load(batch)]


def test_the_survey_counts_and_names() -> None:
    """The survey counts commands by type and hands out every identifier."""
    seen: list[str] = []

    with open_source([community("C"), asset("a"), asset("b")]) as source:
        survey = source.survey(note_into(seen))

    assert {"Community": 1, "Asset": 2} == survey.by_resource_type
    assert (3, 2) == (survey.commands, survey.assets)
    assert ["C", "C > D > a", "C > D > b"] == seen
