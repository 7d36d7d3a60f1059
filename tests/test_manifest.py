"""Manifests: what a finalized cycle held, and what the next one would lose."""

from __future__ import annotations

import pickle
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collibra_tasks.manifest import (
    Manifest,
    ManifestDraft,
    ManifestError,
    merge_manifests,
    predict_missing,
)
from collibra_tasks.sources import ASSET

NAMES = st.text(alphabet='ab>\n"\\ é😀\0', max_size=4) | st.sampled_from(["\ud800", "C > D > A"])
CYCLES = st.lists(NAMES, max_size=60)


def hold(names: Iterable[str]) -> Manifest:
    """Sort and compress a few at a time, so that small examples take every path."""
    draft = ManifestDraft(run=7, block=3)
    for name in names:
        draft.add(ASSET, name)
    return draft.finish()


@given(names=CYCLES)
def test_a_manifest_comes_back_as_it_was(names: list[str]) -> None:
    """Writing and reading keep every identifier once, sorted, whatever characters it has."""
    manifest = Manifest.from_bytes(hold(names).to_bytes())

    assert sorted(set(names)) == list(manifest)
    assert len(set(names)) == len(manifest) == manifest.population


@given(before=CYCLES, now=CYCLES)
def test_missing_is_what_was_there_and_is_not(before: list[str], now: list[str]) -> None:
    """The prediction is the difference of the two sets, and its share of the first."""
    prediction = predict_missing(hold(before), hold(now))

    gone, new = set(before) - set(now), set(now) - set(before)
    assert tuple(sorted(gone)) == prediction.missing
    assert (len(gone), len(new)) == (prediction.missing_count, prediction.new_count)
    assert len(set(before)) == prediction.population
    assert 100 * len(gone) == pytest.approx(prediction.percent * len(set(before)))


def test_a_manifest_is_made_of_identifiers_alone() -> None:
    """Identifiers at hand make a manifest at once, in order and without repeats."""
    assert ["a", "b"] == list(Manifest.from_identifiers(["b", "a", "b"]))


def test_cycles_are_put_together_without_repeats() -> None:
    """Of several cycles, an asset that any of them held is held once."""
    merged = merge_manifests([hold(["a", "b"]), hold(["b", "c"]), hold([])])

    assert (["a", "b", "c"], 3) == (list(merged), merged.population)


def test_of_nothing_nothing_is_missing() -> None:
    """Without a population the share is 0, not an error."""
    nothing = hold([])

    assert 0.0 == predict_missing(nothing, nothing).percent


def test_all_are_counted_though_not_all_are_named() -> None:
    """A limit on names does not change the count."""
    before = hold(str(number) for number in range(50))

    prediction = predict_missing(before, hold([]), max_names=2)

    assert (("0", "1"), 50, 100.0) == (
        prediction.missing,
        prediction.missing_count,
        prediction.percent,
    )


def test_only_assets_can_go_missing() -> None:
    """Other commands are counted and not kept, because finalization never removes them."""
    draft = ManifestDraft()
    for resource_type in ("Community", "Asset", "Mapping", "Asset"):
        draft.add(resource_type, f"the {resource_type}")

    manifest = Manifest.from_bytes(draft.finish().to_bytes())

    assert (["the Asset"], 2) == (list(manifest), manifest.others)


@given(names=CYCLES, place=st.integers(0), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(names: list[str], place: int, bit: int) -> None:
    """A single bit that is not as it was written is found, wherever it is."""
    content = bytearray(hold(names).to_bytes())
    content[place % len(content)] ^= 1 << bit

    with pytest.raises(ManifestError):
        Manifest.from_bytes(bytes(content))


def damage() -> dict[str, bytes]:
    sound = hold(["a", "b"]).to_bytes()
    flipped = bytearray(sound)
    flipped[-1] ^= 1
    return {
        "empty": b"",
        "another file": b"PK\x03\x04",
        "a newer version": sound.replace(b"manifest 1", b"manifest 2"),
        "cut": sound[:-1],
        "cut in the head": sound[:30],
        "longer": sound + b"x",
        "flipped": bytes(flipped),
        "a head that is a list": sound.split(b"\n")[0] + b"\n[]\n",
    }


@pytest.mark.parametrize("kind", damage())
def test_damage_is_one_clear_error(kind: str) -> None:
    """Bytes that are not exactly what was written are refused, and never read in part."""
    with pytest.raises(ManifestError, match="the manifest is") as refusal:
        Manifest.from_bytes(damage()[kind])

    assert str(refusal.value) == str(pickle.loads(pickle.dumps(refusal.value)))  # noqa: S301 - our own
