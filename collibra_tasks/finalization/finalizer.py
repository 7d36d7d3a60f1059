"""Decision about one finalization: follow an existing job, wait, or submit."""

from __future__ import annotations

from dataclasses import dataclass

from collibra_tasks.errors import (
    FinalizationRefusedError,
    OverlapError,
)
from collibra_tasks.finalization.judgment import (
    Judgment,
    PendingJob,
    refuse_overlap_with_others,
)
from collibra_tasks.finalization.last_finalization import (
    refuse_overlap,
    settle_intent,
    wait_for_last_finalization,
)
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.submission import (
    Evidence,
    claim_finalization,
    send_finalization,
)
from collibra_tasks.ledger.entry import (
    RESOLVED_WITHOUT_JOB,
    History,
    LedgerEntry,
    Origin,
    Phase,
)
from collibra_tasks.ledger.evidence import short_digests
from collibra_tasks.models import FinalizationRequest, Job
from collibra_tasks.options import OnOverlap

MAX_ROUNDS = 20
"""Maximum number of judgments of one finalization before it gives up."""


@dataclass(frozen=True, kw_only=True)
class Finalizer:
    """Finalization of a cycle that was filled from elsewhere.

    Attributes:
        on_overlap: Behavior while another flow run finalizes the same synchronization.
        wait_seconds: Maximum wait for the lock and for each job of an earlier cycle.
    """

    session: Session
    on_overlap: OnOverlap = OnOverlap.ATTACH
    wait_seconds: float = 3600.0

    def finalize(self, request: FinalizationRequest, evidence: Evidence) -> Job:
        """Close the cycle once, or return the job that closes it already.

        Raises:
            FinalizationRefusedError: If a check refuses; nothing was sent.
            OverlapError: If another flow run is finalizing and must not be followed.
            NotSentError, RefusedError: If nothing happened in Collibra.
            OutcomeUnknownError: If the outcome of this or an earlier request is unknown.
        """
        for _ in range(MAX_ROUNDS):
            newest = settle_intent(self.session, self.on_overlap)
            if entry := self._find_entry_to_follow(newest, evidence):
                return self._follow(entry, request, evidence)
            ended = wait_for_last_finalization(
                self.session, wait_seconds=self.wait_seconds, on_overlap=self.on_overlap
            )
            if _number(ended) != _number(newest):
                continue  # another flow run finalized between the two reads
            found = self._judge_and_send(request, evidence, ended)
            if isinstance(found, Job):
                return found
            if found is not None:
                self._wait_for(found)
        raise FinalizationRefusedError(
            f"Not finalized: other programs changed {request.synchronization_id!r} during each of "
            f"{MAX_ROUNDS} checks. Nothing was sent. Run again when they have ended."
        )

    def _wait_for(self, pending: PendingJob) -> None:
        refuse_overlap_with_others(self.session, pending, self.on_overlap)
        self.session.wait_for_job(
            pending.job_id, wait_seconds=self.wait_seconds, reason=pending.reason
        )

    def _find_entry_to_follow(
        self, newest: LedgerEntry | None, evidence: Evidence
    ) -> LedgerEntry | None:
        entries = [
            each
            for each in self.session.ledger.entries()
            if each.is_effective and each.origin == Origin.OURS
        ]
        for each in entries:
            if each.was_filled_by(evidence.batch_job_ids):
                return each
        if evidence.batch_job_ids:
            shared = set(short_digests(evidence.batch_job_ids))
            running = newest is not None and newest.phase == Phase.SENT
            return newest if running and newest and shared & set(newest.evidence) else None
        own = next((each for each in entries if self._is_own(each) and each.unverified), None)
        if own is not None:
            self._refuse_second(own)
            return own
        return newest if newest is not None and newest.phase == Phase.SENT else None

    def _is_own(self, entry: LedgerEntry) -> bool:
        run = self.session.flow_run
        ids = {run.id, run.root_id} - {None}
        return bool(ids & {entry.flow_run_id, entry.root_flow_run_id})

    def _refuse_second(self, own: LedgerEntry) -> None:
        """Refuse a second finalization without evidence in one attempt of a flow run."""
        if own.attempt != self.session.attempt and own.claim_id not in self.session.attached:
            return
        raise FinalizationRefusedError(
            f"Not finalized: this flow run finalized {own.synchronization_id!r} before without "
            f"evidence (job {own.job_id}), and a second finalization would find every asset "
            "missing. Nothing was sent. List the batch jobs of the new cycle in batch_job_ids."
        )

    def _follow(self, entry: LedgerEntry, request: FinalizationRequest, evidence: Evidence) -> Job:
        if not self._is_own(entry):
            refuse_overlap(self.session, entry, self.on_overlap)
        job = job_of(entry)
        asked = (request.strategy.value, request.missing_asset_status_id)
        if asked != (entry.strategy, entry.missing_asset_status_id):
            self._report_difference(entry, request)
        if not evidence.batch_job_ids:
            self.session.attached.add(entry.claim_id)
        self.session.log(f"Job {job.id} was sent before and is followed. Nothing is sent.")
        if entry.failed:
            self.session.log(
                f"That job ended as {entry.outcome}, and a retry cannot repeat it. Send all "
                "batches of the cycle again and finalize them in a new flow run."
            )
        return job

    def _report_difference(self, entry: LedgerEntry, request: FinalizationRequest) -> None:
        text = (
            f"finalization job {entry.job_id} was sent with {entry.strategy} "
            f"{entry.missing_asset_status_id or ''}, not with {request.strategy.value} "
            f"{request.missing_asset_status_id or ''}"
        )
        if self.on_overlap == OnOverlap.FAIL:
            raise OverlapError(
                f"Not sent: {text}. Run again after its end with new batches.", job_id=entry.job_id
            )
        self.session.log(f"The requested parameters do not apply: {text}.")

    def _judge_and_send(
        self, request: FinalizationRequest, evidence: Evidence, newest: LedgerEntry | None
    ) -> Job | PendingJob | None:
        """Judge and send under the lock; ``None`` if the judgment has to be repeated."""
        timeout = self.wait_seconds if self.on_overlap == OnOverlap.ATTACH else 0.0
        session = self.session
        with session.lock.acquire(timeout_seconds=timeout, purpose="finalization"):
            current = session.ledger.newest()
            if _number(current) != _number(newest) or (current is not None and current.open):
                return None
            history = current.to_history() if current else History()
            judgment = Judgment(
                session=session,
                request=request,
                evidence=evidence,
                generation=_number(current),
                history=history,
            )
            found = judgment.judge()
            if found is not None or session.ledger.newest() != current:
                return found
            intent = claim_finalization(
                session, request, evidence, generation=_number(current), history=history
            )
            return send_finalization(session, request, intent) if intent else None


def job_of(entry: LedgerEntry) -> Job:
    """Return the job of an entry, to be followed.

    Raises:
        FinalizationRefusedError: If a person resolved the entry without a readable job.
    """
    if entry.job_id is not None and entry.outcome != RESOLVED_WITHOUT_JOB:
        return Job(id=entry.job_id)
    record = entry.resolution
    by = f" by {record.by} on {record.on:%Y-%m-%d} ({record.reason})" if record else ""
    raise FinalizationRefusedError(
        f"Nothing was sent: this cycle of {entry.synchronization_id!r} was resolved{by}, and no "
        "job can be followed. Send the batches of the next cycle."
    )


def _number(entry: LedgerEntry | None) -> int:
    return entry.number if entry else 0
