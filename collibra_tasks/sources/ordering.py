"""Content of a source in the order in which it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from collibra_tasks.sources.batches import (
    Batch,
    ScheduledCommand,
    count_batches,
    pack_batches,
)
from collibra_tasks.sources.schedule import Scheduler
from collibra_tasks.sources.spool import Spool

MAX_UNKNOWN_LABELS: Final = 100
"""Maximum number of labels of unknown assets that are listed."""

LABELS_PER_LOOKUP: Final = 100_000
"""Maximum number of labels in memory while they are compared with the last cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedContent:
    """Commands of a source in the order in which they are sent.

    Attributes:
        unknown_reference_count: Number of assets that the source refers to and that neither the
            source nor the last cycle holds. They may exist in Collibra for other reasons.
        unknown_reference_labels: Labels of these assets, sorted, at most 100.
        second_pass_count: Number of commands that are sent twice.
    """

    unknown_reference_count: int
    unknown_reference_labels: tuple[str, ...]
    second_pass_count: int
    spool: Spool = field(repr=False)
    run: int = field(repr=False)

    def iter_batches(self, max_commands_per_batch: int = 10_000) -> Iterator[Batch]:
        """Split the commands into batches; the same content always gives the same batches.

        Args:
            max_commands_per_batch: Maximum number of commands per batch, 1 to 50,000.

        Raises:
            SourceError: The maximum is out of range.
        """
        places = self.spool.places.all()
        return pack_batches(self._iter_commands(), places, max_commands=max_commands_per_batch)

    def count_batches(self, max_commands_per_batch: int = 10_000) -> int:
        """Return the number of batches; the commands themselves are not read."""
        sizes = self.spool.execute(
            "SELECT s.phase, c.characteristics, "
            "CASE WHEN s.is_reduced THEN (SELECT LENGTH(body) FROM reduced r "
            "WHERE r.run = s.run AND r.sequence = s.sequence) ELSE LENGTH(c.body) END "
            "FROM schedule s JOIN command c ON c.sequence = s.sequence "
            "WHERE s.run = ? ORDER BY s.phase, s.rank",
            (self.run,),
        )
        with closing(sizes):
            return count_batches(sizes, max_commands=max_commands_per_batch)

    def _iter_commands(self) -> Iterator[ScheduledCommand]:
        rows = self.spool.execute(
            "SELECT s.phase, s.rank, s.needs, c.kind, c.characteristics, "
            "CASE WHEN s.is_reduced THEN (SELECT body FROM reduced r "
            "WHERE r.run = s.run AND r.sequence = s.sequence) ELSE c.body END, "
            "c.place, c.number, c.label "
            "FROM schedule s JOIN command c ON c.sequence = s.sequence "
            "WHERE s.run = ? ORDER BY s.phase, s.rank",
            (self.run,),
        )
        with closing(rows):
            yield from map(ScheduledCommand._make, rows)


def order_content(spool: Spool, communities: Iterable[int], known: Iterable[str]) -> OrderedContent:
    """Write a new schedule to the spool.

    Args:
        spool: Merged commands with resolved targets.
        communities: Sequence numbers of the communities, parents first.
        known: Sorted labels of the assets that an earlier cycle holds.
    """
    _mark_known(spool, known)
    run = spool.count("SELECT COALESCE(MAX(run), 0) + 1 FROM schedule")
    scheduler = Scheduler(spool, run)
    with spool.transaction():
        scheduler.write(communities)
    unknown = "FROM target WHERE provider IS NULL AND NOT known"
    labels = spool.execute(
        f"SELECT label {unknown} ORDER BY label LIMIT ?",
        (MAX_UNKNOWN_LABELS,),
    )
    return OrderedContent(
        unknown_reference_count=spool.count(f"SELECT COUNT(*) {unknown}"),
        unknown_reference_labels=tuple(label for (label,) in labels),
        second_pass_count=scheduler.second_pass_count,
        spool=spool,
        run=run,
    )


def _mark_known(spool: Spool, known: Iterable[str]) -> None:
    spool.execute("UPDATE target SET known = 0 WHERE known")
    for held in _iter_held(spool, known):
        spool.execute_many("UPDATE target SET known = 1 WHERE label = ?", held)
        spool.execute_many("UPDATE target SET known = 1 WHERE other = ?", held)


def _iter_held(spool: Spool, known: Iterable[str]) -> Iterator[list[tuple[str]]]:
    """Yield the referenced labels that are known, in groups; both sides are sorted."""
    others = iter(known)
    other = next(others, None)
    last = ""
    # A group is read completely before the caller changes the table, which has no open cursor then.
    while other is not None:
        labels = [label for (label,) in spool.execute(_REFERENCED, (last, LABELS_PER_LOOKUP))]
        if not labels:
            return
        held: list[tuple[str]] = []
        for label in labels:
            while other is not None and other < label:
                other = next(others, None)
            if other == label:
                held.append((label,))
        last = labels[-1]
        yield held


_REFERENCED: Final = (
    "SELECT label FROM (SELECT label FROM target UNION SELECT other FROM target "
    "WHERE other IS NOT NULL) WHERE label > ? ORDER BY label LIMIT ?"
)
