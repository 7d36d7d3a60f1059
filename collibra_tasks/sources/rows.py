"""What CSV and Excel have in common: a header, rows of cells, and a template for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.files import EMPTY
from collibra_tasks.sources.identifiers import CommandError
from collibra_tasks.sources.templates import RowTemplate, bind_template
from collibra_tasks.sources.values import Piece, Position


@dataclass(frozen=True, slots=True)
class Row:
    """A row: where it begins, its cells, and its bytes where it can be sent alone."""

    position: Position
    cells: Sequence[str]
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Heading:
    """What the first row of the first file settles for all rows of all files.

    Attributes:
        columns: How many cells every row has.
        header: The header's row; ``None`` where the first row is content already.
        template: The template with its columns found.
    """

    columns: int
    header: Row | None
    template: RowTemplate


def read_heading(
    rows: Iterator[Row], commands: Sequence[dict[str, Any]], *, file: str, header_row: bool
) -> Heading:
    """Read the first row, and find the template's columns in it.

    Raises:
        SourceError: There is no row, or it lacks a column.
    """
    first = next(rows, None)
    if first is None:
        raise SourceError(f"{file}: there is no row in it; {EMPTY}")
    header = first.cells if header_row else None
    template = bind_template(commands, header=header, columns=len(first.cells), file=file)
    return Heading(len(first.cells), first if header_row else None, template)


def read_pieces(rows: Iterator[Row], heading: Heading, *, file: str) -> Iterator[Piece]:
    """Read the rows below the header, and tell what each is about.

    Raises:
        SourceError: The header is another, a row is ragged or has no identifier, or none is there.
    """
    if heading.header is not None:
        own = next(rows, None)
        if own is None or own.cells != heading.header.cells:
            raise SourceError(f"{file}: the header is not that of {heading.header.position.file}")
    empty = True
    for row in rows:
        empty = False
        yield _read_piece(row, heading)
    if empty:
        raise SourceError(f"{file}: there is no row below the header; {EMPTY}")


def _read_piece(row: Row, heading: Heading) -> Piece:
    if len(row.cells) != heading.columns:
        raise SourceError(
            f"{row.position}: the row has {len(row.cells)} cells instead of {heading.columns}"
        )
    try:
        identities = heading.template.identify_row(row.cells)
    except CommandError as error:
        raise SourceError(f"{row.position}: {error}") from None
    return Piece(row.position.file, row.position.number, identities, row.content)
