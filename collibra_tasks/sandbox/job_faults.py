"""Faults of jobs, and jobs that people and other programs start."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from collibra_tasks.sandbox.execution import REPLACE, Rules
from collibra_tasks.sandbox.fault_plan import check_operation
from collibra_tasks.sandbox.import_api import Starter, start_batch, start_finalization, start_import
from collibra_tasks.sandbox.jobs import (
    FINALIZE,
    FOREIGN,
    JOB_KINDS,
    RUNNING,
    WAITING,
    Job,
    JobView,
    PlannedEnd,
    to_legacy_state,
)
from collibra_tasks.sandbox.results import (
    COMPLETED,
    ERROR,
    FAILURE,
    NOT_SET,
    SUCCESS,
    FailedCommand,
    Outcome,
)
from collibra_tasks.sandbox.settings import CONTINUE_ON_ERROR_BY_DEFAULT
from collibra_tasks.sandbox.synchronizations import REMOVE_RESOURCES, Finalization, ImportOptions

if TYPE_CHECKING:
    from collibra_tasks.sandbox.tenant import Tenant

_RESULTS = {COMPLETED: SUCCESS, ERROR: FAILURE}


class JobFaults:
    """Methods that change settings and decide how jobs run, end, hide and vanish."""

    _tenant: Tenant

    def configure(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of Settings
        """Change settings of the running tenant; see `Settings`."""
        with self._tenant.lock:
            self._tenant.state.settings = replace(self._tenant.state.settings, **changes)

    def run_jobs_for(self, seconds: float) -> None:
        """Set the duration of new jobs by the tenant's clock, in seconds."""
        self.configure(job_seconds=seconds)

    def pass_time(self, seconds: float) -> None:
        """Advance the tenant's clock; tokens have their own clock."""
        with self._tenant.lock:
            state, passed = self._tenant.state, timedelta(seconds=seconds)
            before = state.clock
            state.clock = lambda: before() + passed

    def finish_jobs(self) -> None:
        """End every job that has not ended, now; stalled ones too."""
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
        on: str = FINALIZE,
    ) -> None:
        """Decide the end of the next jobs of a kind.

        A job that ends COMPLETED takes effect, unless it ABORTED; any other does not.

        Args:
            state: A word of either job API, which the other API translates; any other word is
                shown as it is by both.
            result: Result; default: the one that belongs to the state.
            errors: Messages, or complete entries for the list of errors.
            message: The job's message.
            times: Number of jobs.
            on: ``finalize``, ``batch``, ``import`` or ``any``.
        """
        kind = check_operation(on, JOB_KINDS)
        outcome = _outcome(state, result, message, tuple(errors))
        self._tenant.state.jobs.planned_ends.append(PlannedEnd(kind, times, outcome))

    def stall_jobs(self, *, state: str = RUNNING, times: int = 1, on: str = FINALIZE) -> None:
        """Hold the next jobs of a kind in a state until `finish_jobs` or a cancellation."""
        kind = check_operation(on, JOB_KINDS)
        stall = PlannedEnd(kind, times, stalled_as=to_legacy_state(state))
        self._tenant.state.jobs.planned_ends.append(stall)

    def hide_jobs(self, looks: int = 3, *, status: int = 404) -> None:
        """Hide new jobs from their first requests, for the job or for a list, in both APIs.

        Args:
            looks: Number of requests.
            status: Status of a request for a hidden job.

        Source: just after its creation a job may be 404, or 500, *observed*.
        """
        self.configure(hidden_requests=looks, hidden_status=status)

    def delay_job_listing(self, requests: int = 3) -> None:
        """Omit new jobs from lists until a number of list requests; they can be read by ID."""
        self.configure(unlisted_requests=requests)

    def lose_job(self, job_id: str) -> None:
        """Make a job vanish from both APIs; its effect stays."""
        with self._tenant.lock:
            self._tenant.state.jobs[job_id].lost = True

    def forbid_job(self, job_id: str, *, forbidden: bool = True) -> None:
        """Refuse to show one job or its results with a 403; lists still contain it."""
        with self._tenant.lock:
            self._tenant.state.jobs[job_id].forbidden = forbidden

    def without_job_api_v1(self) -> None:
        """Remove ``/rest/jobs/v1``."""
        self.configure(job_api_v1=False)

    def without_legacy_jobs(self) -> None:
        """Remove ``/rest/2.0/jobs``; imports still return jobs in the legacy form."""
        self.configure(legacy_jobs=False)

    def with_all_job_apis(self) -> None:
        """Serve both job APIs again."""
        self.configure(job_api_v1=True, legacy_jobs=True)

    def without_summaries(self) -> None:
        """Remove the import results of finalization jobs."""
        self.configure(summaries=False)

    def _reset_jobs(self) -> None:
        self._tenant.state.jobs.planned_ends = []
        self.configure(
            hidden_requests=0,
            unlisted_requests=0,
            summaries=True,
            job_api_v1=True,
            legacy_jobs=True,
            date_header=None,
        )


