"""How a job ends: its words, its errors and what it counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

COMPLETED, ERROR, CANCELED = "COMPLETED", "ERROR", "CANCELED"
SUCCESS, COMPLETED_WITH_ERROR = "SUCCESS", "COMPLETED_WITH_ERROR"
ABORTED, FAILURE, NOT_SET = "ABORTED", "FAILURE", "NOT_SET"

VALIDATION, RUNTIME = "VALIDATION", "RUNTIME"


class Tally(NamedTuple):
    """What a counter counts.

    Attributes:
        resource_type: ``ASSET``, ``COMMUNITY`` and so on.
        category: The type of the asset, where there is one.
        happening: ``added``, ``updated``, ``removed`` or ``failed``.
    """

    resource_type: str
    category: str | None
    happening: str


Tallies = Counter[Tally]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCommand:
    """One command that failed.

    Attributes:
        indices: Where the command stands in the input; several, where adjacent ones were merged.
    """

    message: str
    error_type: str = RUNTIME
    resource_type: str = "ASSET"
    indices: tuple[int, ...] = ()
    identifier: str = ""

    def body(self) -> dict[str, object]:
        """Return the error as the results API shows it."""
        return {
            "errorType": self.error_type,
            "resourceType": self.resource_type,
            "errorMessage": self.message,
            "command": {"indices": list(self.indices), "identifier": self.identifier},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ended, in the words of the older job API."""

    state: str = COMPLETED
    result: str = SUCCESS
    message: str | None = None
    errors: tuple[Mapping[str, Any], ...] = ()
    tallies: Tallies = field(default_factory=Counter)

    @property
    def succeeded(self) -> bool:
        """Whether everything was committed."""
        return (self.state, self.result) == (COMPLETED, SUCCESS)


def failed(errors: Iterable[FailedCommand]) -> Outcome:
    """End in failure, with nothing committed."""
    bodies = tuple(error.body() for error in errors)
    return Outcome(state=ERROR, result=FAILURE, errors=bodies, message="Import failed.")
