"""Baseline: what a cycle is compared with, and what was uploaded since without a finalization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.entry import History, LedgerEntry
from collibra_tasks.ledger.manifest import Manifest, merge_manifests

CLOCK_TOLERANCE = timedelta(minutes=2)
"""Maximum difference between the clocks of storage and ledger that raises no suspicion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """State before a cycle.

    Attributes:
        generation: Number of the newest ledger entry; 0 without one.
        previous: Assets that Collibra holds by earlier cycles; ``None`` if they are unknown.
        tracked: Assets that Collibra may still track, ignored and marked ones included.
        checkpoint: Uploads since the last finalization; ``None`` if there are none.
        lost_checkpoint: Whether uploads began since then whose record cannot be read.
        is_first: Whether Collibra did not know the synchronization before these uploads.
        reasons: Reasons to ask a person, because the baseline is incomplete.
    """

    generation: int
    history: History
    previous: Manifest | None
    tracked: Manifest | None
    checkpoint: Checkpoint | None
    lost_checkpoint: bool = False
    is_first: bool = False
    reasons: tuple[str, ...] = ()

    def compared_with_uploads(self) -> Baseline:
        """Return the baseline with all uploads since the last finalization as previous assets.

        A job by others may have closed their cycle; then they are missing if they do not come back.
        """
        return replace(self, previous=self.previous_with_uploads)

    previous_with_uploads: Manifest | None = None


def load_baseline(session: Session, newest: LedgerEntry | None) -> Baseline:
    """Read ledger, storage and marker, and judge whether they fit together."""
    history = newest.to_history() if newest else History()
    generation = newest.number if newest else 0
    checkpoint = session.storage.read_checkpoint()
    marker = session.markers.read()
    is_open = checkpoint is not None and not checkpoint.closed
    begun = marker is not None and marker.generation == generation
    lost = begun and not (
        is_open and checkpoint is not None and checkpoint.generation == generation
    )
    reasons: list[str] = []
    previous = _read_all(session, history.manifests)
    if history.finalized and previous is None:
        reasons.append(
            "the manifest of the last finalized cycle cannot be read, so missing assets are unknown"
        )
    newer, reason = _newer_manifests(session, newest, checkpoint)
    if reason:
        reasons.append(reason)
        previous = _merge([previous, *newer]) if newer else previous
    uploaded = checkpoint.manifest if checkpoint is not None and is_open else None
    uploads = session.storage.read_manifest(uploaded) if uploaded else None
    if is_open and checkpoint is not None and checkpoint.generation < generation:
        previous = _merge([previous, uploads])  # a later finalization by others closed them
    is_first, unknown = _judge_first(session, history, checkpoint, begun=begun)
    reasons += [unknown] if unknown else []
    if lost:
        reasons.append("batches were uploaded since the last finalization and their record is lost")
    tracked_name = history.tracked_manifest
    tracked = session.storage.read_manifest(tracked_name) if tracked_name else None
    return Baseline(
        generation=generation,
        history=history,
        previous=previous,
        tracked=tracked,
        checkpoint=checkpoint if is_open else None,
        lost_checkpoint=lost,
        is_first=is_first,
        reasons=tuple(reasons),
        previous_with_uploads=_merge([previous, uploads]),
    )


def _judge_first(
    session: Session, history: History, checkpoint: Checkpoint | None, *, begun: bool
) -> tuple[bool, str | None]:
    """Return whether this is the first cycle, and a reason to ask if that is unknown."""
    if history.finalized:
        return False, None
    if checkpoint is not None and not checkpoint.closed:
        return checkpoint.is_first, None
    if begun or not session.client.synchronization_exists(session.synchronization_id):
        return not begun, None
    return False, (
        "Collibra knows this synchronization and the ledger has no entry, so what was imported "
        "before cannot be compared"
    )


def _newer_manifests(
    session: Session, newest: LedgerEntry | None, checkpoint: Checkpoint | None
) -> tuple[list[Manifest | None], str | None]:
    """Return manifests that are newer than the ledger, and the reason to ask.

    An open checkpoint of this generation explains newer manifests. Otherwise the ledger was
    restored from an earlier time.
    """
    generation = newest.number if newest else 0
    if checkpoint is None:
        return [], None
    explained = not checkpoint.closed and checkpoint.generation <= generation
    regular = checkpoint.closed and checkpoint.generation < generation
    if explained or regular:
        return [], None
    since = newest.written_on if newest and newest.written_on else None
    newer = [
        (name, on)
        for name, on in session.storage.list_manifests()
        if since is None or on > since - CLOCK_TOLERANCE
    ]
    shown = f"{since:%Y-%m-%d %H:%M}" if since else "no entry"
    last = f"{max(on for _, on in newer):%Y-%m-%d %H:%M}" if newer else "unknown"
    reason = (
        f"the ledger ({shown} UTC) is older than the manifest storage ({last} UTC), so the Prefect "
        "database was probably restored"
    )
    return [session.storage.read_manifest(name) for name, _ in newer], reason


def _read_all(session: Session, names: Sequence[str]) -> Manifest | None:
    found = [session.storage.read_manifest(name) for name in names]
    return _merge(found) if found and None not in found else None


def _merge(manifests: Sequence[Manifest | None]) -> Manifest | None:
    known = [each for each in manifests if each is not None]
    return merge_manifests(known) if known else None
