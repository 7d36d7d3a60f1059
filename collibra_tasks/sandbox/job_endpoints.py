"""``/rest/jobs/v1/jobs``.

Source: Job API 1.0, *documented*: ISO dates, whole percents, words of its own for the state,
pages by cursor, newest first.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from collibra_tasks.sandbox.form import read_uuid
from collibra_tasks.sandbox.jobs import Job
from collibra_tasks.sandbox.messages import Answer, Request, empty_answer, json_answer
from collibra_tasks.sandbox.outcomes import ABORTED, COMPLETED_WITH_ERROR, FAILURE, NOT_SET, SUCCESS
from collibra_tasks.sandbox.paging import name_matches, read_whole
from collibra_tasks.sandbox.refusals import RefusalError
from collibra_tasks.sandbox.state import Call

BAD_REQUEST, FORBIDDEN, NO_CONTENT = 400, 403, 204
PAGE_SIZE, LARGEST_PAGE = 10, 50
LONGEST_MESSAGE = 128

STATES = ("WAITING", "RUNNING", "COMPLETED", "FAILED", "DELETED")
RESULTS = (NOT_SET, SUCCESS, COMPLETED_WITH_ERROR, FAILURE, ABORTED)


def get_job(call: Call) -> Answer:
    """Show a job."""
    return json_answer(job_body(call.state.jobs.get(_job_id(call)), call.now))


def delete_job(call: Call) -> Answer:
    """Delete a job softly; one that has not ended never takes effect.

    Source: the status 204 and the owner's right are *documented*. That deleting stops a running
    job, and that a deleted one stays readable, is *assumed*.
    """
    message = call.request.last("message") or "Deleted by user"
    if len(message) > LONGEST_MESSAGE:
        raise RefusalError(BAD_REQUEST, "message is too long")
    own_job(call, _job_id(call)).cancel(call.now, message)
    return empty_answer(NO_CONTENT)


def find_jobs(call: Call) -> Answer:
    """List jobs, newest first."""
    size = read_whole(call.request, "pageSize", default=PAGE_SIZE, least=1, most=LARGEST_PAGE)
    found = [job for job in call.state.jobs.newest_first() if _is_wanted(job, call)]
    ordered = _sorted(found, call)
    start = _position(call.request.last("cursor"), ordered)
    shown, rest = ordered[start : start + size], ordered[start + size :]
    listed: dict[str, Any] = {"results": [job_body(job, call.now) for job in shown]}
    if rest:
        listed["nextCursor"] = base64.urlsafe_b64encode(rest[0].id.encode()).decode()
    return json_answer(listed)


def own_job(call: Call, job_id: str) -> Job:
    """Find a job that the asking account may end."""
    job = call.state.jobs.get(job_id)
    if job.user_id != call.user_id:
        raise RefusalError(FORBIDDEN, "The job belongs to somebody else.", code="forbiddenNotOwner")
    return job


def _job_id(call: Call) -> str:
    return read_uuid(call.arguments[0], "jobId")


def _is_wanted(job: Job, call: Call) -> bool:
    request = call.request
    return (
        _allows(read_words(request, "state", STATES), job.newer_state(call.now))
        and _allows(read_words(request, "result", RESULTS), job.result)
        and _allows(request.query.get("type", ()), job.type)
        and request.last("user") in (None, job.user_id)
        and name_matches(request, job.name)
    )


def _allows(wanted: Collection[str], word: str) -> bool:
    return not wanted or word in wanted


def read_words(request: Request, name: str, words: Collection[str]) -> tuple[str, ...]:
    """Read a repeated query parameter, or refuse a word that the API does not list."""
    wanted = request.query.get(name, ())
    unknown = [word for word in wanted if word not in words]
    if unknown:
        raise RefusalError(BAD_REQUEST, f"{name} must be one of {', '.join(words)}")
    return wanted


def _sorted(jobs: list[Job], call: Call) -> list[Job]:
    field = call.request.last("sortField")
    if field is None:
        return jobs
    if field not in _SORT_KEYS:
        raise RefusalError(BAD_REQUEST, f"sortField must be one of {', '.join(_SORT_KEYS)}")
    descending = call.request.last("sortOrder") != "ASC"
    return sorted(jobs, key=lambda job: _SORT_KEYS[field](job, call.now), reverse=descending)


_SORT_KEYS: dict[str, Callable[[Job, datetime], str]] = {
    "NAME": lambda job, _: job.name,
    "TYPE": lambda job, _: job.type,
    "START_DATE": lambda job, _: iso(job.starts_on),
    "END_DATE": lambda job, _: iso(job.ends_on) if job.outcome else "",
    "STATE": lambda job, now: job.newer_state(now),
    "RESULT": lambda job, _: job.result,
}


def _position(cursor: str | None, jobs: list[Job]) -> int:
    """Find where a cursor points, which is the first job of the page to come."""
    if cursor is None:
        return 0
    ids = [base64.urlsafe_b64encode(job.id.encode()).decode() for job in jobs]
    if cursor not in ids:
        raise RefusalError(BAD_REQUEST, "the cursor is not known")
    return ids.index(cursor)


def job_body(job: Job, now: datetime) -> dict[str, Any]:
    """Return a job as the Job API v1 shows it."""
    body = {
        "id": job.id,
        "createdBy": job.user_id,
        "createdOn": iso(job.created_on),
        "lastModifiedBy": job.user_id,
        "lastModifiedOn": iso(job.ends_on if job.outcome else now),
        "user": job.user_id,
        "selfManaged": False,
        "name": job.name,
        "type": job.type,
        "state": job.newer_state(now),
        "result": job.result,
        "progressPercentage": int(job.progress_at(now)),
        "message": job.message,
        "startDate": iso(job.starts_on) if now >= job.starts_on else None,
        "endDate": iso(job.ends_on) if job.outcome else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def iso(moment: datetime) -> str:
    """Write a moment as the Job API v1 does, to the millisecond where it has any."""
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
