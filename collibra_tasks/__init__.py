"""Prefect tasks and flows for Collibra's Import API v2 synchronization.

    from collibra_tasks import CollibraCredentials, submit_finalization, wait_for_job

The flows that combine the tasks are in the folder ``flows/`` and are deployed from there.
"""

from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.tasks import plan_cycle, submit_batch, synchronize
from collibra_tasks.finalization.tasks import resolve_finalization_record, submit_finalization
from collibra_tasks.jobs.tasks import wait_for_job
from collibra_tasks.ledger.entry import LedgerEntry, Resolution
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    AttributesAction,
    FinalizationStrategy,
    Job,
    RelationsAction,
)
from collibra_tasks.options import (
    BatchOptions,
    CsvOptions,
    CycleOptions,
    OnCancel,
    OnGuard,
    OnOverlap,
    RemovalLimits,
    SourceOptions,
    Timing,
)
from collibra_tasks.reporting.cancellation import report_or_cancel_job
from collibra_tasks.reporting.receipts import Receipt
from collibra_tasks.reporting.tasks import (
    completed_state,
    failed_state,
    publish_inspection,
    publish_receipt,
    publishing_receipt,
    skipped_state,
)
from collibra_tasks.settings import CollibraSettings
from collibra_tasks.sources.opening import open_source

__all__ = [
    "MISSING_FROM_SOURCE",
    "AttributesAction",
    "BatchOptions",
    "CollibraCredentials",
    "CollibraSettings",
    "CsvOptions",
    "CycleOptions",
    "FinalizationStrategy",
    "Job",
    "LedgerEntry",
    "OnCancel",
    "OnGuard",
    "OnOverlap",
    "Receipt",
    "RelationsAction",
    "RemovalLimits",
    "RemovalPlan",
    "Resolution",
    "SourceOptions",
    "Timing",
    "completed_state",
    "failed_state",
    "open_source",
    "plan_cycle",
    "publish_inspection",
    "publish_receipt",
    "publishing_receipt",
    "report_or_cancel_job",
    "resolve_finalization_record",
    "skipped_state",
    "submit_batch",
    "submit_finalization",
    "synchronize",
    "wait_for_job",
]
