"""Facts for a receipt from Collibra and the ledger."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.last_finalization import close_finalization
from collibra_tasks.finalization.session import Session
from collibra_tasks.jobs.results import fetch_results
from collibra_tasks.ledger.entry import LedgerEntry, Phase
from collibra_tasks.models import FinalizationStrategy
from collibra_tasks.reporting.receipts import Receipt, complete_receipt, describe_left_job


def collect_facts(receipt: Receipt, session: Session) -> Receipt:
    """Return the receipt with environment, account, job and results, as far as they are readable.

    The ledger entry is closed if its job has ended.

    Args:
        receipt: Receipt, as far as the flow run knows.
        session: Access to Collibra and the ledger.
    """
    environment = session.environment
    receipt = replace(
        receipt,
        environment=environment.key,
        base_url=environment.base_url,
        notes=(*_take_notes(session, receipt), *receipt.notes),
    )
    return _add_job(_add_account(_add_ledger(receipt, session), session), session)


def _take_notes(session: Session, receipt: Receipt) -> list[str]:
    """Return the remarks of the session that the receipt does not have, and forget them."""
    notes = [note for note in session.notes if note not in receipt.notes]
    session.notes.clear()
    return notes


def _add_ledger(receipt: Receipt, session: Session) -> Receipt:
    """Return the receipt with this flow run's finalization, which a stopped run may not know."""
    if receipt.job_id is not None:
        return receipt
    try:
        entry = session.ledger.newest()
    except CollibraError:
        return replace(receipt, not_sent=False)
    if entry is None or not _was_sent_by(entry, session.flow_run.id):
        # A flow run records its entry before the request, so without one it has sent nothing.
        is_certain = receipt.stopped and session.flow_run.id is not None
        return replace(receipt, not_sent=receipt.not_sent or is_certain)
    left = describe_left_job(entry.job_id) if receipt.stopped and entry.job_id else None
    notes = (*receipt.notes, left) if left else receipt.notes
    return replace(receipt, not_sent=False, job_id=entry.job_id, notes=notes)


def _was_sent_by(entry: LedgerEntry, flow_run_id: str | None) -> bool:
    is_sent = entry.phase != Phase.WITHDRAWN
    return is_sent and flow_run_id is not None and entry.flow_run_id == flow_run_id


def _add_account(receipt: Receipt, session: Session) -> Receipt:
    with suppress(CollibraError):
        account = session.client.get_account()
        return replace(receipt, account=account.name if account else None)
    return receipt


def _add_job(receipt: Receipt, session: Session) -> Receipt:
    if receipt.job_id is None:
        return receipt
    with suppress(CollibraError):
        job = session.client.get_job(receipt.job_id)
        receipt = complete_receipt(receipt, job, fetch_results(session.client, job.id))
        close_finalization(session, job)
        receipt = _add_request(receipt, session)
    return receipt


def _add_request(receipt: Receipt, session: Session) -> Receipt:
    """Return the receipt with the parameters that the job was sent with.

    A flow run that follows the job of another one may have asked for other parameters.
    """
    entry = next((each for each in session.ledger.entries() if each.job_id == receipt.job_id), None)
    if entry is None or not entry.strategy:
        return receipt
    sent = (entry.strategy, entry.missing_asset_status_id)
    asked = (receipt.strategy.value, receipt.missing_asset_status_id)
    if sent == asked:
        return receipt
    note = (
        f"This flow run asked for {asked[0]} {asked[1] or ''}, and it followed a job that was sent "
        f"with {sent[0]} {sent[1] or ''}."
    )
    return replace(
        receipt,
        strategy=FinalizationStrategy(entry.strategy),
        missing_asset_status_id=entry.missing_asset_status_id,
        notes=(*receipt.notes, note),
    )
