"""Index of this library's own jobs in one environment, each found by its job ID."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import Store

MAX_JOBS: Final = 200
NO_SYNCHRONIZATION: Final = ""
"""Owner of a job of this library that belongs to no synchronization: a simulated import."""


class JobIndex:
    """Owners of the jobs of all synchronizations; it explains jobs and proves nothing."""

    def __init__(self, store: Store, environment: str) -> None:
        """Store the ports; nothing is read."""
        self._store, self._environment = store, environment

    def owners_of(self, job_ids: Iterable[str]) -> dict[str, str]:
        """Return the synchronizations that known jobs finalized, in one request.

        Args:
            job_ids: Jobs, the most important first; at most 200 of them are looked up.
        """
        names = {self._name_of(each): each for each in job_ids}
        if not names:
            return {}
        owners = {}
        for kept in self._store.read(list(names)[:MAX_JOBS]):
            if isinstance(kept.value, dict) and "synchronization_id" in kept.value:
                owners[names[kept.name]] = str(kept.value["synchronization_id"])
        return owners

    def add(self, job_id: str, owner: str) -> None:
        """Record a job; a failure is ignored, because the ledger entry is the record."""
        value: dict[str, Any] = {"synchronization_id": owner, "job_id": job_id}
        with suppress(Exception):  # the store's
            self._store.create(self._name_of(job_id), value, ["collibra-job"])

    def _name_of(self, job_id: str) -> str:
        return resource_name("job", self._environment, job_id)
