"""Relations that a source names from both ends.

``A: R:TARGET [B]`` and ``B: R:SOURCE [C]`` are two relations that end at B. Under Collibra's
default ``REPLACE`` the list of B is complete, and the command about B deletes the relation to A.
Each list that a source gives is therefore completed by the relations given at the other end.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

from collibra_tasks.sources.canonical import dump_json, load_json
from collibra_tasks.sources.command_keys import normalize_key
from collibra_tasks.sources.identifiers import format_identifier
from collibra_tasks.sources.scanning import count_characteristics
from collibra_tasks.sources.spool import Kind, Role, Spool

_OPPOSITE: Final = {"SOURCE": "TARGET", "TARGET": "SOURCE"}

_SCHEMA: Final = """
CREATE TABLE given (owner INTEGER, role TEXT, target INTEGER,
    PRIMARY KEY (target, role, owner)) WITHOUT ROWID;
CREATE TABLE listed (owner INTEGER, role TEXT, opposite TEXT,
    PRIMARY KEY (owner, role)) WITHOUT ROWID;
"""
# A target by an external ID is the asset of the mapping that provides the ID.
_GIVEN: Final = f"""
INSERT OR IGNORE INTO given SELECT ?, ?,
    CASE kind WHEN {int(Kind.ASSET)} THEN provider ELSE (
        SELECT n.provider FROM reference r JOIN target n ON n.label = r.label
        WHERE r.source = t.provider AND r.role = {int(Role.LATER)} AND n.kind = {int(Kind.ASSET)}
    ) END
    FROM target t WHERE label = ? AND provider IS NOT NULL
"""  # noqa: S608 - constants
_MISSING: Final = """
CREATE TABLE unlisted AS SELECT l.owner, l.role, g.owner AS other FROM listed l
    CROSS JOIN given g ON g.target = l.owner AND g.role = l.opposite
    WHERE NOT EXISTS (SELECT 1 FROM given o
        WHERE o.target = g.owner AND o.role = l.role AND o.owner = l.owner)
    ORDER BY l.owner, l.role
"""


def complete_both_ends(spool: Spool, keys: set[str]) -> int:
    """Complete the lists of relations that are named from both ends.

    Args:
        spool: Merged commands with resolved targets, which are resolved again after a change.
        keys: Relation keys of the source's assets.

    Returns:
        Number of relations that were added to lists.
    """
    roles = {normalize_key(key) for key in keys}
    both = {role for role in roles if _opposite_of(role) in roles}
    if not both:
        return 0
    spool.execute_script(_SCHEMA)
    with spool.transaction():
        for sequence, command in _iter_assets(spool):
            _store(spool, sequence, command, both)
    spool.execute_script(_MISSING)
    count = 0
    with spool.transaction():
        rows = spool.execute("SELECT owner, role, other FROM unlisted ORDER BY owner, role")
        for owner, group in groupby(rows, key=lambda row: row[0]):
            count += _complete(spool, owner, [row[1:] for row in group])
    if count:
        spool.resolve_targets()
    return count


def _iter_assets(spool: Spool) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = spool.execute("SELECT sequence, body FROM command WHERE kind = ?", (Kind.ASSET,))
    return ((sequence, load_json(body)) for sequence, body in rows)


def _store(spool: Spool, sequence: int, command: dict[str, Any], both: set[str]) -> None:
    """Store the relations of one asset, and the roles of which it gives a list."""
    for key, targets in (command.get("relations") or {}).items():
        role = normalize_key(key)
        if role not in both or targets is None:
            continue
        row = sequence, role, _opposite_of(role)
        spool.execute("INSERT OR IGNORE INTO listed VALUES (?, ?, ?)", row)
        spool.execute_many(_GIVEN, [(sequence, role, format_identifier(each)) for each in targets])


def _complete(spool: Spool, owner: int, additions: list[tuple[str, int]]) -> int:
    """Add targets to the lists of one asset, and return their number."""
    command = load_json(_read_body(spool, owner))
    added = []
    for role, others in groupby(additions, key=lambda addition: addition[0]):
        key = next(each for each in command["relations"] if normalize_key(each) == role)
        targets = [load_json(_read_body(spool, other))["identifier"] for _, other in others]
        # Sorted, so that the order of the rows has no effect.
        command["relations"][key] += sorted(targets, key=dump_json)
        added += targets
    body = dump_json(command)
    spool.execute(
        "UPDATE command SET characteristics = ?, digest = ?, body = ? WHERE sequence = ?",
        (count_characteristics(command), sha256(body).digest(), body, owner),
    )
    spool.execute_many(
        "INSERT OR IGNORE INTO reference VALUES (?, ?, ?)",
        [(owner, Role.ASSET, format_identifier(each)) for each in added],
    )
    return len(added)


def _read_body(spool: Spool, sequence: int) -> bytes:
    rows = spool.execute("SELECT body FROM command WHERE sequence = ?", (sequence,))
    body: bytes = next(iter(rows))[0]
    return body


def _opposite_of(role: str) -> str:
    relation_type, _, direction = role.rpartition(":")
    return f"{relation_type}:{_OPPOSITE.get(direction, '')}"
