"""Progress of a cycle: batches that were sent since the last finalization."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

FORMAT: Final = "collibra-tasks checkpoint 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBatch:
    """A batch of a cycle, and the job that imports it.

    Attributes:
        number: Number of the batch in its cycle, from 1.
        digest: Digest of the content that was sent.
        job_id: ID of the job; ``None`` while only the intent is recorded.
        succeeded: Whether the job ended COMPLETED and SUCCESS.
        intended_on: Time of the intent by Collibra's clock, in UTC.
    """

    number: int
    digest: str
    job_id: str | None = None
    succeeded: bool = False
    intended_on: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """A ledger that is older than the storage: its description, and the manifests it lacks."""

    reason: str
    manifests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Progress of a cycle, and what earlier attempts have uploaded since the last finalization.

    Attributes:
        generation: Number of the newest ledger entry when the cycle started; 0 without an entry.
        content_digest: Digest of the cycle's content.
        token: Token of the process that wrote the checkpoint.
        flow_run_id: ID of its flow run.
        flow_run_name: Name of its flow run.
        started_on: Start of the cycle by Collibra's clock, in UTC.
        batches: Batches that were sent or are about to be sent, ordered by number.
        replaced: Job IDs of batches that count no longer: of replaced checkpoints since the last
            finalization, and of batches that were sent again.
        unknown_since: Time of the earliest intent among those whose job ID was never recorded.
        unknown_until: Time of the latest one.
        manifest: Name of the manifest of everything that was uploaded since ``generation``;
            ``None`` if it is unknown.
        closed: Whether the cycle was finalized.
        is_first: Whether Collibra did not know the synchronization before these uploads.
        restored: Restore of the ledger before these uploads; it counts until a finalization of
            ours.
    """

    generation: int
    content_digest: str
    token: str
    flow_run_id: str | None = None
    flow_run_name: str | None = None
    started_on: datetime | None = None
    batches: tuple[SentBatch, ...] = ()
    replaced: tuple[str, ...] = ()
    unknown_since: datetime | None = None
    unknown_until: datetime | None = None
    manifest: str | None = None
    closed: bool = False
    is_first: bool = False
    restored: Restore | None = None

    @classmethod
    def from_bytes(cls, content: bytes) -> Checkpoint:
        """Read the output of :meth:`to_bytes`.

        Raises:
            ValueError: If the content is damaged or of another version.
        """
        fields = json.loads(content)
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            raise ValueError(f"the format is not {FORMAT!r}")
        return _checkpoints.validate_python(fields)

    def to_bytes(self) -> bytes:
        """Return the checkpoint as JSON."""
        fields: dict[str, Any] = _checkpoints.dump_python(self, mode="json")
        return json.dumps({"format": FORMAT} | fields, indent=1).encode()

    def find_batch(self, number: int, digest: str) -> SentBatch | None:
        """Return the batch of this number and content; ``None`` if it was not sent."""
        found = self._batches_by_number().get(number)
        return found if found is not None and found.digest == digest else None

    def with_batch(self, batch: SentBatch) -> Checkpoint:
        """Return the checkpoint with a batch added, or replaced if its number exists.

        The job of a batch that is sent again moves to ``replaced``.
        """
        batches = self._batches_by_number()
        before = batches.get(batch.number)
        batches[batch.number] = batch
        changed = replace(self, batches=tuple(batches[number] for number in sorted(batches)))
        if before is None or before.job_id == batch.job_id:
            return changed
        if before.job_id is None and before.digest == batch.digest:
            return changed  # the job of a recorded intent became known
        return replace(changed, **_retired(self, (before,)))

    def replaced_by(self, *, content_digest: str, token: str, **changes: Any) -> Checkpoint:  # noqa: ANN401
        """Return the checkpoint of a new attempt that sends all batches of a cycle again.

        Generation, manifest and everything that was uploaded since the last finalization remain on
        record.

        Args:
            content_digest: Digest of the new content.
            token: Token of the process that starts the new attempt.
            changes: Other fields of the new checkpoint.
        """
        kept = replace(self, batches=(), closed=False, **_retired(self, self.batches))
        return replace(kept, content_digest=content_digest, token=token, **changes)

    @property
    def job_ids(self) -> tuple[str, ...]:
        """IDs of all known jobs of batches since the last finalization, replaced ones first."""
        own = (batch.job_id for batch in self.batches if batch.job_id is not None)
        return tuple(dict.fromkeys((*self.replaced, *own)))

    @property
    def succeeded_job_ids(self) -> tuple[str, ...]:
        """IDs of the jobs that imported a batch of this cycle with success."""
        return tuple(batch.job_id for batch in self.batches if batch.succeeded and batch.job_id)

    @property
    def first_unknown_intent_on(self) -> datetime | None:
        """Time of the earliest batch intent without a known job; ``None`` if there is none."""
        return min(_unknown_intents(self, self.batches), default=None)

    @property
    def last_unknown_intent_on(self) -> datetime | None:
        """Time of the latest batch intent without a known job; ``None`` if there is none."""
        return max(_unknown_intents(self, self.batches), default=None)

    def with_lost_request(self, on: datetime) -> Checkpoint:
        """Return the checkpoint with a batch request that may have created an unknown job."""
        times = [on, *_unknown_intents(self, ())]
        return replace(self, unknown_since=min(times), unknown_until=max(times))

    def _batches_by_number(self) -> dict[int, SentBatch]:
        return {batch.number: batch for batch in self.batches}


def _retired(checkpoint: Checkpoint, batches: tuple[SentBatch, ...]) -> dict[str, Any]:
    jobs = (batch.job_id for batch in batches if batch.job_id is not None)
    unknown = _unknown_intents(checkpoint, batches)
    return {
        "replaced": tuple(dict.fromkeys((*checkpoint.replaced, *jobs))),
        "unknown_since": min(unknown, default=None),
        "unknown_until": max(unknown, default=None),
    }


def _unknown_intents(checkpoint: Checkpoint, batches: tuple[SentBatch, ...]) -> list[datetime]:
    intents = (batch.intended_on for batch in batches if batch.job_id is None)
    times = (checkpoint.unknown_since, checkpoint.unknown_until, *intents)
    return [each for each in times if each is not None]


_checkpoints = TypeAdapter(Checkpoint)
