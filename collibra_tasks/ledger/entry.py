"""Ledger entries: one finalization each, and the history that earlier entries leave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from collibra_tasks.ledger.evidence import MAX_EVIDENCE, evidence_digests
from collibra_tasks.models import Job

FORMAT = 2
"""Version of the stored form. An entry with a higher number is unreadable here."""
MAX_BYTES = 4_900
"""Maximum size of a stored entry in bytes. Prefect keeps 5,000 characters of a variable."""
MAX_MANIFESTS = 10
"""Maximum number of earlier cycles that may still be open before their content is unknown."""
MAX_JOBS_BEFORE = 20
MAX_NAME = 200
MAX_REASON = 1_000
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
    """A decision: what, by whom, when (UTC), why, and about which job."""

    resolution: Resolution
    by: str
    on: datetime
    reason: str
    job_id: str | None = None
    excluded_job_ids: tuple[str, ...] = ()


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
        may_still_be_open: Whether the last finalization failed, so its cycle may still be open.
    """

    finalized: bool = False
    number: int = 0
    finalized_on: datetime | None = None
    created_on: datetime | None = None
    job_id: str | None = None
    evidence: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    tracked_manifest: str | None = None
    may_still_be_open: bool = False


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
        manifest: Name of the manifest of what Collibra may hold when this cycle ends.
        tracked_manifest: Name of the manifest of all assets that Collibra may still track.
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
        evidence = dict.fromkeys((*self.evidence, *self.history.evidence))
        return History(
            finalized=True,
            number=self.number,
            finalized_on=self.job_ended_on or self.job_created_on or self.intended_on,
            created_on=self.job_created_on or self.intended_on,
            job_id=self.job_id,
            evidence=tuple(evidence)[:MAX_EVIDENCE],
            manifests=self._manifests(),
            tracked_manifest=self._tracked_manifest(),
            may_still_be_open=self.failed,
        )

    def _manifests(self) -> tuple[str, ...]:
        if self.origin == Origin.FOREIGN:
            return self.history.manifests
        if self.manifest is None:
            return ()
        if not self.failed or not self.history.finalized:
            return (self.manifest,)
        if not self.history.manifests:
            return ()
        manifests = tuple(dict.fromkeys((self.manifest, *self.history.manifests)))
        return manifests if len(manifests) <= MAX_MANIFESTS else ()

    def _tracked_manifest(self) -> str | None:
        if self.strategy == "REMOVE_RESOURCES" and not self.failed and self.manifest:
            return self.manifest
        return self.tracked_manifest or self.history.tracked_manifest


_entries = TypeAdapter(LedgerEntry)


def entry_to_value(entry: LedgerEntry) -> dict[str, Any]:
    """Return the stored form of an entry, cut to the size that a Prefect variable holds."""
    short = replace(
        entry,
        flow_run_name=entry.flow_run_name and entry.flow_run_name[:MAX_NAME],
        outcome=entry.outcome and entry.outcome[:MAX_NAME],
        evidence=entry.evidence[:MAX_EVIDENCE],
        jobs_before=entry.jobs_before[:MAX_JOBS_BEFORE],
        resolution=entry.resolution and _cut_resolution(entry.resolution, MAX_REASON),
    )
    for smaller in (short, *_smaller(short)):
        value = _dump(smaller)
        if len(json.dumps(value).encode()) <= MAX_BYTES:
            return value
    return value


def _dump(entry: LedgerEntry) -> dict[str, Any]:
    value: dict[str, Any] = _entries.dump_python(
        entry, mode="json", exclude={"written_on"}, exclude_none=True
    )
    return {"format": FORMAT, **value}


def _smaller(entry: LedgerEntry) -> Iterable[LedgerEntry]:
    """Yield shorter forms: long texts are cut first, then lists that only explain."""
    resolution = entry.resolution and _cut_resolution(entry.resolution, 100)
    entry = replace(entry, resolution=resolution, job_name=entry.job_name and entry.job_name[:60])
    yield entry
    history = replace(entry.history, evidence=entry.history.evidence[:10])
    entry = replace(entry, history=history, jobs_before=entry.jobs_before[:3])
    yield entry
    entry = replace(entry, flow_run_name=None, outcome=entry.outcome and entry.outcome[:40])
    yield entry
    # Characters outside of ASCII need up to 12 bytes each.
    resolution = entry.resolution and _cut_resolution(entry.resolution, 40)
    yield replace(
        entry, resolution=resolution, job_name=None, history=replace(history, evidence=())
    )


def _cut_resolution(record: ResolutionRecord, length: int) -> ResolutionRecord:
    return replace(
        record,
        by=record.by[: min(length, 100)],
        reason=record.reason[:length],
        excluded_job_ids=record.excluded_job_ids[: min(length // 10, 10)],
    )


def entry_from_value(value: object, *, written_on: datetime | None = None) -> LedgerEntry:
    """Return the entry of a stored value.

    Raises:
        ValueError: If the value is not an entry, or was written by a newer version.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError("it is not a ledger entry of this version")
    fields = {name: each for name, each in value.items() if name != "format"}
    return replace(_entries.validate_python(fields), written_on=written_on)
