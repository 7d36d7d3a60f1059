"""The ledger of one synchronization: numbered entries, of which each number is created once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn
from uuid import uuid4

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.entry import History, LedgerEntry, Phase
from collibra_tasks.ledger.entry_form import entry_from_value, entry_to_value
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.job_index import NO_SYNCHRONIZATION, JobIndex
from collibra_tasks.ledger.store import Store, StoredValue, StoreUnavailableError

MAX_KEPT_ENTRIES = 20


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
        self._entry_name = re.compile(re.escape(self.tag) + r"-(\d{6,})")
        self._index = JobIndex(store, environment)

    def name_of(self, number: int) -> str:
        """Return the name of an entry's variable, as the Prefect UI shows it."""
        return f"{self.tag}-{number:06d}"

    def newest(self) -> LedgerEntry | None:
        """Return the newest entry; ``None`` if nothing was finalized by this library.

        Raises:
            FinalizationRefusedError: If the newest entry cannot be read.
        """
        found = self._find()
        return self._read(found[0]) if found else None

    def entries(self) -> list[LedgerEntry]:
        """Return the entries that are kept, newest first. Unreadable older entries are left out."""
        entries = []
        for index, value in enumerate(self._find()):
            try:
                entries.append(self._read(value))
            except FinalizationRefusedError:
                if index == 0:
                    raise
        return entries

    def _find(self) -> list[StoredValue]:
        """Return the stored entries, newest first; other variables with the tag do not count."""
        found = [each for each in self.store.find(self.tag) if self._number_in(each.name)]
        return sorted(found, key=lambda each: self._number_in(each.name), reverse=True)

    def _number_in(self, name: str) -> int:
        """Return the number in an entry's name; 0 if the name is no entry's."""
        match = self._entry_name.fullmatch(name)
        return int(match[1]) if match else 0

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
        elif newest is None or newest.number < mine.number:
            self._restore_tag(mine.number)
        return None

    def _restore_tag(self, number: int) -> None:
        """Write an entry again that has lost its tag, as by ``prefect variable set``."""
        for kept in self.store.read([self.name_of(number)]):
            if isinstance(kept.value, dict):
                self.store.update(kept.name, kept.value, [self.tag])
            else:
                _refuse(kept.name, "it is no ledger entry")

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
            self._index.add(entry.job_id, self.synchronization_id)

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
        """Return the owners of known jobs of this environment; see `JobIndex.owners_of`."""
        return self._index.owners_of(job_ids)

    def explain_validation(self, job_id: str) -> None:
        """Record a simulated import of ours, which belongs to no synchronization."""
        self._index.add(job_id, NO_SYNCHRONIZATION)

    def _read(self, kept: StoredValue) -> LedgerEntry:
        try:
            entry = entry_from_value(kept.value, written_on=kept.updated_on)
        except ValueError as error:
            _refuse(kept.name, str(error).splitlines()[0])
        owner = entry.synchronization_id
        if (owner, entry.number) != (self.synchronization_id, self._number_in(kept.name)):
            _refuse(kept.name, f"it is a copy of entry {entry.number} of {owner!r}")
        return entry

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


def _refuse(name: str, cause: str) -> NoReturn:
    raise FinalizationRefusedError(
        f"Nothing was sent: the ledger entry in the Prefect variable {name} cannot be read "
        f"({cause}). Correct the variable, or save its text elsewhere and delete it with: "
        f"prefect variable unset {name}."
    ) from None
