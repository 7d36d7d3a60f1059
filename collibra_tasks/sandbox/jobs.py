"""Background jobs, which advance by the tenant's clock, and the list of all jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from collibra_tasks.sandbox.http import RequestRefusedError
from collibra_tasks.sandbox.results import ABORTED, CANCELED, COMPLETED, NOT_SET, Outcome

WAITING, RUNNING, CANCELING, DELETED = "WAITING", "RUNNING", "CANCELING", "DELETED"

BATCH, FINALIZE, IMPORT, FOREIGN = "batch", "finalize", "import", "foreign"
ANY = "any"
JOB_KINDS = (FINALIZE, BATCH, IMPORT)

STARTING_SHARE = 0.1
CANCELING_SHARE = 0.1
NEVER = datetime.max.replace(tzinfo=UTC)

# Source: both lists of states are documented; how one maps to the other is assumed.
_V1_STATES = {"ERROR": "FAILED", "CANCELED": "DELETED", "CANCELING": "RUNNING"}
_LEGACY_STATES = {"FAILED": "ERROR", "DELETED": "CANCELED"}

Work = Callable[[], Outcome]


def to_v1_state(state: str) -> str:
    """Return a state as the Job API v1 writes it; an unknown word stays as it is."""
    return _V1_STATES.get(state, state)


def to_legacy_state(state: str) -> str:
    """Return a state as ``/rest/2.0/jobs`` writes it; an unknown word stays as it is."""
    return _LEGACY_STATES.get(state, state)


def do_nothing() -> Outcome:
    """Return a success without any change."""
    return Outcome()


@dataclass(slots=True, kw_only=True)
class Job:
    """A job.

    Attributes:
        kind: ``batch``, ``finalize``, ``import`` or ``foreign``.
        seconds: Duration; the job waits for the first tenth of it.
        work: The change that the job makes to the tenant at its end.
        planned: Outcome that a test planned; None if the work decides.
        stalled_as: State in which the job stays until it is finished or canceled; None if the
            job ends by the clock.
        hidden_requests: Number of further requests that do not find the job.
        unlisted_requests: Number of further list requests that do not show the job.
        by_hand: Whether a person started the job outside of the requests under test.
    """

    id: str = field(default_factory=lambda: str(uuid4()))
    kind: str
    name: str | None
    type: str | None = "IMPORT"
    user_id: str
    created_on: datetime
    seconds: float = 0.0
    synchronization_id: str | None = None
    work: Work = do_nothing
    planned: Outcome | None = None
    stalled_as: str | None = None
    outcome: Outcome | None = None
    ends_on: datetime = field(init=False)
    canceled_on: datetime | None = None
    message: str | None = None
    lost: bool = False
    forbidden: bool = False
    by_hand: bool = False
    hidden_requests: int = 0
    hidden_status: int = 404
    unlisted_requests: int = 0

    def __post_init__(self) -> None:
        """Set the end."""
        self.ends_on = self.created_on + timedelta(seconds=self.seconds)

    @property
    def starts_on(self) -> datetime:
        """Return the end of the state WAITING, which is never after the job's end."""
        planned = self.created_on + STARTING_SHARE * timedelta(seconds=self.seconds)
        return min(planned, self.ends_on)

    def end(self) -> None:
        """End the job, with its effect if the outcome has one."""
        self.outcome = self._planned_outcome(self.planned) if self.planned else self.work()
        self.message = self.outcome.message or f"Import finished in {self.seconds:.0f}s."

    def _planned_outcome(self, planned: Outcome) -> Outcome:
        takes_effect = planned.state == COMPLETED and planned.result != ABORTED
        return replace(planned, tallies=self.work().tallies) if takes_effect else planned

    def stall(self, state: str) -> None:
        """Stay in a state until `JobList.finish` or `cancel`."""
        self.stalled_as = state
        self.ends_on = NEVER

    def cancel(self, now: datetime, message: str | None) -> None:
        """End without effect; a job that has ended is only marked."""
        self.canceled_on = now
        self.message = message
        if self.outcome is None:
            self.ends_on = now
            self.outcome = Outcome(state=CANCELED, result=NOT_SET)

    def legacy_state(self, now: datetime) -> str:
        """Return the state as ``/rest/2.0/jobs`` writes it.

        Source: that a job stays CANCELING for a while (here a tenth of its time) is *assumed*.
        """
        if self.outcome is None:
            return self.stalled_as or self._moving_state(now)
        grace = CANCELING_SHARE * timedelta(seconds=self.seconds)
        if self.outcome.state == CANCELED and self.canceled_on and now < self.canceled_on + grace:
            return CANCELING
        return self.outcome.state

    def _moving_state(self, now: datetime) -> str:
        return RUNNING if now >= self.starts_on and now > self.created_on else WAITING

    def v1_state(self, now: datetime) -> str:
        """Return the state as the Job API v1 writes it.

        Source: that a deleted job stays readable as DELETED is *assumed*.
        """
        return DELETED if self.canceled_on else to_v1_state(self.legacy_state(now))

    @property
    def result(self) -> str:
        """Return the result, which is not set before the end."""
        return self.outcome.result if self.outcome else NOT_SET

    def has_results(self, *, summaries: bool) -> bool:
        """Whether the job has import results, given the setting for finalization jobs."""
        return self.kind != FOREIGN and (summaries or self.kind != FINALIZE)

    def progress(self, now: datetime) -> float:
        """Return the progress in percent."""
        if self.outcome:
            return 100.0
        elapsed = (now - self.created_on).total_seconds()
        return min(100 * elapsed / self.seconds, 99.0) if elapsed > 0 and self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job, as it is when it is read by a test.

    Attributes:
        kind: ``batch``, ``finalize``, ``import`` or ``foreign``.
        state: State in the words of the Job API v1.
        by_hand: Whether `Sandbox.finalize_by_hand` or `Sandbox.import_by_hand` started it.
    """

    id: str
    kind: str
    name: str | None
    type: str | None
    state: str
    result: str
    message: str | None
    user_id: str
    created_on: datetime
    synchronization_id: str | None
    by_hand: bool

    @classmethod
    def of(cls, job: Job, now: datetime) -> JobView:
        """Return the view of a job."""
        return cls(
            id=job.id,
            kind=job.kind,
            name=job.name,
            type=job.type,
            state=job.v1_state(now),
            result=job.result,
            message=job.message,
            user_id=job.user_id,
            created_on=job.created_on,
            synchronization_id=job.synchronization_id,
            by_hand=job.by_hand,
        )


@dataclass(slots=True)
class PlannedEnd:
    """The end of the next jobs of a kind; an outcome, or a state in which they stall."""

    kind: str
    times: int
    outcome: Outcome | None = None
    stalled_as: str | None = None


@dataclass(slots=True)
class JobList:
    """All jobs, in the sequence in which they were started."""

    planned_ends: list[PlannedEnd] = field(default_factory=list)
    _jobs: dict[str, Job] = field(default_factory=dict)
    _unfinished: list[Job] = field(default_factory=list)

    def add(self, job: Job) -> Job:
        """Add a job."""
        self._jobs[job.id] = job
        self._unfinished.append(job)
        return job

    def apply_plan(self, job: Job) -> None:
        """Give a new job the end that was planned for the next one of its kind."""
        for end in self.planned_ends:
            if end.kind in (ANY, job.kind) and end.times > 0:
                end.times -= 1
                job.planned = end.outcome
                if end.stalled_as:
                    job.stall(end.stalled_as)
                return

    def settle(self, now: datetime) -> None:
        """End every job whose time has come, in the sequence of their ends."""
        due = [job for job in self._unfinished if job.ends_on <= now]
        self._unfinished = [job for job in self._unfinished if job.ends_on > now]
        for job in sorted(due, key=lambda job: job.ends_on):
            if job.outcome is None:
                job.end()

    def finish(self, now: datetime) -> None:
        """End every unfinished job now, stalled ones included."""
        for job in self._unfinished:
            job.ends_on = min(job.ends_on, now)
        self.settle(now)

    def __iter__(self) -> Iterator[Job]:
        """Iterate over all jobs, oldest first."""
        return iter(sorted(self._jobs.values(), key=lambda job: job.created_on))

    def __getitem__(self, job_id: str) -> Job:
        """Return a job by ID, also a hidden or lost one."""
        return self._jobs[job_id]

    def list_newest_first(self) -> list[Job]:
        """Return the jobs that a list request shows; each hidden job uses up one request."""
        return [job for job in reversed(list(self)) if not job.lost and not _is_unlisted(job)]

    def read(self, job_id: str) -> Job:
        """Return a job, or refuse as the API does; a hidden job uses up one request."""
        job = self._jobs.get(job_id)
        if job is None or job.lost:
            raise RequestRefusedError(404, "The job could not be found.")
        if _is_hidden(job):
            raise RequestRefusedError(job.hidden_status, "The job could not be found.")
        if job.forbidden:
            raise RequestRefusedError(403, "The account may not read this job.")
        return job


def _is_hidden(job: Job) -> bool:
    hidden = job.hidden_requests > 0
    job.hidden_requests -= hidden
    return hidden


def _is_unlisted(job: Job) -> bool:
    unlisted = job.unlisted_requests > 0
    job.unlisted_requests -= unlisted
    return _is_hidden(job) or unlisted
