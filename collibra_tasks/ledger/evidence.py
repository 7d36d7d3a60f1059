"""Job IDs as users write them, and short digests, so that many IDs fit into one ledger entry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from collibra_tasks.errors import FinalizationRefusedError

DIGEST_LENGTH = 8
MAX_EVIDENCE = 60
"""Maximum number of evidence digests per entry and per history."""


def normalize_job_id(text: str) -> str:
    """Return a job ID without surrounding whitespace; a UUID in lower case, as Collibra writes it.

    Source: job IDs are UUIDs (documented); other texts are left to Collibra.
    """
    stripped = text.strip()
    with suppress(ValueError):
        return str(UUID(stripped))
    return stripped


def normalize_job_ids(job_ids: Iterable[str], parameter: str) -> tuple[str, ...]:
    """Return job IDs as Collibra writes them, each once.

    Args:
        job_ids: Job IDs as a user wrote them.
        parameter: Name of the parameter that holds them, for the error.

    Raises:
        FinalizationRefusedError: If one of them is empty.
    """
    normalized = tuple(dict.fromkeys(map(normalize_job_id, job_ids)))
    if "" in normalized:
        raise FinalizationRefusedError(
            f"Not started, nothing was sent: {parameter} holds an empty job ID. Remove it, or "
            "check the step that fills this parameter."
        )
    return normalized


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
