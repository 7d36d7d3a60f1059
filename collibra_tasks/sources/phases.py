"""The order and the size of batches, before anything is put into a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.identifiers import COMMUNITY, CONTAINERS, DOMAIN, RESOURCE_TYPES
from collibra_tasks.sources.runs import Run, iter_runs, share_subject
from collibra_tasks.sources.source import Source
from collibra_tasks.sources.values import Piece, Survey

MAX_BATCH_BYTES: Final = 16 << 20
"""Where a batch is closed however few commands it has; keeps memory bounded. Source: assumed."""

PHASES: Final = (frozenset({COMMUNITY}), frozenset({DOMAIN}), RESOURCE_TYPES - CONTAINERS)


def phase_of(resource_type: str) -> int:
    """Tell which phase commands about something belong to, from 0."""
    return next(number for number, types in enumerate(PHASES) if resource_type in types)


def iter_phases(source: Source, survey: Survey) -> Iterator[Iterator[Run]]:
    """Read the source once for each phase that has anything in it.

    Raises:
        SourceError: The source does not hold what the survey saw.
    """
    if source.template:
        yield _iter_expected(source, RESOURCE_TYPES, survey.commands)
        return
    for wanted in PHASES:
        if expected := sum(survey.by_resource_type.get(each, 0) for each in wanted):
            yield drop_repeats(_iter_expected(source, wanted, expected))


def _iter_expected(source: Source, wanted: frozenset[str], expected: int) -> Iterator[Run]:
    left = expected
    for run in iter_runs(source.read_pieces(), source.unit):
        if run[0].commands[0].resource_type not in wanted:
            continue
        left -= len(run) * len(run[0].commands)
        yield run
        if wanted != RESOURCE_TYPES and not left:
            return  # containers stand at the start as a rule
    if left:
        raise SourceError(
            f"{source.files[0].label}: holds {expected - left:,} commands and not {expected:,} "
            "as when it was checked"
        )


def drop_repeats(runs: Iterable[Run]) -> Iterator[Run]:
    """Leave out what says the same again as the run before it.

    Between them stood only what went to another phase; as neighbours Collibra would merge them.
    """
    previous: Run = []
    for run in runs:
        if not (_are_about_the_same(previous, run) and _contents(previous) == _contents(run)):
            yield run
        previous = run


def pack_runs(runs: Iterable[Run], max_commands: int) -> Iterator[list[Piece]]:
    """Fill batches with whole runs."""
    pending: list[Piece] = []
    commands = size = 0
    for run in runs:
        more = len(run) * len(run[0].commands)
        length = sum([len(piece.content) for piece in run])
        full = commands + more > max_commands or size + length > MAX_BATCH_BYTES
        if pending and (full or _are_about_the_same(pending, run)):
            yield pending
            pending, commands, size = [], 0, 0
        pending.extend(run)
        commands += more
        size += length
    if pending:
        yield pending


def _are_about_the_same(before: list[Piece], after: list[Piece]) -> bool:
    return bool(before) and share_subject(before[-1], after[0])


def _contents(run: Run) -> list[bytes]:
    return [piece.content for piece in run]
