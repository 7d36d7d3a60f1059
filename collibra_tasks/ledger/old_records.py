"""Records of version 0.1.0: found and named, never read as a ledger."""

from __future__ import annotations

import hashlib
import re

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.store import Store

MAX_NUMBER = 100
"""Highest number of an old record that is looked up, in one request."""
SLUG_LENGTH = 40


def refuse_old_records(store: Store, base_url: str, synchronization_id: str) -> None:
    """Check that version 0.1.0 left no record of a synchronization.

    Args:
        store: Store of the ledger.
        base_url: Configured URL, by which version 0.1.0 named its records.
        synchronization_id: 1 to 50 characters.

    Raises:
        FinalizationRefusedError: With the names, and the command that sets them aside.
    """
    digest = hashlib.sha256(f"{base_url}\0{synchronization_id}".encode()).hexdigest()[:10]
    slug = re.sub(r"[^a-z0-9]+", "-", synchronization_id.lower())[:SLUG_LENGTH].strip("-")
    prefix = f"collibra-finalization-{slug or 'synchronization'}-{digest}-"
    names = [f"{prefix}{number:06d}" for number in range(1, MAX_NUMBER + 1)]
    found = sorted(each.name for each in store.read(names))
    if not found:
        return
    raise FinalizationRefusedError(
        f"Nothing was sent: the Prefect variables {found[0]} to {found[-1]} are {len(found)} "
        f"records of version 0.1.0 for {synchronization_id!r}, which this version cannot read. "
        "Check in Collibra that no finalization is running. Then set them aside with: "
        f"for name in {' '.join(found)}; do prefect variable unset $name; done"
    )
