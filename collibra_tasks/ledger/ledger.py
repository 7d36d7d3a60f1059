"""The ledger of one synchronization: numbered entries, of which each number is created once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.entry import (
    History,
    LedgerEntry,
    Phase,
    entry_from_value,
    entry_to_value,
)
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import Store, StoredValue, StoreUnavailableError

MAX_KEPT_ENTRIES = 20
MAX_INDEXED_JOBS = 200


class Ledger:
    """The entries of one synchronization in one environment.

    Creating entry N+1 is the compare-and-set of the store: of several flow runs that judged
    generation N, one creates it. Entries are found by their tag, in one request.
    """

    def __init__(self, store: Store, environment: str, synchronization_id: str) -> None:
        """Name the ledger; nothing is read.

        Args:
            store: Named values that every worker sees.
            environment: Normalized identity of the Collibra environment.
            synchronization_id: 1 to 50 characters.
        """
        self.store = store
        self.environment = environment
        self.synchronization_id = synchronization_id
        self.tag = resource_name("ledger", environment, synchronization_id)

    def name_of(self, number: int) -> str:
        """Return the name of an entry's variable, as the Prefect UI shows it."""
        return f"{self.tag}-{number:06d}"

    def newest(self) -> LedgerEntry | None:
        """Return the newest entry; ``None`` if nothing was finalized by this library.

        Raises:
            FinalizationRefusedError: If the newest entry cannot be read.
        """
        found = self.store.find(self.tag, limit=1)
        return self._read(found[0]) if found else None

    def entries(self) -> list[LedgerEntry]:
        """Return the entries that are kept, newest first. Unreadable older entries are left out."""
        entries = []
        for index, value in enumerate(self.store.find(self.tag)):
            try:
                entries.append(self._read(value))
            except FinalizationRefusedError:
                if index == 0:
                    raise
        return entries

    def claim(self, entry: LedgerEntry, *, generation: int, history: History) -> LedgerEntry | None:
        """Create entry ``generation + 1``; return ``None`` if that generation is not the newest.

        Args:
            entry: The finalization that is intended.
            generation: Number of the newest entry when plan, guard and evidence were judged.
            history: Summary of the entries up to that generation.
        """
        mine = replace(entry, number=generation + 1, claim_id=uuid4().hex, history=history)
        created, lost = False, None
        try:
            created = self.store.create(self.name_of(mine.number), entry_to_value(mine), [self.tag])
        except StoreUnavailableError as error:
            lost = error
        newest = self.newest()
        # A store may create the name, lose its response and repeat: the name may be ours. A run
        # that stood still may create a number that was deleted long ago: then a newer one exists.
        if newest is not None and newest.claim_id == mine.claim_id:
            with suppress(Exception):  # the store's; an old entry does no harm
                self._delete_old(mine)
            return mine
        if lost is not None:
            raise lost
        if created:
            self._delete_unused(mine)
        return None

    def _delete_unused(self, mine: LedgerEntry) -> None:
        """Delete an intent that is not the newest, unless a person has decided about it."""
        for kept in self.store.read([self.name_of(mine.number)]):
            now = self._read(kept)
            if (now.claim_id, now.phase) == (mine.claim_id, mine.phase):
                self.store.delete(kept.name)

    def update(self, entry: LedgerEntry) -> None:
        """Write the progress of an entry."""
        self.store.update(self.name_of(entry.number), entry_to_value(entry), [self.tag])
        if entry.job_id is not None and entry.is_effective:
            self._index(entry.job_id)

    def update_unless_changed(self, before: LedgerEntry, after: LedgerEntry) -> bool:
        """Write an entry if the record still shows it as it was; return whether it was written."""
        kept = self.store.read([self.name_of(before.number)])
        if not kept:
            return False
        now = self._read(kept[0])
        if (now.claim_id, now.phase, now.job_id) != (before.claim_id, before.phase, before.job_id):
            return False
        self.update(after)
        return True

    def owners_of(self, job_ids: Iterable[str]) -> dict[str, str]:
        """Return the synchronizations of this environment whose finalizations had these jobs."""
        names = {self._index_name(each): each for each in job_ids}
        if not names:
            return {}
        owners = {}
        for kept in self.store.read(list(names)[:MAX_INDEXED_JOBS]):
            if isinstance(kept.value, dict) and "synchronization_id" in kept.value:
                owners[names[kept.name]] = str(kept.value["synchronization_id"])
        return owners

    def _index(self, job_id: str) -> None:
        value: dict[str, Any] = {"synchronization_id": self.synchronization_id, "job_id": job_id}
        with suppress(Exception):  # the store's; the index explains jobs, the entry is the record
            self.store.create(self._index_name(job_id), value, ["collibra-job"])

    def _index_name(self, job_id: str) -> str:
        return resource_name("job", self.environment, job_id)

    def _read(self, kept: StoredValue) -> LedgerEntry:
        try:
            return entry_from_value(kept.value, written_on=kept.updated_on)
        except ValueError as error:
            raise FinalizationRefusedError(
                f"Nothing was sent: the ledger entry in the Prefect variable {kept.name} cannot be "
                f"read ({_short(error)}). Correct the variable, or save its text elsewhere and "
                f"delete it with: prefect variable unset {kept.name}."
            ) from None

    def _delete_old(self, mine: LedgerEntry) -> None:
        """Delete old entries; withdrawn entries that no person wrote explain nothing."""
        kept = 1
        for entry in self.entries():
            if entry.number >= mine.number:
                continue
            explains_nothing = entry.phase == Phase.WITHDRAWN and entry.resolution is None
            kept += not explains_nothing
            if explains_nothing or kept > MAX_KEPT_ENTRIES:
                self.store.delete(self.name_of(entry.number))


def _short(error: ValueError) -> str:
    return str(error).splitlines()[0]
