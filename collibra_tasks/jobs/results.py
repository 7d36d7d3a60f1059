"""Results that Collibra records for an ended job; their absence changes no outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.errors import CollibraError, JobError
from collibra_tasks.jobs.polling import error_for_job
from collibra_tasks.models import ImportFailure, ImportSummary, Job

Value = TypeVar("Value")

MAX_FAILURES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Counters and errors of a job; ``summary`` is ``None`` if Collibra has none."""

    summary: ImportSummary | None = None
    failures: tuple[ImportFailure, ...] = ()


def fetch_results(
    client: CollibraClient, job_id: str, *, max_failures: int = MAX_FAILURES
) -> Results:
    """Return the results of a job, as far as Collibra returns them.

    Args:
        client: Client of the environment.
        job_id: ID of the ended job.
        max_failures: Maximum number of errors to read.

    Source: the guide names imports and synchronizations; that finalizations have results is
    assumed.

    Example:
        ```python
        fetch_results(client, job.id).summary
        ```
    """
    return Results(
        summary=_or_default(lambda: client.get_summary(job_id), None),
        failures=_or_default(lambda: tuple(islice(client.iter_failures(job_id), max_failures)), ()),
    )


def fetch_job_error(client: CollibraClient, job: Job) -> JobError | None:
    """Return the error of an ended job with its results, or ``None`` if it succeeded."""
    error = error_for_job(job)
    if error is None:
        return None
    results = fetch_results(client, job.id)
    return error.with_results(results.summary, results.failures)


def _or_default(fetch: Callable[[], Value], default: Value) -> Value:
    try:
        return fetch()
    except CollibraError:
        return default
