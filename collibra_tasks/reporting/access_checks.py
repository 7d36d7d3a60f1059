"""Checks of an account's rights: job API, jobs, results, synchronization and status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.api.requests import Request
from collibra_tasks.api.session import Session
from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    NotFoundError,
    RefusedError,
)
from collibra_tasks.finalization.job_list import MAX_PAGES
from collibra_tasks.finalization.job_matching import batch_id_of
from collibra_tasks.models import Account, Job, find_synchronization_id_faults
from collibra_tasks.reporting.connection_checks import CheckRow, green, red, run_check

MAX_TRIED_JOBS: Final = 5
"""Maximum number of jobs whose results are read."""
JOB_APIS: Final = {
    "Job API v1": Request(
        method="GET",
        path="/rest/jobs/v1/jobs",
        params={"pageSize": 1},
        description="list the jobs with Job API v1",
    ),
    "the older job API": Request(
        method="GET",
        path="/rest/2.0/jobs",
        params={"offset": 0, "limit": 1},
        description="list the jobs with the older API",
    ),
}


@dataclass(kw_only=True)
class AccessChecks:
    """Checks of the rights of one account.

    Attributes:
        session: Sender of single requests, without the client's choice of the job API.
        account: Account of the credentials; ``None`` if it may not be read.
        jobs: Jobs that were read, own jobs first.
    """

    client: CollibraClient
    session: Session
    account: Account | None
    jobs: list[Job] = field(default_factory=list)

    def run(self, synchronization_id: str, status_id: str) -> Iterator[CheckRow]:
        """Yield the rows; an empty ID is not checked."""
        yield self._check_job_api()
        yield run_check("Right to read jobs", self._read_all_jobs)
        yield run_check("Own jobs", self._read_own_jobs)
        yield run_check("Right to read results", self._read_results)
        if synchronization_id:
            yield run_check(
                "Synchronization", lambda: self._check_synchronization(synchronization_id)
            )
            yield run_check("Job list", lambda: self._search_batch(synchronization_id))
        if status_id:
            yield run_check("Status", lambda: self._check_status(status_id))

    def _check_job_api(self) -> CheckRow:
        absent: CollibraError | None = None
        for label, request in JOB_APIS.items():
            try:
                self.session.send(request)
            except (AccessDeniedError, BusyError):
                return green("Job API", f"{label} exists.")
            except CollibraError as error:
                absent = absent or error
            else:
                return green("Job API", f"{label} responds.")
        return red("Job API", absent or CollibraError("No job API responds."))

    def _read_all_jobs(self) -> str:
        try:
            self.jobs = next(iter(self.client.iter_job_pages()), [])
        except AccessDeniedError:
            if self.account is None:
                raise
            self._read_own_jobs()
            return (
                "Only the account's own jobs can be read, so finalizations by others remain unseen."
            )
        return f"The newest page has {len(self.jobs):,} jobs."

    def _read_own_jobs(self) -> str:
        if self.account is None:
            return "Not checked, because the account cannot be read."
        own = next(iter(self.client.iter_job_pages(user_id=self.account.id)), [])
        known = {job.id for job in own}
        self.jobs = [*own, *(job for job in self.jobs if job.id not in known)]
        if not own:
            return "The account has no job yet."
        return f"The account sees {len(own):,} of its own jobs."

    def _read_results(self) -> str:
        for job in islice((job for job in self.jobs if job.ended), MAX_TRIED_JOBS):
            try:
                self.client.get_summary(job.id)
            except AccessDeniedError:
                raise
            except RefusedError:  # a job that is no import has no results
                continue
            return f"The results of job {job.id} can be read."
        return "Not checked, because no visible job has results."

    def _search_batch(self, synchronization_id: str) -> str:
        """Search the last batch as a cycle does; a list that ends before it hides other jobs."""
        for number, page in enumerate(self._iter_pages(), start=1):
            for job in page:
                if batch_id_of(job) == synchronization_id:
                    return f"The job list reaches back to the last batch, job {job.id}."
            if number >= MAX_PAGES:
                raise CollibraError(
                    f"The newest {MAX_PAGES} pages of the job list hold no batch of "
                    f"{synchronization_id!r}, so that jobs by others may remain unseen. Run the "
                    "synchronization more often, or use an account that sees fewer jobs."
                )
        return f"The whole job list was read; it holds no batch of {synchronization_id!r}."

    def _iter_pages(self) -> Iterator[list[Job]]:
        try:
            yield from self.client.iter_job_pages()
        except AccessDeniedError:
            if self.account is None:
                raise
            yield from self.client.iter_job_pages(user_id=self.account.id)

    def _check_synchronization(self, synchronization_id: str) -> str:
        if faults := find_synchronization_id_faults(synchronization_id):
            raise CollibraError(f"{faults[0][0].upper()}{faults[0][1:]}. Correct the ID.")
        if not self.client.synchronization_exists(synchronization_id):
            raise CollibraError(
                f"Collibra has no synchronization {synchronization_id!r}. Correct the ID, or leave "
                "it empty before the first cycle."
            )
        return f"Synchronization {synchronization_id!r} exists."

    def _check_status(self, status_id: str) -> str:
        try:
            status = self.client.get_status(status_id)
        except NotFoundError:
            raise CollibraError(
                f"Collibra has no status {status_id}. Correct missing_asset_status_id."
            ) from None
        return f"Status {status.name!r} exists ({status.id})."
