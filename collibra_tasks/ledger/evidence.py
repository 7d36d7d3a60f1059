"""Short digests of batch job IDs, so that many IDs fit into one ledger entry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

DIGEST_LENGTH = 8
MAX_EVIDENCE = 60
"""Maximum number of evidence digests per entry and per history."""


def short_digests(job_ids: Iterable[str]) -> tuple[str, ...]:
    """Return short digests of job IDs, sorted; many IDs then fit into one entry."""
    found = {hashlib.sha256(each.encode()).hexdigest()[:DIGEST_LENGTH] for each in job_ids}
    return tuple(sorted(found))


def evidence_digests(job_ids: Iterable[str]) -> tuple[str, ...]:
    """Return what an entry stores of its evidence; one digest stands for what does not fit."""
    found = short_digests(job_ids)
    if len(found) <= MAX_EVIDENCE:
        return found
    return (*found[: MAX_EVIDENCE - 1], *short_digests(["".join(found)]))
