"""Baseline: what a cycle is compared with, and what was uploaded since without a finalization."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from collibra_tasks.finalization.ledger_gaps import is_ledger_older
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.checkpoint import Checkpoint, Restore
from collibra_tasks.ledger.entry import History, LedgerEntry, Origin
from collibra_tasks.ledger.manifest import Manifest, count_missing, merge_manifests

CLOCK_TOLERANCE = timedelta(minutes=2)
"""Maximum difference between the clocks of storage and ledger that raises no suspicion."""

UNKNOWN_UPLOADS = (
    "a job by others may have closed the cycle of an unfinished upload, and the manifest of that "
    "upload cannot be read"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """State before a cycle.

    Attributes:
        generation: Number of the newest ledger entry; 0 without one.
        history: Summary of earlier finalizations.
        previous: Assets that Collibra holds by earlier cycles; ``None`` if they are unknown.
        tracked: Assets that Collibra may still track, ignored and marked ones included.
        shown: Missing assets that approved plans have shown.
        uploads: Assets that were uploaded since the last finalization; ``None`` if unknown.
        checkpoint: Uploads since the last finalization; ``None`` if there are none.
        is_unreadable: Whether ``previous`` lacks assets because a manifest cannot be read.
        lost_checkpoint: Whether uploads began since then whose record cannot be read.
        is_first: Whether Collibra did not know the synchronization before these uploads.
        restored: Restore of the ledger since our last finalization; ``None`` if there was none.
        reasons: Reasons to ask a person, because the baseline is incomplete.
    """

    generation: int
    history: History
    previous: Manifest | None
    tracked: Manifest | None = None
    shown: Manifest | None = None
    uploads: Manifest | None = None
    checkpoint: Checkpoint | None = None
    is_unreadable: bool = False
    lost_checkpoint: bool = False
    is_first: bool = False
    restored: Restore | None = None
    reasons: tuple[str, ...] = ()

    @property
    def cycle_number(self) -> int:
        """Number of the last finalization that took effect; it names the open cycle."""
        return self.history.number

    @property
    def continued(self) -> Checkpoint | None:
        """The checkpoint of the open cycle; ``None`` if a later finalization closed it."""
        checkpoint = self.checkpoint
        is_same = checkpoint is not None and checkpoint.generation == self.cycle_number
        return checkpoint if is_same else None

    def compared_with_uploads(self, current: Manifest) -> Baseline:
        """Return the baseline with all uploads since the last finalization as previous assets.

        A job by others may have closed their cycle; then they are missing if they do not come back.
        Uploads that all come back change nothing, so an approved plan stays the same. Unknown
        uploads are a reason to ask.
        """
        if self.uploads is None:
            return replace(self, reasons=(*self.reasons, UNKNOWN_UPLOADS))
        if count_missing(self.uploads, current) == 0:
            return self
        return replace(self, previous=_merge([self.previous, self.uploads]))


def load_baseline(session: Session, newest: LedgerEntry | None) -> Baseline:
    """Read ledger, storage and marker, and judge whether they fit together."""
    return _BaselineReader(session, newest).read()


class _BaselineReader:
    """Reader of one baseline."""

    def __init__(self, session: Session, newest: LedgerEntry | None) -> None:
        self._session, self._newest = session, newest
        self._history = newest.to_history() if newest else History()
        self._last = session.storage.read_checkpoint()
        is_open = self._last is not None and not self._last.closed
        self._checkpoint = self._last if is_open else None
        marker = session.markers.read()
        self._begun = marker is not None and marker.generation == self._history.number

    def read(self) -> Baseline:
        """Return the baseline."""
        history, checkpoint = self._history, self._checkpoint
        uploads = self._read(checkpoint.manifest) if checkpoint else None
        restored = self._find_restore()
        previous = _read_all(self._session, history.manifests)
        unreadable = history.finalized and previous is None
        if checkpoint is not None and checkpoint.generation < history.number:
            # A later finalization closed these uploads.
            previous = _merge([previous, uploads])
        is_first, is_unknown = self._judge_first()
        lost = self._is_lost() and not unreadable
        reasons = [
            unreadable and _UNREADABLE,
            restored and restored.reason,
            is_unknown and _UNKNOWN_IMPORTS,
            lost and _LOST_CHECKPOINT,
        ]
        return Baseline(
            generation=self._newest.number if self._newest else 0,
            history=history,
            previous=_merge([previous, *map(self._read, restored.manifests if restored else ())]),
            tracked=self._read(history.tracked_manifest),
            shown=self._read(history.shown_manifest),
            uploads=uploads,
            checkpoint=checkpoint,
            is_unreadable=unreadable,
            lost_checkpoint=lost,
            is_first=is_first,
            restored=restored,
            reasons=tuple(each for each in reasons if each),
        )

    def _read(self, name: str | None) -> Manifest | None:
        return self._session.storage.read_manifest(name) if name else None

    def _is_lost(self) -> bool:
        """Whether uploads began since the last finalization, and their assets are unknown."""
        checkpoint = self._checkpoint
        if checkpoint is None or checkpoint.generation != self._history.number:
            return self._begun
        return checkpoint.manifest is None

    def _judge_first(self) -> tuple[bool, bool]:
        """Return whether this is the first cycle, and whether earlier imports are unknown."""
        if self._history.finalized:
            return False, False
        if self._checkpoint is not None:
            return self._checkpoint.is_first, not self._checkpoint.is_first
        if self._begun:
            return False, True  # the lost checkpoint may have been that of a first cycle
        known = self._session.client.synchronization_exists(self._session.synchronization_id)
        return not known, known

    def _find_restore(self) -> Restore | None:
        """Return the restore of the ledger that an upload recorded, or that is visible now."""
        checkpoint = self._checkpoint
        if checkpoint is not None and checkpoint.restored and not self._finalized_after(checkpoint):
            return checkpoint.restored
        if not self._is_restored():
            return None
        newer = self._newer_manifests()
        return Restore(
            reason=self._describe_restore(newer), manifests=tuple(name for name, _ in newer)
        )

    def _finalized_after(self, checkpoint: Checkpoint) -> bool:
        """Whether a finalization of ours closed the uploads of a checkpoint."""
        return any(
            entry.origin == Origin.OURS
            and entry.is_effective
            and entry.number > checkpoint.generation
            for entry in self._session.ledger.entries()
        )

    def _is_restored(self) -> bool:
        """Whether the ledger is older than the record of the last upload."""
        return is_ledger_older(self._session, self._history, self._last)

    @property
    def _written_on(self) -> datetime | None:
        """Time of the last write to an entry of ours, by the store's clock."""
        entries = self._session.ledger.entries()
        dates = [each.written_on for each in entries if each.origin == Origin.OURS]
        return max((each for each in dates if each is not None), default=None)

    def _newer_manifests(self) -> list[tuple[str, str]]:
        """Return names and dates of the manifests that are newer than the ledger's own entries."""
        since = self._written_on
        return [
            (name, f"{on:%Y-%m-%d %H:%M}")
            for name, on in self._session.storage.list_manifests()
            if since is None or on > since - CLOCK_TOLERANCE
        ]

    def _describe_restore(self, newer: Sequence[tuple[str, str]]) -> str:
        since = self._written_on
        shown = f"{since:%Y-%m-%d %H:%M} UTC" if since else "no entry"
        last = f"{max(on for _, on in newer)} UTC" if newer else "unknown"
        return (
            f"the ledger ({shown}) is older than the manifest storage ({last}), so the Prefect "
            "database was probably restored"
        )


_UNREADABLE = (
    "the manifest of the last finalized cycle cannot be read, so missing assets are unknown"
)
_UNKNOWN_IMPORTS = (
    "Collibra knows this synchronization and the ledger has no entry, so what was imported before "
    "cannot be compared"
)
_LOST_CHECKPOINT = "batches were uploaded since the last finalization and their record is lost"


def _read_all(session: Session, names: Sequence[str]) -> Manifest | None:
    found = [session.storage.read_manifest(name) for name in names]
    return _merge(found) if found and None not in found else None


def _merge(manifests: Sequence[Manifest | None]) -> Manifest | None:
    known = list(_iter_known(manifests))
    return merge_manifests(known) if known else None


def _iter_known(manifests: Sequence[Manifest | None]) -> Iterator[Manifest]:
    return (each for each in manifests if each is not None)
