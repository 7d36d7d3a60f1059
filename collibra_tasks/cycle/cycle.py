"""The recipe of one cycle: baseline, plan, guard, upload, finalization."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property

from collibra_tasks.cycle.baseline import Baseline, load_baseline
from collibra_tasks.cycle.decision import decide_plan
from collibra_tasks.cycle.log_lines import describe_baseline
from collibra_tasks.cycle.observation import Observation, Waiting, observe
from collibra_tasks.cycle.own_result import is_own_result
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.planning import (
    compare_cycle,
    describe_unknown_references,
    order_after,
)
from collibra_tasks.cycle.ports import Approval, Progress, Reporter, Slots, Steps, call_directly
from collibra_tasks.cycle.record import begin_upload, write_manifests, write_shown_manifest
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
from collibra_tasks.ledger.entry import LedgerEntry
from collibra_tasks.ledger.lock import HeldLock
from collibra_tasks.ledger.manifest import Manifest
from collibra_tasks.ledger.plans import ShownPlans
from collibra_tasks.models import FinalizationRequest, Job
from collibra_tasks.options import CycleOptions, OnOverlap
from collibra_tasks.sources.batches import Batch
from collibra_tasks.sources.ordering import OrderedContent
from collibra_tasks.sources.source import SourceContent
from collibra_tasks.wording import clock_time

MAX_ROUNDS = 20
RETRY_DELAYS = (2.0, 5.0, 15.0, 45.0)
"""Pauses in seconds after requests that did not reach Collibra."""

Found = Job | Callable[[], object] | None
"""End of a round: the finalization job; a wait that has to end before the next round; or ``None``
if the round has to be repeated."""


@dataclass(kw_only=True)
class Cycle:
    """One cycle of a synchronization.

    Attributes:
        plans: Record of the plan that was shown last.
        failures: Number of rounds whose request did not reach Collibra.
        resent: Whether all batches were sent again because of a job by others.
        approved: IDs of plans that a person approved in this run.
        plan: The plan of the last round.
        shown_baseline: Line of the log about the baseline of the last round.
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
    steps: Steps = call_directly
    resent: bool = False
    failures: int = 0
    approved: set[str] = field(default_factory=set)
    plan: RemovalPlan | None = None
    shown_baseline: str | None = None
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
            if newest is not None and is_own_result(self.session, newest, content.digest):
                return self._follow(newest)
            try:
                found = self._run_round(content, manifest, newest)
            except NotSentError as error:
                self._pause_after(error)
                continue
            if isinstance(found, Job):
                return found
            if found is not None:
                found()
        raise FinalizationRefusedError(
            f"Not finalized: other programs changed {self.request.synchronization_id!r} during "
            f"each of {MAX_ROUNDS} checks. Run again when they have ended."
        )

    def _pause_after(self, error: NotSentError) -> None:
        if not error.transient or self.failures >= len(RETRY_DELAYS):
            raise error
        delay = RETRY_DELAYS[self.failures]
        self.failures += 1
        end = clock_time(delay, self.session.clock.time())
        self.session.log(f"{error} Trying again at {end}.")
        self.session.clock.sleep(delay)

    def _follow(self, newest: LedgerEntry) -> Job:
        job = job_of(newest)
        self.session.log(
            f"Job {job.id} finalized the same content before. Nothing is sent a second time."
        )
        return job

    def _run_round(
        self, content: SourceContent, manifest: Manifest, newest: LedgerEntry | None
    ) -> Found:
        """Run one round under the lock, unless the ledger changed since ``newest`` was read."""
        with self._acquire_lock() as lock:
            current = self.session.ledger.newest()
            if (current and current.claim_id) != (newest and newest.claim_id):
                return None
            if current is not None and current.open:
                return None
            baseline = load_baseline(self.session, current)
            self._show_baseline(baseline)
            return _Round(self, content, manifest, baseline, lock).run()

    def _show_baseline(self, baseline: Baseline) -> None:
        line = describe_baseline(baseline)
        if line != self.shown_baseline:
            self.shown_baseline = line
            self.session.log(line)

    def _acquire_lock(self) -> AbstractContextManager[HeldLock]:
        waits = self.options.on_overlap == OnOverlap.ATTACH
        timeout = self.options.wait_seconds + self.session.timing.lock_expiry if waits else 0.0
        return self.session.lock.acquire(timeout_seconds=timeout, purpose="upload")


