"""Random interleavings of runs, crashes and faults: at most one finalization a cycle."""

import os
from contextlib import suppress
from datetime import UTC, datetime

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Phases
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import CollibraError, FinalizationRefusedError
from collibra_tasks.ledger import Phase, Resolution, Settlement
from collibra_tasks.models import OnOverlap
from collibra_tasks.resolving import resolve
from collibra_tasks.sandbox import kinds
from tests import figures
from tests.finalizing.world import LONGEST_WAY, KilledError, Process, StoreAwayError, World

MOST_LIVE_RUNS = 3
POINTS = [
    "before the claim",
    "after the claim",
    "before the finalization",
    "after the finalization",
    "before the record",
    "after the record",
    "asleep",
    "at its end",
]


class Interleavings(RuleBasedStateMachine):
    """Runs of one synchronization, moved one step at a time."""

    @initialize(named=st.booleans(), first=st.booleans())
    def begin(self, named: bool, first: bool) -> None:  # noqa: FBT001 - hypothesis names it
        self.world = World(jobs_name_synchronization=named)
        self.batches = [self.world.import_batch()]
        self.lost_jobs: set[str | None] = set()
        if not first:
            before = self.world.start((self.batches[0],), OnOverlap.ATTACH)
            before.finish()
            assert before.job is not None, before.error
        figures.count("interleavings")

    @property
    def live(self) -> list[Process]:
        return [process for process in self.world.processes if not process.over]

    @rule()
    def import_batch(self) -> None:
        self.batches.append(self.world.import_batch())

    @precondition(lambda self: len(self.live) < MOST_LIVE_RUNS)
    @rule(first=st.integers(1, 3), last=st.integers(0, 2), on_overlap=st.sampled_from(OnOverlap))
    def start(self, first: int, last: int, on_overlap: OnOverlap) -> None:
        evidence = self.batches[-first : -last or None] or self.batches[-1:]
        self.world.start(tuple(evidence), on_overlap)

    @precondition(lambda self: self.world.processes and len(self.live) < MOST_LIVE_RUNS)
    @rule(pick=st.integers(0, 99), anew=st.booleans())
    def retry(self, pick: int, anew: bool) -> None:  # noqa: FBT001 - as above
        process = self.world.processes[pick % len(self.world.processes)]
        latest = [each for each in self.world.processes if each.run.id == process.run.id][-1]
        if latest.over:
            self.world.retry(latest, tuple(self.batches[-1:]) if anew else None)

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, MOST_LIVE_RUNS - 1), steps=st.integers(1, 25))
    def step(self, pick: int, steps: int) -> None:
        process = self.live[pick % len(self.live)]
        for _ in range(steps):
            process.step()

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, MOST_LIVE_RUNS - 1), point=st.sampled_from(POINTS))
    def go_to(self, pick: int, point: str) -> None:
        self.live[pick % len(self.live)].go_to(point)

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, MOST_LIVE_RUNS - 1), request_arrives=st.booleans())
    def kill(self, pick: int, request_arrives: bool) -> None:  # noqa: FBT001 - as above
        self.live[pick % len(self.live)].kill(request_arrives=request_arrives)
        figures.count("killed runs")

    @rule(before_commit=st.booleans())
    def lose_an_answer(self, before_commit: bool) -> None:  # noqa: FBT001 - as above
        self.world.tenant.lose_next_answer(before_commit=before_commit)
        figures.count("lost answers")

    @rule(status=st.sampled_from([400, 429, 500, 503]), after_commit=st.booleans())
    def refuse_a_finalization(self, status: int, after_commit: bool) -> None:  # noqa: FBT001
        self.world.tenant.fail_next(status, after_commit=after_commit and status >= 500)

    @rule(on=st.sampled_from(["job", "jobs", "user", "info"]), times=st.integers(1, 4))
    def break_reads(self, on: str, times: int) -> None:
        self.world.tenant.fail_next(503, on=on, times=times, after_commit=True)

    @rule(looks=st.integers(0, 4))
    def show_jobs_late(self, looks: int) -> None:
        self.world.tenant.hide_jobs(looks)

    @rule(times=st.integers(1, 2))
    def lose_the_store(self, times: int) -> None:
        self.world.store_away_for = times

    @rule()
    def lose_a_job(self) -> None:
        entry = self.world.ledger.latest()
        if entry is not None and entry.phase == Phase.SENT:
            self.world.tenant.lose_job(str(entry.job_id))
            self.lost_jobs.add(entry.job_id)

    @rule(mine=st.booleans(), kind=st.sampled_from(["Import", "Synchronization batch"]))
    def see_a_foreign_job(self, mine: bool, kind: str) -> None:  # noqa: FBT001 - as above
        other = None if mine else "11111111-2222-3333-4444-555555555555"
        self.world.tenant.add_foreign_job(other, name=kind)

    @rule(seconds=st.sampled_from([0, 5, 60]))
    def run_jobs_for(self, seconds: int) -> None:
        self.world.tenant.run_jobs_for(seconds)

    @precondition(lambda self: not any(process.on_the_wire for process in self.live))
    @rule()
    def settle_truthfully(self) -> None:
        self.world.tenant.reset_faults()
        entry = self.world.ledger.latest()
        if entry is None or entry.intended_on is None:
            return
        gone = entry.phase == Phase.SENT and entry.job_id in self.lost_jobs
        if entry.phase != Phase.INTENDED and not gone:
            return
        started = [
            job.id
            for job in self.world.tenant.jobs
            if job.kind == kinds.FINALIZE and job.created_on >= entry.intended_on
        ]
        resolution = Resolution.ADOPT_JOB if started else Resolution.NOT_SENT
        if gone or self.lost_jobs & set(started):
            resolution = Resolution.ENDED
        settlement = Settlement(
            resolution=resolution, by="Ada", on=datetime.now(tz=UTC), reason="looked"
        )
        transport = httpx.MockTransport(self.world.reach)
        with CollibraClient(self.world.connection(), transport=transport) as client:
            job_id = started[0] if started else None
            while self.world.ledger.latest() == entry:
                self.world.now += LONGEST_WAY  # until then nobody could say "not sent"
                with suppress(FinalizationRefusedError):  # the tenant shows the job later
                    resolve(
                        client,
                        self.world.ledger,
                        settlement,
                        job_id=job_id if resolution == Resolution.ADOPT_JOB else None,
                        longest_request_seconds=LONGEST_WAY.total_seconds(),
                    )
        figures.count("resolutions")

    @invariant()
    def at_most_one_finalization_a_cycle(self) -> None:
        filled = 0
        for job in self.world.tenant.jobs:
            filled += job.kind == kinds.BATCH
            if job.kind == kinds.FINALIZE:
                assert filled, "two finalizations, and no batch between them"
                filled = 0

    @invariant()
    def only_finalizations_are_adopted(self) -> None:
        ours = {job.id for job in self.world.tenant.jobs if job.kind == kinds.FINALIZE}
        for process in self.world.processes:
            assert process.job is None or process.job.id in ours
        for entry in self.world.ledger.of_tenant():
            assert entry.job_id is None or entry.job_id in ours

    @invariant()
    def what_is_done_stays_done(self) -> None:
        """Let a retry of a run that found its job find the same one, and never be refused.

        Unless that job is gone: then a person may have said that it ended.
        """
        done: dict[object, str] = {}
        for process in self.world.processes:
            asked = (process.run.id, process.order.batch_job_ids)
            if asked in done:
                assert process.job is None or process.job.id == done[asked]
                refused = isinstance(process.error, FinalizationRefusedError)
                given_up = done[asked] in self.lost_jobs
                attaches = process.on_overlap == OnOverlap.ATTACH and not given_up
                assert not (refused and attaches), process.error
            if process.job is not None:
                done.setdefault(asked, process.job.id)

    @invariant()
    def every_end_is_told(self) -> None:
        for process in self.world.processes:
            told = CollibraError | StoreAwayError | KilledError | None
            assert isinstance(process.error, told), repr(process.error)

    def teardown(self) -> None:
        """Nothing is stuck for ever: once all is settled, the next cycle is finalized."""
        self.world.store_away_for = 0
        for process in self.live:
            process.finish()
        self.what_is_done_stays_done()
        self.settle_truthfully()
        self.world.tenant.run_jobs_for(0)
        self.world.tenant.finish_jobs()
        before = self.world.tenant.finalizations
        last = self.world.start((self.world.import_batch(),), OnOverlap.ATTACH)
        last.finish()
        assert last.job is not None, repr(last.error)
        assert before + 1 == self.world.tenant.finalizations
        self.at_most_one_finalization_a_cycle()
        self.only_finalizations_are_adopted()
        self.every_end_is_told()
        figures.count("finalizations", self.world.tenant.finalizations)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=int(os.environ.get("COLLIBRA_CASES", "2000")),
    derandomize="COLLIBRA_CASES" not in os.environ,  # the same cases each time, unless asked
    stateful_step_count=30,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phases.explicit, Phases.generate],
    suppress_health_check=list(HealthCheck),
)
