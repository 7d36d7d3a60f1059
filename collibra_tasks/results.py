"""What the tenant keeps of an ended job: a courtesy, whose absence changes no outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import CollibraError
from collibra_tasks.models import ImportFailure, ImportSummary

Found = TypeVar("Found")

MOST_FAILURES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A job's counters and errors; ``summary`` is ``None`` where the tenant keeps none."""

    summary: ImportSummary | None = None
    failures: tuple[ImportFailure, ...] = ()


def fetch_results(
    client: CollibraClient, job_id: str, *, most_failures: int = MOST_FAILURES
) -> Results:
    """Fetch what can be had of a job's results.

    That finalization jobs have any is assumed: the guide speaks of imports and synchronizations.

    Args:
        client: The tenant.
        job_id: The ended job.
        most_failures: How many errors to fetch at most.
    """
    return Results(
        summary=_if_there(lambda: client.get_summary(job_id), None),
        failures=_if_there(lambda: tuple(islice(client.iter_failures(job_id), most_failures)), ()),
    )


def _if_there(fetch: Callable[[], Found], otherwise: Found) -> Found:
    try:
        return fetch()
    except CollibraError:
        return otherwise
