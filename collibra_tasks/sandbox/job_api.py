"""Both job APIs: ``/rest/jobs/v1/jobs`` and the legacy ``/rest/2.0/jobs``.

Source: Job API 1.0 and Core API 2.0, *documented*. v1 has ISO dates, whole percents, pages by
cursor and its own states; the legacy API has epoch milliseconds, fractions of a percent and pages
by offset. That legacy dates of start and end are milliseconds too is *assumed*.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from collibra_tasks.sandbox.http import (
    RequestRefusedError,
    json_response,
    page_response,
    query_value,
    query_values,
    read_int,
    read_name_filter,
    read_uuid,
    read_words,
)
from collibra_tasks.sandbox.jobs import Job
from collibra_tasks.sandbox.results import ABORTED, COMPLETED_WITH_ERROR, FAILURE, NOT_SET, SUCCESS
from collibra_tasks.sandbox.tenant import Call

PAGE_SIZE, MAX_PAGE_SIZE = 10, 50
MAX_MESSAGE_LENGTH = 128
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

V1_STATES = ("WAITING", "RUNNING", "COMPLETED", "FAILED", "DELETED")
LEGACY_STATES = ("WAITING", "RUNNING", "CANCELING", "COMPLETED", "CANCELED", "ERROR")
JobFilter = Callable[[Job], bool]

RESULTS = (NOT_SET, SUCCESS, COMPLETED_WITH_ERROR, FAILURE, ABORTED)


def get_v1_job(call: Call) -> httpx.Response:
    """Return a job as v1 shows it."""
    return json_response(v1_job_body(call.state.jobs.read(_v1_id(call)), call.now))


def get_legacy_job(call: Call) -> httpx.Response:
    """Return a job as the legacy API shows it."""
    return json_response(legacy_job_body(call.state.jobs.read(call.arguments[0]), call.now))


def delete_v1_job(call: Call) -> httpx.Response:
    """Delete a job softly; a job that has not ended never takes effect.

    Source: the status 204 and the owner's right are *documented*. That deleting stops a running
    job, and that a deleted one stays readable, is *assumed*.
    """
    message = query_value(call.request, "message") or "Deleted by user"
    if len(message) > MAX_MESSAGE_LENGTH:
        raise RequestRefusedError(400, "message is too long")
    _own_job(call, _v1_id(call)).cancel(call.now, message)
    return httpx.Response(204)


def cancel_legacy_job(call: Call) -> httpx.Response:
    """Cancel a job; one that has ended stays as it is.

    Source: 202 at once, own jobs only, *documented*; the response to a late cancel is *assumed*.
    """
    job = _own_job(call, call.arguments[0])
    if job.outcome is None:
        job.cancel(call.now, "Canceled by user")
    return httpx.Response(202)


def _own_job(call: Call, job_id: str) -> Job:
    job = call.state.jobs.read(job_id)
    if job.user_id != call.user_id:
        message = "The job belongs to another user."
        raise RequestRefusedError(403, message, code="forbiddenNotOwner")
    return job


def _v1_id(call: Call) -> str:
    return read_uuid(call.arguments[0], "jobId")


def find_v1_jobs(call: Call) -> httpx.Response:
    """Return a page of the job list, newest first."""
    size = read_int(call.request, "pageSize", default=PAGE_SIZE, minimum=1, maximum=MAX_PAGE_SIZE)
    jobs = _sort(list(filter(_read_v1_filter(call), _visible_jobs(call))), call)
    start = _position(query_value(call.request, "cursor"), jobs)
    shown, rest = jobs[start : start + size], jobs[start + size :]
    page: dict[str, Any] = {"results": [v1_job_body(job, call.now) for job in shown]}
    if rest:
        page["nextCursor"] = _cursor(rest[0])
    return json_response(page)


def find_legacy_jobs(call: Call) -> httpx.Response:
    """Return a page of the job list, sorted by start; jobs that have not started are last.

    Source: the sorting is *documented*, the place of jobs without a start is *assumed*.
    """
    jobs = list(filter(_read_legacy_filter(call), _visible_jobs(call)))
    jobs.sort(key=lambda job: call.now < job.starts_on)
    return page_response(call.request, [legacy_job_body(job, call.now) for job in jobs])


def _visible_jobs(call: Call) -> list[Job]:
    """Return the jobs that the account sees.

    Source: which jobs of others an account sees is not documented; both are possible.
    """
    jobs = call.state.jobs.list_newest_first()
    if call.state.settings.jobs_visible_to_others:
        return jobs
    return [job for job in jobs if job.user_id == call.user_id]


def _read_v1_filter(call: Call) -> JobFilter:
    request = call.request
    states, results = (
        read_words(request, "state", V1_STATES),
        read_words(request, "result", RESULTS),
    )
    types, user = query_values(request, "type"), query_value(request, "user")
    name_fits = read_name_filter(request)
    return lambda job: (
        _allows(states, job.v1_state(call.now))
        and _allows(results, job.result)
        and _allows(types, job.type)
        and user in (None, job.user_id)
        and name_fits(job.name)
    )


def _read_legacy_filter(call: Call) -> JobFilter:
    request = call.request
    states = read_words(request, "states", LEGACY_STATES)
    results = read_words(request, "results", RESULTS)
    types, user = query_values(request, "types"), query_value(request, "createdBy")
    name_fits = read_name_filter(request)
    return lambda job: (
        _allows(states, job.legacy_state(call.now))
        and _allows(results, job.result)
        and _allows(types, job.type)
        and user in (None, job.user_id)
        and name_fits(job.name)
    )


def _allows(wanted: Collection[str], word: str | None) -> bool:
    return not wanted or word in wanted


def _sort(jobs: list[Job], call: Call) -> list[Job]:
    field = query_value(call.request, "sortField")
    if field is None:
        return jobs
    if field not in _SORT_KEYS:
        raise RequestRefusedError(400, f"sortField must be one of {', '.join(_SORT_KEYS)}")
    descending = query_value(call.request, "sortOrder") != "ASC"
    return sorted(jobs, key=lambda job: _SORT_KEYS[field](job, call.now), reverse=descending)


_SORT_KEYS: dict[str, Callable[[Job, datetime], str]] = {
    "NAME": lambda job, _: job.name or "",
    "TYPE": lambda job, _: job.type or "",
    "START_DATE": lambda job, _: iso(job.starts_on),
    "END_DATE": lambda job, _: iso(job.ends_on) if job.outcome else "",
    "STATE": lambda job, now: job.v1_state(now),
    "RESULT": lambda job, _: job.result,
}


def _cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(job.id.encode()).decode()


def _position(cursor: str | None, jobs: list[Job]) -> int:
    """Return the position of the first job of the page that a cursor names."""
    if cursor is None:
        return 0
    cursors = [_cursor(job) for job in jobs]
    if cursor not in cursors:
        raise RequestRefusedError(400, "the cursor is not known")
    return cursors.index(cursor)


def v1_job_body(job: Job, now: datetime) -> dict[str, Any]:
    """Return the JSON of a job in the Job API v1."""
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
        "state": job.v1_state(now),
        "result": job.result,
        "progressPercentage": int(job.progress(now)),
        "message": job.message,
        "startDate": iso(job.starts_on) if now >= job.starts_on else None,
        "endDate": iso(job.ends_on) if job.outcome else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def legacy_job_body(job: Job, now: datetime) -> dict[str, Any]:
    """Return the JSON of a job in the legacy API, which every import returns too."""
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
        "state": job.legacy_state(now),
        "result": job.result,
        "progressPercentage": job.progress(now),
        "message": job.message,
        "startDate": milliseconds(job.starts_on) if now >= job.starts_on else None,
        "endDate": milliseconds(job.ends_on) if job.outcome else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def iso(moment: datetime) -> str:
    """Return a date of the Job API v1, to the millisecond if it has any."""
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    """Return a date of the legacy API."""
    return (moment - EPOCH) // timedelta(milliseconds=1)
