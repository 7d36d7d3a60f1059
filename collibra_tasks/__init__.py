"""Prefect tasks for Collibra's Import API v2 synchronization: at most one finalization a cycle.

    from collibra_tasks import CollibraCredentials, submit_finalization, wait_for_job

The flows that combine the tasks lie in ``flows/`` of the checkout and are deployed from there.
"""

from collibra_tasks.batching import write_options
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.guards import RemovalLimits
from collibra_tasks.ledger import Entry, Resolution
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    FinalizationStrategy,
    OnCancel,
    OnGuard,
    OnOverlap,
    RelationsAction,
)
from collibra_tasks.receipts import Receipt
from collibra_tasks.settings import CollibraSettings
from collibra_tasks.sources import Batch, CsvOptions, FileFormat, iter_batches, open_source
from collibra_tasks.tasks import (
    CycleOptions,
    evict_cache,
    inspect_cycle,
    publish_receipt,
    reported,
    settle_finalization,
    settle_last,
    skipped,
    submit_batch,
    submit_finalization,
    survey_source,
    synchronize,
    tell_or_cancel_job,
    wait_for_job,
)

__all__ = [
    "MISSING_FROM_SOURCE",
    "Batch",
    "CollibraCredentials",
    "CollibraSettings",
    "CsvOptions",
    "CycleOptions",
    "Entry",
    "FileFormat",
    "FinalizationStrategy",
    "OnCancel",
    "OnGuard",
    "OnOverlap",
    "Receipt",
    "RelationsAction",
    "RemovalLimits",
    "Resolution",
    "evict_cache",
    "inspect_cycle",
    "iter_batches",
    "open_source",
    "publish_receipt",
    "reported",
    "settle_finalization",
    "settle_last",
    "skipped",
    "submit_batch",
    "submit_finalization",
    "survey_source",
    "synchronize",
    "tell_or_cancel_job",
    "wait_for_job",
    "write_options",
]
