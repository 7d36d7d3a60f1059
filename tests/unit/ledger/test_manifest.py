"""Manifests: what a finalized cycle held, and what the next one would lose."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collibra_tasks.ledger.manifest import (
    Manifest,
    ManifestError,
    count_missing,
    merge_manifests,
    missing_rows,
)
from collibra_tasks.models import AssetRow

NAMES = st.text(alphabet='ab>\n\t\r"\\u 0é😀\0\x85\u2028', max_size=5) | st.sampled_from(
    ["\ud800", "C > D > A", "\\u0041", "\\\\u0041"]
)
CYCLES = st.sets(NAMES, max_size=60)


def row(asset: str, file: str = "") -> AssetRow:
    return AssetRow(asset, asset[:1], asset[:2], file)


def hold(names: Iterable[str], *, file: str = "") -> Manifest:
    return Manifest.from_rows(row(name, file) for name in sorted(names))


@given(names=CYCLES)
def test_from_bytes_restores_every_row(names: set[str]) -> None:
    """Writing and reading keep every row, sorted, whatever characters it has."""
    manifest = Manifest.from_bytes(hold(names).to_bytes())

    assert [row(name) for name in sorted(names)] == list(manifest)
    assert len(names) == len(manifest) == manifest.asset_count


@given(names=CYCLES)
def test_to_bytes_is_readable_with_zcat(names: set[str]) -> None:
    """The file is gzip of UTF-8: a header and one line per asset, for any tool."""
    lines = gzip.decompress(hold(names).to_bytes()).decode("utf-8").splitlines()

    assert 1 + len(names) == len(lines)
    assert all(3 == line.count("\t") for line in lines[1:])


def test_to_bytes_shows_names() -> None:
    """A person reads asset, domain, community and file, separated by tabs."""
    manifest = Manifest.from_rows([AssetRow("DW > Sales > T1", "DW > Sales", "DW", "a.csv")])

    text = gzip.decompress(manifest.to_bytes()).decode()

    assert "DW > Sales > T1\tDW > Sales\tDW\ta.csv" == text.splitlines()[1]


@given(names=st.lists(NAMES, min_size=1, max_size=5))
def test_from_bytes_restores_the_name_beside_a_label(names: list[str]) -> None:
    """The name of an asset that is identified by ID is a further column, only where it is known."""
    rows = [AssetRow(f"id {n}", "D", "C", "a", name) for n, name in enumerate(names)]

    manifest = Manifest.from_bytes(Manifest.from_rows(rows).to_bytes())

    assert rows == list(manifest)
    lines = gzip.decompress(manifest.to_bytes()).decode("utf-8").splitlines()[1:]
    assert [4 if name else 3 for name in names] == [line.count("\t") for line in lines]


def test_from_rows_counts_and_files() -> None:
    """Assets, other commands and source files are recorded."""
    rows = [row("a", "2.csv"), row("b", "1.csv"), row("c", "2.csv"), row("d")]

    manifest = Manifest.from_bytes(Manifest.from_rows(rows, other_count=7).to_bytes())

    assert (4, 7, ("1.csv", "2.csv")) == (
        manifest.asset_count,
        manifest.other_count,
        manifest.files,
    )


@pytest.mark.parametrize("names", [["b", "a"], ["a", "a"]])
def test_from_rows_not_sorted(names: list[str]) -> None:
    """Rows that are not sorted, or repeated, would make the comparison wrong; they are refused."""
    with pytest.raises(ValueError, match="sorted"):
        Manifest.from_rows(row(name) for name in names)


@given(names=CYCLES, others=CYCLES)
def test_digest_is_about_assets(names: set[str], others: set[str]) -> None:
    """Two manifests have the same digest exactly if they hold the same assets."""
    same = hold(names, file="x.csv").digest == hold(others).digest

    assert (names == others) == same


@given(before=CYCLES, now=CYCLES)
def test_missing_rows_is_the_difference(before: set[str], now: set[str]) -> None:
    """Exactly the assets that were present and are absent are missing, in order."""
    missing = [row.asset for row in missing_rows(hold(before), hold(now))]

    assert sorted(before - now) == missing
    assert len(missing) == count_missing(hold(before), hold(now))


@given(cycles=st.lists(CYCLES, max_size=4))
def test_merge_manifests_is_the_union(cycles: list[set[str]]) -> None:
    """Of several cycles, an asset that any of them held is held once."""
    merged = merge_manifests([hold(cycle) for cycle in cycles])

    assert sorted(set().union(*cycles)) == [row.asset for row in merged]


def test_merge_manifests_prefers_the_first() -> None:
    """Of an asset in several manifests, the first manifest's row counts."""
    merged = merge_manifests([hold("b", file="new"), hold("ab", file="old"), hold("c", file="old")])

    assert {"a": "old", "b": "new", "c": "old"} == {row.asset: row.file for row in merged}
    assert ("new", "old") == merged.files


@given(names=CYCLES, place=st.integers(0), bit=st.integers(0, 7))
def test_from_bytes_with_a_flipped_bit(names: set[str], place: int, bit: int) -> None:
    """A flipped bit is found, or it is in padding and changes nothing that is read."""
    sound = hold(names)
    content = bytearray(sound.to_bytes())
    content[place % len(content)] ^= 1 << bit

    try:
        read = Manifest.from_bytes(bytes(content))
    except ManifestError:
        return
    assert (sound, list(sound)) == (read, list(read))


def damage() -> dict[str, bytes]:
    sound = hold(["a", "b"]).to_bytes()
    edited = gzip.decompress(sound).replace(b"a\ta", b"c\ta")
    header = gzip.decompress(sound).split(b"\n", maxsplit=1)[0]
    body = hold(["a", "b"]).body
    return {
        "empty": b"",
        "another file": b"PK\x03\x04",
        "a text": b"asset\n",
        "edited and compressed again": gzip.compress(edited),
        "a newer version": gzip.compress(header.replace(b"manifest 1", b"manifest 2")) + body,
        "no header": gzip.compress(b"a\ta\t\t\n"),
        "a header that is a list": gzip.compress(b"[]\n") + body,
        "a header without fields": gzip.compress(b"{}\n") + body,
        "a deep header": gzip.compress(b"[" * 100_000) + body,
        "cut": sound[:-1],
        "cut in the header": sound[:30],
        "longer": sound + b"x",
    }


@pytest.mark.parametrize("kind", damage())
def test_from_bytes_damaged(kind: str) -> None:
    """Content that is not exactly what was written is refused, and never read in part."""
    with pytest.raises(ManifestError, match="Manifest not readable") as refusal:
        Manifest.from_bytes(damage()[kind])

    assert str(refusal.value) == str(pickle.loads(pickle.dumps(refusal.value)))  # noqa: S301 - our own


def test_missing_rows_needs_little_memory() -> None:
    """Two cycles of 40,000 assets are built and compared without being held as a list."""

    def rows(step: int) -> Iterator[AssetRow]:
        for number in range(0, 40_000, step):
            label = f"Data Warehouse > Sales schema > table {number:08d}"
            yield AssetRow(label, "Data Warehouse > Sales schema", "Data Warehouse", "tables.csv")

    tracemalloc.start()
    try:
        missing = count_missing(Manifest.from_rows(rows(1)), Manifest.from_rows(rows(2)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 20_000 == missing
    assert peak < 4_000_000
