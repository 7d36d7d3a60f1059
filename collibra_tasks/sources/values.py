"""What a source is made of, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.identifiers import ASSET, CONTAINERS, Identity

FileFormat = Literal["json", "jsonl", "csv", "excel"]

MAX_COMMANDS_PER_FILE: Final = 50_000
"""The most that one file may carry. Source: documented (a recommendation for synchronization)."""

UNITS: Final[Mapping[FileFormat, str]] = {
    "json": "index",  # from 0
    "jsonl": "line",  # from 1, as in an editor
    "csv": "line",
    "excel": "row",
}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a command stands in a source.

    Attributes:
        file: The file as it was given, or ``commands`` for commands from Python.
        unit: ``index`` (from 0) in a JSON array, ``line`` or ``row`` (from 1) elsewhere.
        number: The place, counted in that unit.
        identifier: What the command there is about, as far as that is known.
    """

    file: str
    unit: str
    number: int
    identifier: str | None = None

    def __str__(self) -> str:
        """Say where, in words for a sentence."""
        return f"{self.file}, {self.unit} {self.number}"


class Piece(NamedTuple):
    """The smallest part that a source can be split into: a JSON command, or a row."""

    file: str
    number: int
    commands: tuple[Identity, ...]
    content: bytes

    @property
    def subjects(self) -> tuple[Identity, ...]:
        """What the piece is really about: a row's domain is only where its asset lives."""
        if len(self.commands) == 1:
            return self.commands
        inner = tuple(each for each in self.commands if each.resource_type not in CONTAINERS)
        return inner or self.commands[-1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a source holds, once all of it was read and found in order.

    Attributes:
        commands: How many commands there are.
        by_resource_type: How many there are of each type.
        template: The template as Collibra must get it, with columns by number; ``None`` for JSON.
    """

    commands: int
    by_resource_type: Mapping[str, int]
    template: str | None = None

    @property
    def assets(self) -> int:
        """How many commands are about assets; some may be about the same one."""
        return self.by_resource_type.get(ASSET, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """How a CSV file is written; the names and defaults are Collibra's, but for the header."""

    separator: Annotated[str, Field(description="One character between two cells.")] = ";"
    quote: Annotated[str, Field(description="One character around a cell.")] = '"'
    escape: Annotated[
        str,
        Field(
            description="One character before a quote inside quotes. A doubled quote is "
            "understood as well."
        ),
    ] = "\\"
    header_row: Annotated[
        bool,
        Field(description="Whether the first row names the columns. Collibra's own default is no."),
    ] = True
    ignore_leading_whitespace: Annotated[
        bool, Field(description="Whether blanks after a separator are dropped.")
    ] = False

    def __post_init__(self) -> None:
        """Refuse what no reader understands."""
        for name in ("separator", "quote", "escape"):
            text = getattr(self, name)
            if len(text) != 1 or text in "\r\n":
                raise SourceError(f"the CSV {name} must be one character, not {text!r}")
