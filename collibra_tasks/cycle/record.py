"""Records of a cycle: manifests, checkpoint and marker."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from collibra_tasks.cycle.baseline import Baseline
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.finalization.closed_cycle import count_closed_batches
from collibra_tasks.finalization.job_search import search_jobs
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.entry import LedgerEntry
from collibra_tasks.ledger.manifest import Manifest, merge_manifests, missing_rows
from collibra_tasks.ledger.marker import CycleMarker
from collibra_tasks.models import FinalizationStrategy


def write_manifests(
    session: Session, manifest: Manifest, baseline: Baseline
) -> tuple[str | None, str | None]:
    """Write what Collibra may hold after the upload.

    Returns:
        Names of the manifest of present assets and of the manifest of tracked assets. Both are
        ``None`` if an earlier upload of this cycle is unknown.
    """
    storage, checkpoint = session.storage, baseline.continued
    held: list[Manifest | None] = [manifest]
    if checkpoint is not None:
        held.append(storage.read_manifest(checkpoint.manifest) if checkpoint.manifest else None)
    if baseline.history.may_still_be_open:
        held.append(None if baseline.is_unreadable else baseline.previous)
    known = [each for each in held if each is not None]
    if baseline.lost_checkpoint or len(known) < len(held):
        return None, None
    present = merge_manifests(known)
    earlier = [each for each in (baseline.tracked, baseline.previous) if each is not None]
    tracked = merge_manifests([present, *earlier])
    return storage.write_manifest(present), storage.write_manifest(tracked)


def write_shown_manifest(
    session: Session, plan: RemovalPlan, manifest: Manifest, compared: Baseline
) -> str | None:
    """Write the missing assets that approved plans have shown, those of a new approval included.

    An asset that came back has to be shown again.

    Args:
        session: Access to the storage.
        plan: The plan; it is approved if it is not allowed without approval.
        manifest: Assets of the cycle.
        compared: The baseline that the plan was compared with.

    Returns:
        Name of the manifest; ``None`` if no approved plan has shown an asset.
    """
    shown = [compared.shown]
    if not plan.allowed:
        shown.append(compared.previous)
        if plan.strategy == FinalizationStrategy.REMOVE_RESOURCES:
            shown.append(compared.tracked)
    known = [each for each in shown if each is not None]
    if not known:
        return None
    missing = missing_rows(merge_manifests(known), manifest)
    return session.storage.write_manifest(Manifest.from_rows(missing))


def begin_upload(
    session: Session,
    baseline: Baseline,
    *,
    digest: str,
    present: str | None,
    reuse: bool,
    storage: str,
) -> Checkpoint:
    """Record that batches may arrive from now on.

    Args:
        session: Access to storage and ledger.
        baseline: State before the cycle.
        digest: Digest of the content.
        present: Name of the manifest of everything that was uploaded in this cycle.
        reuse: Whether batches of an earlier attempt count.
        storage: Storage block of the checkpoint; empty for the default folder.
    """
    before = baseline.checkpoint
    changes: dict[str, Any] = {
        "flow_run_id": session.flow_run.id,
        "flow_run_name": session.flow_run.name,
        "generation": baseline.cycle_number,
        "manifest": present,
        "is_first": baseline.is_first,
        "restored": baseline.restored,
        "started_on": session.client.server_time,
    }
    if before is None:
        checkpoint = Checkpoint(content_digest=digest, token=session.attempt, **changes)
    elif reuse:
        # Batches whose job was never recorded are sent again; their first jobs stay explained.
        changes["unknown_since"] = before.first_unknown_intent_on
        changes["unknown_until"] = before.last_unknown_intent_on
        checkpoint = replace(before, token=session.attempt, **changes)
    else:
        if baseline.continued is None:
            before = replace(before, unknown_since=None, unknown_until=None)
        checkpoint = before.replaced_by(content_digest=digest, token=session.attempt, **changes)
    session.storage.write_checkpoint(checkpoint)
    marker = CycleMarker(
        generation=baseline.cycle_number,
        content_digest=digest,
        storage=storage,
        flow_run_name=session.flow_run.name,
        batch_count=max(1, len(checkpoint.job_ids)),
        manifest=present,
        is_first=baseline.is_first,
    )
    session.markers.write(marker)
    return checkpoint


def close_cycle(session: Session) -> None:
    """Record that the cycle is closed, and delete manifests that nothing refers to.

    The records of a cycle that another flow run has begun since stay open.
    """
    newest = session.ledger.newest()
    if newest is None:
        return
    newest = _recount_other_batches(session, newest)
    history = newest.to_history()
    checkpoint, marker = session.storage.read_checkpoint(), session.markers.read()
    if checkpoint is not None and checkpoint.generation < history.number:
        session.storage.write_checkpoint(replace(checkpoint, closed=True))
    if marker is not None and marker.generation < history.number:
        session.markers.clear()
    uploaded = checkpoint.manifest if checkpoint is not None else None
    named = (*history.manifests, history.tracked_manifest, history.shown_manifest, uploaded)
    session.storage.prune_manifests(keep={name for name in (*named, newest.manifest) if name})


def _recount_other_batches(session: Session, entry: LedgerEntry) -> LedgerEntry:
    """Correct the number of batches by others: the name of finalization jobs is known only now.

    A finalization by others that could not be recognized before the first one of ours may have
    closed the cycle of those batches.
    """
    if not entry.other_batches or entry.job_id is None:
        return entry
    checkpoint = session.storage.read_checkpoint()
    known_ids = checkpoint.job_ids if checkpoint else ()
    search = search_jobs(session, entry.history, known_ids=known_ids)
    count = count_closed_batches(session, search, entry.job_id)
    if count >= entry.other_batches or not search.holds([entry.job_id]):
        return entry
    counted = replace(entry, other_batches=count)
    return counted if session.ledger.update_unless_changed(entry, counted) else entry
