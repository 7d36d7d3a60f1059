"""What Prefect runs and retries.

Nothing here is cached: a remembered state never ends, and a remembered refusal never lifts.
"""

from collibra_tasks.tasks.batches import submit_batch
from collibra_tasks.tasks.cancellation import tell_or_cancel_job
from collibra_tasks.tasks.cycle import evict_cache, survey_source, synchronize
from collibra_tasks.tasks.finalization import (
    inspect_cycle,
    inspect_status,
    settle_last,
    submit_finalization,
)
from collibra_tasks.tasks.jobs import wait_for_job
from collibra_tasks.tasks.options import CycleOptions
from collibra_tasks.tasks.reporting import Report, publish_receipt, reported, skipped
from collibra_tasks.tasks.settlement import settle_finalization

__all__ = [
    "CycleOptions",
    "Report",
    "evict_cache",
    "inspect_cycle",
    "inspect_status",
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
]
