"""Random histories of scripts, flow runs, people, crashes and restores."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from collibra_tasks.errors import CollibraError, FinalizationRefusedError, OutcomeUnknownError
from collibra_tasks.finalization.job_matching import BATCH_NAME
from collibra_tasks.ledger.entry import LedgerEntry, Origin, Phase
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import StoreUnavailableError
from collibra_tasks.models import FlowRunInfo, Job
from collibra_tasks.options import Timing
from collibra_tasks.sandbox.jobs import BATCH, FINALIZE, JobView
from tests.support.counters import count
from tests.support.finalizations import QuickWorld, outcome_of
from tests.support.memory_store import CrashError, Moment
from tests.support.sessions import NIGHTLY

CASES = int(os.environ.get("COLLIBRA_CASES", "200"))
STEPS = int(os.environ.get("COLLIBRA_STEPS", "14"))

TIMING = Timing(ledger_poll=20, lock_poll=20, job_first_pause=10, job_max_pause=60)

steps = st.integers(0, 25)
LOST = 0
WITH_ID = "Synchronization finalization for id: {id}"
SILENT = "Import"
STORE_OPERATIONS = ("create", "update", "read", "find", "delete")
statuses = st.sampled_from([400, 403, 404, 409, 429, 500, 503])


class FinalizationModel(RuleBasedStateMachine):
    """Actors on one synchronization; ``evidence`` is the script's list of batches."""

    @initialize(
        taught=st.booleans(),
        name=st.sampled_from([WITH_ID] * 3 + [SILENT]),
        seconds=st.sampled_from([0, 0, 20]),
    )
    def begin(self, *, taught: bool, name: str = WITH_ID, seconds: int = 0) -> None:
        """Start with an environment in which names were learned or not, with fast or slow jobs."""
        options = {"finalization_job_name": name, "job_seconds": seconds}
        self.world = QuickWorld(timing=TIMING, sandbox_options=options)
        self.colleague = self.world.sandbox.add_account("colleague").user_id
        self.name, self.job_length = name, timedelta(seconds=seconds)
        self.evidence: list[str] = []
        self.run: FlowRunInfo | None = None
        self.submitted: tuple[str, ...] = ()
        self.restore: Callable[[], None] | None = None
        self.bad: set[str] = set()
        with self.world.session() as session:
            self.patterns, self.tag = session.patterns.name, session.ledger.tag
            self.lock_tag = resource_name("lock", session.environment.key, NIGHTLY)
        if taught:
            self.world.teach()

    def _finalize(self, run: FlowRunInfo, evidence: tuple[str, ...]) -> object:
        self.run, self.submitted = run, evidence
        before, taught = set(self._all_ids()), self._is_taught()
        result = outcome_of(lambda: self.world.finalize(*evidence, run=run, wait_seconds=600))
        self._remove_faults()
        assert isinstance(result, Job | CollibraError | CrashError)
        self._check_new(before, evidence, taught=taught)
        if isinstance(result, Job):
            self._check_followed(result, evidence)
            self.evidence = [each for each in self.evidence if each not in evidence]
        return result

    def _check_new(self, before: set[str], evidence: tuple[str, ...], *, taught: bool) -> None:
        """Check that what this run sent closed a cycle whose batches all succeeded."""
        new = [each for each in self._ours() if each.id not in before]
        assert len(new) <= 1, "one run sent two finalizations"
        if new:
            closed = set(self._batches_of_cycle(new[0]))
            assert closed, "an empty cycle was closed"
            assert not self.bad & closed, "a failed batch was closed"
            assert not self._running_batches(new[0]), "a batch still ran"
        if new and evidence:
            # Without a learned name, only a job after the newest batch is known to be doubtful.
            is_whole = closed >= set(evidence) if taught else closed & set(evidence)
            assert is_whole, "a finalization by others had closed the cycle"

    def _check_followed(self, job: Job, evidence: tuple[str, ...]) -> None:
        """Check that a run reports a finalization that is newer than its batches."""
        created_on = {each.id: each.created_on for each in self.world.sandbox.jobs}
        older = [each for each in evidence if created_on[each] > created_on[job.id]]
        assert not older, f"{job.id} counts as the finalization of later batches"

    def _is_taught(self) -> bool:
        return self.name == WITH_ID and self.patterns in self.world.store.snapshot()

    def _running_batches(self, closing: JobView) -> list[str]:
        """Return the batches that had not ended when a finalization was sent."""
        since = closing.created_on - self.job_length
        return [
            job.id
            for job in self._jobs()
            if job.kind == BATCH and since < job.created_on <= closing.created_on
        ]

    def _remove_faults(self) -> None:
        self.world.store.clear_hooks()
        self.world.store.heal()
        self.world.sandbox.reset_faults()

    def _jobs(self) -> list[JobView]:
        return [job for job in self.world.sandbox.jobs if job.synchronization_id == NIGHTLY]

    def _ours(self) -> list[JobView]:
        return [job for job in self._jobs() if job.kind == FINALIZE and not job.by_hand]

    def _batches_of_cycle(self, closing: JobView) -> list[str]:
        found: list[str] = []
        for job in self.world.sandbox.jobs:
            if job.id == closing.id:
                break
            if job.kind == FINALIZE and job.synchronization_id == NIGHTLY:
                found = []
            if job.kind == BATCH or job.id in self.bad:
                found.append(job.id)
        return found

    @rule()
    def script_sends_batch(self) -> None:
        """Send a batch by a script, which keeps the job ID."""
        self.evidence.append(self.world.batch())

    @rule()
    def person_sends_batch(self) -> None:
        """Send a batch by a person with curl; no script lists it."""
        self.world.batch()

    @rule()
    def script_begins_again(self) -> None:
        """Begin a new cycle of the script; earlier batches are not listed any more."""
        self.evidence = []

    @rule()
    def batch_fails(self) -> None:
        """Add a batch that fails and that the script does not list."""
        job = self.world.sandbox.add_foreign_job(
            name=f"Synchronization of batch for id: {NIGHTLY}", state="ERROR", result="FAILURE"
        )
        self.bad.add(job.id)
        self.world.clock.advance(2)

    @rule()
    def scheduled_run(self) -> None:
        """Finalize the script's batches in a new flow run."""
        if self.evidence:
            self._finalize(self.world.new_run(), tuple(self.evidence))

    @rule()
    def retry(self) -> None:
        """Retry the last flow run."""
        if self.run is not None and self.submitted:
            self._finalize(self.run, self.submitted)

    @rule(again=st.sampled_from(["no", "retry", "worker"]))
    def run_without_evidence(self, again: str) -> None:
        """Finalize what others uploaded without a list of batches, once or twice."""
        run = self.world.new_run()
        self._finalize(run, ())
        if again != "no":
            self._finalize(run if again == "retry" else self.world.new_run(), ())

    @rule()
    def second_worker(self) -> None:
        """Repeat the last parameters in a second flow run."""
        if self.submitted:
            self._finalize(self.world.new_run(), self.submitted)

    @rule(status=statuses, after_commit=st.booleans(), page=st.booleans())
    def gateway(self, status: int, *, after_commit: bool, page: bool) -> None:
        """Replace the response by that of a gateway, before or after the commit."""
        if self.evidence:
            body = "<html></html>" if page else None
            self.world.sandbox.fail_next(status, after_commit=after_commit, body=body)
            self._finalize(self.world.new_run(), tuple(self.evidence))

    @rule(before_commit=st.booleans(), unlisted=st.integers(0, 3))
    def lost_response(self, unlisted: int, *, before_commit: bool) -> None:
        """Lose the response of a run; its job may enter Collibra's list late."""
        if self.evidence:
            self.world.sandbox.delay_job_listing(unlisted)
            self.world.sandbox.lose_next_answer(before_commit=before_commit)
            self._finalize(self.world.new_run(), tuple(self.evidence))

    @rule(step=steps, after=st.booleans(), reported=st.booleans())
    def killed_run(self, step: int, *, after: bool, reported: bool) -> None:
        """Kill a run at a store operation, reported to Prefect or not."""
        if self.evidence:
            run = self.world.new_run()
            self._at_step(step, _crash, after=after)
            self._finalize(run, tuple(self.evidence))
            if reported:
                self.world.ended_runs.add(run.id)

    @rule(step=steps, by_hand=st.booleans())
    def frozen_run(self, step: int, *, by_hand: bool) -> None:
        """Stop a run while a person decides, and another run or the person finalizes."""
        if self.evidence:
            evidence = tuple(self.evidence)

            def meanwhile() -> None:
                self.world.clock.advance(300)
                self.person_resolves()
                if by_hand:
                    self.world.curl()
                else:
                    outcome_of(lambda: self.world.finalize(*evidence, wait_seconds=600))

            self._at_step(step, meanwhile, after=True)
            # A finalization by hand between the last job search and the request cannot be seen.
            self._finalize_unchecked(self.world.new_run(), evidence)

    @rule(
        status=st.sampled_from([LOST, 429, 400, 404, 503]),
        page=st.booleans(),
        recovered_by_worker=st.booleans(),
        late=st.booleans(),
    )
    def lost_response_and_retry(
        self, status: int, *, page: bool, recovered_by_worker: bool, late: bool
    ) -> None:
        """Replace or lose the response after the commit, and run again with the same batches.

        A late job enters Collibra's list after 4xx within ten seconds, otherwise within a minute.
        """
        run, evidence = self.world.new_run(), self._next_evidence()
        is_refusal = 400 <= status < 500
        self.world.sandbox.delay_job_listing(late * (1 if is_refusal else 2))
        if status == LOST:
            self.world.sandbox.lose_next_answer()
        else:
            body = "<html></html>" if page else None
            self.world.sandbox.fail_next(status, after_commit=True, body=body)
        self._finalize(run, evidence)
        self._check_recorded()
        self._finalize(self.world.new_run() if recovered_by_worker else run, evidence)
        self._check_recorded()

    @rule(reported=st.booleans())
    def killed_before_record(self, *, reported: bool) -> None:
        """Kill a run between the commit and the record of its job; another run follows that job."""
        run, evidence = self.world.new_run(), self._next_evidence()
        before, taught = self.world.sent, self._is_taught()
        self.world.sandbox.call_next(_crash, before_commit=False)
        self._finalize(run, evidence)
        was_sent = self.world.sent > before
        if reported:
            self.world.ended_runs.add(run.id)
        result = self._finalize(self.world.new_run(), evidence)
        self._check_recorded()
        if was_sent and taught:
            assert isinstance(result, Job), f"the job of the killed run was not followed: {result}"

    @rule(reported=st.booleans())
    def frozen_writer(self, *, reported: bool) -> None:
        """Stop a run between claim and request; others resolve the intent and finalize."""
        run, evidence = self.world.new_run(), self._next_evidence()

        def meanwhile() -> None:
            if reported:
                self.world.ended_runs.add(run.id)
            self.person_resolves()
            outcome_of(lambda: self.world.finalize(*evidence, wait_seconds=600))

        self._when("after", "find", meanwhile, is_due=lambda _: self.world.newest_is_intent())
        self._finalize_unchecked(run, evidence)

    @rule()
    def lost_claim(self) -> None:
        """Lose the response to the claim: the run finds its own entry."""
        run, evidence = self.world.new_run(), self._next_evidence()

        def lose() -> None:
            raise StoreUnavailableError("The response was lost.")

        self._when("after", "create", lose, is_due=lambda name: name.startswith(self.tag))
        result = self._finalize(run, evidence)
        assert not isinstance(result, StoreUnavailableError), "the run did not find its own entry"

    @rule(by_worker=st.booleans())
    def entry_is_deleted(self, *, by_worker: bool) -> None:
        """Delete the entry of a finalization; the same batches are listed again."""
        run, evidence = self.world.new_run(), self._next_evidence()
        if isinstance(self._finalize(run, evidence), Job):
            with self.world.session() as session:
                self.world.store.delete(session.ledger.name_of(self.world.entry().number))
            self._finalize(self.world.new_run() if by_worker else run, evidence)

    @rule(before_commit=st.booleans(), name=st.sampled_from(["Cleanup: {}", "Cleanup", BATCH_NAME]))
    def confused_response(self, name: str, *, before_commit: bool) -> None:
        """Lose a response while another program starts a job, which is not taken for the lost one.

        A worker recovers the request.
        """
        evidence = self._next_evidence()

        def start_job() -> None:
            self.world.sandbox.add_foreign_job(name=name.format(NIGHTLY))

        self.world.sandbox.call_next(start_job)
        self.world.sandbox.lose_next_answer(before_commit=before_commit)
        for _ in range(2):
            result = self._finalize(self.world.new_run(), evidence)
            if isinstance(result, Job):
                kinds = {job.id: job.kind for job in self.world.sandbox.jobs}
                assert kinds[result.id] == FINALIZE, f"{result.id} is no finalization"

    @rule()
    def frozen_claim(self) -> None:
        """Stop a run before its claim; meanwhile its number is withdrawn, deleted, and passed."""
        run, evidence = self.world.new_run(), self._next_evidence()

        def meanwhile() -> None:
            self.world.clock.advance(300)
            self.world.sandbox.fail_next(400)
            outcome_of(lambda: self.world.finalize(*evidence, wait_seconds=600))
            outcome_of(lambda: self.world.finalize(*evidence, wait_seconds=600))

        self._when("before", "create", meanwhile, is_due=lambda name: name.startswith(self.tag))
        self._finalize_unchecked(run, evidence)
        found = self.world.store.find(self.tag)
        created = [each.created_on for each in found if each.created_on]
        assert created == sorted(created, reverse=True), "an entry was created below a newer one"

    @rule(step=steps)
    def hasty_worker(self, step: int) -> None:
        """Stop a run for ten seconds; a second one sends nothing while the first holds the lock."""
        run, evidence = self.world.new_run(), self._next_evidence()

        def meanwhile() -> None:
            if self._lock_is_held():
                self.world.clock.advance(10)
                before = self.world.sent
                outcome_of(lambda: self.world.finalize(*evidence, wait_seconds=0))
                assert self.world.sent == before, "sent while another run held the lock"

        self._at_step(step, meanwhile, after=True)
        self._finalize_unchecked(run, evidence)

    def _lock_is_held(self) -> bool:
        """Whether a run holds the lock, and will hold it for ten seconds more."""
        found = self.world.store.find(self.lock_tag)
        if not found or found[0].value["released"]:
            return False
        renewed_on = found[0].updated_on
        assert renewed_on is not None
        expires_on = renewed_on + timedelta(seconds=TIMING.lock_expiry)
        return self.world.clock.now() + timedelta(seconds=10) < expires_on

    @rule(step=steps, after=st.booleans(), times=st.integers(0, 2), again=st.booleans())
    def server_restart(self, step: int, times: int, *, after: bool, again: bool) -> None:
        """Restart the Prefect server during a run; a request may have taken effect before."""
        run, evidence = self.world.new_run(), self._next_evidence()

        def restart() -> None:
            for operation in STORE_OPERATIONS:
                self.world.store.fail_next(operation, times=times)
            raise StoreUnavailableError("The store is not reachable.")

        self._at_step(step, restart, after=after)
        self._finalize(run, evidence)
        self._check_recorded()
        if again:
            self._finalize(run, evidence)
            self._check_recorded()

    @rule(reported=st.booleans())
    def hasty_person(self, *, reported: bool) -> None:
        """Decide by a person while the request is in flight; another run sends if it may."""
        run, evidence = self.world.new_run(), self._next_evidence()

        def meanwhile() -> None:
            assert self._lock_is_held(), "sent without the lock"
            if reported:
                self.world.ended_runs.add(run.id)
            outcome_of(lambda: self.world.resolve("not_sent", excluded=self._all_ids()))
            if not self.world.newest_is_intent():
                outcome_of(lambda: self.world.finalize(*evidence, wait_seconds=600))

        self.world.sandbox.call_next(meanwhile)
        self._finalize_unchecked(run, evidence)

    @rule(
        mistake=st.sampled_from(["names no candidate", "adopts a batch", "adopts an earlier job"]),
        before_commit=st.booleans(),
    )
    def careless_person(self, mistake: str, *, before_commit: bool) -> None:
        """Lose a response; a person decides by mistake, and a run sends again if it may."""
        evidence = self._next_evidence()
        earlier = [job.id for job in self._ours()]
        self.world.sandbox.lose_next_answer(before_commit=before_commit)
        self._finalize(self.world.new_run(), evidence)
        self.world.clock.advance(300)
        if mistake == "names no candidate":
            outcome_of(lambda: self.world.resolve("not_sent"))
        elif named := [*earlier[-1:], *evidence] if "earlier" in mistake else evidence:
            outcome_of(lambda: self.world.resolve("adopt_job", job_id=named[0]))
        self._check_recorded()
        self._finalize(self.world.new_run(), evidence)

    @rule(other_login=st.booleans())
    def person_is_faster(self, *, other_login: bool) -> None:
        """Close the cycle by a person with curl, directly before a run with its batches."""
        evidence = self._next_evidence()
        self.world.curl(user_id=self.colleague if other_login else None)
        self._finalize(self.world.new_run(), evidence)

    @rule(listed=st.booleans())
    def failed_batch(self, *, listed: bool) -> None:
        """Finalize with a failed batch beside a good one, listed as evidence or not.

        The listed jobs have names that say nothing.
        """
        evidence = self._next_evidence()
        if not listed:
            self.batch_fails()
            self._finalize(self.world.new_run(), evidence)
            return
        sandbox = self.world.sandbox
        good = sandbox.add_foreign_job(name="Load", seconds=0)
        failed = sandbox.add_foreign_job(name="Load", state="ERROR", result="FAILURE")
        self.world.clock.advance(2)
        self.bad.add(failed.id)
        self._finalize(self.world.new_run(), (good.id, failed.id))
        self.bad.discard(failed.id)

    @rule()
    def closed_evidence(self) -> None:
        """List batches of an earlier cycle beside a new one."""
        if self.submitted:
            evidence = (*self.submitted, self.world.batch())
            self._finalize(self.world.new_run(), evidence)

    @rule(by_worker=st.booleans())
    def repeated_success(self, *, by_worker: bool) -> None:
        """Repeat a run that sent a finalization: it returns the same job."""
        run, evidence = self.world.new_run(), self._next_evidence()
        before = {job.id for job in self._ours()}
        job = self._finalize(run, evidence)
        if isinstance(job, Job) and job.id not in before:
            entry = self.world.entry()
            assert (entry.phase, entry.job_id) == (Phase.ENDED, job.id), "the job is not on record"
            again = self._finalize(self.world.new_run() if by_worker else run, evidence)
            assert isinstance(again, Job), f"the same evidence was not followed: {again!r}"
            assert again.id == job.id, "the same evidence was followed to another job"

    @rule(other_login=st.booleans())
    def person_finalizes(self, *, other_login: bool) -> None:
        """Close the cycle by a person with curl."""
        if any(job.kind == BATCH for job in self._jobs()):
            self.world.curl(user_id=self.colleague if other_login else None)

    @rule(what=st.sampled_from(["import", "edge", "doubtful", "other synchronization"]))
    def other_programs(self, what: str) -> None:
        """Start jobs by other programs."""
        match what:
            case "import":
                self.world.sandbox.add_foreign_job(name="Import")
            case "edge":
                self.world.sandbox.add_foreign_job(name="Edge", type="DELTA_INGESTION")
            case "doubtful":
                self.world.sandbox.add_foreign_job(name=f"Cleanup: {NIGHTLY}")
            case _:
                self.world.batch(synchronization_id="other")
                self.world.curl("other")
        self.world.clock.advance(1)

    @rule(seconds=st.sampled_from([1, 100, 5000]))
    def time_passes(self, seconds: int) -> None:
        """Time passes."""
        self.world.clock.advance(seconds)

    @rule()
    def backup(self) -> None:
        """Prefect's database is saved."""
        self.restore = self.world.store.save()

    @rule(by_worker=st.booleans())
    def restored_run(self, *, by_worker: bool) -> None:
        """Restore the database of before a run, and run again with the same batches."""
        run, evidence = self.world.new_run(), self._next_evidence()
        restore = self.world.store.save()
        self._finalize(run, evidence)
        restore()
        self._finalize(self.world.new_run() if by_worker else run, evidence)

    @rule()
    def restore_backup(self) -> None:
        """Prefect's database is restored."""
        if self.restore:
            self.restore()

    @rule()
    def person_resolves(self) -> None:
        """Resolve an unknown outcome by what Collibra shows."""
        entry = outcome_of(self.world.newest)
        if entry is None or entry.phase != Phase.INTENDED:
            return
        self.world.clock.advance(300)
        self._resolve()

    def _resolve(self) -> None:
        entry = self.world.entry()
        jobs = [
            job for job in self._ours() if job.created_on >= (entry.intended_on or job.created_on)
        ]
        known = {each.job_id for each in self._entries()} | set(entry.jobs_before)
        new = [job for job in jobs if job.id not in known]
        if new:
            self.world.resolve("adopt_job", job_id=new[0].id)
            return
        try:
            self.world.resolve("not_sent", excluded=[job.id for job in self.world.sandbox.jobs])
        except FinalizationRefusedError as error:
            # A finalization by others closed the cycle.
            text = str(error)
            closed = [job.id for job in self.world.sandbox.jobs if job.id in text]
            assert closed, text
            self.world.resolve("adopt_job", job_id=closed[0])

    def _next_evidence(self) -> tuple[str, ...]:
        """Return the script's batches; it sends one if there is none."""
        if not self.evidence:
            self.script_sends_batch()
        return tuple(self.evidence)

    def _check_recorded(self) -> None:
        """Check that the ledger does not deny a finalization that Collibra took."""
        entry = self.world.newest()
        if entry is None or entry.phase != Phase.WITHDRAWN:
            return
        since = entry.intended_on
        assert since is not None
        known = set(entry.jobs_before)
        denied = [job.id for job in self._ours() if job.created_on >= since and job.id not in known]
        assert not denied, f"finalizations {denied} count as not sent"

    def _finalize_unchecked(self, run: FlowRunInfo, evidence: tuple[str, ...]) -> None:
        """Finalize while others act in the middle; the invariant checks the result."""
        self.run, self.submitted = run, evidence
        outcome_of(lambda: self.world.finalize(*evidence, run=run, wait_seconds=600))
        self._remove_faults()

    def _all_ids(self) -> list[str]:
        return [job.id for job in self.world.sandbox.jobs]

    def _entries(self) -> list[LedgerEntry]:
        with self.world.session() as session:
            return list(session.ledger.entries())

    def _at_step(self, step: int, act: Callable[[], None], *, after: bool) -> None:
        remaining = iter(range(step + 1))
        happened: list[bool] = []

        def hook(*_: str) -> None:
            if not happened and next(remaining, None) == step:
                happened.append(True)
                self.world.store.clear_hooks()
                act()

        self.world.store.hooks["after" if after else "before"] = hook

    def _when(
        self,
        moment: Moment,
        operation: str,
        act: Callable[[], None],
        *,
        is_due: Callable[[str], bool],
    ) -> None:
        """Act once at the first store operation of a kind that is due."""

        def hook(now: str, name: str) -> None:
            if now == operation and is_due(name):
                self.world.store.clear_hooks()
                act()

        self.world.store.hooks[moment] = hook

    @invariant()
    def one_finalization_per_batch(self) -> None:
        """Two finalizations of this library have a batch between them, whatever happened."""
        if not hasattr(self, "world"):
            return
        closed_by: JobView | None = None
        for job in self.world.sandbox.jobs:
            if job.synchronization_id != NIGHTLY:
                continue
            if job.kind == BATCH:
                closed_by = None
            elif job.kind == FINALIZE and not job.by_hand:
                assert closed_by is None, f"{closed_by} and {job} closed the same cycle"
                closed_by = job

    def teardown(self) -> None:
        """Find the way back to a successful cycle from whatever state was reached."""
        if not hasattr(self, "world"):
            return
        count("random histories of finalizations")
        self.world.clock.advance(300)
        for _ in range(3):
            batch = self.world.batch()
            result = outcome_of(partial(self.world.finalize, batch, wait_seconds=3600))
            if isinstance(result, OutcomeUnknownError):
                self.world.clock.advance(300)
                self._resolve()
            elif isinstance(result, FinalizationRefusedError):
                self._follow_advice(batch, result)
            else:
                assert isinstance(result, Job), result
                assert result.succeeded
                entry = self.world.entry()
                assert (entry.origin, entry.job_id) == (Origin.OURS, result.id)
                return
        raise AssertionError(f"no way back to a successful cycle: {result!r}")

    def _follow_advice(self, batch: str, error: FinalizationRefusedError) -> None:
        """Do what a refusal demands: list what was replaced, or check the doubtful jobs."""
        text = str(error)
        assert "replaced_batch_job_ids" in text or "allow_unverified_cycle" in text, text
        result = outcome_of(
            lambda: self.world.finalize(
                batch, replaced_batch_job_ids=tuple(self.bad), allow_unverified_cycle=True
            )
        )
        if isinstance(result, OutcomeUnknownError):
            self.world.clock.advance(300)
            self._resolve()


def _crash() -> None:
    raise CrashError("killed")


TestFinalizationModel = FinalizationModel.TestCase
TestFinalizationModel.settings = settings(
    max_examples=CASES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize="COLLIBRA_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
