"""Collibra's nouns as frozen values: enumerations for sent values, open strings for received."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import IO, Final, Literal, NamedTuple
from uuid import UUID

from collibra_tasks.errors import FinalizationRefusedError

MISSING_FROM_SOURCE: Final = "00000000-0000-0000-0000-000000005066"
"""UUID of the packaged status *Missing from source*, equal everywhere. Source: documented."""

MAX_SYNCHRONIZATION_ID_LENGTH: Final = 50

AuthType = Literal["basic", "bearer", "oauth"]
ClientAuth = Literal["basic", "form"]


class FinalizationStrategy(StrEnum):
    """Action of a finalization on assets that are missing from the cycle."""

    # Source: documented.

    REMOVE_RESOURCES = "REMOVE_RESOURCES"
    CHANGE_STATUS = "CHANGE_STATUS"
    IGNORE = "IGNORE"


class RelationsAction(StrEnum):
    """Action of a batch on relations of an asset that the batch does not list."""

    # Source: documented. Collibra's default is REPLACE, which deletes them.

    ADD_OR_IGNORE = "ADD_OR_IGNORE"
    REPLACE = "REPLACE"


class AttributesAction(StrEnum):
    """Action of a batch on attribute values of an asset that the batch does not list."""

    # Source: documented in 2026; an older Collibra may ignore it.

    ADD_OR_IGNORE = "ADD_OR_IGNORE"
    REPLACE = "REPLACE"


FIRST_YEAR: Final = 2000
"""Lowest major number that is a year; earlier releases are numbered 1 to 5."""
LAST_NUMBERED_RELEASE: Final = 5

RUNNING_STATES: Final = frozenset({"WAITING", "RUNNING", "CANCELING"})
ENDED_STATES: Final = frozenset({"COMPLETED", "FAILED", "ERROR", "CANCELED", "DELETED"})
RESULTS: Final = frozenset({"NOT_SET", "SUCCESS", "COMPLETED_WITH_ERROR", "FAILURE", "ABORTED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A background job in Collibra, in its last known state.

    Both of Collibra's job APIs are read into this shape; ``state`` holds the received word.
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
        """Whether the job has ended, with or without success."""
        return self.state in ENDED_STATES

    @property
    def succeeded(self) -> bool:
        """Whether everything was committed; COMPLETED alone does not prove it."""
        return (self.state, self.result) == ("COMPLETED", "SUCCESS")


@dataclass(frozen=True, slots=True)
class FinalizationRequest:
    """Parameters of one finalization, checked when created.

    Attributes:
        synchronization_id: ID of the synchronization, 1 to 50 characters.
        strategy: Action on missing assets.
        missing_asset_status_id: UUID of the status for CHANGE_STATUS; ``None`` for other
            strategies, whatever was given.
        send_notification: Whether Collibra notifies the user when the job ends.

    Raises:
        FinalizationRefusedError: If the parameters do not form one unambiguous request.

    Example:
        ```python
        FinalizationRequest("warehouse-nightly", FinalizationStrategy.IGNORE)
        ```
    """

    synchronization_id: str
    strategy: FinalizationStrategy
    missing_asset_status_id: str | None = None
    _: KW_ONLY
    send_notification: bool = False

    def __post_init__(self) -> None:
        """Check and normalize the values."""
        reasons = find_synchronization_id_faults(self.synchronization_id)
        strategy, status_id = None, None
        try:
            strategy = FinalizationStrategy(self.strategy)
        except ValueError:
            known = ", ".join(FinalizationStrategy)
            reasons.append(f"strategy {self.strategy!r} is not one of {known}")
        if strategy == FinalizationStrategy.CHANGE_STATUS:
            status_id = _canonical_uuid(self.missing_asset_status_id)
            reasons += [] if status_id else [_status_fault(self.missing_asset_status_id)]
        if reasons:
            raise FinalizationRefusedError(
                f"Finalization not started: {'; '.join(reasons)}. "
                "Nothing was sent. Correct the parameters and run again.",
                reasons=reasons,
            )
        object.__setattr__(self, "strategy", strategy)
        object.__setattr__(self, "missing_asset_status_id", status_id)


def find_synchronization_id_faults(synchronization_id: str) -> list[str]:
    """Return the faults of a synchronization ID, one phrase each; empty if it is usable.

    Source: the length of 1 to 50 is documented; the refused characters are assumed, because
    Collibra published no character set.
    """
    shown = f"synchronization ID {synchronization_id[:80]!r}"
    length = len(synchronization_id)
    if not 1 <= length <= MAX_SYNCHRONIZATION_ID_LENGTH:
        limit = MAX_SYNCHRONIZATION_ID_LENGTH
        return [f"{shown} has {length} characters, 1 to {limit} are allowed"]
    if synchronization_id in {"exists", ".", ".."}:
        return [f"{shown} has another meaning in Collibra's URLs"]
    if synchronization_id != synchronization_id.strip():
        return [f"{shown} begins or ends with whitespace"]
    if "/" in synchronization_id or "\\" in synchronization_id:
        return [f"{shown} contains a slash"]
    if not synchronization_id.isprintable():
        return [f"{shown} contains a control character"]
    return []


def _canonical_uuid(text: str | None) -> str | None:
    with suppress(ValueError):
        return str(UUID(text)) if text else None
    return None


def _status_fault(status_id: str | None) -> str:
    if not status_id:
        return "CHANGE_STATUS needs missing_asset_status_id, the status for missing assets"
    return f"missing_asset_status_id {status_id!r} is not a UUID"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of JSON import commands in UTF-8, and the name that Collibra records for it."""

    content: bytes | IO[bytes] = field(repr=False)
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Numbers of resources of one type that a job changed."""

    added: int = 0
    updated: int = 0
    removed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """Collibra's counters of a job, by resource type (``ASSET``, ``RELATION``, …)."""

    counters: dict[str, Counters] = field(default_factory=dict)
    errors_count: int = 0
    import_job_state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFailure:
    """One error that Collibra recorded; ``indices`` are positions in the sent list, from 0."""

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
    """The Collibra account that the credentials belong to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CollibraVersion:
    """A Collibra release, such as 2026.07."""

    major: int
    minor: int
    text: str = field(compare=False)

    @property
    def release(self) -> str:
        """Major and minor number, such as ``2026.7``."""
        return f"{self.major}.{self.minor}"

    @property
    def wants_finalization_parameters(self) -> bool:
        """Whether the release is older than 2022.08 and has no ``missingAssetStatusId``.

        Source: the boundary 2022.08 is documented; that releases 1 to 5 are older is assumed.
        """
        numbered = 1 <= self.major <= LAST_NUMBERED_RELEASE
        by_year = self.major >= FIRST_YEAR and (self.major, self.minor) < (2022, 8)
        return numbered or by_year


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationInfo:
    """Self-description of a Collibra environment.

    Attributes:
        base_url: The environment's own URL; ``None`` if it does not report one.
        version: Release; ``None`` if it is not reported or not readable.
    """

    base_url: str | None
    version: CollibraVersion | None


class AssetRow(NamedTuple):
    """One asset of a cycle.

    ``asset`` is a readable unique label, such as ``Data Warehouse > Sales schema > T1``. ``domain``
    is the label of its domain, ``community`` its community and ``file`` its source file; each is
    empty if unknown. ``name`` is empty if the label ends with the name of the asset.
    """

    asset: str
    domain: str
    community: str
    file: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunInfo:
    """The flow run that executes the current code.

    Attributes:
        id: ID of the flow run; ``None`` outside of a flow run.
        name: Name of the flow run.
        root_id: ID of the outermost flow run that called it; its own ID if none did.
        attempt: 1 for the first attempt, one more for each retry; 0 outside of a flow run.
        root_attempt: The same for the outermost flow run.
        deployment: Name of the deployment, or ``None``.
        created_by_schedule: Whether a schedule created the outermost flow run.
        started_on: Start of the flow run by the Prefect server's clock, in UTC.
    """

    id: str | None = None
    name: str | None = None
    root_id: str | None = None
    attempt: int = 0
    root_attempt: int = 0
    deployment: str | None = None
    created_by_schedule: bool = False
    started_on: datetime | None = None
