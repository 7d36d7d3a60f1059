"""The durable record of what was intended and sent, per tenant and synchronization.

It lives in Prefect's variables, because every worker sees them, a person can read them in the UI,
and the server creates each name once: that is the only compare-and-set it offers. An entry is one
variable, numbered; whoever creates the next number is the one that may send. A lock could expire
under a writer that was merely slow; a name that is taken stays taken.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from pydantic import TypeAdapter
from slugify import slugify

KEPT_ENTRIES = 10
MOST_BATCH_JOBS = 80
"""As many ids as fit a variable's 5,000 characters with room to spare."""
SLUG_LENGTH = 40


class Phase(StrEnum):
    """How far a finalization came, as far as we know."""

    INTENDED = "intended"
    SENT = "sent"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One finalization: intended, then sent (the job is known), then ended.

    ``withdrawn`` means that it surely was not taken. An entry that stays ``intended`` is one of
    which nobody knows the outcome.
    """

    tenant: str
    synchronization_id: str
    strategy: str
    flow_run_id: str | None = None
    flow_run_name: str | None = None
    attempt: int = 0
    batch_job_ids: tuple[str, ...] = ()
    number: int = 0
    phase: Phase = Phase.INTENDED
    job_id: str | None = None
    claim: str = ""
    finalized_before: bool = False

    @property
    def finalized(self) -> bool:
        """Whether a finalization is on record, here or in an entry before."""
        return self.finalized_before or self.phase in {Phase.SENT, Phase.ENDED}

    def was_this_run(self, flow_run_id: str | None, attempt: int) -> bool:
        """Whether an earlier attempt of this very flow run wrote it."""
        same_run = flow_run_id is not None and self.flow_run_id == flow_run_id
        return same_run and self.attempt != attempt


def withdrawn(entry: Entry, after: Entry | None) -> Entry:
    """Say that it was surely not taken: the batches that are used up are still those before it."""
    used = after.batch_job_ids if after else ()
    return replace(entry, phase=Phase.WITHDRAWN, batch_job_ids=used)


_entries = TypeAdapter(Entry)


class Ledger:
    """The entries of one synchronization on one tenant.

    Trouble with the Prefect server raises what Prefect's client raises; nothing may be sent then.
    """

    def __init__(self, tenant: str, synchronization_id: str) -> None:
        """Name the record; nothing is read yet."""
        digest = hashlib.sha256(f"{tenant}\0{synchronization_id}".encode()).hexdigest()[:10]
        slug = slugify(synchronization_id)[:SLUG_LENGTH].strip("-") or "synchronization"
        self._prefix = f"collibra-{slug}-{digest}-"

    def name_of(self, entry: Entry) -> str:
        """Return the name of an entry's variable, as a person finds it in the UI."""
        return f"{self._prefix}{entry.number:06d}"

    def latest(self) -> Entry | None:
        """Return the newest entry; ``None`` if this synchronization was never finalized from here.

        Only the newest can be open: nobody claims the next number before it is closed.
        """
        with get_client(sync_client=True) as client:
            rows = client.request(
                "POST",
                "/variables/filter",
                json={"variables": {"name": {"like_": self._prefix}}, "sort": "NAME_DESC"},
            ).json()
        found = [row for row in rows if row["name"].startswith(self._prefix)]
        return _entries.validate_python(found[0]["value"]) if found else None

    def claim(self, entry: Entry, after: Entry | None) -> Entry | None:
        """Write an intent as the next entry; ``None`` if somebody else has taken that number."""
        number = after.number + 1 if after else 1
        mine = replace(
            entry,
            number=number,
            claim=uuid4().hex,
            finalized_before=after is not None and after.finalized,
            batch_job_ids=tuple(sorted(entry.batch_job_ids)[:MOST_BATCH_JOBS]),
        )
        name = self.name_of(mine)
        with get_client(sync_client=True) as client:
            try:
                client.create_variable(
                    VariableCreate(name=name, value=asdict(mine), tags=["collibra", mine.phase])
                )
            except ObjectAlreadyExists:
                # Prefect's client repeats a request whose answer it lost: it may be our own.
                taken = client.read_variable_by_name(name)
                value = taken.value if taken else None
                if not isinstance(value, dict) or value.get("claim") != mine.claim:
                    return None
            if number > KEPT_ENTRIES:
                self._forget(replace(mine, number=number - KEPT_ENTRIES))
        return mine

    def update(self, entry: Entry) -> None:
        """Write how far an entry has come."""
        with get_client(sync_client=True) as client:
            client.update_variable(
                VariableUpdate(
                    name=self.name_of(entry), value=asdict(entry), tags=["collibra", entry.phase]
                )
            )

    def close(self, job_id: str) -> None:
        """Write that the job of the newest entry has ended, well or not."""
        entry = self.latest()
        if entry is not None and (entry.job_id, entry.phase) == (job_id, Phase.SENT):
            self.update(replace(entry, phase=Phase.ENDED))

    def _forget(self, entry: Entry) -> None:
        with get_client(sync_client=True) as client, suppress(ObjectNotFound):
            client.delete_variable_by_name(self.name_of(entry))
