"""Options of cycles, batches and waits as frozen values, checked when created."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from math import isfinite
from typing import Annotated, ClassVar, Final, Literal, get_args

from pydantic import ConfigDict, Field

from collibra_tasks.models import AttributesAction, RelationsAction

MAX_COMMANDS_PER_BATCH: Final = 50_000
MAX_CONCURRENT_BATCHES: Final = 8
MIN_APPROVAL_SECONDS: Final = 60

FileFormat = Literal["json", "jsonl", "csv", "excel"]
_Character = Annotated[str, Field(min_length=1, max_length=1)]
_Count = Annotated[int, Field(ge=0)]
_Percent = Annotated[float, Field(ge=0, le=100)]
_FORM = ConfigDict(use_attribute_docstrings=True, field_title_generator=lambda name, _: name)
# Run forms show the name of each field, and the docstring below it as its help text.


class OnOverlap(StrEnum):
    """Behavior while another flow run fills or finalizes the same synchronization."""

    ATTACH = "attach"
    SKIP = "skip"
    FAIL = "fail"


class OnCancel(StrEnum):
    """Action on the job in Collibra when its flow run is cancelled."""

    LEAVE = "leave"
    CANCEL_JOB = "cancel_job"


class OnGuard(StrEnum):
    """Behavior when the removal plan exceeds the limits."""

    FAIL = "fail"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """Format of CSV files.

    Example:
        ```python
        CsvOptions(separator=",")
        ```
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    separator: _Character = ";"
    """One character between two cells."""
    quote: _Character = '"'
    """One character around a cell."""
    escape: Annotated[str, Field(max_length=1)] = ""
    """One character before a quote inside a quoted cell. Empty: only doubled quotes."""
    header_row: bool = True
    """Whether the first row holds the column names."""
    ignore_leading_whitespace: bool = False
    """Whether whitespace after a separator is dropped."""
    encoding: str = "utf-8"
    """Character encoding, such as utf-8 or utf-16."""

    def __post_init__(self) -> None:
        """Check that each special character is one character and the encoding is known."""
        for name in ("separator", "quote", "escape"):
            text = getattr(self, name)
            if not (text == "" and name == "escape") and (len(text) != 1 or text in "\r\n\0"):
                raise ValueError(f"CSV {name} must be one character, not {text!r}.")
        if self.separator == self.quote:
            raise ValueError(f"CSV separator and quote must differ; both are {self.quote!r}.")
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise ValueError(f"CSV encoding {self.encoding!r} is unknown.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """Reading of a source.

    Example:
        ```python
        SourceOptions(file_format="csv", template="exports/template.json")
        ```
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    file_format: FileFormat | None = None
    """Format of the files: json, jsonl, csv or excel. Empty: detected from the file names."""
    template: str = ""
    """For CSV and Excel: JSON array of import commands with a placeholder for each column, or the
    path of a file that holds it."""
    csv: CsvOptions = field(default_factory=CsvOptions)
    """Format of CSV files."""
    sheet: str = ""
    """Name of the Excel sheet. Empty: the first."""
    list_separator: str = ","
    """Separator between several values in one cell."""

    def __post_init__(self) -> None:
        """Check the format and the separator."""
        _check_choice("file_format", self.file_format, (None, *get_args(FileFormat)))
        if not self.list_separator:
            raise ValueError("list_separator must have at least one character, not ''.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """Upload of batches.

    Example:
        ```python
        BatchOptions(max_commands_per_batch=5_000, relations_action=RelationsAction.REPLACE)
        ```
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    max_commands_per_batch: Annotated[int, Field(ge=1, le=MAX_COMMANDS_PER_BATCH)] = 10_000
    """Maximum number of import commands per batch, 1 to 50,000."""
    max_concurrent_batches: Annotated[int, Field(ge=1, le=MAX_CONCURRENT_BATCHES)] = 1
    """Maximum number of batches at the same time, 1 to 8. Collibra does not document more than one
    as safe."""
    continue_on_error: bool = False
    """Whether a batch commits its valid commands when others fail. The cycle is not finalized in
    that case."""
    relations_action: RelationsAction | None = None
    """REPLACE deletes relations that a batch does not list; ADD_OR_IGNORE leaves them. Empty:
    Collibra's default, REPLACE. Documented for JSON batches since 2022."""
    attributes_action: AttributesAction | None = None
    """REPLACE deletes attribute values that a batch does not list; ADD_OR_IGNORE leaves them.
    Empty: Collibra's default, REPLACE. Documented since 2026; an older version may ignore it."""

    def __post_init__(self) -> None:
        """Check the ranges and the choices."""
        size, concurrency = self.max_commands_per_batch, self.max_concurrent_batches
        _check_range("max_commands_per_batch", size, 1, MAX_COMMANDS_PER_BATCH)
        _check_range("max_concurrent_batches", concurrency, 1, MAX_CONCURRENT_BATCHES)
        _convert(self, "relations_action", RelationsAction, optional=True)
        _convert(self, "attributes_action", AttributesAction, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalLimits:
    """Limits on what may go missing from one cycle to the next without approval.

    One exceeded limit stops a cycle. The percentages detect broken exports of small sources, the
    count those of large ones. Okta stops at 20%, octoDNS at 30% of 10 records, Entra at 500.

    Example:
        ```python
        RemovalLimits(max_missing_count=100, max_missing_percent=5.0)
        ```
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORM
    max_missing_count: _Count = 1_000
    """Maximum number of assets that may go missing without approval, 0 or more."""
    max_missing_percent: _Percent = 20.0
    """Maximum percentage of the previous cycle's assets that may go missing without approval, 0 to
    100."""
    min_population: _Count = 10
    """Minimum number of assets in the previous cycle for the percentage to apply. In a smaller
    cycle, a single asset is a large share."""
    max_part_percent: _Percent = 50.0
    """Maximum percentage of the assets of one domain, community or source file that may go missing
    without approval, 0 to 100."""
    min_part_population: _Count = 10
    """Minimum number of assets in a domain, community or source file for its percentage to
    apply."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("max_missing_count", "min_population", "min_part_population"):
            _check_range(name, getattr(self, name), 0, None)
        for name in ("max_missing_percent", "max_part_percent"):
            _check_range(name, getattr(self, name), 0, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOptions:
    """All options of one cycle; every field has a safe default.

    Attributes:
        source: Reading of the source.
        batches: Upload of the batches.
        limits: Limits on what may go missing without approval.
        on_guard: Behavior when the plan exceeds the limits.
        accept_missing_count: Number of missing assets in the plan that a person approves, once.
        accept_reason: Reason for the approval; recorded in the receipt.
        approval_seconds: Maximum wait for an approval, 60 seconds or more.
        evict_before: Whether unchanged commands run again and revert manual edits.
        storage: Storage block such as ``s3-bucket/manifests``. Empty: a folder in Prefect's home.
        wait_seconds: Maximum wait for each job, in seconds, 0 or more.
        on_overlap: Behavior while another flow run is in its cycle.

    Example:
        ```python
        CycleOptions(limits=RemovalLimits(max_missing_count=50), on_guard=OnGuard.ASK)
        ```
    """

    source: SourceOptions = field(default_factory=SourceOptions)
    batches: BatchOptions = field(default_factory=BatchOptions)
    limits: RemovalLimits = field(default_factory=RemovalLimits)
    on_guard: OnGuard = OnGuard.FAIL
    accept_missing_count: int | None = None
    accept_reason: str = ""
    approval_seconds: int = 86_400
    evict_before: bool = False
    storage: str = ""
    wait_seconds: float = 3600.0
    on_overlap: OnOverlap = OnOverlap.ATTACH

    def __post_init__(self) -> None:
        """Check the ranges and the choices."""
        _convert(self, "on_guard", OnGuard)
        _convert(self, "on_overlap", OnOverlap)
        _check_range("accept_missing_count", self.accept_missing_count or 0, 0, None)
        _check_range("approval_seconds", self.approval_seconds, MIN_APPROVAL_SECONDS, None)
        _check_range("wait_seconds", self.wait_seconds, 0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every interval of the library, in seconds, 0 or more; tests pass shorter ones.

    Attributes:
        job_first_pause: First pause between two reads of a job; it grows by half each time.
        job_max_pause: Maximum pause between two reads of a job.
        job_not_found_grace: Time for which a job may be unknown to Collibra. Source: Collibra's
            own poller tolerates 10 seconds (observed).
        busy_pause: Pause after a 429 that requests none.
        max_busy: Maximum total wait for a busy Collibra.
        ledger_poll: Pause between two reads of the ledger.
        max_stall: Maximum time in which a reader of the ledger expects a change.
        list_grace: Time after which a started job must be in Collibra's job list.
        list_recheck: Pause between two reads of the job list.
        lock_renew: Interval between two renewals of a lock.
        lock_expiry: Age of the last renewal at which a lock may be taken over.
        lock_poll: Pause between two attempts to acquire a lock.
        signal_shield: Maximum delay of a termination signal; Prefect kills after 30 seconds.
        api_absence: Maximum wait for the Prefect API.
        clock_resolution: Resolution of the compared clocks.

    Example:
        ```python
        Timing(job_first_pause=0, job_max_pause=0)  # for tests
        ```
    """

    job_first_pause: float = 1.0
    job_max_pause: float = 15.0
    job_not_found_grace: float = 30.0
    busy_pause: float = 30.0
    max_busy: float = 600.0
    ledger_poll: float = 2.0
    max_stall: float = 20.0
    list_grace: float = 30.0
    list_recheck: float = 10.0
    lock_renew: float = 30.0
    lock_expiry: float = 90.0
    lock_poll: float = 2.0
    signal_shield: float = 25.0
    api_absence: float = 900.0
    clock_resolution: float = 1.0

    def __post_init__(self) -> None:
        """Check that every interval is finite and not negative."""
        for interval in fields(self):
            _check_range(interval.name, getattr(self, interval.name), 0, None)


def _check_range(name: str, value: float, low: float, high: float | None) -> None:
    allowed = f"{low:,} to {high:,}" if high is not None else f"{low:,} or more"
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not number or value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be a number, {allowed}, not {value!r}.")


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        shown = ", ".join(str(choice) for choice in choices if choice is not None)
        raise ValueError(f"{name} must be one of {shown}, not {value!r}.")


def _convert(options: object, name: str, choices: type[StrEnum], *, optional: bool = False) -> None:
    value = getattr(options, name)
    if value is None and optional:
        return
    _check_choice(name, value, tuple(choices))
    object.__setattr__(options, name, choices(value))
