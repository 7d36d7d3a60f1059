"""What a cycle starts from: what was finalized before, and what was sent since in vain."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import runtime, task

from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.ledger import Entry, Past
from collibra_tasks.manifest import Manifest, Prediction, merge_manifests, predict_missing
from collibra_tasks.shelf import Progress, Shelf
from collibra_tasks.tasks.retrying import READ
from collibra_tasks.tasks.turns import CycleTurns


@task(**READ, task_run_name="look-up-{synchronization_id}")
def is_known(credentials: CollibraCredentials, synchronization_id: str) -> bool:
    """Tell whether the tenant knows a synchronization: something was imported under its ID."""
    with credentials.get_client() as client:
        return client.synchronization_exists(synchronization_id)


LOST_PROGRESS = Progress(flow_run_id=None, flow_run_name=None)
"""Of a cycle that was begun, and of which nothing else can be read any more."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a cycle starts from.

    Attributes:
        past: What was finalized before.
        unfinished: How far a cycle came that is still open.
        is_new: Whether the tenant knew nothing of this synchronization before these runs.
    """

    past: Past
    unfinished: Progress | None
    is_new: bool

    @property
    def own_progress(self) -> Progress | None:
        """The open cycle, if it is an earlier attempt of this run that began it."""
        ours = self.unfinished and self.unfinished.flow_run_id == runtime.flow_run.get_id()
        return self.unfinished if ours else None

    @property
    def of_others(self) -> str | None:
        """What is to be said of an open cycle that another run began."""
        before = self.unfinished
        if before is None or self.own_progress is not None:
            return None
        if before == LOST_PROGRESS:
            return (
                "A cycle was begun before and not finished, and what it brought can't be read any "
                "more; so the next cycle can't be predicted, and asks"
            )
        if not before.sent:
            return None
        return (
            f"Flow run {before.flow_run_name or '?'} began a cycle and did not finish it; what the "
            f"{len(before.sent)} batches brought that it sent counts as present in this one"
        )

    def progress(self, present: str | None) -> Progress:
        """Return where this run goes on from."""
        return Progress(
            flow_run_id=runtime.flow_run.get_id(),
            flow_run_name=runtime.flow_run.get_name(),
            sent=self.own_progress.sent if self.own_progress else (),
            past=self.past,
            manifest=present,
            began_new=self.is_new,
        )

    def predict(self, shelf: Shelf, manifest: Manifest) -> Prediction | None:
        """Tell what would go missing; ``None`` if what was there is not known."""
        kept = [held for held in map(shelf.read_manifest, self.past.manifests) if held is not None]
        if not kept or len(kept) < len(self.past.manifests):
            return None
        return predict_missing(merge_manifests(kept), manifest)

    def keep_present(self, shelf: Shelf, manifest: Manifest) -> str | None:
        """Keep what may be present once a cycle is sent; ``None`` if that is not known.

        It, what was sent before it in vain, and what a cycle held whose finalization failed: of
        that nobody can tell whether it is still open.
        """
        earlier = [self.unfinished.manifest] if self.unfinished else []
        if self.past.doubtful:
            earlier += [*self.past.manifests] or [None]
        held = [shelf.read_manifest(name) if name else None for name in earlier]
        known = [each for each in held if each is not None]
        if len(known) < len(held):
            return None
        return shelf.write_manifest(merge_manifests([manifest, *known]))


def look_back(
    credentials: CollibraCredentials,
    synchronization_id: str,
    last: Entry | None,
    shelf: Shelf,
    turns: CycleTurns,
) -> Start:
    """Tell what a cycle starts from.

    Whether one is open, the Prefect server knows; what came with it lies on the shelf. Each may be
    lost without the other: then it is not guessed.

    Args:
        credentials: The tenant.
        synchronization_id: 1 to 50 characters.
        last: The last finalization on record, ended.
        shelf: Where progress and manifests are kept.
        turns: Who fills cycles of this synchronization.
    """
    past = last.leaves() if last else Past()
    is_open = turns.is_open(past)
    unfinished = shelf.read_progress()
    if unfinished is None or unfinished.past != past:
        unfinished = LOST_PROGRESS if is_open else None
    began_new = is_open and unfinished is not None and unfinished.began_new
    is_new = not past.finalized and (began_new or not is_known(credentials, synchronization_id))
    return Start(past=past, unfinished=unfinished, is_new=is_new)
