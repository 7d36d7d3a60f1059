"""``/rest/2.0/jobs``, and the job that every import answers with.

Source: Core API 2.0, *documented*: epoch milliseconds, fractions of a percent, the older words
for the state, pages by offset. That dates of start and end are milliseconds too is *assumed*.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from collibra_tasks.sandbox.job_endpoints import RESULTS, own_job, read_words
from collibra_tasks.sandbox.jobs import Job
from collibra_tasks.sandbox.messages import Answer, empty_answer, json_answer
from collibra_tasks.sandbox.paging import name_matches, page
from collibra_tasks.sandbox.state import Call

ACCEPTED = 202
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STATES = ("WAITING", "RUNNING", "CANCELING", "COMPLETED", "CANCELED", "ERROR")


def get_job(call: Call) -> Answer:
    """Show a job."""
    return json_answer(job_body(call.state.jobs.get(call.arguments[0]), call.now))


def cancel_job(call: Call) -> Answer:
    """Cancel a job; one that has ended stays as it is.

    Source: 202 at once, own jobs only, *documented*; what a late cancel answers is *assumed*.
    """
    job = own_job(call, call.arguments[0])
    if job.outcome is None:
        job.cancel(call.now, "Canceled by user")
    return empty_answer(ACCEPTED)


def find_jobs(call: Call) -> Answer:
    """List jobs, newest first."""
    found = [job for job in call.state.jobs.newest_first() if _is_wanted(job, call)]
    return page(call.request, [job_body(job, call.now) for job in found])


def _is_wanted(job: Job, call: Call) -> bool:
    request = call.request
    states = read_words(request, "states", STATES) or (job.older_state(call.now),)
    results = read_words(request, "results", RESULTS) or (job.result,)
    return (
        job.older_state(call.now) in states
        and job.result in results
        and job.type in request.query.get("types", (job.type,))
        and request.last("createdBy") in (None, job.user_id)
        and name_matches(request, job.name)
    )


def job_body(job: Job, now: datetime) -> dict[str, Any]:
    """Return a job as the older API shows it."""
    body = {
        "id": job.id,
        "resourceType": "Job",
        "system": False,
        "createdBy": job.user_id,
        "createdOn": milliseconds(job.created_on),
        "lastModifiedBy": job.user_id,
        "lastModifiedOn": milliseconds(job.ends_on if job.outcome else now),
        "userId": job.user_id,
        "name": job.name,
        "type": job.type,
        "visibility": 0,
        "cancelable": job.outcome is None,
        "state": job.older_state(now),
        "result": job.result,
        "progressPercentage": job.progress_at(now),
        "message": job.message,
        "startDate": milliseconds(job.starts_on) if now >= job.starts_on else None,
        "endDate": milliseconds(job.ends_on) if job.outcome else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def milliseconds(moment: datetime) -> int:
    """Write a moment as the older API does."""
    return (moment - EPOCH) // timedelta(milliseconds=1)
