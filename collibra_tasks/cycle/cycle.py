"""The recipe of one cycle: baseline, plan, guard, upload, finalization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from collibra_tasks.cycle.baseline import Baseline, load_baseline
from collibra_tasks.cycle.decision import decide_plan
from collibra_tasks.cycle.guard import check_removal
from collibra_tasks.cycle.observation import Observation, observe
from collibra_tasks.cycle.plan import RemovalPlan, plan_removal
from collibra_tasks.cycle.ports import Approval, Progress, Reporter, Slots
from collibra_tasks.cycle.record import begin_upload, write_manifests
from collibra_tasks.cycle.upload import BatchUploader
from collibra_tasks.errors import FinalizationRefusedError, NotSentError
from collibra_tasks.finalization.finalizer import job_of
from collibra_tasks.finalization.judgment import check_status
from collibra_tasks.finalization.last_finalization import wait_for_last_finalization
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.submission import (
    Evidence,
    claim_finalization,
    send_finalization,
)
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.entry import LedgerEntry, Origin
from collibra_tasks.ledger.lock import HeldLock
from collibra_tasks.ledger.manifest import Manifest
from collibra_tasks.ledger.plans import ShownPlans
from collibra_tasks.models import FinalizationRequest, Job
from collibra_tasks.options import CycleOptions, OnOverlap
from collibra_tasks.sources2.source import SourceContent

MAX_ROUNDS = 20
RETRY_DELAYS = (2.0, 5.0, 15.0, 45.0)
"""Pauses in seconds after requests that did not reach Collibra."""


@dataclass(kw_only=True)
class Cycle:
    """One cycle of a synchronization.

    Attributes:
        plans: Record of the plan that was shown last.
        failures: Number of rounds whose request did not reach Collibra.
        resent: Whether all batches were sent again because of a job by others.
        approved: IDs of plans that a person approved in this run.
        plan: The plan of the last round.
        batch_job_ids: Jobs of the uploaded batches.
    """

    session: Session
    request: FinalizationRequest
    options: CycleOptions
    approval: Approval
    progress: Progress
    reporter: Reporter
    slots: Slots
    plans: ShownPlans
    resent: bool = False
    failures: int = 0
    approved: set[str] = field(default_factory=set)
    plan: RemovalPlan | None = None
    batch_job_ids: Sequence[str] = ()

    def run(self, content: SourceContent) -> Job:
        """Upload a source and finalize; return the finalization job, which is not ended yet.

        Raises:
            FinalizationRefusedError: If guard or a check refuses; nothing was finalized.
            JobIncompleteError: If a batch was not imported completely.
            OverlapError: If another flow run is in its cycle and must not be waited for.
            OutcomeUnknownError: If the outcome of a finalization is unknown.
        """
        check_status(self.session, self.request)
        summary = content.summary
        manifest = Manifest.from_rows(content.iter_assets(), other_count=summary.other_count)
        for _ in range(MAX_ROUNDS):
            newest = wait_for_last_finalization(
                self.session,
                wait_seconds=self.options.wait_seconds,
                on_overlap=self.options.on_overlap,
            )
            if self._is_own_result(newest, content.digest):
                return self._follow(newest)
            try:
                found = self._run_round(content, manifest, newest)
            except NotSentError as error:
                found = self._pause_after(error)
            if isinstance(found, Job):
                return found
            if found is not None:
                found()
        raise FinalizationRefusedError(
            f"Not finalized: other programs changed {self.request.synchronization_id!r} during each "
            f"of {MAX_ROUNDS} checks. Run again when they have ended."
        )

    def _pause_after(self, error: NotSentError) -> None:
        if not error.transient or self.failures >= len(RETRY_DELAYS):
            raise error
        delay = RETRY_DELAYS[self.failures]
        self.failures += 1
        self.session.log(f"{error} Trying again in {delay:g} seconds.")
        self.session.clock.sleep(delay)

    def _is_own_result(self, newest: LedgerEntry | None, digest: str) -> bool:
        """Whether the newest entry finalized the same content for this run, or during it."""
        if newest is None or newest.origin != Origin.OURS or newest.content_digest != digest:
            return False
        if not newest.is_effective or newest.failed:
            return False
        run = self.session.flow_run
        own = bool({run.id, run.root_id} & {newest.flow_run_id, newest.root_flow_run_id} - {None})
        if own:
            return newest.attempt != self.session.attempt
        ended_on = newest.job_ended_on
        return run.started_on is not None and ended_on is not None and ended_on > run.started_on

    def _follow(self, newest: LedgerEntry | None) -> Job:
        assert newest is not None  # noqa: S101 - checked by the caller
        job = job_of(newest)
        self.session.log(
            f"Job {job.id} finalized the same content before. Nothing is sent a second time."
        )
        return job

    def _run_round(
        self, content: SourceContent, manifest: Manifest, newest: LedgerEntry | None
    ) -> Job | Callable[[], object] | None:
        """Run one round under the lock.

        Returns:
            The finalization job; a wait that has to end before the next round; or ``None`` if the
            round has to be repeated.
        """
        waits = self.options.on_overlap == OnOverlap.ATTACH
        timeout = self.options.wait_seconds + self.session.timing.lock_expiry if waits else 0.0
        with self.session.lock.acquire(timeout_seconds=timeout, purpose="upload") as lock:
            current = self.session.ledger.newest()
            if (current and current.claim_id) != (newest and newest.claim_id):
                return None
            if current is not None and current.open:
                return None
            baseline = load_baseline(self.session, current)
            seen = self._observe(baseline, baseline.checkpoint)
            if (pending := seen.pending) is not None:
                return pending
            if seen.record_foreign():
                return None
            plan = self._make_plan(manifest, seen)
            if (question := decide_plan(self, plan)) is not None:
                return question
            evidence = self._upload(content, manifest, seen, lock)
            checkpoint = self.session.storage.read_checkpoint()
            seen = self._observe(baseline, checkpoint)
            if (pending := seen.pending) is not None:
                return pending
            if seen.needs_new_upload(evidence.batch_job_ids, resent=self.resent):
                self.resent = True
                return None
            return self._finalize(evidence, baseline, lock)

    def _observe(self, baseline: Baseline, checkpoint: Checkpoint | None) -> Observation:
        return observe(self.session, baseline, checkpoint, wait_seconds=self.options.wait_seconds)

    def _make_plan(self, manifest: Manifest, seen: Observation) -> RemovalPlan:
        baseline = seen.baseline_in_doubt()
        plan = plan_removal(
            self.request,
            manifest,
            baseline.previous,
            generation=baseline.generation,
            tracked=baseline.tracked,
        )
        plan = check_removal(plan, self.options.limits, evicts=self.options.evict_before)
        notes = ["This is the first cycle: no asset can be missing."] if baseline.is_first else []
        plan = plan.with_reasons([*baseline.reasons, *seen.reasons()], notes=notes)
        self.plan = plan
        self.reporter.show_plan(plan)
        return plan

    def _upload(
        self, content: SourceContent, manifest: Manifest, seen: Observation, lock: HeldLock
    ) -> Evidence:
        session, batches, baseline = self.session, self.options.batches, seen.baseline
        present, tracked = write_manifests(session, manifest, baseline)
        checkpoint = begin_upload(
            session,
            baseline,
            digest=content.digest,
            present=present,
            reuse=seen.may_reuse(content.digest),
            storage=self.options.storage,
        )
        if self.options.evict_before and not checkpoint.batches and not baseline.is_first:
            session.client.evict_synchronization(session.synchronization_id)
        known = {row.asset for row in baseline.previous} if baseline.previous else set()
        ordered = content.order(lambda labels: known & set(labels))
        with self.slots.acquire(
            batches.max_concurrent_batches, wait_seconds=self.options.wait_seconds
        ) as concurrency:
            uploader = BatchUploader(
                session=session,
                options=batches,
                checkpoint=checkpoint,
                progress=self.progress,
                reporter=self.reporter,
                check_lock=lock.check,
                concurrency=concurrency,
                wait_seconds=self.options.wait_seconds,
            )
            try:
                uploader.upload(ordered.iter_batches(batches.max_commands_per_batch))
            finally:
                self.batch_job_ids = tuple(uploader.done)
        return Evidence(
            batch_job_ids=self.batch_job_ids,
            content_digest=content.digest,
            manifest=present,
            tracked_manifest=tracked,
            plan_id=self.plan.plan_id if self.plan and not self.plan.allowed else None,
        )

    def _finalize(self, evidence: Evidence, baseline: Baseline, lock: HeldLock) -> Job | None:
        lock.check()
        intent = claim_finalization(
            self.session,
            self.request,
            evidence,
            generation=baseline.generation,
            history=baseline.history,
        )
        if intent is None:
            self.session.log("The ledger changed since the plan. The cycle is judged again.")
            return None
        return send_finalization(self.session, self.request, intent)
