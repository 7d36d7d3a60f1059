"""Records of a cycle: manifests, checkpoint and marker."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from collibra_tasks.cycle.baseline import Baseline
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.manifest import Manifest, merge_manifests
from collibra_tasks.ledger.marker import CycleMarker


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
        held.append(baseline.previous)
    known = [each for each in held if each is not None]
    if baseline.lost_checkpoint or len(known) < len(held):
        return None, None
    present = merge_manifests(known)
    earlier = [each for each in (baseline.tracked, baseline.previous) if each is not None]
    tracked = merge_manifests([present, *earlier])
    return storage.write_manifest(present), storage.write_manifest(tracked)


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
        "started_on": session.client.server_time,
    }
    if before is None:
        checkpoint = Checkpoint(content_digest=digest, token=session.attempt, **changes)
    elif reuse:
        # Batches whose job was never recorded are sent again; their first jobs stay explained.
        changes["unknown_since"] = before.first_unknown_intent_on
        checkpoint = replace(before, token=session.attempt, **changes)
    else:
        if baseline.continued is None:
            before = replace(before, unknown_since=None)
        checkpoint = before.replaced_by(content_digest=digest, token=session.attempt, **changes)
    session.storage.write_checkpoint(checkpoint)
    marker = CycleMarker(
        generation=baseline.cycle_number,
        content_digest=digest,
        storage=storage,
        flow_run_name=session.flow_run.name,
        batch_count=max(1, len(checkpoint.job_ids)),
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
    history = newest.to_history()
    checkpoint, marker = session.storage.read_checkpoint(), session.markers.read()
    if checkpoint is not None and checkpoint.generation < history.number:
        session.storage.write_checkpoint(replace(checkpoint, closed=True))
    if marker is not None and marker.generation < history.number:
        session.markers.clear()
    uploaded = checkpoint.manifest if checkpoint is not None else None
    named = (*history.manifests, history.tracked_manifest, newest.manifest, uploaded)
    session.storage.prune_manifests(keep={name for name in named if name})
