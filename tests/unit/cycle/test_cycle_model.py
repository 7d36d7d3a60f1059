"""Random histories of whole cycles: runs, retries, people, other programs, crashes, restores."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.errors import (
    CollibraError,
    JobError,
    JobTimedOutError,
    OutcomeUnknownError,
    OverlapError,
)
from collibra_tasks.ledger.entry import Phase
from collibra_tasks.models import FlowRunInfo, Job
from collibra_tasks.options import BatchOptions, CycleOptions, OnGuard, RemovalLimits, Timing
from tests.support.counters import count
from tests.support.cycle_truth import Action, Actor, Closing, Names
from tests.support.cycle_worlds import CycleWorld, commands_of, domain_of
from tests.support.finalizations import outcome_of
from tests.support.memory_store import CrashError
from tests.support.sessions import NIGHTLY

CASES = int(os.environ.get("COLLIBRA_CYCLE_CASES", "50"))
TIMING = Timing(ledger_poll=20, lock_poll=20, job_first_pause=10, job_max_pause=60)
LIMITS = RemovalLimits(
    max_missing_count=5,
    max_missing_percent=20,
    min_population=5,
    max_part_percent=50,
    min_part_population=3,
)
OPTIONS = CycleOptions(
    batches=BatchOptions(max_commands_per_batch=5), limits=LIMITS, wait_seconds=200
)
WITH_ID = "Synchronization finalization for id: {id}"
SILENT = "Import"
STRATEGIES = ("CHANGE_STATUS", "REMOVE_RESOURCES", "IGNORE")
MAX_STEPS_BACK = 7

extracts = st.sampled_from(["whole", "grow", "shrink", "broken", "domain", "surge"])
moments = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                "before batch",
                "after batch",
                "before jobs",
                "after jobs",
                "before claim",
                "after claim",
                "after create",
                "before update",
                "after update",
                "after find",
                "before write_checkpoint",
                "after write_checkpoint",
            ]
        ),
        st.integers(0, 5),
    ),
    st.tuples(st.just("any"), st.integers(0, 110)),
)
"""A step of a process, and how many of its kind pass before."""
kills = moments | st.tuples(st.sampled_from(["before finalize", "after finalize"]), st.just(0))
statuses = st.sampled_from([400, 401, 403, 404, 409, 429, 500, 503])


@dataclass(frozen=True)
class Backup:
    """A backup of Prefect's database and of the storage, and the batches before it."""

    restore_store: Callable[[], None]
    restore_storage: Callable[[], None]
    imported: frozenset[str]


