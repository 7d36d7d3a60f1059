"""What Prefect runs and retries.

Nothing here is cached: a remembered state never ends, and a remembered refusal never lifts.
"""

from collibra_tasks.tasks.cancellation import tell_or_cancel_job
from collibra_tasks.tasks.finalization import inspect_cycle, submit_finalization
from collibra_tasks.tasks.jobs import wait_for_job
from collibra_tasks.tasks.reporting import Report, publish_receipt, reported, skipped
from collibra_tasks.tasks.settlement import settle_finalization

__all__ = [
    "Report",
    "inspect_cycle",
    "publish_receipt",
    "reported",
    "settle_finalization",
    "skipped",
    "submit_finalization",
    "tell_or_cancel_job",
    "wait_for_job",
]
