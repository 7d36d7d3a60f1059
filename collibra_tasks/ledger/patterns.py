"""Names of finalization jobs, learned in one environment, and jobs that a person set aside."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from collibra_tasks.errors import CollibraError
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import Store

ID_IN_NAME = "{}"
"""Place of the synchronization ID in a learned name."""
MAX_ID_LENGTH = 50
"""Maximum length of a synchronization ID. Source: Import API (documented)."""
MAX_PATTERNS = 10
MAX_PATTERN_LENGTH = 200
"""Maximum length of a learned name; a longer one would displace the others from the book."""
MAX_BOOK_BYTES = 4_500
MAX_SET_ASIDE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedPattern:
    """Name of a finalization job that this library sent.

    Attributes:
        name: The job's name, with ``{}`` in place of the synchronization ID. Empty: no name.
        release: Major and minor number of the Collibra version; ``None`` if it is not reported.
    """

    name: str
    release: str | None = None

    @property
    def holds_id(self) -> bool:
        """Whether such a name contains the synchronization ID."""
        return ID_IN_NAME in self.name

    @property
    def has_text(self) -> bool:
        """Whether a name contains more than the ID, and so identifies finalizations."""
        return bool(self.name.replace(ID_IN_NAME, "").strip())

    def id_in(self, name: str | None) -> str | None:
        """Return the synchronization ID in a name that fits; ``None`` otherwise."""
        if not self.holds_id or not name:
            return None
        before, _, after = self.name.partition(ID_IN_NAME)
        if not (name.startswith(before) and name.endswith(after)):
            return None
        found = name[len(before) : len(name) - len(after)]
        return found if 1 <= len(found) <= MAX_ID_LENGTH else None


_patterns = TypeAdapter(list[LearnedPattern])


class PatternBook:
    """Learned names of one environment. A book that cannot be read counts as empty."""

    def __init__(self, store: Store, environment: str, *, log: Callable[[str], None]) -> None:
        """Name the book; nothing is read."""
        self._store = store
        self.name = resource_name("patterns", environment)
        self._log = log

    def read(self) -> tuple[LearnedPattern, ...]:
        """Return the learned names, newest first."""
        found = self._store.read([self.name])
        rows = found[0].value.get("patterns") if found and _is_dict(found[0].value) else []
        try:
            return tuple(_patterns.validate_python(rows))
        except ValueError:
            self._log(f"The Prefect variable {self.name} cannot be read and is ignored.")
            return ()

    def learn(self, pattern: LearnedPattern) -> None:
        """Add a name; failures of the store are logged, since the book only explains jobs."""
        if len(pattern.name) > MAX_PATTERN_LENGTH:
            self._log(
                f"The name of the finalization job was not learned: it has {len(pattern.name)} "
                f"characters, at most {MAX_PATTERN_LENGTH} are possible. Jobs by others count as "
                "possible finalizations."
            )
            return
        try:
            known = self.read()
            if pattern in known:
                return
            rows = [asdict(each) for each in (pattern, *known)[:MAX_PATTERNS]]
            while len(json.dumps(rows)) > MAX_BOOK_BYTES:
                rows.pop()
            value: dict[str, Any] = {"patterns": rows}
            if not self._store.create(self.name, value, ["collibra-patterns"]):
                self._store.update(self.name, value, ["collibra-patterns"])
        except CollibraError as error:
            self._log(f"The name of the finalization job could not be recorded: {error}")


class SetAsideJobs:
    """Jobs of one synchronization that a person decided not to wait for."""

    def __init__(self, store: Store, environment: str, synchronization_id: str) -> None:
        """Name the record; nothing is read."""
        self._store = store
        self.name = resource_name("set-aside", environment, synchronization_id)

    def read(self) -> dict[str, str]:
        """Return the jobs, each with person and reason."""
        found = self._store.read([self.name])
        jobs = found[0].value.get("jobs") if found and _is_dict(found[0].value) else None
        return dict(jobs) if isinstance(jobs, dict) else {}

    def add(self, job_id: str, note: str) -> None:
        """Record a job with person and reason."""
        jobs = {job_id: note[:100], **self.read()}
        rows = list(jobs.items())[:MAX_SET_ASIDE]
        while len(json.dumps(rows)) > MAX_BOOK_BYTES:
            rows.pop()
        value: dict[str, Any] = {"jobs": dict(rows)}
        if not self._store.create(self.name, value, ["collibra-set-aside"]):
            self._store.update(self.name, value, ["collibra-set-aside"])


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)
