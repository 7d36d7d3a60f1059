"""How a cycle is read, sent and judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from collibra_tasks.guards import RemovalLimits
from collibra_tasks.models import OnGuard, OnOverlap, RelationsAction
from collibra_tasks.sources import CsvOptions, FileFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOptions:
    """How a cycle is read, sent and judged; every field has a safe default.

    Attributes:
        file_format: ``json``, ``jsonl``, ``csv`` or ``excel``, where the names do not tell.
        template: For tables, the template: JSON text or the path of a file.
        csv: How CSV is written.
        sheet: The sheet of a workbook; empty for the first.
        max_commands_per_batch: 1 to 50,000.
        max_concurrent_batches: 1 to 8. More than one is nowhere documented as safe.
        continue_on_error: Whether a batch keeps its good commands when others fail; the cycle is
            not finalized then.
        relations_action: What becomes of relations that an asset has; ``None`` leaves it to the
            tenant.
        evict_before: Whether the tenant forgets what it was sent before, so that unchanged commands
            run again and heal what was edited by hand.
        one_call: Whether a small source is sent and finalized in one request.
        limits: How much may go missing without anybody being asked.
        on_guard: What happens beyond the limits.
        approval_seconds: How long a person has to answer.
        accept_missing_count: For one run by hand: the number of missing assets that is right.
        accept_reason: Why it is.
        storage: A block such as ``s3-bucket/manifests`` for what cycles held; empty for a folder in
            Prefect's home.
        wait_seconds: How long each job is followed, in seconds.
        on_overlap: While another run is in its cycle: ``attach`` waits for its end.
    """

    file_format: FileFormat | None = None
    template: str = ""
    csv: CsvOptions = field(default_factory=CsvOptions)
    sheet: str = ""
    max_commands_per_batch: int = 10_000
    max_concurrent_batches: int = 1
    continue_on_error: bool = False
    relations_action: RelationsAction | None = None
    evict_before: bool = False
    one_call: bool = False
    limits: RemovalLimits = field(default_factory=RemovalLimits)
    on_guard: OnGuard = OnGuard.FAIL
    approval_seconds: int = 86_400
    accept_missing_count: int | None = None
    accept_reason: str = ""
    storage: str = ""
    wait_seconds: float = 3600.0
    on_overlap: OnOverlap = OnOverlap.ATTACH