class CycleModel(RuleBasedStateMachine):
    """Actors on one synchronization; ``live`` is what the source system holds."""

    @initialize(
        start=st.sampled_from(["finalized", "finalized", "new", "curl"]),
        name=st.sampled_from([WITH_ID, WITH_ID, SILENT]),
        strategy=st.sampled_from(STRATEGIES),
        seconds=st.sampled_from([0, 0, 0, 20]),
    )
    def begin(self, *, start: str, name: str, strategy: str, seconds: int) -> None:
        """Start with a synchronization of ten assets: new, finalized here, or long ago by curl."""
        options = {"finalization_job_name": name, "job_seconds": seconds}
        self.world = CycleWorld(timing=TIMING, sandbox_options=options)
        self.live: Names = frozenset(
            [f"sales-{number}" for number in range(6)] + [f"stock-{number}" for number in range(4)]
        )
        self.strategy, self.name = strategy, name
        self.number, self.checked = 100, 0
        self.claims: set[str] = set()
        self.last: Actor | None = None
        self.backups: list[Backup] = []
        self.forgotten: set[str] = set()
        self.set_aside: set[str] = set()
        self.excused: set[str] = set()
        if start == "finalized":
            assert isinstance(self._run(), Job)
        elif start == "curl":
            self.world.import_batch(commands_of(self.live))
            self.curl_finalizes(other_login=False)
            self.world.clock.advance(31 * 86_400)  # the job list shows 30 days

    # Processes of the library

    def _extract(self, kind: str) -> Names:
        """Return the content of an export.

        A broken one lacks assets that the system holds; a surge has some that are soon gone.
        """
        live = sorted(self.live)
        match kind:
            case "grow":
                self.number += 1
                self.live |= {f"sales-{self.number}"}
            case "shrink":
                self.live = frozenset(live[1:]) if len(live) > 6 else self.live
            case "broken":
                return frozenset(live[::2])
            case "surge":
                self.number += 1
                return self.live | {f"test-{self.number}-{each}" for each in range(4)}
            case "domain":
                return frozenset(each for each in live if domain_of(each) == "sales")
        return self.live

    def _run(
        self,
        source: Names | None = None,
        *,
        run: FlowRunInfo | None = None,
        scheduled: bool = True,
        at: tuple[str, int] = ("", 0),
        act: Action | None = None,
        accepts: int | None = None,
        decision: str = "",
        blind: bool = False,
    ) -> Any:
        """Run a cycle in a process, and check what it did."""
        world = self.world
        actor = Actor(
            run=run or world.new_run(created_by_schedule=scheduled),
            source=source or self.live,
            scheduled=scheduled,
            accepts=accepts,
            moment=at[0],
            passes=at[1],
            act=act,
            blind=blind,
        )
        if world.truth.actor is None:
            self.last = actor
        options = replace(
            OPTIONS,
            on_guard=OnGuard.ASK if decision else OnGuard.FAIL,
            accept_missing_count=accepts,
            accept_reason="checked",
        )
        result = world.cycle(actor, strategy=self.strategy, options=options, decision=decision)
        assert isinstance(result, Job | CollibraError | CrashError), result
        if world.truth.actor is None:
            world.sandbox.reset_faults()
            world.clock.advance(60)
        return result

    @rule(extract=extracts)
    def night(self, extract: str) -> None:
        """Run by a schedule."""
        self._run(self._extract(extract))

    @rule()
    def retry(self) -> None:
        """Retry the last flow run with its own source."""
        if self.last is not None and self.last.source:
            last = self.last.run
            self.world.ended_runs.discard(last.id)
            run = replace(last, attempt=last.attempt + 1)
            self._run(self.last.source, run=run, scheduled=self.last.scheduled)

    @rule()
    def second_worker(self) -> None:
        """Run the same source in another flow run."""
        if self.last is not None and self.last.source:
            self._run(self.last.source)

    @rule(extract=extracts, at=kills, reported=st.booleans(), again=st.booleans())
    def killed(self, extract: str, at: tuple[str, int], *, reported: bool, again: bool) -> None:
        """Kill a run at a step, reported to Prefect or not; a new run may follow."""
        result = self._run(self._extract(extract), at=at, act=self.world.kill)
        if isinstance(result, CrashError) and reported and self.last:
            self.world.ended_runs.add(self.last.run.id)
        if again:
            self._run()

    @rule(
        extract=extracts,
        at=moments,
        meanwhile=st.sampled_from(["run", "run", "broken", "curl", "script", "resolve"]),
        seconds=st.sampled_from([5, 300]),
    )
    def frozen(self, extract: str, at: tuple[str, int], meanwhile: str, seconds: int) -> None:
        """Stop a run while another one or a person acts; then it continues."""
        source = self._extract(extract)
        self._run(source, at=at, act=lambda: self._meanwhile(meanwhile, seconds))

    def _meanwhile(self, what: str, seconds: int) -> None:
        with self.world.acting(None):
            self.world.clock.advance(seconds)
        outer, last = self.world.truth.actor, self.last
        match what:
            case "run":
                self._run()
            case "broken":
                self._run(self._extract("broken"))
            case "curl":
                self.curl_finalizes(other_login=False)
            case "script":
                self.script_finalizes(own=True)
            case _:
                self._resolve("not_sent")
        self.world.truth.actor, self.last = outer, last

    @rule(
        extract=extracts,
        at=moments,
        what=st.sampled_from(
            ["batch", "finalize", "finalize as another", "doubtful", "import", "edge", "script"]
        ),
        blind=st.sampled_from([False] * 5 + [True]),
    )
    def disturbed(self, extract: str, at: tuple[str, int], what: str, *, blind: bool) -> None:
        """Let others act in the middle of a run."""
        source = self._extract(extract)
        if blind:
            self.world.sandbox.forbid("jobs")
        self._run(source, at=at, act=lambda: self._others(what), blind=blind)

    def _others(self, what: str) -> None:
        with self.world.acting(None):
            self.world.clock.advance(1)
            match what:
                case "batch":
                    self.curl_sends_batch()
                case "finalize":
                    self.curl_finalizes(other_login=False)
                case "finalize as another":
                    self.curl_finalizes(other_login=True)
                case "script":
                    self.script_finalizes(own=True)
                case _:
                    self.other_programs(what)

    @rule(
        extract=extracts,
        on=st.sampled_from(["finalize", "finalize", "batch"]),
        status=st.just(0) | statuses,
        after_commit=st.booleans(),
        page=st.booleans(),
        retried=st.booleans(),
    )
    def lost_response(
        self, extract: str, on: str, status: int, *, after_commit: bool, page: bool, retried: bool
    ) -> None:
        """Lose a response, or replace it by that of a gateway, before or after the commit.

        Collibra itself sends no 401 after a commit.
        """
        sandbox, source = self.world.sandbox, self._extract(extract)
        if status:
            body = "<html></html>" if page or (status == 401 and after_commit) else None
            sandbox.fail_next(status, on=on, after_commit=after_commit, body=body)
        else:
            sandbox.lose_next_answer(on=on, before_commit=not after_commit)
        self._run(source)
        if retried:
            self.retry()

    @rule(extract=extracts, seconds=st.sampled_from([5, 60]))
    def busy(self, extract: str, seconds: int) -> None:
        """Send a 429 to the finalization; a person finalizes during the pause."""
        world, source = self.world, self._extract(extract)
        world.sandbox.be_busy(retry_after="100")

        def later() -> None:
            world.clock.call_later(seconds, lambda: self._others("finalize"))

        self._run(source, at=("after finalize", 0), act=later)

    @rule(
        extract=extracts,
        on=st.sampled_from(["batch", "batch", "finalize"]),
        end=st.sampled_from(
            [
                ("ERROR", "FAILURE"),
                ("COMPLETED", "COMPLETED_WITH_ERROR"),
                ("COMPLETED", "ABORTED"),
                ("RUNNING", ""),
            ]
        ),
        again=st.booleans(),
    )
    def failing_job(self, extract: str, on: str, end: tuple[str, str], *, again: bool) -> None:
        """Let a job of a run fail, or never end; the same flow run may be retried."""
        source = self._extract(extract)
        if end[1]:
            self.world.sandbox.end_jobs_as(*end, on=on)
        else:
            self.world.sandbox.stall_jobs(on=on)
        self._run(source)
        if again:
            self.retry()

    # Attacks on one rule each

    @rule(extract=extracts, passes=st.integers(0, 2), other_login=st.booleans())
    def closed_during_upload(self, extract: str, passes: int, *, other_login: bool) -> None:
        """Let a person finalize between the batches of a run."""
        what = "finalize as another" if other_login else "finalize"
        self._run(
            self._extract(extract), at=("after batch", passes), act=lambda: self._others(what)
        )

    @rule(
        first=st.just("surge") | extracts,
        second=extracts,
        passes=st.integers(0, 2),
        between=st.sampled_from(
            ["finalize", "finalize", "doubtful", "batch", "script", "lost", "nothing", "backup"]
        ),
        then=st.sampled_from(["retry", "run", "failing run"]),
    )
    def unfinished_upload(
        self, first: str, second: str, passes: int, between: str, then: str
    ) -> None:
        """Let a batch of a run fail; something happens, and the run is repeated or another runs.

        Another run may fail in its first batch too. A whole cycle follows.
        """
        restores = (self.world.store.save(), self.world.storage.save())
        source = self._extract(first)
        for _ in range(passes):
            self.world.sandbox.end_jobs_as("COMPLETED", on="batch")
        self.world.sandbox.end_jobs_as("ERROR", on="batch")
        self._run(source)
        if between == "lost":
            self.world.storage.forget_checkpoint()
        elif between == "backup":
            restores[0]()
        elif between != "nothing":
            self._others(between)
        if then == "retry":
            self.retry()
        else:
            if then == "failing run":
                self.world.sandbox.end_jobs_as("ERROR", on="batch")
            self._run(self._extract(second))
        self.night("whole")

    @rule(
        extract=extracts,
        moment=st.sampled_from(["before claim", "after claim", "before jobs", "after batch"]),
    )
    def overtaken(self, extract: str, moment: str) -> None:
        """Stop a run before or after its claim; meanwhile another one finalizes a larger cycle.

        A person decides about a claim whose request was not sent yet.
        """

        def meanwhile() -> None:
            self.world.clock.advance(300)
            self._resolve("not_sent")
            self._run(self._extract("surge"))

        passes = {"before jobs": 5, "after batch": 1}.get(moment, 0)
        self._run(self._extract(extract), at=(moment, passes), act=meanwhile)

    @rule(
        during=st.booleans(),
        both=st.booleans(),
        extract=st.sampled_from(["surge", "grow"]),
        after=st.sampled_from(["whole", "broken", "retry"]),
    )
    def restored(self, extract: str, after: str, *, during: bool, both: bool) -> None:
        """Restore a backup from before or during a cycle after it; then another run follows."""
        self.backup()

        def save() -> None:
            self.backups.pop()
            self.backup()

        self._run(self._extract(extract), at=("after batch", 0), act=save if during else None)
        self._restore(self.backups.pop(), "both" if both else "store")
        self.world.clock.advance(300)
        if after == "retry":
            self.retry()
        else:
            self._run(self._extract(after))

    @rule(first=extracts, second=extracts, result=st.sampled_from(["ERROR", "COMPLETED"]))
    def failed_finalization(self, first: str, second: str, result: str) -> None:
        """Let a finalization fail, with or without effect; two other runs follow."""
        source = self._extract(first)
        self.world.sandbox.end_jobs_as(result, "FAILURE")
        self._run(source)
        self._run(self._extract(second))
        self.night("whole")

    # People

    @rule(
        right=st.sampled_from([True, True, False]),
        scheduled=st.sampled_from([False] * 3 + [True]),
        other=st.booleans(),
    )
    def person_approves(self, *, right: bool, scheduled: bool, other: bool) -> None:
        """Repeat the number of the plan that was shown last, for the same source or another."""
        if not self.world.shown or self.last is None:
            return
        number = self.world.shown[-1].number + (not right)
        source = self._extract("broken") if other else self.last.source
        self._run(source, scheduled=scheduled, accepts=number)

    @rule(extract=st.sampled_from(["broken", "domain", "shrink"]), right=st.booleans())
    def person_approves_at_once(self, extract: str, *, right: bool) -> None:
        """Run a plan that needs an approval, and approve it or another one of the same number."""
        source = self._extract(extract)
        self._run(source)
        if self.world.shown:
            live = sorted(self.live)
            other = source if right else frozenset(live[1::2])
            self._run(other, scheduled=False, accepts=self.world.shown[-1].number)

    @rule(extract=extracts, decision=st.sampled_from(["approve", "reject", "none"]))
    def person_is_asked(self, extract: str, decision: str) -> None:
        """Ask a person in the UI."""
        self._run(self._extract(extract), decision=decision)

    @rule(how=st.sampled_from(["truth", "truth", "not_sent", "ended"]))
    def person_resolves(self, how: str) -> None:
        """Decide about an unknown outcome."""
        self.world.clock.advance(300)
        self._resolve(how)

    def _resolve(self, how: str) -> None:
        world = self.world
        with world.acting(None):
            entry = outcome_of(world.newest)
            if entry is None or entry.phase != Phase.INTENDED:
                return
            known = {each.get("job_id") for each in world.store.snapshot().values()}
            sent = [
                each.job
                for each in world.truth.closings
                if each.actor is not None
                and each.entry.get("claim_id") == entry.claim_id
                and each.job.id not in known
            ]
            if how == "truth" and sent:
                outcome_of(lambda: world.resolve("adopt_job", job_id=sent[0].id))
                return
            decision = "not_sent" if how == "truth" else how
            ids = [job.id for job in world.sandbox.jobs]
            result = outcome_of(
                lambda: world.resolve(decision, excluded=ids if decision == "not_sent" else ())
            )
            named = re.search(r"job (\S+) has the name of this finalization", str(result))
            if named:
                outcome_of(lambda: world.resolve("adopt_job", job_id=named[1]))

    @rule()
    def curl_sends_batch(self) -> None:
        """Send a batch of this synchronization by hand, with assets of its own."""
        self.number += 1
        names = frozenset(f"theirs-{self.number}-{each}" for each in range(4))
        self.world.import_batch(commands_of(names))

    @rule(other_login=st.booleans())
    def curl_finalizes(self, *, other_login: bool) -> None:
        """Finalize by hand, with this or another login."""
        world = self.world
        user = world.sandbox.add_account(f"person-{self.number}").user_id if other_login else None
        world.sandbox.finalize_by_hand(NIGHTLY, strategy="IGNORE", user_id=user)
        world.clock.advance(2)

    @rule(own=st.booleans())
    def script_finalizes(self, *, own: bool) -> None:
        """Finalize with evidence: a script's complete batches, or batches of an unfinished run."""
        world = self.world
        with world.acting(None):
            ids = [job.id for job in world.truth.open_batches if not job.by_hand][:1] if own else []
            if not own:
                ids = [world.import_batch(commands_of(self.live))]
        if ids:
            actor = Actor(run=world.new_run(), evidence=tuple(ids))
            result = world.close_script_cycle(actor, strategy=self.strategy)
            assert isinstance(result, Job | CollibraError | CrashError), result

    @rule(what=st.sampled_from(["doubtful", "import", "edge", "other synchronization"]))
    def other_programs(self, what: str) -> None:
        """Let other programs start jobs."""
        sandbox = self.world.sandbox
        match what:
            case "doubtful":
                sandbox.add_foreign_job(name=f"Cleanup: {NIGHTLY}")
            case "import":
                sandbox.add_foreign_job(name="Import")
            case "edge":
                sandbox.add_foreign_job(name="Edge capability", type="DELTA_INGESTION")
            case _:
                sandbox.import_by_hand("other", commands_of(frozenset({"other-1"})))
                sandbox.finalize_by_hand("other", strategy="IGNORE")
        self.world.clock.advance(2)

    # Operations

    @rule()
    def backup(self) -> None:
        """Save Prefect's database and the storage."""
        saved = (self.world.store.save(), self.world.storage.save())
        self.backups.append(Backup(*saved, frozenset(self.world.truth.imported)))

    @rule(which=st.sampled_from(["store", "store", "storage", "both"]), index=st.integers(0, 3))
    def restore(self, which: str, index: int) -> None:
        """Restore Prefect's database, the storage, or both."""
        if self.backups:
            self._restore(self.backups[index % len(self.backups)], which)

    def _restore(self, backup: Backup, which: str) -> None:
        if which != "storage":
            backup.restore_store()
        if which != "store":
            backup.restore_storage()
        if which == "both":  # later batches of this library look like batches by others
            self.forgotten.update(set(self.world.truth.imported) - backup.imported)

    @rule(everything=st.booleans())
    def storage_is_lost(self, *, everything: bool) -> None:
        """Lose the checkpoint, or the whole storage."""
        self.world.storage.forget_checkpoint()
        if everything:
            self.world.storage.manifests.clear()

    @rule(seconds=st.sampled_from([100, 5_000, 86_000]))
    def time_passes(self, seconds: int) -> None:
        """Let time pass."""
        self.world.clock.advance(seconds)

    @rule(strategy=st.sampled_from(STRATEGIES))
    def switch_strategy(self, strategy: str) -> None:
        """Use another strategy from now on."""
        self.strategy = strategy

    @rule()
    def upgrade(self) -> None:
        """Upgrade Collibra: finalizations have another name."""
        self.world.sandbox.set_version("2026.10.0")
        if self.name == WITH_ID:
            self.world.sandbox.configure(finalization_job_name="Finalize {id}")

    # Promises

    @invariant()
    def every_finalization_is_right(self) -> None:
        """Check each new finalization of this library against what Collibra held."""
        if not hasattr(self, "world"):
            return
        new = self.world.truth.closings[self.checked :]
        self.checked = len(self.world.truth.closings)
        for closing in new:
            if closing.actor is not None:
                self._check_claim(closing, closing.actor)
                if not self._may_be_unseen(closing):
                    self._check_complete(closing, closing.actor)
                    self._check_removed(closing, closing.actor)
                self.excused.update(closing.unseen_batches)

    def _check_claim(self, closing: Closing, actor: Actor) -> None:
        claim = str(closing.entry.get("claim_id"))
        assert claim not in self.claims, "two finalizations of one generation"
        self.claims.add(claim)
        assert closing.entry["flow_run_id"] == actor.run.id, "sent under the claim of another run"
        if actor.plans:
            judged = actor.plans[-1].generation
            assert closing.entry["number"] == judged + 1, "another generation was judged"

    def _may_be_unseen(self, closing: Closing) -> bool:
        """Whether others acted where this library cannot see or explain it.

        Without a learned name that holds the ID, finalizations by others are only doubtful: all
        batches are sent again, once.
        """
        is_explained = self.name == WITH_ID and self.world.is_taught()
        return closing.unseen or (not is_explained and closing.doubtful > 1)

    def _check_complete(self, closing: Closing, actor: Actor) -> None:
        running = {job.id for job in closing.batches if job.outcome is None} - self.set_aside
        lost = actor.source - closing.present
        assert not lost, f"{sorted(lost)} were judged and are not in the cycle"
        assert not running, "a batch still runs"
        if actor.evidence:
            own = {job.id for job in closing.batches if not job.by_hand}
            unfinished = own - self.world.truth.late_batches - self._complete_batches(closing)
            assert not unfinished, "an unfinished cycle of another run was closed"
            assert set(actor.evidence) <= {job.id for job in closing.batches}

    def _complete_batches(self, closing: Closing) -> set[str]:
        """Return the batches of earlier finalizations that failed and did not close their cycle."""
        complete: set[str] = set()
        for each in self.world.truth.closings:
            if each is closing:
                break
            if each.actor is not None:
                complete.update(job.id for job in each.batches)
        return complete

    def _check_removed(self, closing: Closing, actor: Actor) -> None:
        if not actor.source:
            return
        excused = {
            name for each in self.excused for name in self.world.truth.imported.get(each, ())
        }
        removed = closing.removed - excused
        if not _exceeds_limits(removed, closing.previous, actor.plans[-1]):
            return
        for plan in self._approved(actor):
            removed -= {row.asset.rpartition(" > ")[2] for row in plan.missing}
            if plan.previous_count is None:
                removed = set()
            if any("batches by others" in each for each in plan.reasons):
                removed = {each for each in removed if domain_of(each) != "theirs"}
                removed -= self._forgotten_names()
        remaining = _exceeds_limits(removed, closing.previous, actor.plans[-1])
        assert not remaining, f"{sorted(removed)} were removed and never shown"

    def _forgotten_names(self) -> set[str]:
        """Return the assets that only batches which nothing on record explains have imported."""
        imported = self.world.truth.imported.items()
        known = {name for each, names in imported if each not in self.forgotten for name in names}
        return {name for _, names in imported for name in names} - known

    def _approved(self, actor: Actor) -> Sequence[RemovalPlan]:
        if actor.accepts is None or actor.scheduled:
            return actor.approved
        return [plan for plan in actor.shown if plan.number == actor.accepts]

    def teardown(self) -> None:
        """Find the way back to a successful cycle from whatever state was reached."""
        if not hasattr(self, "world"):
            return
        self.every_finalization_is_right()
        count("random histories of cycles")
        world, result = self.world, None
        world.sandbox.reset_faults()
        accepts, errors = None, []
        for _ in range(MAX_STEPS_BACK):
            world.clock.advance(300)
            result = self._run(scheduled=False, accepts=accepts)
            self.every_finalization_is_right()
            if isinstance(result, Job):
                assert result.succeeded
                assert world.truth.closings[-1].actor is self.last, "another cycle was followed"
                return
            errors.append(result)
            accepts = self._follow_advice(result)
        raise AssertionError("no way back: " + " / ".join(f"{e!r}" for e in errors))

    def _follow_advice(self, error: object) -> int | None:
        """Do what an error names; return the number that approves the plan shown."""
        text = str(error)
        accepted = re.search(r"accept_missing_count=(\d+)", text)
        set_aside = re.search(r"resolution=set_aside and this job_id", text)
        if set_aside:
            assert isinstance(error, CollibraError)
            self.set_aside.add(str(error.job_id))
            outcome_of(lambda: self.world.resolve("set_aside", job_id=error.job_id))
        elif isinstance(error, OutcomeUnknownError):
            self._resolve("truth")
        elif accepted:
            return int(accepted[1])
        else:
            known = OverlapError | JobError | JobTimedOutError
            assert isinstance(error, known) or re.search(r"[Rr]un (again|the flow)", text), error
        return None


def _exceeds_limits(missing: set[str], previous: Names, plan: RemovalPlan) -> bool:
    """Whether so many assets may only go missing with an approval; written a second time."""
    total = max(len(previous), plan.previous_count or 0)
    if not missing:
        return False
    if missing >= previous or len(missing) > LIMITS.max_missing_count:
        return True
    if total >= LIMITS.min_population and 100 * len(missing) / total > 20:
        return True
    for domain in {domain_of(each) for each in missing}:
        part = {each for each in previous if domain_of(each) == domain}
        lost = {each for each in missing if domain_of(each) == domain}
        if len(part) >= LIMITS.min_part_population and 100 * len(lost) / len(part) > 50:
            return True
    return False


TestCycleModel = CycleModel.TestCase
TestCycleModel.settings = settings(
    max_examples=CASES,
    stateful_step_count=10,
    deadline=None,
    derandomize="COLLIBRA_CYCLE_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
