"""Schedule of a source: phases, order within a phase, and the second pass.

Phases are sent one after the other: communities, domains, assets, the second pass of assets,
mappings, complex relations. Three more phases exist for references by external ID, where a mapping
provides the ID: mappings of known assets before the assets, a second pass after the mappings, and
mappings of complex relations at the end.

A reference to an asset is satisfied if an earlier cycle holds the asset; Collibra has it then.
Other assets must precede the commands that refer to them. A command on a cycle of references is
sent twice: in the first pass without the relation types that contain an unsatisfied reference, in
the second pass whole. A relation type is left out as a whole, because Collibra deletes relations
that a list does not contain. Source: documented (``relationsAction``, default ``REPLACE``).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Final

from collibra_tasks.sources.canonical import dump_json, load_json
from collibra_tasks.sources.graph import arrange, is_forward
from collibra_tasks.sources.identifiers import format_identifier
from collibra_tasks.sources.spool import Kind, Role, Spool

NO_NEED: Final = -1
"""Rank of the last command that a command depends on, if there is none in its phase."""


class Phase(IntEnum):
    """Groups of commands that are never mixed in one batch, in the order of sending."""

    COMMUNITIES = 0
    DOMAINS = 1
    MAPPINGS_OF_KNOWN_ASSETS = 2
    ASSETS = 3
    SECOND_PASS = 4
    MAPPINGS = 5
    SECOND_PASS_BY_EXTERNAL_ID = 6
    COMPLEX_RELATIONS = 7
    MAPPINGS_OF_COMPLEX_RELATIONS = 8


_UNSATISFIED: Final = (
    "SELECT r.source, t.provider FROM reference r JOIN target t ON t.label = r.label "
    "WHERE r.role = ? AND t.kind = ? AND NOT t.known"
)


_OTHER_MAPPING_PHASES: Final = (
    Phase.MAPPINGS_OF_KNOWN_ASSETS,
    Phase.MAPPINGS_OF_COMPLEX_RELATIONS,
)


class Scheduler:
    """Writer of one schedule.

    Attributes:
        second_pass_count: Number of commands that are sent twice.
    """

    def __init__(self, spool: Spool, run: int) -> None:
        """Start a schedule with a number of its own."""
        self._spool = spool
        self._run = run
        self.second_pass_count = 0

    def write(self, communities: Iterable[int]) -> None:
        """Write all phases."""
        self._write_order(Phase.COMMUNITIES, communities)
        self._write_kind(Phase.DOMAINS, Kind.DOMAIN)
        late = self._write_mappings()
        self._write_assets(late)
        self._write_kind(Phase.COMPLEX_RELATIONS, Kind.COMPLEX_RELATION)

    def _write_kind(self, phase: Phase, kind: Kind) -> None:
        """Schedule the commands of one kind that have no place yet, in the source's order."""
        self._spool.execute(
            "INSERT INTO schedule SELECT ?, ?, sequence, sequence, 0, ? FROM command "
            "WHERE kind = ? AND sequence NOT IN (SELECT sequence FROM schedule "
            "WHERE run = ? AND phase IN (?, ?)) ORDER BY sequence",
            (self._run, phase, NO_NEED, kind, self._run, *_OTHER_MAPPING_PHASES),
        )

    def _write_order(self, phase: Phase, sequences: Iterable[int]) -> None:
        self._insert((phase, rank, each, 0, NO_NEED) for rank, each in enumerate(sequences))

    def _insert(self, rows: Iterable[tuple[int, int, int, int, int]]) -> None:
        self._spool.execute_many(
            f"INSERT INTO schedule VALUES ({self._run}, ?, ?, ?, ?, ?)",  # noqa: S608 - a number
            rows,
        )

    def _write_mappings(self) -> set[int]:
        """Schedule the mappings; return those that assets refer to and that cannot precede them."""
        providers = self._find(
            "SELECT DISTINCT provider FROM target WHERE kind = ? AND NOT known", Kind.MAPPING
        )
        late = providers & self._find(
            "SELECT DISTINCT r.source FROM reference r JOIN target t ON t.label = r.label "
            "WHERE r.role = ? AND t.provider IS NOT NULL AND NOT t.known",
            Role.LATER,
        )
        of_complex_relations = self._find(
            "SELECT DISTINCT r.source FROM reference r "
            "JOIN command c ON c.kind = 4 AND c.label = r.label WHERE r.role = ?",
            Role.COMPLEX,
        )
        self._write_order(Phase.MAPPINGS_OF_KNOWN_ASSETS, sorted(providers - late))
        last = sorted(of_complex_relations - providers)
        self._write_order(Phase.MAPPINGS_OF_COMPLEX_RELATIONS, last)
        self._write_kind(Phase.MAPPINGS, Kind.MAPPING)
        return late

    def _find(self, sql: str, value: int) -> set[int]:
        return {sequence for (sequence,) in self._spool.execute(sql, (value,))}

    def _write_assets(self, late_mappings: set[int]) -> None:
        by_external_id = self._find_waiting(late_mappings)
        sources, targets = self._read_edges()
        if not sources and not by_external_id:
            self._write_kind(Phase.ASSETS, Kind.ASSET)
            return
        order = array(
            "I",
            (
                row[0]
                for row in self._spool.execute(
                    "SELECT sequence FROM command WHERE kind = ? ORDER BY sequence", (Kind.ASSET,)
                )
            ),
        )
        cut = array("I")
        if is_forward(sources, targets):
            arrangement = arrange(order, sources, targets)
            order, cut = arrangement.order, arrangement.cut
        ranks = _invert(order)
        needs = _find_needs(ranks, sources, targets)
        reduced = sorted(by_external_id.union(cut))
        self._write_reduced(reduced, ranks, late_mappings)
        is_reduced = bytearray(len(ranks))
        for each in reduced:
            is_reduced[each] = 1
        self._insert(
            (Phase.ASSETS, rank, each, is_reduced[each], needs[each] - 1)
            for rank, each in enumerate(order)
        )
        self._write_order(
            Phase.SECOND_PASS, (each for each in reduced if each not in by_external_id)
        )
        self._write_order(Phase.SECOND_PASS_BY_EXTERNAL_ID, sorted(by_external_id))
        self.second_pass_count = len(reduced)

    def _read_edges(self) -> tuple[array[int], array[int]]:
        """Return references between assets of the source whose target is not known."""
        sources, targets = array("I"), array("I")
        for source, target in self._spool.execute(_UNSATISFIED, (Role.ASSET, Kind.ASSET)):
            sources.append(source)
            targets.append(target)
        return sources, targets

    def _find_waiting(self, late_mappings: set[int]) -> set[int]:
        """Return the assets that refer to an external ID which a later mapping provides."""
        if not late_mappings:
            return set()
        rows = self._spool.execute(_UNSATISFIED, (Role.ASSET, Kind.MAPPING))
        return {source for source, provider in rows if provider in late_mappings}

    def _write_reduced(
        self, sequences: Iterable[int], ranks: array[int], late_mappings: set[int]
    ) -> None:
        for sequence in sequences:
            omitted = {
                label
                for label, provider, kind in self._spool.execute(
                    "SELECT t.label, t.provider, t.kind FROM reference r "
                    "JOIN target t ON t.label = r.label WHERE r.source = ? AND r.role = ? "
                    "AND t.provider IS NOT NULL AND NOT t.known",
                    (sequence, Role.ASSET),
                )
                if (provider in late_mappings)
                or (kind == Kind.ASSET and ranks[provider] >= ranks[sequence])
            }
            (body,) = next(
                self._spool.execute("SELECT body FROM command WHERE sequence = ?", (sequence,))
            )
            self._spool.execute(
                "INSERT INTO reduced VALUES (?, ?, ?)",
                (self._run, sequence, dump_json(_without_relations(load_json(body), omitted))),
            )


def _without_relations(command: dict[str, Any], omitted: set[str]) -> dict[str, Any]:
    """Return a command without the relation types that contain one of the given labels."""
    relations = {
        name: targets
        for name, targets in command["relations"].items()
        if omitted.isdisjoint(map(format_identifier, targets or ()))
    }
    rest = {name: value for name, value in command.items() if name != "relations"}
    return {**rest, "relations": relations} if relations else rest


def _invert(order: array[int]) -> array[int]:
    ranks = array("I", bytes(4 * (max(order) + 1)))
    for rank, each in enumerate(order):
        ranks[each] = rank
    return ranks


def _find_needs(ranks: array[int], sources: array[int], targets: array[int]) -> array[int]:
    """Return, for each asset, the rank of the last asset that it depends on, plus 1."""
    needs = array("I", bytes(4 * len(ranks)))
    for source, target in zip(sources, targets, strict=True):
        rank = ranks[target]
        # A target that follows is left out of the first pass.
        if needs[source] <= rank < ranks[source]:
            needs[source] = rank + 1
    return needs
