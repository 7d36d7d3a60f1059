"""Finalization of a cycle that another program has uploaded, with one session of Collibra."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from collibra_tasks._prefect import may_retry_write, run_step
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.finalizer import Finalizer
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.submission import Evidence
from collibra_tasks.finalization.tasks import find_log, open_session, submit_finalization
from collibra_tasks.models import FinalizationRequest, Job
from collibra_tasks.options import OnOverlap
from collibra_tasks.reporting.following import follow_recorded_job
from collibra_tasks.reporting.run_report import RunReport
from collibra_tasks.wording import clock_time


def finalize_cycle(
    credentials: CollibraCredentials,
    request: FinalizationRequest,
    evidence: Evidence,
    report: RunReport,
    *,
    on_overlap: OnOverlap = OnOverlap.ATTACH,
    wait_seconds: float = 3600,
) -> None:
    """Finalize a cycle once, follow its job to the end, and fill the report.

    Args:
        credentials: URL and credentials of the Collibra environment.
        request: Synchronization and strategy.
        evidence: Proof that the cycle is complete.
        report: Report of the flow run; it keeps the session until the receipt is published.
        on_overlap: Behavior while another flow run finalizes the same synchronization.
        wait_seconds: Maximum wait for the lock, and for each job, in seconds, 0 or more.

    Raises:
        CollibraError: Every error of ``submit_finalization`` and ``wait_for_job``.
    """

    def submit() -> Job:
        session = connect(credentials, request.synchronization_id, report)
        finalizer = Finalizer(session=session, on_overlap=on_overlap, wait_seconds=wait_seconds)
        return finalizer.finalize(request, evidence)

    job = run_step("submit finalization", partial(_retry, submit))
    report.job_id = job.id
    session = connect(credentials, request.synchronization_id, report)
    follow_recorded_job(session, report, wait_seconds=wait_seconds)


def connect(
    credentials: CollibraCredentials, synchronization_id: str, report: RunReport
) -> Session:
    """Return the session of a flow run; it is opened at the first call."""
    return report.session or report.connect(open_session(credentials, synchronization_id))


def _retry(submit: Callable[[], Job]) -> Job:
    """Submit, and repeat it as the task does after a request that never reached Collibra."""
    for delay in submit_finalization.retry_delay_seconds:
        try:
            return submit()
        except CollibraError as error:
            if not may_retry_write(error):
                raise
            find_log()(f"{error} Trying again at {clock_time(delay, time.time())}.")
            time.sleep(delay)
    return submit()
