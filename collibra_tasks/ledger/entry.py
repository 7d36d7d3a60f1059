"""Ledger entries: one finalization each, and the history that earlier entries leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from collibra_tasks.ledger.evidence import MAX_EVIDENCE, evidence_digests, normalize_job_id
from collibra_tasks.models import Job

MAX_MANIFESTS = 10
"""Maximum number of earlier cycles that may still be open before their content is unknown."""
MAX_NAME = 200
UNKNOWN_MANIFEST = "unknown"
"""Name in place of a manifest that does not exist: what Collibra may hold is unknown."""
RESOLVED_WITHOUT_JOB = "resolved by a person"
"""Outcome of a finalization whose job cannot be read any more."""


class Phase(StrEnum):
    """Progress of a finalization, as far as it is recorded."""

    INTENDED = "intended"
    SENT = "sent"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


class Origin(StrEnum):
    """Sender of a finalization."""

    OURS = "ours"
    FOREIGN = "foreign"


class Resolution(StrEnum):
    """Decision of a person about a finalization or a job."""

    ADOPT_JOB = "adopt_job"
    NOT_SENT = "not_sent"
    ENDED = "ended"
    SET_ASIDE = "set_aside"
    INSPECT = "inspect"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionRecord:
    """A decision: what, by whom, when (UTC), why, and about which job.

    Job IDs are normalized when created; an empty one is none.
    """

    resolution: Resolution
    by: str
    on: datetime
    reason: str
    job_id: str | None = None
    excluded_job_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Normalize the job IDs."""
        excluded = dict.fromkeys(map(normalize_job_id, self.excluded_job_ids))
        object.__setattr__(self, "excluded_job_ids", tuple(filter(None, excluded)))
        object.__setattr__(self, "job_id", normalize_job_id(self.job_id or "") or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Summary of earlier finalizations, kept when their entries are deleted.

    Attributes:
        finalized: Whether any finalization is on record.
        number: Number of the last effective entry.
        finalized_on: End of the last finalization, by Collibra's clock. Its creation where the end
            is unknown.
        created_on: Creation of its job, by Collibra's clock.
        job_id: Its job.
        evidence: Short digests of batch jobs that earlier finalizations used.
        manifests: Names of the manifests that describe what Collibra may hold: the last cycle and,
            after failed finalizations, the cycles before. Empty if one of them is unknown.
        tracked_manifest: Name of the manifest of all assets that Collibra may still track,
            ignored and marked assets included.
        shown_manifest: Name of the manifest of missing assets that approved plans have shown.
        may_still_be_open: Whether the last finalization failed, so its cycle may still be open.
        other_batches: Number of batches by others in the last cycle.
    """

    finalized: bool = False
    number: int = 0
    finalized_on: datetime | None = None
    created_on: datetime | None = None
    job_id: str | None = None
    evidence: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    tracked_manifest: str | None = None
    shown_manifest: str | None = None
    may_still_be_open: bool = False
    other_batches: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One finalization: intended, then sent (its job is known), then ended.

    ``withdrawn`` means that Collibra did not take the request. An entry that stays ``intended`` has
    an unknown outcome.

    Attributes:
        number: Generation of the synchronization that this entry creates.
        claim_id: Token of this claim.
        attempt: Token of the process and attempt that wrote the entry.
        content_digest: Digest of the uploaded content; ``None`` where batches came from elsewhere.
        manifest: Name of the manifest of what Collibra may hold when this cycle ends. Of a
            finalization by others: the manifest of our own unfinished upload that it closed.
        tracked_manifest: Name of the manifest of all assets that Collibra may still track.
        shown_manifest: Name of the manifest of missing assets that approved plans have shown;
            ``None`` if this finalization did not change it.
        evidence: Short digests of the batch jobs that filled the cycle.
        unverified: Whether the finalization was sent without evidence.
        intended_on: Time of the intent by Collibra's clock.
        deadline_on: Time after which the request cannot be in flight, by the store's clock.
        jobs_before: IDs of the newest jobs in Collibra's job list before the request.
        list_was_read: Whether the job list could be read before the request.
        job_created_on: Creation of the job by Collibra's clock.
        outcome: Last state and result of the job.
        failed: Whether the job did not end well. It may have done all, a part or nothing.
        plan_id: The approved plan that this finalization used up.
        other_batches: Number of batches by others in the cycle.
        written_on: Time of the last write by the store's clock; not stored.
    """

    environment: str
    synchronization_id: str
    strategy: str
    missing_asset_status_id: str | None = None
    number: int = 0
    phase: Phase = Phase.INTENDED
    origin: Origin = Origin.OURS
    claim_id: str = ""
    attempt: str = ""
    flow_run_id: str | None = None
    flow_run_name: str | None = None
    root_flow_run_id: str | None = None
    content_digest: str | None = None
    manifest: str | None = None
    tracked_manifest: str | None = None
    shown_manifest: str | None = None
    evidence: tuple[str, ...] = ()
    unverified: bool = False
    intended_on: datetime | None = None
    deadline_on: datetime | None = None
    jobs_before: tuple[str, ...] = ()
    list_was_read: bool = False
    account_id: str | None = None
    job_id: str | None = None
    job_name: str | None = None
    job_type: str | None = None
    job_created_on: datetime | None = None
    job_ended_on: datetime | None = None
    outcome: str | None = None
    failed: bool = False
    plan_id: str | None = None
    other_batches: int = 0
    resolution: ResolutionRecord | None = None
    history: History = field(default_factory=History)
    written_on: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether the outcome of the finalization is not recorded yet."""
        return self.phase in {Phase.INTENDED, Phase.SENT}

    @property
    def is_effective(self) -> bool:
        """Whether the finalization closes its cycle, or has closed it."""
        return self.phase in {Phase.SENT, Phase.ENDED}

    def was_filled_by(self, batch_job_ids: Sequence[str]) -> bool:
        """Whether these batches, and no others, were its evidence."""
        return bool(batch_job_ids) and evidence_digests(batch_job_ids) == self.evidence

    def with_job(self, job: Job) -> LedgerEntry:
        """Return the entry with its job, as sent."""
        return replace(
            self,
            phase=Phase.SENT,
            job_id=job.id,
            job_name=self.job_name if job.name is None else job.name[:MAX_NAME],
            job_type=job.type or self.job_type,
            job_created_on=job.created_on or self.job_created_on,
            job_ended_on=job.ended_on or self.job_ended_on,
        )

    def with_ended_job(self, job: Job) -> LedgerEntry:
        """Return the entry with its job, as ended, well or not."""
        outcome = f"{job.state or 'no state'}, {job.result or 'no result'}"
        return replace(
            self.with_job(job), phase=Phase.ENDED, outcome=outcome, failed=not job.succeeded
        )

    def resolved_without_job(self) -> LedgerEntry:
        """Return the entry as ended by a person's decision: its job is gone or unknown."""
        return replace(self, phase=Phase.ENDED, outcome=RESOLVED_WITHOUT_JOB, failed=True)

    def withdrawn(self) -> LedgerEntry:
        """Return the entry as not taken by Collibra."""
        return replace(self, phase=Phase.WITHDRAWN)

    def to_history(self) -> History:
        """Return the summary that later entries are judged by."""
        if self.phase == Phase.WITHDRAWN:
            return self.history
        history, removed = self.history, _has_removed(self)
        evidence = dict.fromkeys((*self.evidence, *history.evidence))
        tracked = self.tracked_manifest or history.tracked_manifest
        shown = self.shown_manifest or history.shown_manifest
        return History(
            finalized=True,
            number=self.number,
            finalized_on=self.job_ended_on or self.job_created_on or self.intended_on,
            created_on=self.job_created_on or self.intended_on,
            job_id=self.job_id,
            evidence=tuple(evidence)[:MAX_EVIDENCE],
            manifests=_name_manifests(self),
            tracked_manifest=self.manifest if removed else tracked,
            shown_manifest=None if removed else shown,
            may_still_be_open=self.failed,
            other_batches=self.other_batches + (history.other_batches if self.failed else 0),
        )


def _name_manifests(entry: LedgerEntry) -> tuple[str, ...]:
    """Return the manifest of the entry's cycle, and earlier ones that may still apply.

    A failed finalization may have done nothing. A finalization by others may have closed an upload
    of ours or nothing of ours.
    """
    is_foreign, earlier = entry.origin == Origin.FOREIGN, entry.history.manifests
    if entry.manifest is None:
        return earlier if is_foreign else ()
    if not entry.history.finalized or not (is_foreign or entry.failed):
        return (entry.manifest,)
    if not earlier:
        return ()
    manifests = tuple(dict.fromkeys((entry.manifest, *earlier)))
    return manifests if len(manifests) <= MAX_MANIFESTS else ()


def _has_removed(entry: LedgerEntry) -> bool:
    """Whether Collibra tracks no asset any more that is missing from a known cycle."""
    return entry.strategy == "REMOVE_RESOURCES" and not entry.failed and entry.manifest is not None
