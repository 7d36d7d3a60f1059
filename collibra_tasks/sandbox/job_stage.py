"""Stage directions for jobs: how they run, end, hide and vanish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from collibra_tasks.sandbox import kinds
from collibra_tasks.sandbox.job_book import OrderedEnd
from collibra_tasks.sandbox.job_words import older_word
from collibra_tasks.sandbox.jobs import Job
from collibra_tasks.sandbox.outcomes import (
    COMPLETED,
    ERROR,
    FAILURE,
    NOT_SET,
    SUCCESS,
    FailedCommand,
    Outcome,
)
from collibra_tasks.sandbox.seen import SeenJob, see_job
from collibra_tasks.sandbox.tenant import Tenant

NOT_FOUND = 404


class JobStage:
    """Stage directions for jobs."""

    _tenant: Tenant

    def run_jobs_for(self, seconds: float) -> None:
        """Let jobs that are started from now on take that long, by the tenant's clock."""
        self._tenant.state.jobs.seconds = seconds

    def pass_time(self, seconds: float) -> None:
        """Let the tenant's clock be so much later from now on; tokens keep their own time."""
        with self._tenant.lock:
            state, passed = self._tenant.state, timedelta(seconds=seconds)
            before = state.clock
            state.clock = lambda: before() + passed

    def finish_jobs(self) -> None:
        """End every job that has not ended, now."""
        with self._tenant.lock:
            self._tenant.state.jobs.finish(self._tenant.state.clock())

    def end_jobs_as(
        self,
        state: str,
        result: str | None = None,
        *,
        errors: Iterable[str | Mapping[str, Any]] = (),
        message: str | None = None,
        times: int = 1,
        on: str = kinds.FINALIZE,
    ) -> None:
        """Let the next jobs of a kind end so, whatever they would have come to.

        A job that ends COMPLETED takes effect, unless it ABORTED; any other does not.

        Args:
            state: A word of either API, which the other says in its own way; any other word
                is shown as it is by both.
            result: Left out, the one that goes with the state.
            errors: Messages, or whole entries for the errors list.
            message: What the job says of its end.
            times: For how many jobs.
            on: A kind of job, or ``any``.
        """
        older = older_word(state)
        outcome = Outcome(
            state=older,
            result=result or _RESULTS.get(older, NOT_SET),
            message=message,
            errors=tuple(_error(index, error) for index, error in enumerate(errors)),
        )
        kind = kinds.known(on, kinds.JOB_KINDS)
        self._tenant.state.jobs.ordered_ends.append(OrderedEnd(kind, outcome, times))

    def hide_jobs(self, looks: int = 3, *, status: int = NOT_FOUND) -> None:
        """Let every job that is started from now on be invisible to its first looks.

        A look is a question for the job or for a list, through either API. ``status`` is what
        the question for the job answers.

        Source: just after its creation a job may not be found, or a 500 may say so, *observed*.
        """
        jobs = self._tenant.state.jobs
        jobs.hidden_looks, jobs.hidden_status = looks, status

    def lose_job(self, job_id: str) -> None:
        """Let a job be found no more; what it does goes on."""
        with self._tenant.lock:
            self._tenant.state.jobs.lose(job_id)

    def add_foreign_job(
        self,
        user_id: str | None = None,
        name: str = "Import",
        created_on: datetime | None = None,
        *,
        type: str = "IMPORT",  # noqa: A002 - the API's own word
    ) -> SeenJob:
        """Add a job that another tool started, for the same account unless another is named."""
        state = self._tenant.state
        with self._tenant.lock:
            now = state.settle()
            job = Job(
                kind=kinds.FOREIGN,
                name=name,
                type=type,
                user_id=user_id or state.accounts.user_id,
                created_on=created_on or now,
                seconds=state.jobs.seconds,
            )
            return see_job(state.jobs.add(job), now)

    def without_job_api_v1(self) -> None:
        """Serve no ``/rest/jobs/v1``."""
        self._tenant.state.job_api_v1 = False

    def without_legacy_jobs(self) -> None:
        """Serve no ``/rest/2.0/jobs``; imports go on answering with jobs in the older shape."""
        self._tenant.state.legacy_jobs = False

    def with_all_job_apis(self) -> None:
        """Serve both job APIs again."""
        self._tenant.state.job_api_v1 = self._tenant.state.legacy_jobs = True

    def without_summaries(self) -> None:
        """Keep no import results of finalization jobs."""
        self._tenant.state.summaries = False

    def _reset_jobs(self) -> None:
        jobs = self._tenant.state.jobs
        jobs.ordered_ends, jobs.hidden_looks = [], 0
        self._tenant.state.summaries = True
        self.with_all_job_apis()


_RESULTS = {COMPLETED: SUCCESS, ERROR: FAILURE}


def _error(index: int, error: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(error, str):
        return FailedCommand(message=error, indices=(index,)).body()
    return error