class OtherActors:
    """Methods that act as other programs and as people with curl.

    The ends that `JobFaults` plans do not concern jobs that are started here.
    """

    _tenant: Tenant

    def add_foreign_job(
        self,
        user_id: str | None = None,
        name: str | None = "Import",
        created_on: datetime | None = None,
        *,
        type: str | None = "IMPORT",  # noqa: A002 - the API's own word
        state: str | None = None,
        result: str | None = None,
        seconds: float | None = None,
    ) -> JobView:
        """Add a job that another program started.

        Args:
            user_id: Owner; default: the first account.
            name: Name; None: the job has no name.
            created_on: Date; default: now.
            type: Type, for example ``DELTA_INGESTION``; None: the job has no type.
            state: WAITING and RUNNING last until `finish_jobs`; any other word is the end;
                default: the job runs for its seconds and succeeds.
            result: Result; default: the one that belongs to the state.
            seconds: Duration; default: that of other jobs, or 0 if a state is given.
        """
        tenant = self._tenant
        with tenant.lock:
            now = tenant.state.settle()
            default = tenant.state.settings.job_seconds if state is None else 0.0
            job = Job(
                kind=FOREIGN,
                name=name,
                type=type,
                user_id=user_id or tenant.state.accounts.people[0].user_id,
                created_on=created_on or now,
                seconds=default if seconds is None else seconds,
            )
            if state in (WAITING, RUNNING):
                job.stall(state)
            elif state is not None:
                job.planned = _outcome(state, result, None, ())
            tenant.state.jobs.add(job)
            return JobView.of(job, tenant.state.settle())

    def finalize_by_hand(
        self,
        synchronization_id: str,
        *,
        strategy: str = REMOVE_RESOURCES,
        missing_asset_status_id: str | None = None,
        user_id: str | None = None,
    ) -> JobView:
        """Start a finalization as a person with curl does; default user: the first account."""
        finalization = Finalization(strategy=strategy, status_id=missing_asset_status_id)
        tenant = self._tenant
        with tenant.lock:
            tenant.state.settle()
            starter = self._starter(user_id)
            job = start_finalization(tenant.state, synchronization_id, finalization, starter)
            return JobView.of(job, tenant.state.settle())

    def import_by_hand(
        self,
        synchronization_id: str,
        commands: Sequence[Any],
        *,
        user_id: str | None = None,
        batch: bool = True,
        continue_on_error: bool | None = None,
        relations_action: str = REPLACE,
    ) -> JobView:
        """Start an import as a person with curl does.

        Args:
            synchronization_id: Ignored unless ``batch``.
            commands: Import commands.
            user_id: Owner; default: the first account.
            batch: Whether the import is a batch of the synchronization; False: a plain import.
            continue_on_error: Default: that of the tenant's version.
            relations_action: ``REPLACE`` or ``ADD_OR_IGNORE``.
        """
        tenant, content = self._tenant, json.dumps(commands).encode()
        settings = tenant.state.settings
        by_default = settings.is_since(CONTINUE_ON_ERROR_BY_DEFAULT)
        options = ImportOptions(
            continue_on_error=by_default if continue_on_error is None else continue_on_error,
            failures_before_abort=settings.failures_before_abort,
            rules=Rules(
                relations=relations_action, create_named_domains=settings.create_named_domains
            ),
        )
        with tenant.lock:
            tenant.state.settle()
            starter = self._starter(user_id)
            if batch:
                job = start_batch(tenant.state, synchronization_id, content, options, starter)
            else:
                job = start_import(tenant.state, content, options, starter)
            return JobView.of(job, tenant.state.settle())

    def _starter(self, user_id: str | None) -> Starter:
        first = self._tenant.state.accounts.people[0]
        return Starter(user_id=user_id or first.user_id, by_hand=True)


def _outcome(
    state: str, result: str | None, message: str | None, errors: Iterable[str | Mapping[str, Any]]
) -> Outcome:
    legacy = to_legacy_state(state)
    return Outcome(
        state=legacy,
        result=result or _RESULTS.get(legacy, NOT_SET),
        message=message,
        errors=tuple(_error(index, error) for index, error in enumerate(errors)),
    )


def _error(index: int, error: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(error, str):
        return FailedCommand(message=error, indices=(index,)).to_json()
    return error
