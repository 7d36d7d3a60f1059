"""Refusal of assets that a source identifies in two ways.

Collibra compares identifiers from cycle to cycle. An asset with two of them counts twice, and its
second command fails where the first one has created it.
"""

from __future__ import annotations

from typing import Final

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.scanning import MAX_SHOWN_FAULTS
from collibra_tasks.sources.spool import Kind, Role, Spool

_ASSETS: Final = f"kind = {int(Kind.ASSET)}"
# CROSS JOIN keeps the order of the tables, so that the few aliases come first.
_PAIRS: Final = f"""
SELECT a.source AS one, c.sequence AS other
    FROM alias a CROSS JOIN command o ON o.sequence = a.source AND o.{_ASSETS}
    CROSS JOIN command c ON c.{_ASSETS} AND c.label = a.label
UNION
SELECT MIN(a.source), MAX(a.source)
    FROM alias a CROSS JOIN command o ON o.sequence = a.source AND o.{_ASSETS}
    GROUP BY a.label HAVING COUNT(*) > 1
UNION
SELECT c.sequence, d.sequence
    FROM alias a CROSS JOIN command m ON m.sequence = a.source AND m.kind = {int(Kind.MAPPING)}
    CROSS JOIN command c ON c.{_ASSETS} AND c.label = a.label
    CROSS JOIN reference r ON r.source = m.sequence AND r.role = {int(Role.LATER)}
    CROSS JOIN command d ON d.{_ASSETS} AND d.label = r.label AND d.sequence <> c.sequence
"""  # noqa: S608 - constants
_FAULTS: Final = f"""
SELECT one.place, one.number, one.label, other.place, other.number, other.label
    FROM ({_PAIRS}) CROSS JOIN command one ON one.sequence = MIN(one, other)
    CROSS JOIN command other ON other.sequence = MAX(one, other)
    ORDER BY one.sequence, other.sequence
"""  # noqa: S608 - constants


def refuse_double_identifiers(spool: Spool) -> None:
    """Refuse two commands that are about one asset under different identifiers.

    Args:
        spool: Merged commands with resolved targets.

    Raises:
        SourceError: There are such commands; up to 20 pairs are named.
    """
    count = spool.count(f"SELECT COUNT(*) FROM ({_PAIRS})")  # noqa: S608 - constants
    if not count:
        return
    faults = [
        f"{spool.position(*row[:3])} and {spool.position(*row[3:])}: "
        f"{row[2]!r} and {row[5]!r} are the same asset"
        for row in spool.execute(f"{_FAULTS} LIMIT {MAX_SHOWN_FAULTS}")
    ]
    more = f"\n(and {count - len(faults):,} more)" if count > len(faults) else ""
    noun = "asset has" if count == 1 else "assets have"
    raise SourceError(
        f"Checking the source failed: {count:,} {noun} two identifiers, which Collibra counts as "
        "two assets. Use one kind of identifier in all commands about an asset.\n"
        + "\n".join(faults)
        + more,
        faults=faults,
    )