@dataclass(frozen=True)
class _Round:
    """One round of a cycle under the lock, bound to one baseline."""

    cycle: Cycle
    content: SourceContent
    manifest: Manifest
    baseline: Baseline
    lock: HeldLock

    def run(self) -> Found:
        """Plan, decide, upload, observe and finalize."""
        seen = self._observe(self.baseline.checkpoint)
        if (pending := seen.pending) is not None:
            return pending
        if seen.record_foreign():
            return None
        if (question := decide_plan(self.cycle, self._make_plan(seen))) is not None:
            return question
        uploader, evidence = self._upload(seen)
        return self._conclude(seen, uploader, evidence)

    def _conclude(self, seen: Observation, uploader: BatchUploader, evidence: Evidence) -> Found:
        """Finalize, unless the job list tells that the cycle changed during the upload."""
        cycle, after = self.cycle, self._observe(uploader.checkpoint)
        if (pending := after.pending) is not None:
            return pending
        reused = uploader.sent < len(uploader.done)
        if after.needs_new_upload(uploader.done, reused=reused, resent=cycle.resent):
            cycle.resent = True
            return None
        if after.reasons() != seen.reasons():
            cycle.session.log("Others sent batches during the upload. The cycle is judged again.")
            return None
        return self._finalize(evidence)

    @cached_property
    def ordered(self) -> OrderedContent:
        """The source in the order of sending, arranged once per round."""
        return order_after(self.content, self.baseline.previous)

    def _observe(self, checkpoint: Checkpoint | None) -> Observation:
        options = self.cycle.options
        waiting = Waiting(seconds=options.wait_seconds, on_overlap=options.on_overlap)
        return observe(self.cycle.session, self.baseline, checkpoint, waiting)

    def _make_plan(self, seen: Observation) -> RemovalPlan:
        cycle, options = self.cycle, self.cycle.options
        plan = compare_cycle(
            cycle.request, self.manifest, seen, options.limits, evicts=options.evict_before
        )
        plan = plan.with_reasons((), notes=describe_unknown_references(self.ordered))
        cycle.plan = plan
        cycle.reporter.show_plan(plan)
        return plan

    def _upload(self, seen: Observation) -> tuple[BatchUploader, Evidence]:
        cycle, digest = self.cycle, self.content.digest
        present, tracked = write_manifests(cycle.session, self.manifest, self.baseline)
        plan, compared = cycle.plan, seen.baseline_in_doubt(self.manifest)
        shown = write_shown_manifest(cycle.session, plan, self.manifest, compared) if plan else None
        checkpoint = begin_upload(
            cycle.session,
            self.baseline,
            digest=digest,
            present=present,
            reuse=seen.may_reuse(digest),
            storage=cycle.options.storage,
        )
        self._evict(checkpoint)
        uploader = self._send_batches(checkpoint)
        evidence = Evidence(
            batch_job_ids=tuple(uploader.done),
            content_digest=digest,
            manifest=present,
            tracked_manifest=tracked,
            shown_manifest=shown,
            plan_id=plan.plan_id if plan and not plan.allowed else None,
            other_batches=len(seen.other_batches),
        )
        return uploader, evidence

    def _evict(self, checkpoint: Checkpoint) -> None:
        session = self.cycle.session
        is_needed = self.cycle.options.evict_before and not self.baseline.is_first
        if is_needed and not checkpoint.batches:
            session.client.evict_synchronization(session.synchronization_id)

    def _send_batches(self, checkpoint: Checkpoint) -> BatchUploader:
        cycle, batches = self.cycle, self.cycle.options.batches
        contents = self._order()
        wait_seconds = cycle.options.wait_seconds
        with cycle.slots.acquire(
            batches.max_concurrent_batches, wait_seconds=wait_seconds
        ) as concurrency:
            uploader = BatchUploader(
                session=cycle.session,
                options=batches,
                checkpoint=checkpoint,
                progress=cycle.progress,
                reporter=cycle.reporter,
                steps=cycle.steps,
                total=self.ordered.count_batches(batches.max_commands_per_batch),
                check_lock=self.lock.check,
                concurrency=concurrency,
                wait_seconds=wait_seconds,
            )
            try:
                uploader.upload(contents)
            finally:
                contents.close()  # before the content's own database is closed
                cycle.batch_job_ids = tuple(uploader.done)
        return uploader

    def _order(self) -> Generator[Batch]:
        maximum = self.cycle.options.batches.max_commands_per_batch
        yield from self.ordered.iter_batches(maximum)

    def _finalize(self, evidence: Evidence) -> Job | None:
        cycle = self.cycle
        self.lock.check()
        intent = claim_finalization(
            cycle.session,
            cycle.request,
            evidence,
            generation=self.baseline.generation,
            history=self.baseline.history,
        )
        if intent is None:
            cycle.session.log("The ledger changed since the plan. The cycle is judged again.")
            return None
        return send_finalization(cycle.session, cycle.request, intent)
