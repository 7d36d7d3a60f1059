"""Finalization that is the result of the present cycle already, for instance after a retry."""

from __future__ import annotations

from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.entry import LedgerEntry, Origin


def is_own_result(session: Session, newest: LedgerEntry, digest: str) -> bool:
    """Whether the newest entry finalized the same content for this flow run, or during it.

    Args:
        session: Access of the flow run.
        newest: The newest entry, ended.
        digest: Digest of the content.
    """
    is_same = newest.origin == Origin.OURS and newest.content_digest == digest
    if not is_same or not newest.is_effective or newest.failed:
        return False
    run = session.flow_run
    if {run.id, run.root_id} & {newest.flow_run_id, newest.root_flow_run_id} - {None}:
        return newest.attempt != session.attempt
    if run.started_on is None or newest.job_ended_on is None:
        return False
    # The job has Collibra's clock, the flow run has the one of the store.
    difference = session.client.server_time - session.ledger.store.now()
    return newest.job_ended_on - difference > run.started_on
