"""What Collibra did with the cycles of one synchronization, recorded beside the library."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.models import MISSING_FROM_SOURCE, FlowRunInfo
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.sandbox.jobs import BATCH, FINALIZE, Job, JobList
from collibra_tasks.sandbox.results import SUCCESS, Outcome
from tests.support.sessions import NIGHTLY

Names = frozenset[str]
Action = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Closing:
    """A finalization that Collibra took, and what was in its cycle when its request arrived.

    Attributes:
        job: The job.
        actor: Process that sent it; ``None`` if a person did.
        entry: Newest ledger entry at that time.
        present: Assets of the cycle.
        previous: Assets of the cycle before.
        batches: Batches of the cycle.
        unseen: Whether others acted since the process searched the job list.
        doubtful: Number of jobs that others started during the process.
        unseen_batches: Batches by others that the process could not see.
        removed: Assets that it deleted or marked, filled at its end.
    """

    job: Job
    actor: Actor | None
    entry: Mapping[str, Any]
    present: Names
    previous: Names
    batches: tuple[Job, ...]
    unseen: bool = False
    doubtful: int = 0
    unseen_batches: tuple[str, ...] = ()
    removed: set[str] = field(default_factory=set)


@dataclass(kw_only=True, eq=False)
class Actor:
    """One process of this library.

    Attributes:
        source: Assets of its source; empty if a script sent the batches.
        evidence: Batches that it lists.
        scheduled: Whether a schedule created its flow run.
        accepts: Number of ``accept_missing_count``.
        moment: Step at which something happens, and how many of its kind pass before.
        act: What happens there, once.
        dead: Whether the process was killed.
        looks: Number of all jobs at each read of the job list.
        looked: Number of jobs at the last search before the claim.
        asked: Number of jobs at the first request after the claim.
        last_batch: Number of jobs at its last batch; a search before it does not count.
        shown: Plans that a person could have seen when the run started or meanwhile.
        approved: Plans that a person approved in this run.
        planned_at: Number of all finalizations when it made its last plan.
    """

    run: FlowRunInfo
    source: Names = frozenset()
    evidence: tuple[str, ...] = ()
    scheduled: bool = False
    accepts: int | None = None
    moment: str = ""
    passes: int = 0
    act: Action | None = None
    dead: bool = False
    blind: bool = False
    jobs_at_start: int = 0
    looks: list[int] = field(default_factory=list)
    looked: int = 0
    asked: int | None = None
    last_batch: int = 0
    shown: list[RemovalPlan] = field(default_factory=list)
    approved: list[RemovalPlan] = field(default_factory=list)
    plans: list[RemovalPlan] = field(default_factory=list)
    planned_at: int = 0


class WatchedJobs(JobList):
    """A job list that reports new jobs and reads."""

    def __init__(self, truth: Truth) -> None:
        super().__init__()
        self.truth = truth
        self.count = 0

    def add(self, job: Job) -> Job:
        self.count += 1
        self.truth.watch(job)
        return super().add(job)

    def list_newest_first(self) -> list[Job]:
        if self.truth.actor is not None:
            self.truth.actor.looks.append(self.count)
        return super().list_newest_first()


class Truth:
    """What Collibra does with one synchronization, recorded beside the library.

    Attributes:
        actor: The present process; ``None`` for people and other programs.
        closings: All finalizations, oldest first.
        open_batches: Batches of the open cycle.
        imported: Assets that each batch brought into its cycle.
        late_batches: Batches of processes that stood still within a step.
    """

    def __init__(self, sandbox: Sandbox, entry_value: Callable[[], Mapping[str, Any]]) -> None:
        self.actor: Actor | None = None
        self.closings: list[Closing] = []
        self.open_batches: list[Job] = []
        self.imported: dict[str, Names] = {}
        self.late_batches: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._foreign_jobs: list[int] = []
        self._foreign_closings: list[int] = []
        self._entry_value = entry_value
        self._state = sandbox._tenant.state  # noqa: SLF001 - its content is the truth
        self.jobs = WatchedJobs(self)
        self._state.jobs = self.jobs

    def watch(self, job: Job) -> None:
        """Record what a new job does to the cycle."""
        if job.by_hand or job.kind not in {BATCH, FINALIZE}:
            self._foreign_jobs.append(self.jobs.count)
        if job.synchronization_id != NIGHTLY:
            return
        self._numbers[job.id] = self.jobs.count
        work = job.work
        if job.kind == BATCH:
            self.open_batches.append(job)
            actor = None if job.by_hand else self.actor
            if actor is not None:
                actor.last_batch = self.jobs.count
                if len(self.closings) > actor.planned_at:
                    self.late_batches.add(job.id)  # a frozen process woke up within a step
            job.work = lambda: self._import(job, work)
        elif job.kind == FINALIZE:
            closing = self._closing(job)
            self.closings.append(closing)
            job.work = lambda: self._finalize(closing, work)

    def _closing(self, job: Job) -> Closing:
        if job.by_hand:
            self._foreign_closings.append(self.jobs.count)
        actor = None if job.by_hand else self.actor
        tracked = self._state.synchronizations.tracked(NIGHTLY)
        closing = Closing(
            job=job,
            actor=actor,
            entry=self._entry_value(),
            present=self._names(tracked.present),
            previous=self._names(tracked.previous),
            batches=tuple(self.open_batches),
        )
        if actor is None:
            return closing
        looked = max(actor.looked, actor.last_batch)
        unseen = tuple(
            job.id
            for job in self.open_batches
            if job.by_hand and (actor.blind or self._numbers[job.id] > looked)
        )
        window = range(looked + 1, (actor.asked or self.jobs.count) + 1)
        return replace(
            closing,
            unseen=actor.blind or any(each in window for each in self._foreign_closings),
            unseen_batches=unseen,
            doubtful=sum(each > actor.jobs_at_start for each in self._foreign_jobs),
        )

    def _names(self, asset_ids: Collection[str]) -> Names:
        assets = self._state.catalog.assets
        return frozenset(assets[each].name for each in asset_ids if each in assets)

    def _import(self, job: Job, work: Callable[[], Outcome]) -> Outcome:
        """Import a batch; one that is not a success lacks an asset."""
        synchronization = self._state.synchronizations.open(NIGHTLY)
        before = set(synchronization.present)
        outcome = work()
        new = sorted(synchronization.present - before)
        self.imported[job.id] = self._names(synchronization.present - before)
        if job.planned is not None and job.planned.result != SUCCESS and new:
            synchronization.present.discard(new[-1])
        return outcome

    def _finalize(self, closing: Closing, work: Callable[[], Outcome]) -> Outcome:
        before = {each.id: each for each in self._state.catalog.assets.values()}
        outcome = work()
        after = self._state.catalog.assets
        for asset_id, asset in before.items():
            now = after.get(asset_id)
            marked = now is not None and now.status_id == MISSING_FROM_SOURCE != asset.status_id
            if now is None or marked:
                closing.removed.add(asset.name)
        self.open_batches = [job for job in self.open_batches if job.outcome is None]
        return outcome
