"""Scan of a source: transfer of all commands to the spool, and their merge."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.canonical import dump_json, load_json
from collibra_tasks.sources.command_keys import EXTERNAL_KEYS
from collibra_tasks.sources.identifiers import (
    ASSET,
    COMPLEX_RELATION,
    asset_row,
    format_identifier,
    name_beside_label,
    reference_keys,
    resource_key,
)
from collibra_tasks.sources.merging import CommandMerger
from collibra_tasks.sources.records import RecordPosition, SourceRecord
from collibra_tasks.sources.spool import KINDS, Kind, Role, Spool, SpooledCommand

Command = dict[str, Any]

MAX_SHOWN_FAULTS: Final = 20
"""Maximum number of faults in one error message."""

MAX_RECENT: Final = 10_000
"""Number of commands whose immediate repetition is skipped without writing it to disk."""

_PAGE: Final = 1_000
_NO_CONTAINER: Final = ("", "")
_ROLES: Final = {
    (Kind.COMMUNITY, "Community"): Role.PARENT,
    (Kind.MAPPING, "Asset"): Role.LATER,
    (Kind.COMPLEX_RELATION, "Asset"): Role.LATER,
    (Kind.MAPPING, "Complex Relation"): Role.COMPLEX,
}


class Scanner:
    """Transfer of records to a spool."""

    def __init__(self, spool: Spool) -> None:
        """Start with an empty spool."""
        self._spool = spool
        self._sequence = 0
        self._recent: dict[tuple[int, str], bytes] = {}
        self.relation_keys: set[str] = set()
        self.read_count = 0

    def add(self, record: SourceRecord) -> None:
        """Add one record.

        Raises:
            SourceError: The command cannot be written as JSON.
        """
        command, position = record
        self.read_count += 1
        kind = KINDS[command["resourceType"]]
        label = position.identifier or resource_key(command).label
        body = _dump(command, position)
        digest = sha256(body).digest()
        # Tables repeat their community and domain in every row.
        if self._recent.get((kind, label)) == digest:
            return
        if len(self._recent) >= MAX_RECENT:
            self._recent.clear()
        self._recent[kind, label] = digest
        if kind == Kind.ASSET:
            self.relation_keys.update(command.get("relations") or ())
        place = self._spool.places.number((position.file, position.unit))
        row = SpooledCommand(
            self._sequence,
            kind,
            label,
            place,
            position.number,
            _container(self._spool, kind, command),
            count_characteristics(command),
            digest,
            body,
            _name(kind, command),
        )
        self._spool.add(
            row,
            _references(self._sequence, kind, command),
            [(self._sequence, alias) for alias in _iter_aliases(kind, command)],
        )
        self._sequence += 1


def merge_commands(spool: Spool) -> int:
    """Merge the commands that have the same identifier and return the number of merged commands.

    Raises:
        SourceError: Two commands have different values for one single value.
    """
    merged = fault_count = 0
    faults: list[str] = []
    with spool.transaction():
        for kind, label in _iter_repeated(spool):
            found = _merge_group(spool, kind, label)
            merged += 1
            fault_count += len(found)
            faults += found[: MAX_SHOWN_FAULTS - len(faults)]
    if fault_count:
        raise merge_error(faults, fault_count)
    return merged


def merge_error(faults: list[str], count: int) -> SourceError:
    """Return the error for commands that cannot be merged.

    Args:
        faults: The first faults, up to 20.
        count: Number of all faults.
    """
    more = f"\n(and {count - len(faults):,} more)" if count > len(faults) else ""
    noun = "contradiction" if count == 1 else "contradictions"
    return SourceError(
        f"Merging the commands of the source failed: {count:,} {noun} between commands with the "
        "same identifier. Correct the source; to give an attribute several values, list all of "
        "them in one command.\n" + "\n".join(faults) + more,
        faults=faults,
    )


def count_characteristics(command: Command) -> int:
    """Return the number of attributes, relations and tags of a command."""
    count = 0
    # Of other resource types these are unknown keys, whose form is not checked.
    if command["resourceType"] == ASSET:
        count = len(command.get("tags") or ())
    if command["resourceType"] in (ASSET, COMPLEX_RELATION):
        for name in ("attributes", "relations"):
            for each in (command.get(name) or {}).values():
                count += len(each or ())
    return count


def compute_digest(spool: Spool) -> str:
    """Return the SHA-256 of all merged commands, sorted by resource type and label."""
    digest = sha256()
    for kind, label, content in spool.execute(
        "SELECT kind, label, digest FROM command ORDER BY kind, label"
    ):
        digest.update(b"%d %s\n%s" % (kind, label.encode(), content))
    return digest.hexdigest()


def _iter_repeated(spool: Spool) -> Iterator[tuple[int, str]]:
    last: tuple[int, str] = (-1, "")
    # Pages instead of one cursor, because the merge changes the table.
    while page := list(
        spool.execute(
            "SELECT kind, label FROM command WHERE (kind, label) > (?, ?) "
            "GROUP BY kind, label HAVING COUNT(*) > 1 LIMIT ?",
            (*last, _PAGE),
        )
    ):
        yield from page
        last = page[-1]


def _merge_group(spool: Spool, kind: int, label: str) -> list[str]:
    rows = list(
        spool.execute(
            "SELECT sequence, place, number, digest FROM command "
            "WHERE kind = ? AND label = ? ORDER BY sequence",
            (kind, label),
        )
    )
    first = rows[0][0]
    faults: list[str] = []
    if len({digest for *_, digest in rows}) > 1:
        merger = CommandMerger()
        for sequence, place, number, _ in rows:
            (body,) = next(
                iter(spool.execute("SELECT body FROM command WHERE sequence = ?", (sequence,)))
            )
            merger.add(load_json(body), spool.position(place, number, label))
        faults = merger.find_faults()
        if not faults:
            _store_merged(spool, first, kind, merger.merge())
    repeated = [(sequence,) for sequence, *_ in rows[1:]]
    spool.execute_many("DELETE FROM command WHERE sequence = ?", repeated)
    for table in ("reference", "alias"):
        spool.execute_many(f"DELETE FROM {table} WHERE source = ?", repeated)  # noqa: S608 - constants
    return faults


def _store_merged(spool: Spool, sequence: int, kind: int, command: Command) -> None:
    body = dump_json(command)
    spool.execute(
        "UPDATE command SET container = ?, characteristics = ?, digest = ?, body = ?, name = ? "
        "WHERE sequence = ?",
        (
            _container(spool, Kind(kind), command),
            count_characteristics(command),
            sha256(body).digest(),
            body,
            _name(Kind(kind), command),
            sequence,
        ),
    )
    spool.execute_many(
        "INSERT OR IGNORE INTO reference VALUES (?, ?, ?)",
        _references(sequence, Kind(kind), command),
    )
    aliases = [(sequence, alias) for alias in _iter_aliases(Kind(kind), command)]
    spool.execute_many("INSERT OR IGNORE INTO alias VALUES (?, ?)", aliases)


def _dump(command: Command, position: RecordPosition) -> bytes:
    try:
        return dump_json(command)
    except ValueError as error:
        raise SourceError(
            f"{position}: writing the command as JSON failed: {error}. Correct the value."
        ) from None


def _name(kind: Kind, command: Command) -> str | None:
    return name_beside_label(command) or None if kind == Kind.ASSET else None


def _container(spool: Spool, kind: Kind, command: Command) -> int:
    domain = command["identifier"].get("domain") or command.get("domain")
    if kind != Kind.ASSET or not domain:
        return spool.containers.number(_NO_CONTAINER)
    label = format_identifier(domain, "Domain")
    number = spool.container_of.get(label)
    if number is None:
        row = asset_row(command, "")
        number = spool.container_of[label] = spool.containers.number((row.domain, row.community))
    return number


def _references(sequence: int, kind: Kind, command: Command) -> list[tuple[int, int, str]]:
    if kind == Kind.ASSET:
        # Faster than reference_keys(): domains are many, and a phase of their own.
        relations = command.get("relations") or {}
        return [
            (sequence, Role.ASSET, format_identifier(target))
            for targets in relations.values()
            for target in targets or ()
        ]
    found: list[tuple[int, int, str]] = []
    for key in reference_keys(command):
        role = _ROLES.get((kind, key.resource_type))
        if role is not None:
            found.append((sequence, role, key.label))
    return found


def _iter_aliases(kind: Kind, command: Command) -> Iterator[str]:
    """Yield labels by which other commands may refer to the asset that a command provides."""
    identifier = command["identifier"]
    if kind == Kind.ASSET and identifier.get("name") is None:
        named = {key: command.get(key) for key in ("name", "domain")}
        if all(named.values()):
            yield format_identifier(named)
    if kind != Kind.MAPPING:
        return
    is_external = all(identifier.get(key) for key in EXTERNAL_KEYS)
    if is_external and (command.get("asset") or identifier.get("asset")):
        yield format_identifier({key: identifier[key] for key in EXTERNAL_KEYS})
