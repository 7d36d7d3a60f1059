"""Renames: missing assets whose names come back in new assets, elsewhere or identified otherwise.

A million names do not fit in the memory of a small worker. They are compared in a temporary
database, which SQLite keeps on disk.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from collibra_tasks.models import AssetRow

_SEPARATOR: Final = " > "
_KIND: Final = re.compile(r"(id )[0-9a-f-]{36}( > )?|(external )")

_SCHEMA: Final = """
CREATE TABLE lost (name TEXT, kind TEXT, community TEXT, domain TEXT, file TEXT);
CREATE TABLE added (name TEXT, kind TEXT);
"""
_COUNT: Final = """
SELECT {part}, SUM(MIN(l.n, a.n)) FROM
    (SELECT {part}, {name}, COUNT(*) AS n FROM lost GROUP BY {part}, {name}) l
    JOIN (SELECT {name}, COUNT(*) AS n FROM added GROUP BY {name}) a USING ({name})
GROUP BY {part}
"""
_COLUMNS: Final = {"community": "community", "domain": "domain", "source file": "file"}

Part = tuple[str, str]
"""Kind and name of a part, for example ``("domain", "Sales schema")``."""

WHOLE: Final[Part] = ("", "")
"""The whole cycle as a part."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """Number of missing assets whose name a new asset has.

    Attributes:
        count: Number of all of them.
        reidentified_count: Number of those whose new asset has another kind of identifier.
    """

    count: int = 0
    reidentified_count: int = 0


NOT_RENAMED: Final = Renamed()


def count_renamed(missing: Iterable[AssetRow], new: Iterable[AssetRow]) -> dict[Part, Renamed]:
    """Return the renamed assets of each part; parts without any are absent.

    Args:
        missing: Assets of the last cycle that are not in this one.
        new: Assets of this cycle that were not in the last one.
    """
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.executescript(_SCHEMA)
        database.execute("BEGIN")
        lost = map(_describe_lost, missing)
        database.executemany("INSERT INTO lost VALUES (?, ?, ?, ?, ?)", lost)
        database.executemany("INSERT INTO added VALUES (?, ?)", map(_describe, new))
        return dict(_iter_counts(database))


def _iter_counts(database: sqlite3.Connection) -> Iterator[tuple[Part, Renamed]]:
    for part, column in {"": "''", **_COLUMNS}.items():
        counts = dict(database.execute(_COUNT.format(part=column, name="name")))
        same_kind = dict(database.execute(_COUNT.format(part=column, name="name, kind")))
        for name, count in counts.items():
            if count:
                yield (part, name), Renamed(count, count - same_kind.get(name, 0))


def _describe_lost(row: AssetRow) -> tuple[str, str, str, str, str]:
    return (*_describe(row), row.community, row.domain, row.file)


def _describe(row: AssetRow) -> tuple[str, str]:
    """Return the name and the kind of the identifier."""
    kind = _KIND.match(row.asset)
    name = row.name or row.asset.rpartition(_SEPARATOR)[2]
    return name, "".join(filter(None, kind.groups())) if kind else ""
