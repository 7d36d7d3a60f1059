"""Comparison of ledger and storage: cycles that one of them lacks."""

from __future__ import annotations

from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.entry import History, Origin


def describe_gap(session: Session, history: History, checkpoint: Checkpoint | None) -> str | None:
    """Return what the ledger or the storage lacks; ``None`` if both fit together.

    Args:
        session: Access to ledger and storage.
        history: Summary of earlier finalizations.
        checkpoint: Record of the last upload; ``None`` without one.
    """
    if is_ledger_older(session, history, checkpoint):
        return (
            "the ledger is older than the manifest storage, so the Prefect database was probably "
            "restored"
        )
    listed = {name for name, _ in session.storage.list_manifests()}
    missing = [name for name in history.manifests if name not in listed]
    return f"the manifest {missing[0]} of the last cycle is not in the storage" if missing else None


def is_ledger_older(session: Session, history: History, checkpoint: Checkpoint | None) -> bool:
    """Whether the ledger is older than the record of the last upload.

    An open checkpoint names a finalization that is on record. A closed checkpoint has the entry
    that closed it, unless that entry is so old that it was deleted; a finalization that is recorded
    as foreign does not replace it.
    """
    if checkpoint is None:
        return False
    if not checkpoint.closed:
        return checkpoint.generation > history.number
    entries = session.ledger.entries()
    if entries and entries[-1].number > checkpoint.generation + 1:
        return False
    return not any(
        entry.origin == Origin.OURS
        and entry.number > checkpoint.generation
        and entry.content_digest == checkpoint.content_digest
        for entry in entries
    )
