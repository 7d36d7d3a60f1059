"""Groups of parameters in the run forms of the flows."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from collibra_tasks.models import AttributesAction, RelationsAction
from collibra_tasks.options import (
    MAX_CONCURRENT_BATCHES,
    MIN_APPROVAL_SECONDS,
    BatchOptions,
    CsvOptions,
    CycleOptions,
    FileFormat,
    OnCancel,
    RemovalLimits,
    SourceOptions,
)

SynchronizationId = Annotated[
    str, Field(min_length=1, max_length=50, json_schema_extra={"pattern": r"^[^/\\]+$"})
]
StatusId = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^([0-9a-fA-F-]{32,36})?$"})]
# Only the forms check the patterns: a caller in Python gets the library's own error.

_SOURCE: Final = SourceOptions()
_BATCHES: Final = BatchOptions()
_LIMITS: Final = RemovalLimits()
_CYCLE: Final = CycleOptions()


class _Group(BaseModel):
    """Group of parameters; an unknown name is refused."""

    # The form then shows the names of the reference, as it does for the parameters of a flow.
    model_config = ConfigDict(
        extra="forbid", frozen=True, field_title_generator=lambda name, _: name
    )


class SourceReading(_Group):
    """Reading of the source files."""

    file_format: FileFormat | None = Field(
        default=_SOURCE.file_format,
        description="Format of the files: json, jsonl, csv or excel. None: detected from the file "
        "names (.json, .jsonl, .csv, .xlsx, each also with .gz).",
    )
    csv: CsvOptions = Field(default=_SOURCE.csv, description="Format of CSV files.")
    sheet: str = Field(
        default=_SOURCE.sheet, description="Name of the Excel sheet. Empty: the first sheet."
    )
    list_separator: str = Field(
        default=_SOURCE.list_separator,
        min_length=1,
        description="Separator between several values in one cell.",
    )

    def to_options(self, template: str) -> SourceOptions:
        """Return the options of the source."""
        return SourceOptions(
            file_format=self.file_format,
            template=template,
            csv=self.csv,
            sheet=self.sheet,
            list_separator=self.list_separator,
        )


class BatchSending(_Group):
    """Upload of the batches."""

    max_concurrent_batches: Annotated[int, Field(ge=1, le=MAX_CONCURRENT_BATCHES)] = Field(
        default=_BATCHES.max_concurrent_batches,
        description="Maximum number of batches at the same time, 1 to 8. Collibra does not "
        "document more than one as safe.",
    )
    continue_on_error: bool = Field(
        default=_BATCHES.continue_on_error,
        description="Commit the valid commands of a batch when others fail. The cycle is not "
        "finalized in that case either.",
    )
    relations_action: RelationsAction | None = Field(
        default=_BATCHES.relations_action,
        description="REPLACE deletes relations that a batch does not list; ADD_OR_IGNORE leaves "
        "them unchanged. None: Collibra's default, REPLACE. Documented for JSON since 2022.",
    )
    attributes_action: AttributesAction | None = Field(
        default=_BATCHES.attributes_action,
        description="REPLACE deletes attribute values that a batch does not list; ADD_OR_IGNORE "
        "leaves them unchanged. None: Collibra's default, REPLACE. Documented since 2026; an older "
        "version may ignore it.",
    )
    evict_before: bool = Field(
        default=_CYCLE.evict_before,
        description="Clear Collibra's memory of this synchronization before the upload, so that "
        "unchanged commands run again and revert manual edits. An asset that was renamed by hand "
        "is created again, and the renamed one counts as missing.",
    )
    storage: str = Field(
        default=_CYCLE.storage,
        json_schema_extra={"pattern": "^([^/]+/[^/]+)?$"},
        description="Prefect storage block for the contents of cycles, such as "
        "s3-bucket/manifests. Empty: a folder on the worker; every flow run must then use the same "
        "worker.",
    )
    on_cancel: OnCancel = Field(
        default=OnCancel.LEAVE,
        description="Action on the finalization job when this flow run is cancelled: leave it "
        "running in Collibra, or cancel_job, which may leave half of its changes.",
    )

    def to_options(self, max_commands_per_batch: int) -> BatchOptions:
        """Return the options of the batches."""
        return BatchOptions(
            max_commands_per_batch=max_commands_per_batch,
            max_concurrent_batches=self.max_concurrent_batches,
            continue_on_error=self.continue_on_error,
            relations_action=self.relations_action,
            attributes_action=self.attributes_action,
        )


class GuardLimits(_Group):
    """Limits of the guard beside the flat ones."""

    min_population: int = Field(
        default=_LIMITS.min_population,
        ge=0,
        description="Minimum number of assets in the previous cycle for max_missing_percent to "
        "apply. In a smaller cycle, a single asset is a large share.",
    )
    max_part_percent: float = Field(
        default=_LIMITS.max_part_percent,
        ge=0,
        le=100,
        description="Maximum percentage of the assets of one domain, community or source file that "
        "may go missing without approval, 0 to 100.",
    )
    min_part_population: int = Field(
        default=_LIMITS.min_part_population,
        ge=0,
        description="Minimum number of assets in a domain, community or source file for its "
        "percentage to apply.",
    )
    approval_seconds: int = Field(
        default=_CYCLE.approval_seconds,
        ge=MIN_APPROVAL_SECONDS,
        description="Maximum wait for an approval in seconds, 60 or more. After it, nothing is "
        "sent.",
    )

    def to_limits(self, max_missing_count: int, max_missing_percent: float) -> RemovalLimits:
        """Return the limits of the guard."""
        return RemovalLimits(
            max_missing_count=max_missing_count,
            max_missing_percent=max_missing_percent,
            min_population=self.min_population,
            max_part_percent=self.max_part_percent,
            min_part_population=self.min_part_population,
        )
