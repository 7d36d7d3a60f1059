"""Content of a closed cycle: an unfinished upload of ours, and batches by others."""

from __future__ import annotations

from collibra_tasks.finalization.job_matching import JobClass
from collibra_tasks.finalization.job_search import JobSearch
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.entry import UNKNOWN_MANIFEST, History
from collibra_tasks.ledger.marker import CycleMarker


def name_closed_upload(session: Session, history: History) -> str | None:
    """Return the manifest of the open upload, which a finalization by others closes.

    The checkpoint decides. Without it, for instance on a worker with another storage, the marker on
    the Prefect server names the manifest.

    Args:
        session: Access to storage and ledger.
        history: Summary of the entries before that finalization.

    Returns:
        Name of the manifest; ``unknown`` if Collibra may hold more than it lists; ``None`` if no
        upload is open.
    """
    upload = _find_open_upload(session, history)
    if upload is None:
        return None
    # Earlier imports of an empty ledger are in no manifest.
    is_complete = history.finalized or upload.is_first
    return (upload.manifest if is_complete else None) or UNKNOWN_MANIFEST


def _find_open_upload(session: Session, history: History) -> Checkpoint | CycleMarker | None:
    checkpoint, marker = session.storage.read_checkpoint(), session.markers.read()
    if checkpoint and not checkpoint.closed and checkpoint.generation == history.number:
        return checkpoint
    return marker if marker and marker.generation == history.number else None


def find_open_batches(session: Session, history: History) -> tuple[int, str | None]:
    """Return the number of batches of an upload without finalization, and its flow run's name.

    The marker is on the Prefect server, which may have been restored; then the checkpoint in the
    storage shows the upload.
    """
    marker, checkpoint = session.markers.read(), session.storage.read_checkpoint()
    # A withdrawn entry has a number and closes no cycle.
    if marker is not None and marker.generation >= history.number:
        return marker.batch_count, marker.flow_run_name
    if checkpoint and not checkpoint.closed and checkpoint.generation >= history.number:
        return max(1, len(checkpoint.job_ids)), checkpoint.flow_run_name
    return 0, None


def count_closed_batches(session: Session, search: JobSearch, job_id: str) -> int:
    """Return the number of batches by others in the cycle that a finalization closed.

    Args:
        session: Access to the jobs that a person set aside.
        search: Jobs with their classes, newest first.
        job_id: The finalization; an older one by others closed the cycle before.
    """
    set_aside, count, is_before = session.set_aside.read(), 0, False
    for each in search.jobs:
        if each.job.id == job_id:
            is_before = True
        elif is_before and each.job_class == JobClass.FOREIGN_FINALIZATION:
            break
        elif is_before and each.job_class == JobClass.BATCH_BY_OTHERS:
            count += each.job.id not in set_aside
    return count
