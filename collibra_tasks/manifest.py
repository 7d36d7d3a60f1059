"""The assets of a finalized cycle, kept so that the next one can tell what would go missing.

*Present before and absent now* is what finalization deals with, so two manifests predict it. Names
are kept, not digests of them: a person must be able to read what would disappear.
"""

from __future__ import annotations

import json
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import SEEK_END
from itertools import chain, groupby, islice
from tempfile import TemporaryFile
from typing import IO, Final, Self, cast
from weakref import finalize

from collibra_tasks.errors import CollibraError
from collibra_tasks.sources.identifiers import ASSET

_MAGIC: Final = b"collibra-tasks manifest 1\n"
_RUN: Final = 100_000
_BLOCK: Final = 1_000
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

    Identifiers are put away in sorted runs, in a temporary file, so that memory stays bounded
    however many there are.
    """

    def __init__(self, *, run: int = _RUN, block: int = _BLOCK) -> None:
        """Start with nothing.

        Args:
            run: How many identifiers are sorted at a time; more take more memory.
            block: How many are compressed together; memory holds one block of each run.
        """
        self._run, self._block = run, block
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed with the draft
        finalize(self, self._file.close)
        self._runs: list[_Run] = []
        self._recent: list[str] = []
        self._others = 0

    def add(self, resource_type: str, identifier: str) -> None:
        """Note one command; only an asset's identifier is kept."""
        if resource_type != ASSET:
            self._others += 1
            return
        self._recent.append(identifier)
        if len(self._recent) >= self._run:
            self._put_away()

    def finish(self) -> Manifest:
        """Make the manifest of all that was noted, and start again with nothing."""
        self._put_away()
        merged = chain.from_iterable(_merge(self._runs))
        population, blocks = 0, []
        while block := list(islice(merged, self._block)):
            population += len(block)
            blocks.append(_pack(block))
        manifest = Manifest(population=population, others=self._others, blocks=tuple(blocks))
        self._file.truncate(0)
        self._runs, self._others = [], 0
        return manifest

    def _put_away(self) -> None:
        self._recent.sort()
        identifiers = _drop_repeats(self._recent)
        self._recent = []
        run = _Run(self._file)
        for start in range(0, len(identifiers), self._block):
            run.write(identifiers[start : start + self._block])
        self._runs.append(run)


class _Run:
    """Sorted identifiers without repeats, on disk; iterate to read them, block by block."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: list[tuple[int, int]] = []

    def write(self, block: list[str]) -> None:
        place = self._file.seek(0, SEEK_END)
        self._places.append((place, self._file.write(_write(block))))

    def __iter__(self) -> Iterator[list[str]]:
        for place, length in self._places:
            self._file.seek(place)
            yield _read(self._file.read(length))


def _merge(runs: Iterable[_Run]) -> Iterator[list[str]]:
    """Merge sorted runs, a block of each in memory; repeats are left out."""
    heads = [(blocks, head) for run in runs if (head := next(blocks := iter(run), None))]
    while heads:
        # No run has anything up to here that is not in its head.
        bound = min(head[-1] for _, head in heads)
        ripe, rest = [], []
        for blocks, head in heads:
            cut = bisect_right(head, bound)
            ripe += head[:cut]
            if left := head[cut:] or next(blocks, []):
                rest.append((blocks, left))
        ripe.sort()
        yield _drop_repeats(ripe)
        heads = rest


def _drop_repeats(identifiers: list[str]) -> list[str]:
    """Leave out what stands behind its like; a set would have to look at all letters."""
    return [identifier for identifier, _ in groupby(identifiers)]


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
    return zlib.compress(_write(identifiers), _FASTEST)


def _unpack(block: bytes) -> list[str]:
    return _read(zlib.decompress(block))


def _write(identifiers: list[str]) -> bytes:
    """Write one a line, which is fast; as JSON where a name has lines of its own."""
    text = "\n".join(identifiers)
    if text.count("\n") >= len(identifiers):
        return json.dumps(identifiers).encode()
    return b"\n" + text.encode("utf-8", "surrogatepass")


def _read(content: bytes) -> list[str]:
    if content.startswith(b"\n"):
        return content[1:].decode("utf-8", "surrogatepass").split("\n")
    return cast("list[str]", json.loads(content))


def _write_checksum(parts: Iterable[bytes | memoryview]) -> bytes:
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x}".encode()


def _cut(content: bytes, start: int, lengths: Iterable[int]) -> Iterator[bytes]:
    for length in lengths:
        yield content[start : start + length]
        start += length
