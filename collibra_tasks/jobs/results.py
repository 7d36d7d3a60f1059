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
from collibra_tasks.wording import count_of

Value = TypeVar("Value")

MAX_FAILURES: Final = 1000
MAX_SHOWN_FAILURE: Final = 300
"""Maximum length of the first error in a message, in characters."""


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


def count_failed_commands(error: JobError) -> int:
    """Return the number of commands that failed in a job.

    Collibra's counter is used where its list of errors may be truncated: a command may have several
    errors, and an error may be about several commands.
    """
    indices = {index for failure in error.failures for index in failure.indices}
    count = len(indices) + sum(not failure.indices for failure in error.failures)
    is_truncated = not error.failures or len(error.failures) >= MAX_FAILURES
    reported = error.summary.errors_count if error.summary and is_truncated else 0
    return max(count, reported)


def describe_failures(error: JobError) -> str:
    """Return the number of failed commands and the first error with its asset, or nothing.

    Example:
        ```python
        describe_failures(error)  # 7 commands failed; first: Sales > orders: no such type.
        ```
    """
    count = count_failed_commands(error)
    if not count:
        return ""
    failed = f"{count_of(count, 'command')} failed"
    if not error.failures:
        return f"{failed}."
    first = error.failures[0]
    asset = f"{first.identifier}: " if first.identifier else ""
    return f"{failed}; first: {asset}{shorten_failure(first.message)}."


def shorten_failure(message: str) -> str:
    """Return Collibra's message about a failed command for the middle of a sentence."""
    text = " ".join(message.split()).rstrip(". ")
    return text if len(text) <= MAX_SHOWN_FAILURE else f"{text[: MAX_SHOWN_FAILURE - 1]}…"


def _or_default(fetch: Callable[[], Value], default: Value) -> Value:
    try:
        return fetch()
    except CollibraError:
        return default
