"""Batches: what one import job carries, in the order in which the jobs must run.

* Communities go first, then domains, then all the rest, each in files of their own. A table's row
  may stand for all three at once; such rows are not taken apart.
* Neighbours about one thing stay in one batch, because Collibra merges only neighbours.
* Commands about one thing that were no neighbours, and would become so by this order, are kept in
  separate batches, so that the later one still overrides; one that says the same again is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, groupby
from pathlib import Path
from typing import Literal, NamedTuple

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.identifiers import Identity
from collibra_tasks.sources.phases import iter_phases, pack_runs
from collibra_tasks.sources.source import Source
from collibra_tasks.sources.values import MAX_COMMANDS_PER_FILE, Piece, Position, Survey

BatchFormat = Literal["json", "csv", "excel"]


class Place(NamedTuple):
    """Where a piece of a batch stands in the source, and what it is about."""

    file: str
    number: int
    commands: tuple[Identity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The file of one import job.

    Attributes:
        number: Its place in the cycle, from 1.
        format: What Collibra must be told that it is.
        file_name: A name for the upload.
        content: The file, complete and in UTF-8 (an Excel workbook as it is).
        commands: How many commands are in it, those of a row counted one by one.
        resource_types: What they are about, sorted.
        unit: What a position counts: ``index``, ``line`` or ``row``.
    """

    number: int
    format: BatchFormat
    file_name: str
    content: bytes = field(repr=False)
    commands: int
    resource_types: tuple[str, ...]
    unit: str
    places: tuple[Place, ...] = field(repr=False)

    @property
    def first(self) -> Position:
        """Where its first command stands in the source."""
        return self.position_of(0)

    @property
    def last(self) -> Position:
        """Where its last command stands in the source."""
        return self.position_of(self.commands - 1)

    @property
    def digest(self) -> str:
        """The content's SHA-256, to tell after a restart whether this was sent already."""
        return sha256(self.content).hexdigest()

    def position_of(self, index: int) -> Position:
        """Find in the source what Collibra calls the command at ``index``, counted from 0.

        For tables Collibra is assumed to count the template's commands row by row.

        Raises:
            IndexError: There is no such command.
        """
        if not 0 <= index < self.commands:
            raise IndexError(f"batch {self.number} has {self.commands} commands, no index {index}")
        row, command = divmod(index, self.commands // len(self.places))
        place = self.places[row]
        return Position(place.file, self.unit, place.number, place.commands[command].identifier)


def iter_batches(
    source: Source, survey: Survey, *, max_commands_per_batch: int = 10_000
) -> Iterator[Batch]:
    """Split a source that was found in order; the same source is always split the same way.

    Args:
        source: What to split.
        survey: What :meth:`Source.survey` said of it.
        max_commands_per_batch: The most commands in one batch, 1 to 50,000. Exceeded only by
            neighbours about one thing, by the commands of a single row, and by an Excel workbook,
            which goes whole.

    Raises:
        SourceError: The limit is out of range, or the source is not what was surveyed.
    """
    if not 1 <= max_commands_per_batch <= MAX_COMMANDS_PER_FILE:
        raise SourceError(
            f"max_commands_per_batch is {max_commands_per_batch:,}, "
            f"and must be from 1 to {MAX_COMMANDS_PER_FILE:,}"
        )
    if source.file_format == "excel":
        return _iter_workbooks(source)
    if source.file_format == "csv":
        return _iter_csv(source, survey, max_commands_per_batch)
    return _iter_json(source, survey, max_commands_per_batch)


def _iter_json(source: Source, survey: Survey, limit: int) -> Iterator[Batch]:
    for number, pieces in _iter_packed(source, survey, limit):
        content = b"[" + b",\n".join([piece.content for piece in pieces]) + b"]"
        yield _make_batch(source, number, "json", f"batch-{number:05}.json", content, pieces)


def _iter_csv(source: Source, survey: Survey, limit: int) -> Iterator[Batch]:
    header = source.read_heading().header
    opening = header.content if header else b""
    for number, pieces in _iter_packed(source, survey, limit):
        content = opening + b"".join([piece.content for piece in pieces])
        yield _make_batch(source, number, "csv", f"batch-{number:05}.csv", content, pieces)


def _iter_workbooks(source: Source) -> Iterator[Batch]:
    by_file = groupby(source.read_pieces(), key=lambda piece: piece.file)
    for number, (file, (_, rows)) in enumerate(zip(source.files, by_file, strict=True), start=1):
        with file.reading() as stream:
            content = stream.read()
        name = Path(file.label).name.removesuffix(".gz")
        yield _make_batch(source, number, "excel", name, content, list(rows))


def _iter_packed(source: Source, survey: Survey, limit: int) -> Iterator[tuple[int, list[Piece]]]:
    packed = (pack_runs(runs, limit) for runs in iter_phases(source, survey))
    return enumerate(chain.from_iterable(packed), start=1)


def _make_batch(
    source: Source,
    number: int,
    batch_format: BatchFormat,
    file_name: str,
    content: bytes,
    pieces: Sequence[Piece],
) -> Batch:
    return Batch(
        number=number,
        format=batch_format,
        file_name=file_name,
        content=content,
        commands=sum(len(piece.commands) for piece in pieces),
        resource_types=tuple(sorted({each.resource_type for p in pieces for each in p.commands})),
        unit=source.unit,
        places=tuple([Place(piece.file, piece.number, piece.commands) for piece in pieces]),
    )
