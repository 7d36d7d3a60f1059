"""Runs: neighbours about one thing, which Collibra merges and which therefore stay together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.values import MAX_COMMANDS_PER_FILE, Piece

Run = list[Piece]


def iter_runs(pieces: Iterable[Piece], unit: str) -> Iterator[Run]:
    """Put neighbours about one thing together; most runs have one piece.

    Raises:
        SourceError: A run is longer than one file may be.
    """
    run: Run = []
    for piece in pieces:
        if run and not share_subject(run[-1], piece):
            yield run
            run = []
        run.append(piece)
        if len(run) * len(piece.commands) > MAX_COMMANDS_PER_FILE:
            raise SourceError(
                f"{piece.file}, {unit} {piece.number}: more than {MAX_COMMANDS_PER_FILE:,} "
                f"neighbours about {piece.subjects[0].identifier!r}, which must go in one file"
            )
    if run:
        yield run


def share_subject(one: Piece, other: Piece) -> bool:
    """Tell whether Collibra would merge commands of two neighbours."""
    if len(one.commands) == 1:
        return one.commands == other.commands
    return any(mine == theirs for mine, theirs in zip(one.subjects, other.subjects, strict=False))
