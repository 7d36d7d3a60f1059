"""The API's nouns as frozen values: enumerations for what we send, open words for what we hear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

MISSING_FROM_SOURCE: Final = "00000000-0000-0000-0000-000000005066"
"""The packaged status *Missing from source*, the same in every environment. Source: documented."""

AuthType = Literal["basic", "bearer", "oauth"]


class FinalizationStrategy(StrEnum):
    """What finalization does to assets that did not come back."""

    # Source: documented.

    REMOVE_RESOURCES = "REMOVE_RESOURCES"
    CHANGE_STATUS = "CHANGE_STATUS"
    IGNORE = "IGNORE"


class OnOverlap(StrEnum):
    """What a run does when another one is finalizing the same synchronization."""

    ATTACH = "attach"
    SKIP = "skip"
    FAIL = "fail"


class OnCancel(StrEnum):
    """What becomes of the job in Collibra when its flow run is cancelled."""

    LEAVE = "leave"
    CANCEL_JOB = "cancel_job"


class OnGuard(StrEnum):
    """What a run does when more would go missing than its limits allow."""

    FAIL = "fail"
    ASK = "ask"


class RelationsAction(StrEnum):
    """What a batch does to relations that an asset already has."""

    # Source: documented.

    ADD_OR_IGNORE = "ADD_OR_IGNORE"
    REPLACE = "REPLACE"


FIRST_YEAR: Final = 2000
"""Releases are named by year and month; before that they were numbered."""
LAST_NUMBERED_RELEASE: Final = 5

RUNNING_STATES: Final = frozenset({"WAITING", "RUNNING", "CANCELING"})
ENDED_STATES: Final = frozenset({"COMPLETED", "FAILED", "ERROR", "CANCELED", "DELETED"})
RESULTS: Final = frozenset({"NOT_SET", "SUCCESS", "COMPLETED_WITH_ERROR", "FAILURE", "ABORTED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A background job, as the tenant last described it.

    Both job APIs of Collibra are read into this one shape; ``state`` keeps the word that was said.
    """

    id: str
    state: str | None = None
    result: str | None = None
    message: str | None = None
    name: str | None = None
    type: str | None = None
    user_id: str | None = None
    progress_percentage: float | None = None
    created_on: datetime | None = None
    started_on: datetime | None = None
    ended_on: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen, well or not."""
        return self.state in ENDED_STATES

    @property
    def succeeded(self) -> bool:
        """Whether all was committed; COMPLETED alone does not say so."""
        return (self.state, self.result) == ("COMPLETED", "SUCCESS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file of import commands, and what the tenant must be told of it.

    ``file_format`` is ``json``, ``csv`` or ``excel``; ``options`` are parts of the form, such as a
    table's ``template``.
    """

    file_name: str
    content: bytes = field(repr=False)
    file_format: str = "json"
    continue_on_error: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a job did to resources of one type."""

    added: int = 0
    updated: int = 0
    removed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """Collibra's own count of what a job did, by resource type (``ASSET``, ``RELATION``, …)."""

    counters: dict[str, Counters] = field(default_factory=dict)
    errors_count: int = 0
    import_job_state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFailure:
    """One thing that Collibra could not import.

    ``indices`` are the places of the command in the list that was sent, counted from 0.
    """

    message: str
    error_type: str | None = None
    resource_type: str | None = None
    indices: tuple[int, ...] = ()
    identifier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A status that an asset can have."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that the tenant sees behind our credentials."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TenantVersion:
    """A Collibra release, such as 2026.07, as far as it could be read."""

    major: int
    minor: int
    text: str = field(compare=False)

    @property
    def wants_finalization_parameters(self) -> bool:
        """Whether it is older than 2022.08 and knows the status by its former part only.

        Source: 2022.08 is documented; that releases up to 5.x are older is assumed.
        """
        numbered = 1 <= self.major <= LAST_NUMBERED_RELEASE
        by_year = self.major >= FIRST_YEAR and (self.major, self.minor) < (2022, 8)
        return numbered or by_year
