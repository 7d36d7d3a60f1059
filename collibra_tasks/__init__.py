"""Prefect tasks for Collibra's Import API v2 synchronization: at most one finalization a cycle.

    from collibra_tasks import CollibraCredentials, submit_finalization, wait_for_job

The flows that combine the tasks lie in ``flows/`` of the checkout and are deployed from there.
"""

from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.ledger import Entry, Resolution
from collibra_tasks.models import MISSING_FROM_SOURCE, FinalizationStrategy, OnCancel, OnOverlap
from collibra_tasks.receipts import Receipt
from collibra_tasks.settings import CollibraSettings
from collibra_tasks.tasks import (
    inspect_cycle,
    publish_receipt,
    reported,
    settle_finalization,
    skipped,
    submit_finalization,
    tell_or_cancel_job,
    wait_for_job,
)

__all__ = [
    "MISSING_FROM_SOURCE",
    "CollibraCredentials",
    "CollibraSettings",
    "Entry",
    "FinalizationStrategy",
    "OnCancel",
    "OnOverlap",
    "Receipt",
    "Resolution",
    "inspect_cycle",
    "publish_receipt",
    "reported",
    "settle_finalization",
    "skipped",
    "submit_finalization",
    "tell_or_cancel_job",
    "wait_for_job",
]
