"""The durable record of what was intended, sent and seen, per tenant and synchronization.

An entry is one finalization, numbered. Whoever creates the next number is the one that may send: a
lock could expire under a writer that was merely slow, a number that is taken stays taken. Nobody
takes the next number before the entry before it is closed, so only the newest can be open.

Where it is kept is a :class:`Store`; it must create each name once, whoever asks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import uuid4

from pydantic import TypeAdapter

from collibra_tasks.models import Job

PREFIX = "collibra-finalization-"
KEPT_ENTRIES = 20
MOST_BATCH_JOBS = 30
"""An entry names its own batches and those used before; the age of a batch tells the rest."""
MOST_BYTES = 4_900
"""Prefect keeps at most 5,000 of a value; a person's reason is cut to what the rest leaves."""
MOST_MANIFESTS = 10
"""After more failed finalizations in a row it can't be told any more what the tenant holds."""
SLUG_LENGTH = 40
UNSEEN = "settled by a person"
"""The outcome of a job that can't be asked any more."""
ID_IN_NAME = "{}"
"""Stands for the synchronization's id in the shape of a job's name."""


class Phase(StrEnum):
    """How far a finalization came, as far as we know."""

    INTENDED = "intended"
    SENT = "sent"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


class Resolution(StrEnum):
    """How a person settles a finalization of which nobody knows the outcome."""

    ADOPT_JOB = "adopt_job"
    NOT_SENT = "not_sent"
    ENDED = "ended"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a person said of an entry: who, when (ISO 8601, UTC), what and why."""

    resolution: Resolution
    by: str
    on: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What earlier entries leave to judge by, however many of them are forgotten.

    Attributes:
        finalized: Whether any finalization is on record.
        finalized_on: When the last one began, by the tenant's clock.
        batch_job_ids: The batches that it closed, and its own job; they are used up.
        job_name: What the tenant calls such a job, as a shape.
        job_type: Its type.
        batch_name: What it calls a batch job, as a shape.
        manifests: Where it is kept what may be present on the tenant: the last cycle and, where its
            finalization failed, the ones before, back to one that went well. Empty if one of them
            was not kept.
        doubtful: Whether the last finalization failed, or may have: its cycle may be open still.
    """

    finalized: bool = False
    finalized_on: datetime | None = None
    batch_job_ids: tuple[str, ...] = ()
    job_name: str | None = None
    job_type: str | None = None
    batch_name: str | None = None
    manifests: tuple[str, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One finalization: intended, then sent (the job is known), then ended.

    ``withdrawn`` means that it surely was not taken. An entry that stays ``intended`` is one of
    which nobody knows the outcome.

    Attributes:
        intended_on: By the tenant's clock; the request leaves later than this.
        account_id: The account that sends, as the tenant knows it.
        batch_name: What the tenant calls the batch jobs of this cycle, as a shape.
        job_created_on: When the job was created, by the tenant's clock; of a job that nobody knows,
            the latest moment at which it can have been.
        manifest: Where it is kept what this cycle holds.
        outcome: The job's last state and result.
        failed: Whether the job did not end well: it may have done all, a part or nothing.
        written_on: When the store last took the entry, by the store's clock; not kept in it.
    """

    tenant: str
    synchronization_id: str
    strategy: str
    number: int = 0
    phase: Phase = Phase.INTENDED
    claim: str = ""
    flow_run_id: str | None = None
    flow_run_name: str | None = None
    root_flow_run_id: str | None = None
    root_attempt: int = 0
    attempt: int = 0
    account_id: str | None = None
    intended_on: datetime | None = None
    batch_job_ids: tuple[str, ...] = ()
    batch_name: str | None = None
    manifest: str | None = None
    job_id: str | None = None
    job_name: str | None = None
    job_type: str | None = None
    job_created_on: datetime | None = None
    outcome: str | None = None
    failed: bool = False
    settlement: Settlement | None = None
    past: Past = field(default_factory=Past)
    written_on: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it still has to be found out what became of it."""
        return self.phase in {Phase.INTENDED, Phase.SENT}

    @property
    def took_effect(self) -> bool:
        """Whether it closes its cycle, or has closed it."""
        return self.phase in {Phase.SENT, Phase.ENDED}

    def on_its_way_until(self, longest_way_seconds: float) -> datetime | None:
        """Return when its request can't be under way any more; ``None`` if that is not known."""
        if self.intended_on is None:
            return None
        return self.intended_on + timedelta(seconds=longest_way_seconds)

    def served(self, batch_job_ids: Sequence[str]) -> bool:
        """Whether its cycle was filled by these very batches, as far as they are named here."""
        return bool(batch_job_ids) and set(_named(batch_job_ids)) <= set(self.batch_job_ids)

    def sent(self, job: Job) -> Entry:
        """Say that its job is known."""
        return replace(
            self,
            phase=Phase.SENT,
            job_id=job.id,
            job_name=shape_of(job, self.synchronization_id) or self.job_name,
            job_type=job.type or self.job_type,
            job_created_on=job.created_on or self.job_created_on,
        )

    def ended(self, job: Job) -> Entry:
        """Say that its job has ended, well or not."""
        outcome = f"{job.state or '?'}, {job.result or '?'}"
        failed = not job.succeeded
        return replace(self.sent(job), phase=Phase.ENDED, outcome=outcome, failed=failed)

    def ended_unseen(self, *, latest: datetime | None = None) -> Entry:
        """Say on a person's word that it has ended: its job is gone, or was never known.

        Args:
            latest: When its request can have arrived at the latest.
        """
        created_on = self.job_created_on or latest
        return replace(self, phase=Phase.ENDED, outcome=UNSEEN, job_created_on=created_on)

    def withdrawn(self) -> Entry:
        """Say that it surely was not taken."""
        return replace(self, phase=Phase.WITHDRAWN)

    def leaves(self) -> Past:
        """Return what later entries are judged by."""
        if self.phase == Phase.WITHDRAWN:
            return self.past
        return Past(
            finalized=True,
            finalized_on=self.job_created_on or self.intended_on,
            batch_job_ids=(*self.batch_job_ids, *([self.job_id] if self.job_id else ())),
            job_name=self.job_name or self.past.job_name,
            job_type=self.job_type or self.past.job_type,
            batch_name=self.batch_name or self.past.batch_name,
            manifests=self._manifests(),
            doubtful=self._doubtful,
        )

    @property
    def _doubtful(self) -> bool:
        return self.failed or self.outcome == UNSEEN

    def _manifests(self) -> tuple[str, ...]:
        if self.manifest is None:
            return ()
        if not self._doubtful or not self.past.finalized:
            return (self.manifest,)
        all_known = bool(self.past.manifests)
        manifests = tuple(dict.fromkeys((self.manifest, *self.past.manifests)))
        return manifests if all_known and len(manifests) <= MOST_MANIFESTS else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A value as a store keeps it, and when it was last written there."""

    name: str
    value: dict[str, Any]
    written_on: datetime | None = None


class Store(Protocol):
    """Named values that every worker sees; trouble raises whatever the store raises."""

    def create(self, name: str, value: dict[str, Any]) -> bool:
        """Create a value; ``False`` if the name is taken. Of many that try at once, one wins."""

    def update(self, name: str, value: dict[str, Any]) -> None:
        """Replace a value."""

    def delete(self, name: str) -> None:
        """Delete a value; nothing happens if there is none."""

    def find(self, prefix: str) -> Iterator[Kept]:
        """Yield the values whose names begin so, the last name first."""


_entries = TypeAdapter(Entry)


class Ledger:
    """The entries of one synchronization on one tenant."""

    def __init__(self, store: Store, tenant: str, synchronization_id: str) -> None:
        """Name the record; nothing is read yet."""
        self._store = store
        self.tenant = tenant
        self.synchronization_id = synchronization_id
        digest = hashlib.sha256(f"{tenant}\0{synchronization_id}".encode()).hexdigest()[:10]
        slug = re.sub(r"[^a-z0-9]+", "-", synchronization_id.lower())[:SLUG_LENGTH].strip("-")
        self.slug = f"{slug or 'synchronization'}-{digest}"
        self._prefix = f"{PREFIX}{self.slug}-"

    def name_of(self, entry: Entry) -> str:
        """Return the name of an entry's variable, as a person finds it in the UI."""
        return f"{self._prefix}{entry.number:06d}"

    def latest(self) -> Entry | None:
        """Return the newest entry; ``None`` if nothing was ever finalized from here."""
        return next(self.entries(), None)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries that are kept, newest first."""
        return map(_read, self._store.find(self._prefix))

    def of_tenant(self) -> Iterator[Entry]:
        """Yield the entries of all synchronizations on this tenant."""
        for kept in self._store.find(PREFIX):
            if (entry := _read(kept)).tenant == self.tenant:
                yield entry

    def claim(self, entry: Entry, after: Entry | None) -> Entry | None:
        """Write an intent as the next entry; ``None`` if somebody else has taken that number."""
        mine = replace(
            entry,
            number=after.number + 1 if after else 1,
            claim=uuid4().hex,
            past=after.leaves() if after else Past(),
            batch_job_ids=_named(entry.batch_job_ids),
        )
        if not self._store.create(self.name_of(mine), _write(mine)):
            # The store may have lost an answer and asked again: the name may be taken by us.
            latest = self.latest()
            if latest is None or latest.claim != mine.claim:
                return None
        with suppress(Exception):  # the store's; what is kept too long does no harm
            self._forget_old(mine)
        return mine

    def _forget_old(self, mine: Entry) -> None:
        """Keep the last entries that say something; what the tenant did not take says nothing."""
        told = 1
        for entry in list(self.entries()):
            if entry.number >= mine.number:
                continue
            says_nothing = entry.phase == Phase.WITHDRAWN and entry.settlement is None
            told += not says_nothing
            if says_nothing or told > KEPT_ENTRIES:
                self._store.delete(self.name_of(entry))

    def holds(self, entry: Entry) -> bool:
        """Tell whether an intent is still the newest entry, as it was written."""
        latest = self.latest()
        return latest is not None and (latest.claim, latest.phase) == (entry.claim, entry.phase)

    def withdraw(self, intent: Entry) -> None:
        """Write that an intent surely was not taken, unless it says otherwise by now."""
        for entry in self.entries():
            if (entry.claim, entry.phase) == (intent.claim, intent.phase):
                self.update(intent.withdrawn())
                return

    def update(self, entry: Entry) -> None:
        """Write how far an entry has come."""
        self._store.update(self.name_of(entry), _write(entry))

    def close(self, job: Job, *, flow_run_id: str | None = None) -> None:
        """Write that the job of the newest entry has ended, well or not.

        Args:
            job: The job, ended.
            flow_run_id: The run that followed it. If the newest entry is its own and says nothing
                of a job, then the job could not be recorded when it was known, and is now.
        """
        entry = self.latest()
        if entry is None or not entry.open:
            return
        late = flow_run_id is not None and entry.flow_run_id == flow_run_id and not entry.job_id
        if entry.job_id == job.id or (late and not self._knows(job)):
            self.update(entry.ended(job))

    def _knows(self, job: Job) -> bool:
        return any(each.job_id == job.id for each in self.entries())


def shape_of(job: Job, synchronization_id: str) -> str | None:
    """Return a job's name with a sign in place of the synchronization's id.

    Beside an id that is only a part of a longer one there is no sign: ``nightly.eu`` is not
    ``nightly``.
    """
    if not job.name:
        return None
    part = r"[\w.:/@+-]"
    pattern = rf"(?<!{part}){re.escape(synchronization_id)}(?!{part})"
    return re.sub(pattern, ID_IN_NAME, job.name)


def _named(batch_job_ids: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(batch_job_ids)[:MOST_BATCH_JOBS])


def _write(entry: Entry) -> dict[str, Any]:
    value: dict[str, Any] = _entries.dump_python(
        entry, mode="json", exclude={"written_on"}, exclude_none=True
    )
    too_much = len(json.dumps(value, ensure_ascii=False).encode()) - MOST_BYTES
    if too_much > 0 and "settlement" in value:
        reason = value["settlement"]["reason"].encode()
        kept = reason[: max(len(reason) - too_much, 0)].decode(errors="ignore")
        value["settlement"]["reason"] = f"{kept}…"
    return value


def _read(kept: Kept) -> Entry:
    return replace(_entries.validate_python(kept.value), written_on=kept.written_on)
