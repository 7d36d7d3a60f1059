"""Values that a source consists of: records, positions and the summary of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

MAX_COMMANDS_PER_FILE: Final = 50_000
"""Maximum number of commands in one import job. Source: documented, a recommendation."""


class RecordPosition(NamedTuple):
    """Place of a record in a source.

    Attributes:
        file: Name of the file, or ``commands`` for commands from the caller's code.
        unit: Unit of ``number``: ``index`` (from 0) in a JSON array or an iterable,
            ``line`` in JSON Lines, ``row`` in CSV, ``sheet 'Tables', row`` in Excel (from 1).
        number: Number in that unit. A CSV row that spans several lines has the first one.
        identifier: Label of the resource that the record is about, or empty.
    """

    file: str
    unit: str
    number: int
    identifier: str = ""

    def __str__(self) -> str:
        """Return the place for a sentence, for example ``exports/a.csv, row 12``."""
        return f"{self.file}, {self.unit} {self.number}"


class SourceRecord(NamedTuple):
    """One import command and its place in the source."""

    command: dict[str, Any]
    position: RecordPosition


class RecordFault(NamedTuple):
    """Reason why a record cannot be sent, and its place in the source."""

    position: RecordPosition
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """Counts of a source that was read and checked completely.

    Attributes:
        files: Names of the files, in reading order.
        file_count: Number of files.
        command_count: Number of commands after equal identifiers were merged.
        asset_count: Number of assets.
        other_count: Number of other resources.
        reference_count: Number of references from one command to another resource.
        unknown_keys: Names of keys that Collibra's published description does not list, sorted.
    """

    files: tuple[str, ...]
    file_count: int
    command_count: int
    asset_count: int
    other_count: int
    reference_count: int
    unknown_keys: tuple[str, ...] = ()
