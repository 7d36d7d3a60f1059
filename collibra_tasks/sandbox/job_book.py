"""All jobs of a tenant, and what is staged for the next ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from collibra_tasks.sandbox import kinds
from collibra_tasks.sandbox.jobs import Job, Work, no_work
from collibra_tasks.sandbox.outcomes import Outcome
from collibra_tasks.sandbox.refusals import RefusalError

NOT_FOUND = 404


@dataclass(slots=True)
class OrderedEnd:
    """How the next jobs of a kind are to end."""

    kind: str
    outcome: Outcome
    times: int


@dataclass(slots=True)
class JobBook:
    """The jobs, in the order in which they were started.

    Attributes:
        seconds: How long a job takes that is started from now on.
        hidden_looks: How many looks will not find a job that is started from now on.
        named_after_synchronization: Whether a job's name tells the synchronization id.
    """

    seconds: float = 0.0
    named_after_synchronization: bool = False
    hidden_looks: int = 0
    hidden_status: int = NOT_FOUND
    ordered_ends: list[OrderedEnd] = field(default_factory=list)
    _jobs: dict[str, Job] = field(default_factory=dict)
    _unfinished: list[Job] = field(default_factory=list)

    def start(
        self,
        kind: str,
        name: str,
        *,
        user_id: str,
        now: datetime,
        work: Work = no_work,
        synchronization_id: str | None = None,
    ) -> Job:
        """Start a job, on the terms that hold for the next one."""
        return self.add(
            Job(
                kind=kind,
                name=self._name(name, synchronization_id),
                user_id=user_id,
                created_on=now,
                seconds=self.seconds,
                synchronization_id=synchronization_id,
                work=work,
                ordered=self._draw_end(kind),
                hidden_looks=self.hidden_looks,
                hidden_status=self.hidden_status,
            )
        )

    def add(self, job: Job) -> Job:
        """Take a job in."""
        self._jobs[job.id] = job
        self._unfinished.append(job)
        return job

    def _name(self, name: str, synchronization_id: str | None) -> str:
        named = self.named_after_synchronization and synchronization_id
        return f"{name} {synchronization_id}" if named else name

    def _draw_end(self, kind: str) -> Outcome | None:
        for end in self.ordered_ends:
            if kinds.covers(end.kind, kind) and end.times > 0:
                end.times -= 1
                return end.outcome
        return None

    def settle(self, now: datetime) -> None:
        """End every job whose time has come, in the order of their ends."""
        due = [job for job in self._unfinished if job.ends_on <= now]
        self._unfinished = [job for job in self._unfinished if job.ends_on > now]
        for job in sorted(due, key=lambda job: job.ends_on):
            if job.outcome is None:
                job.conclude()

    def finish(self, now: datetime) -> None:
        """End every unfinished job now."""
        for job in self._unfinished:
            job.ends_on = min(job.ends_on, now)
        self.settle(now)

    def __iter__(self) -> Iterator[Job]:
        """Walk through all jobs, oldest first."""
        return iter(sorted(self._jobs.values(), key=lambda job: job.created_on))

    def newest_first(self) -> list[Job]:
        """Return the jobs as a list of the API shows them; each hidden one uses up a look."""
        return [job for job in reversed(list(self)) if not job.lost and not self._hides(job)]

    def get(self, job_id: str) -> Job:
        """Find a job, or refuse as the API does; a hidden one uses up a look."""
        job = self._jobs.get(job_id)
        if job is None or job.lost:
            raise RefusalError(NOT_FOUND, "The job could not be found.")
        if self._hides(job):
            raise RefusalError(job.hidden_status, "The job could not be found.")
        return job

    def lose(self, job_id: str) -> None:
        """Let a job be found no more, whatever it goes on doing."""
        self._jobs[job_id].lost = True

    @staticmethod
    def _hides(job: Job) -> bool:
        hidden = job.hidden_looks > 0
        job.hidden_looks -= hidden
        return hidden
