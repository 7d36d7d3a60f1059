"""Temporary database with the commands of a source.

SQLite sorts and joins on disk, so that memory does not grow with the source. The database has no
journal: it is never needed after a crash.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.records import RecordPosition


class Kind(IntEnum):
    """Resource types, in the order in which Collibra needs them. Source: documented."""

    COMMUNITY = 0
    DOMAIN = 1
    ASSET = 2
    MAPPING = 3
    COMPLEX_RELATION = 4


KINDS: Final = {
    "Community": Kind.COMMUNITY,
    "Domain": Kind.DOMAIN,
    "Asset": Kind.ASSET,
    "Mapping": Kind.MAPPING,
    "Complex Relation": Kind.COMPLEX_RELATION,
}
RESOURCE_TYPES: Final = {kind: name for name, kind in KINDS.items()}


class Role(IntEnum):
    """Kinds of references that the order depends on."""

    PARENT = 0  # of a community to its parent
    ASSET = 1  # of an asset to an asset
    LATER = 2  # of a mapping or a complex relation to an asset
    COMPLEX = 3  # of a mapping to a complex relation


class SpooledCommand(NamedTuple):
    """One row of the table of commands."""

    sequence: int
    kind: int
    label: str
    place: int
    number: int
    container: int
    characteristics: int
    digest: bytes
    body: bytes
    name: str | None


BUFFER_SIZE: Final = 500
"""Number of commands per insert."""

CACHE_KIB: Final = 4 * 1024
"""Memory for SQLite's page cache and its sorts."""

_SCHEMA: Final = """
CREATE TABLE command (
    sequence INTEGER PRIMARY KEY, kind INTEGER, label TEXT, place INTEGER, number INTEGER,
    container INTEGER, characteristics INTEGER, digest BLOB, body BLOB, name TEXT);
CREATE TABLE reference (
    source INTEGER, role INTEGER, label TEXT, PRIMARY KEY (source, role, label)) WITHOUT ROWID;
CREATE TABLE alias (
    source INTEGER, label TEXT, PRIMARY KEY (source, label)) WITHOUT ROWID;
CREATE TABLE schedule (
    run INTEGER, phase INTEGER, rank INTEGER, sequence INTEGER, is_reduced INTEGER, needs INTEGER,
    PRIMARY KEY (run, phase, rank)) WITHOUT ROWID;
CREATE TABLE reduced (
    run INTEGER, sequence INTEGER, body BLOB, PRIMARY KEY (run, sequence)) WITHOUT ROWID;
"""
_MARKS: Final = ", ".join("?" for _ in SpooledCommand._fields)
_INDEXES: Final = """
CREATE INDEX command_label ON command (kind, label);
"""
# A target is an asset label that a command refers to, with the command that provides the asset:
# the asset's own, one that names it another way, or a mapping that gives it its external ID.
_TARGETS: Final = """
DROP TABLE IF EXISTS target;
CREATE INDEX IF NOT EXISTS alias_label ON alias (label);
CREATE TABLE target (
    label TEXT PRIMARY KEY, provider INTEGER, kind INTEGER, other TEXT, known INTEGER
) WITHOUT ROWID;
INSERT INTO target
    SELECT r.label, COALESCE(c.sequence, a.sequence), COALESCE(c.kind, a.kind),
        CASE WHEN c.sequence IS NULL AND a.kind = 2 THEN a.label END, 0
    FROM (SELECT label FROM reference WHERE role IN (1, 2) GROUP BY label) r
    LEFT JOIN command c ON c.kind = 2 AND c.label = r.label
    LEFT JOIN command a ON c.sequence IS NULL
        AND a.sequence = (SELECT MIN(source) FROM alias WHERE alias.label = r.label);
CREATE INDEX target_other ON target (other) WHERE other IS NOT NULL;
"""


