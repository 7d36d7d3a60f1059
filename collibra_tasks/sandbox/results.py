"""Results of jobs: outcomes, and the endpoints ``/rest/2.0/import/results`` that show them.

Source: 400 while the job runs and 404 for an unknown one, *documented*. That finalization jobs
have results is *assumed*; `Sandbox.without_summaries` removes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from collibra_tasks.sandbox.catalog import type_id_of
from collibra_tasks.sandbox.http import RequestRefusedError, json_response, page_response
from collibra_tasks.sandbox.settings import FAILED_COUNTER

if TYPE_CHECKING:
    from collibra_tasks.sandbox.tenant import Call

COMPLETED, ERROR, CANCELED = "COMPLETED", "ERROR", "CANCELED"
SUCCESS, COMPLETED_WITH_ERROR = "SUCCESS", "COMPLETED_WITH_ERROR"
ABORTED, FAILURE, NOT_SET = "ABORTED", "FAILURE", "NOT_SET"

VALIDATION, RUNTIME = "VALIDATION", "RUNTIME"

CHANGES = ("added", "updated", "removed")

IMPORT_JOB_STATES = {
    SUCCESS: "COMPLETED",
    COMPLETED_WITH_ERROR: "COMPLETED_WITH_ERRORS",
    FAILURE: "FAILED",
    NOT_SET: "FAILED",
}


class Tally(NamedTuple):
    """The subject of a counter.

    Attributes:
        resource_type: ``ASSET``, ``COMMUNITY`` and so on.
        category: Type of the asset, attribute or relation; None if there is none.
        change: ``added``, ``updated``, ``removed`` or ``failed``.
    """

    resource_type: str
    category: str | None
    change: str


Tallies = Counter[Tally]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCommand:
    """One command that failed.

    Attributes:
        indices: Positions of the command in the input; several if adjacent commands were merged.
    """

    message: str
    error_type: str = RUNTIME
    resource_type: str = "ASSET"
    indices: tuple[int, ...] = ()
    identifier: str = ""

    def to_json(self) -> dict[str, object]:
        """Return the error as the results API shows it."""
        return {
            "errorType": self.error_type,
            "resourceType": self.resource_type,
            "errorMessage": self.message,
            "command": {"indices": list(self.indices), "identifier": self.identifier},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a job, in the words of the older job API."""

    state: str = COMPLETED
    result: str = SUCCESS
    message: str | None = None
    errors: tuple[Mapping[str, Any], ...] = ()
    tallies: Tallies = field(default_factory=Counter)


def failed(errors: Iterable[FailedCommand]) -> Outcome:
    """Return a failure in which nothing was committed."""
    bodies = tuple(error.to_json() for error in errors)
    return Outcome(state=ERROR, result=FAILURE, errors=bodies, message="Import failed.")


def get_summary(call: Call) -> httpx.Response:
    """Return the counters of an import."""
    outcome = _read_outcome(call)
    changes = (*CHANGES, "failed") if call.state.settings.is_since(FAILED_COUNTER) else CHANGES
    return json_response(
        {
            "resourceTypes": _resource_types(outcome.tallies, changes),
            "errorsCount": len(outcome.errors),
            "importJobState": IMPORT_JOB_STATES.get(outcome.result, outcome.result),
        }
    )


def find_errors(call: Call) -> httpx.Response:
    """Return the commands that failed."""
    return page_response(call.request, _read_outcome(call).errors)


def _read_outcome(call: Call) -> Outcome:
    job = call.state.jobs.read(call.arguments[0])
    if not job.has_results(summaries=call.state.settings.summaries):
        raise RequestRefusedError(404, "Import job not found")
    if job.outcome is None:
        raise RequestRefusedError(400, "Import job is not finished")
    return job.outcome


def _resource_types(tallies: Tallies, changes: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {
            "resourceType": resource_type,
            "counters": _counters(_of_type(tallies, resource_type), changes),
            "subcategories": _subcategories(_of_type(tallies, resource_type), changes),
        }
        for resource_type in sorted({tally.resource_type for tally in tallies})
    ]


def _of_type(tallies: Tallies, resource_type: str) -> Tallies:
    return Counter({t: count for t, count in tallies.items() if t.resource_type == resource_type})


def _counters(tallies: Tallies, changes: Iterable[str]) -> dict[str, int]:
    return {
        change: sum(count for tally, count in tallies.items() if tally.change == change)
        for change in changes
    }


def _subcategories(tallies: Tallies, changes: Iterable[str]) -> list[dict[str, Any]] | None:
    """Return counters by type; null for a resource type without any, as the real API may send."""
    names = sorted({tally.category for tally in tallies if tally.category})
    return [
        {
            "category": {"id": type_id_of(name), "name": name},
            "counters": _counters(_of_category(tallies, name), changes),
        }
        for name in names
    ] or None


def _of_category(tallies: Tallies, name: str) -> Tallies:
    return Counter({tally: count for tally, count in tallies.items() if tally.category == name})
