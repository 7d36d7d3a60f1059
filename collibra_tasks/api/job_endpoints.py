"""Endpoints of jobs and their results, in both of Collibra's job APIs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Any, Final, TypeVar
from urllib.parse import quote

from collibra_tasks.api import decoding, requests
from collibra_tasks.api.requests import Request
from collibra_tasks.api.responses import parse_date, parse_object, parse_page
from collibra_tasks.api.session import Session
from collibra_tasks.errors import (
    AccessDeniedError,
    CollibraError,
    RefusedError,
    UnexpectedAnswerError,
)
from collibra_tasks.models import ImportFailure, ImportSummary, Job

Value = TypeVar("Value")

JOB_PAGE_SIZE: Final = 50
LEGACY_JOB_PAGE_SIZE: Final = 1000
LEGACY_ACTIVE_STATES: Final = ("WAITING", "RUNNING", "CANCELING")
RESULT_PAGE_SIZE: Final = 1000
MAX_JOB_PAGES: Final = 20


@dataclass(frozen=True, slots=True)
class _Page:
    """Rows of one page, and the function that reads the next page or ``None``."""

    rows: list[dict[str, Any]]
    read_next: Callable[[], _Page] | None


class JobEndpoints:
    """Endpoints of jobs; the Job API v1 first, the older API where v1 is absent."""

    _session: Session

    def get_job(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NotFoundError: If neither API has the job.
            UnexpectedAnswerError: If its state or result is an undocumented word.

        Source: Job API 1.0 (documented); Core API (documented, deprecated).
        """
        return _with_fallback(
            lambda: self._get_job(f"/rest/jobs/v1/jobs/{quote(job_id, safe='')}", job_id),
            lambda: self._get_job(f"/rest/2.0/jobs/{quote(job_id, safe='')}", job_id),
        )

    def _get_job(self, path: str, job_id: str) -> Job:
        request = Request(method="GET", path=path, description=f"read job {job_id}")
        return decoding.decode_job(parse_object(request, self._session.send(request)))

    def iter_jobs(
        self, *, user_id: str | None = None, max_pages: int = MAX_JOB_PAGES
    ) -> Iterator[Job]:
        """Yield jobs, newest first, of at most ``max_pages`` pages; see `iter_job_pages`."""
        for page in islice(self.iter_job_pages(user_id=user_id), max_pages):
            yield from page

    def iter_job_pages(self, *, user_id: str | None = None) -> Iterator[list[Job]]:
        """Yield pages of jobs, newest first, each job once; states are not checked.

        Args:
            user_id: ID of the account whose jobs are listed; ``None`` for all visible jobs.

        Source: Job API 1.0 (documented, 50 jobs per page); Core API (documented, 1,000).
        """
        listed: set[str] = set()
        page = _with_fallback(
            lambda: self._read_jobs(user_id, None), lambda: self._read_first_legacy_jobs(user_id)
        )
        while True:
            jobs = list(map(decoding.decode_listed_job, page.rows))
            # Jobs that start meanwhile move others to the next page.
            yield [job for job in jobs if job.id not in listed]
            listed.update(job.id for job in jobs)
            if page.read_next is None:
                return
            page = page.read_next()

    def _read_jobs(self, user_id: str | None, cursor: str | None) -> _Page:
        params = {"pageSize": JOB_PAGE_SIZE, "user": user_id, "cursor": cursor}
        rows, following = self._read_page("/rest/jobs/v1/jobs", "list the jobs", params)
        if following is None:
            return _Page(rows, None)
        if following == cursor:  # without this check the list would never end
            raise UnexpectedAnswerError(
                "Could not list the jobs: the response repeats the cursor of the previous page. "
                "Try again later."
            )
        return _Page(rows, lambda: self._read_jobs(user_id, following))

    def _read_first_legacy_jobs(self, user_id: str | None) -> _Page:
        """Return the jobs that have not ended, together with the first page of all jobs.

        The list is sorted by start. The place of a job without a start is not documented.
        """
        params = {
            "createdBy": user_id,
            "states": LEGACY_ACTIVE_STATES,
            "limit": LEGACY_JOB_PAGE_SIZE,
        }
        active, _ = self._read_page("/rest/2.0/jobs", "list the active jobs", params)
        first = self._read_legacy_jobs(user_id, 0)
        rows = {str(row.get("id")): row for row in (*active, *first.rows)}
        newest_first = sorted(rows.values(), key=_creation_of, reverse=True)
        return _Page(newest_first, first.read_next)

    def _read_legacy_jobs(self, user_id: str | None, offset: int) -> _Page:
        params = {
            "createdBy": user_id,
            "offset": offset,
            "limit": LEGACY_JOB_PAGE_SIZE,
            "sortField": "START_DATE",
            "sortOrder": "DESC",
        }
        rows, _ = self._read_page("/rest/2.0/jobs", "list the jobs", params)
        if len(rows) < LEGACY_JOB_PAGE_SIZE:
            return _Page(rows, None)
        return _Page(rows, lambda: self._read_legacy_jobs(user_id, offset + len(rows)))

    def cancel_job(self, job_id: str, *, message: str) -> None:
        """Request the cancellation of a job; read the job afterwards to see the effect.

        Args:
            job_id: ID of the job.
            message: Reason, cut to 128 characters.
        """
        _with_fallback(
            lambda: self._session.send(requests.build_cancel_request(job_id, message)),
            lambda: self._session.send(requests.build_legacy_cancel_request(job_id)),
        )

    def get_summary(self, job_id: str) -> ImportSummary:
        """Return Collibra's counters of an ended job. Source: Import results (documented)."""
        request = Request(
            method="GET",
            path=f"/rest/2.0/import/results/{quote(job_id, safe='')}/summary",
            description=f"read the summary of job {job_id}",
        )
        return decoding.decode_summary(parse_object(request, self._session.send(request)))

    def iter_failures(self, job_id: str) -> Iterator[ImportFailure]:
        """Yield the errors of an ended job. Source: Import results (documented)."""
        path = f"/rest/2.0/import/results/{quote(job_id, safe='')}/errors"
        offset = 0
        while True:
            params = {"offset": offset, "limit": RESULT_PAGE_SIZE, "countLimit": 0}
            rows, _ = self._read_page(path, f"read the errors of job {job_id}", params)
            yield from map(decoding.decode_failure, rows)
            offset += len(rows)
            if len(rows) < RESULT_PAGE_SIZE:
                return

    def _read_page(
        self, path: str, description: str, params: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], str | None]:
        given = {name: value for name, value in params.items() if value is not None}
        request = Request(method="GET", path=path, description=description, params=given)
        return parse_page(request, self._session.send(request))


def _creation_of(row: dict[str, Any]) -> float:
    """Return the creation of a job for sorting; a job without one counts as new."""
    created_on = parse_date(row.get("createdOn"))
    return inf if created_on is None else created_on.timestamp()


def _with_fallback(current: Callable[[], Value], older: Callable[[], Value]) -> Value:
    """Call the current API, then the older one; of two errors raise the more informative."""
    try:
        return current()
    except CollibraError as error:
        if not _may_mean_absent(error):
            raise
        try:
            return older()
        except CollibraError as older_error:
            if _is_uninformative(older_error):
                raise error from None
            raise


def _may_mean_absent(error: CollibraError) -> bool:
    """Return whether an API that Collibra does not serve could lead to this error."""
    if isinstance(error, AccessDeniedError):
        return False
    return error.transient or isinstance(error, RefusedError)


def _is_uninformative(error: CollibraError) -> bool:
    refused = _may_mean_absent(error) and not error.transient
    return refused or (isinstance(error, UnexpectedAnswerError) and error.transient)
