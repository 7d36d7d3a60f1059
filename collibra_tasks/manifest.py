"""The assets of a finalized cycle, kept so that the next one can tell what would go missing.

*Present before and absent now* is what finalization deals with, so two manifests predict it. Names
are kept, not digests of them: a person must be able to read what would disappear.
"""

from __future__ import annotations

import heapq
import json
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import Final, Self, cast

from collibra_tasks.errors import CollibraError
from collibra_tasks.sources.identifiers import ASSET

_MAGIC: Final = b"collibra-tasks manifest 1\n"
_RUN: Final = 100_000
_BLOCK: Final = 5_000
_FASTEST: Final = 1


class ManifestError(CollibraError):
    """The bytes are no manifest that this library wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The identifiers of a cycle's assets, sorted and compressed; iterate to read them.

    Attributes:
        population: How many different assets there are.
        others: How many commands were about something else, which finalization never removes.
    """

    population: int
    others: int = 0
    blocks: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def from_identifiers(cls, identifiers: Iterable[str]) -> Manifest:
        """Make the manifest of some assets, in any order and with repeats."""
        draft = ManifestDraft()
        for identifier in identifiers:
            draft.add(ASSET, identifier)
        return draft.finish()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            ManifestError: The bytes are damaged, cut short, or something else.
        """
        if not content.startswith(_MAGIC):
            raise ManifestError("the manifest is of an unknown kind: its first line is not ours")
        try:
            body = content.index(b"\n", len(_MAGIC)) + 1
            if content[len(_MAGIC) : body - 1] != _write_checksum([memoryview(content)[body:]]):
                raise ManifestError("the manifest is damaged: its checksum does not fit")
            packed = content.index(b"\n", body) + 1
            facts = json.loads(content[body:packed])
            blocks = tuple(_cut(content, packed, facts["blocks"]))
            return cls(population=facts["population"], others=facts["others"], blocks=blocks)
        except (ValueError, KeyError, TypeError) as error:
            raise ManifestError(f"the manifest is damaged: {error}") from None

    def to_bytes(self) -> bytes:
        """Write it down, to be kept until the next cycle."""
        lengths = [len(block) for block in self.blocks]
        facts = {"population": self.population, "others": self.others, "blocks": lengths}
        body = (json.dumps(facts).encode() + b"\n", *self.blocks)
        return b"".join([_MAGIC, _write_checksum(body), b"\n", *body])

    def __iter__(self) -> Iterator[str]:
        """Go through the identifiers in order, a block in memory at a time."""
        for block in self.blocks:
            yield from _unpack(block)

    def __len__(self) -> int:
        """Count the assets."""
        return self.population


class ManifestDraft:
    """A manifest in the making; its ``add`` fits the ``seen`` of a source's survey.

    Identifiers are put away in sorted, compressed runs, so that memory stays bounded however many
    there are.
    """

    def __init__(self, *, run: int = _RUN, block: int = _BLOCK) -> None:
        """Start with nothing.

        Args:
            run: How many identifiers are sorted at a time; more take more memory.
            block: How many are compressed together; memory holds one block of each run.
        """
        self._run, self._block = run, block
        self._runs: list[deque[bytes]] = []
        self._recent: set[str] = set()
        self._others = 0

    def add(self, resource_type: str, identifier: str) -> None:
        """Note one command; only an asset's identifier is kept."""
        if resource_type != ASSET:
            self._others += 1
            return
        self._recent.add(identifier)
        if len(self._recent) >= self._run:
            self._put_away()

    def finish(self) -> Manifest:
        """Make the manifest of all that was noted, and start again with nothing."""
        self._put_away()
        merged = heapq.merge(*map(_drain, self._runs))
        identifiers = (identifier for identifier, _ in groupby(merged))
        population, blocks = 0, []
        while block := list(islice(identifiers, self._block)):
            population += len(block)
            blocks.append(_pack(block))
        manifest = Manifest(population=population, others=self._others, blocks=tuple(blocks))
        self._runs, self._others = [], 0
        return manifest

    def _put_away(self) -> None:
        identifiers = iter(sorted(self._recent))
        blocks = iter(lambda: list(islice(identifiers, self._block)), [])
        self._runs.append(deque(map(_pack, blocks)))
        self._recent = set()


def merge_manifests(manifests: Sequence[Manifest]) -> Manifest:
    """Make one manifest of several cycles: an asset of any of them is in it."""
    if len(manifests) == 1:
        return manifests[0]
    return Manifest.from_identifiers(chain.from_iterable(manifests))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What finalization would deal with, by the previous cycle's manifest.

    Attributes:
        missing: The assets that were present and are absent, sorted; at most the number asked for.
        missing_count: How many there are.
        population: How many assets the previous cycle had.
        new_count: How many assets are new.
    """

    missing: tuple[str, ...]
    missing_count: int
    population: int
    new_count: int

    @property
    def percent(self) -> float:
        """The share of the previous cycle that is missing, 0 to 100; 0 of nothing."""
        return 100 * self.missing_count / self.population if self.population else 0.0


def predict_missing(
    previous: Manifest, current: Manifest, *, max_names: int = 10_000
) -> Prediction:
    """Tell what was present in one cycle and is absent in the next.

    Args:
        previous: The last finalized cycle.
        current: The cycle that is about to be finalized.
        max_names: The most names to return; all are counted.
    """
    absent = _subtract(previous, current)
    missing = tuple(islice(absent, max_names))
    missing_count = len(missing) + sum(1 for _ in absent)
    return Prediction(
        missing=missing,
        missing_count=missing_count,
        population=previous.population,
        new_count=current.population - (previous.population - missing_count),
    )


def _subtract(previous: Iterable[str], current: Iterable[str]) -> Iterator[str]:
    """Walk two sorted lists once, side by side."""
    others = iter(current)
    other = next(others, None)
    for identifier in previous:
        while other is not None and other < identifier:
            other = next(others, None)
        if other != identifier:
            yield identifier


def _pack(identifiers: list[str]) -> bytes:
    return zlib.compress(json.dumps(identifiers).encode(), _FASTEST)


def _unpack(block: bytes) -> list[str]:
    return cast("list[str]", json.loads(zlib.decompress(block)))


def _drain(blocks: deque[bytes]) -> Iterator[str]:
    """Unpack blocks one by one, and let go of each."""
    while blocks:
        yield from _unpack(blocks.popleft())


def _write_checksum(parts: Iterable[bytes | memoryview]) -> bytes:
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x}".encode()


def _cut(content: bytes, start: int, lengths: Iterable[int]) -> Iterator[bytes]:
    for length in lengths:
        yield content[start : start + length]
        start += length
