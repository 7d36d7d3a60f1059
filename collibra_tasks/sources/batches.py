"""Batches: the JSON commands that one import job carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.records import MAX_COMMANDS_PER_FILE, RecordPosition
from collibra_tasks.sources.spool import RESOURCE_TYPES, Kind

MAX_CHARACTERISTICS: Final = 500_000
"""Maximum number of attributes, relations and tags per batch. Source: documented, a
recommendation."""

MAX_BATCH_BYTES: Final = 16 << 20
"""Size at which a batch is closed; bounds memory. Source: assumed."""


class ScheduledCommand(NamedTuple):
    """One command in the order of sending.

    Attributes:
        phase: Number of the phase; a batch has commands of one phase.
        rank: Rank within the phase.
        needs: Rank of the last command of the same phase that this command depends on, or -1.
        kind: Resource type.
        characteristics: Number of attributes, relations and tags.
        body: The command as JSON.
        place: Number of the source file.
        number: Position in the source file.
        label: Label of the resource.
    """

    phase: int
    rank: int
    needs: int
    kind: int
    characteristics: int
    body: bytes
    place: int
    number: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The content of one import job.

    Attributes:
        number: Number in the cycle, from 1.
        content: JSON array of commands in UTF-8.
        digest: SHA-256 of the content; identifies the batch after a restart.
        resource_types: Resource types of the commands, sorted.
        command_count: Number of commands.
        waits_for_earlier: Whether all earlier batches must have ended before this one is sent.
            A batch without it may be sent at the same time as those since the last one with it.
        origins: Source file, number and label of each command, in the order of the content.
        places: File name and unit by number of the source file.
    """

    number: int
    content: bytes = field(repr=False)
    digest: str
    resource_types: tuple[str, ...]
    command_count: int
    waits_for_earlier: bool
    origins: tuple[tuple[int, int, str], ...] = field(repr=False)
    places: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def first(self) -> RecordPosition:
        """Position of the first command in the source."""
        return self.position_of(0)

    @property
    def last(self) -> RecordPosition:
        """Position of the last command in the source."""
        return self.position_of(self.command_count - 1)

    def position_of(self, index: int) -> RecordPosition:
        """Return the position in the source of a command that Collibra reports by its index.

        Args:
            index: Index of the command in the batch, from 0.

        Raises:
            IndexError: The batch has no command at this index.
        """
        if not 0 <= index < self.command_count:
            raise IndexError(
                f"Batch {self.number} has {self.command_count:,} commands: index {index} does not "
                "exist."
            )
        place, number, label = self.origins[index]
        file, unit = self.places[place]
        return RecordPosition(file, unit, number, label)


def pack_batches(
    commands: Iterable[ScheduledCommand], places: tuple[tuple[str, str], ...], *, max_commands: int
) -> Iterator[Batch]:
    """Fill batches with commands; a batch never holds commands of two phases.

    Args:
        commands: Commands in the order of sending.
        places: File name and unit of each source file.
        max_commands: Maximum number of commands per batch, 1 to 50,000. A batch also ends at
            500,000 characteristics and at 16 MiB, unless a single command is larger.

    Raises:
        SourceError: The maximum is out of range.
    """
    if not 1 <= max_commands <= MAX_COMMANDS_PER_FILE:
        raise SourceError(
            f"Splitting the source failed: max_commands_per_batch is {max_commands:,}. Use a "
            f"number from 1 to {MAX_COMMANDS_PER_FILE:,}."
        )
    return _iter_batches(commands, places, max_commands)


def _iter_batches(
    commands: Iterable[ScheduledCommand], places: tuple[tuple[str, str], ...], max_commands: int
) -> Iterator[Batch]:
    window: ScheduledCommand | None = None
    for number, group in enumerate(_iter_groups(commands, max_commands), start=1):
        waits = window is not None and _must_wait(group, window)
        if window is None or waits:
            window = group[0]
        yield _make_batch(number, group, places, waits_for_earlier=waits)


def _iter_groups(
    commands: Iterable[ScheduledCommand], max_commands: int
) -> Iterator[list[ScheduledCommand]]:
    group: list[ScheduledCommand] = []
    filling = _Filling(max_commands)
    for command in commands:
        if filling.begins(command.phase, command.characteristics, len(command.body)) and group:
            yield group
            group = []
        group.append(command)
    if group:
        yield group


class _Filling:
    """Decision after which command a batch is full."""

    def __init__(self, max_commands: int) -> None:
        self._max_commands = max_commands
        self._phase: int | None = None
        self._commands = self._characteristics = self._size = 0

    def begins(self, phase: int, characteristics: int, size: int) -> bool:
        """Add a command; return whether it is the first one of a batch."""
        self._characteristics += characteristics
        self._size += size
        if (
            phase == self._phase
            and self._commands < self._max_commands
            and self._characteristics <= MAX_CHARACTERISTICS
            and self._size <= MAX_BATCH_BYTES
        ):
            self._commands += 1
            return False
        self._phase, self._commands = phase, 1
        self._characteristics, self._size = characteristics, size
        return True


def count_batches(sizes: Iterable[tuple[int, int, int]], *, max_commands: int) -> int:
    """Return the number of batches of `pack_batches` without their content.

    Args:
        sizes: Phase, number of characteristics and length of each command, in the order of sending.
        max_commands: Maximum number of commands per batch.
    """
    filling = _Filling(max_commands)
    return sum(filling.begins(*each) for each in sizes)


def _must_wait(group: list[ScheduledCommand], window: ScheduledCommand) -> bool:
    """Return whether a command depends on a batch that may still be running.

    Args:
        group: Commands of the batch.
        window: First command of the batches that may be running at the same time.
    """
    # Source: documented, communities and domains must not be imported concurrently.
    if group[0].phase != window.phase or group[0].kind in (Kind.COMMUNITY, Kind.DOMAIN):
        return True
    start = group[0].rank
    return any(window.rank <= command.needs < start for command in group)


def _make_batch(
    number: int,
    group: list[ScheduledCommand],
    places: tuple[tuple[str, str], ...],
    *,
    waits_for_earlier: bool,
) -> Batch:
    content = b"[" + b",\n".join([command.body for command in group]) + b"]"
    kinds = {command.kind for command in group}
    return Batch(
        number=number,
        content=content,
        digest=sha256(content).hexdigest(),
        resource_types=tuple(sorted(RESOURCE_TYPES[Kind(kind)] for kind in kinds)),
        command_count=len(group),
        waits_for_earlier=waits_for_earlier,
        origins=tuple([command[-3:] for command in group]),
        places=places,
    )