class Spool:
    """Commands of a source on disk, with what they refer to."""

    def __init__(self) -> None:
        """Create the temporary folder and the database."""
        self._folder = TemporaryDirectory(prefix="collibra-source-")
        self._connection = sqlite3.connect(
            Path(self._folder.name) / "commands.sqlite",
            isolation_level=None,
            check_same_thread=False,
        )
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute("PRAGMA temp_store = FILE")
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._connection.executescript(_SCHEMA)
        self._commands: list[SpooledCommand] = []
        self._references: list[tuple[int, int, str]] = []
        self._aliases: list[tuple[int, str]] = []
        self.places = Interned()
        self.containers = Interned()
        self.container_of: dict[str, int] = {}
        self._is_closed = False

    def add(
        self,
        command: SpooledCommand,
        references: Sequence[tuple[int, int, str]],
        aliases: Sequence[tuple[int, str]],
    ) -> None:
        """Add a command at the end."""
        self._commands.append(command)
        self._references += references
        self._aliases += aliases
        if len(self._commands) >= BUFFER_SIZE:
            self.flush()

    def flush(self) -> None:
        """Write what is still in memory."""
        if not self._connection.in_transaction:
            # One transaction for the whole scan: without it every insert would flush the cache.
            self._connection.execute("BEGIN")
        self.execute_many(f"INSERT INTO command VALUES ({_MARKS})", self._commands)  # noqa: S608 - a constant
        self.execute_many("INSERT OR IGNORE INTO reference VALUES (?, ?, ?)", self._references)
        self.execute_many("INSERT OR IGNORE INTO alias VALUES (?, ?)", self._aliases)
        self._commands, self._references, self._aliases = [], [], []

    def index_labels(self) -> None:
        """Build the index that finds commands by label; call it once, after the last command."""
        self.flush()
        with _reporting_full_disk():
            self._connection.execute("COMMIT")
            self._connection.executescript(_INDEXES)

    def resolve_targets(self) -> None:
        """Find the command that provides each referenced asset, after a change of commands."""
        self.execute_script(_TARGETS)

    def execute_script(self, sql: str) -> None:
        """Execute several statements."""
        with _reporting_full_disk():
            self._connection.executescript(sql)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute a statement and return its rows as an iterator."""
        with _reporting_full_disk():
            return self._connection.execute(sql, values)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement once per row, in one transaction."""
        with _reporting_full_disk():
            if self._connection.in_transaction:
                self._connection.executemany(sql, rows)
                return
            self._connection.execute("BEGIN")
            self._connection.executemany(sql, rows)
            self._connection.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one transaction, which saves a write to disk per statement."""
        with _reporting_full_disk():
            self._connection.execute("BEGIN")
            yield
            self._connection.execute("COMMIT")

    def count(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Return the number that a statement computes."""
        return int(next(iter(self.execute(sql, values)))[0])

    def position(self, place: int, number: int, label: str) -> RecordPosition:
        """Return the position of a command in the source."""
        file, unit = self.places[place]
        return RecordPosition(file, unit, number, label)

    def close(self) -> None:
        """Delete the temporary folder."""
        if not self._is_closed:
            self._is_closed = True
            self._connection.close()
            self._folder.cleanup()


class Interned:
    """Pairs of texts that occur often, each with a number."""

    def __init__(self) -> None:
        """Start empty."""
        self._numbers: dict[tuple[str, str], int] = {}
        self._pairs: list[tuple[str, str]] = []

    def number(self, pair: tuple[str, str]) -> int:
        """Return the number of a pair; a new pair gets the next number."""
        number = self._numbers.get(pair)
        if number is None:
            number = self._numbers[pair] = len(self._pairs)
            self._pairs.append(pair)
        return number

    def __getitem__(self, number: int) -> tuple[str, str]:
        """Return the pair with a number."""
        return self._pairs[number]

    def all(self) -> tuple[tuple[str, str], ...]:
        """Return all pairs by number."""
        return tuple(self._pairs)


@contextmanager
def _reporting_full_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
        raise SourceError(
            f"Spooling the source to disk failed: {error}. Free space in the temporary folder, or "
            "set TMPDIR to another folder."
        ) from error
