"""``/rest/2.0/import/results``: what an import did and what it could not do.

Source: 400 while the job runs and 404 for an unknown one, *documented*. That there are results
for finalization jobs is *assumed*; `without_summaries` takes them away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from collibra_tasks.sandbox.catalog import category_id
from collibra_tasks.sandbox.kinds import FINALIZE, FOREIGN
from collibra_tasks.sandbox.messages import Answer, json_answer
from collibra_tasks.sandbox.outcomes import (
    COMPLETED_WITH_ERROR,
    FAILURE,
    NOT_SET,
    SUCCESS,
    Outcome,
    Tallies,
)
from collibra_tasks.sandbox.paging import page
from collibra_tasks.sandbox.refusals import RefusalError
from collibra_tasks.sandbox.state import Call
from collibra_tasks.sandbox.version import FAILED_COUNTER

BAD_REQUEST, NOT_FOUND = 400, 404

HAPPENINGS = ("added", "updated", "removed")

IMPORT_JOB_STATES = {
    SUCCESS: "COMPLETED",
    COMPLETED_WITH_ERROR: "COMPLETED_WITH_ERRORS",
    FAILURE: "FAILED",
    NOT_SET: "FAILED",
}


def get_summary(call: Call) -> Answer:
    """Count what an import did."""
    outcome = _outcome(call)
    happenings = (*HAPPENINGS, "failed") if call.state.version.since(FAILED_COUNTER) else HAPPENINGS
    return json_answer(
        {
            "resourceTypes": _resource_types(outcome.tallies, happenings),
            "errorsCount": len(outcome.errors),
            "importJobState": IMPORT_JOB_STATES.get(outcome.result, outcome.result),
        }
    )


def find_errors(call: Call) -> Answer:
    """List the commands that failed."""
    return page(call.request, _outcome(call).errors)


def _outcome(call: Call) -> Outcome:
    job = call.state.jobs.get(call.arguments[0])
    if job.kind == FOREIGN or (job.kind == FINALIZE and not call.state.summaries):
        raise RefusalError(NOT_FOUND, "Import job not found")
    if job.outcome is None:
        raise RefusalError(BAD_REQUEST, "Import job is not finished")
    return job.outcome


def _resource_types(tallies: Tallies, happenings: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {
            "resourceType": resource_type,
            "counters": _counters(_of_type(tallies, resource_type), happenings),
            "subcategories": _subcategories(_of_type(tallies, resource_type), happenings),
        }
        for resource_type in sorted({tally.resource_type for tally in tallies})
    ]


def _of_type(tallies: Tallies, resource_type: str) -> Tallies:
    return Counter({t: count for t, count in tallies.items() if t.resource_type == resource_type})


def _counters(tallies: Tallies, happenings: Iterable[str]) -> dict[str, int]:
    return {
        happening: sum(count for tally, count in tallies.items() if tally.happening == happening)
        for happening in happenings
    }


def _subcategories(tallies: Tallies, happenings: Iterable[str]) -> list[dict[str, Any]] | None:
    """Count by type; null where a resource type has none, as the real API may answer."""
    names = sorted({tally.category for tally in tallies if tally.category})
    return [
        {
            "category": {"id": category_id(name), "name": name},
            "counters": _counters(_of_category(tallies, name), happenings),
        }
        for name in names
    ] or None


def _of_category(tallies: Tallies, name: str) -> Tallies:
    return Counter({tally: count for tally, count in tallies.items() if tally.category == name})
