"""Plan of a cycle without a cycle: nothing is locked, recorded in the ledger or sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

from collibra_tasks.cycle.baseline import load_baseline
from collibra_tasks.cycle.guard import check_removal
from collibra_tasks.cycle.observation import Observation, Waiting, observe
from collibra_tasks.cycle.plan import RemovalPlan, plan_removal
from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.judgment import check_status, pending_job
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.entry import History, LedgerEntry, Phase
from collibra_tasks.ledger.ledger import Ledger
from collibra_tasks.ledger.manifest import Manifest, missing_rows
from collibra_tasks.ledger.plans import ShownPlans
from collibra_tasks.models import AssetRow, FinalizationRequest, Job
from collibra_tasks.options import RemovalLimits
from collibra_tasks.sources.ordering import OrderedContent
from collibra_tasks.sources.source import SourceContent

MAX_NEW_ASSETS = 100
"""Maximum number of new assets that a preview names. All are counted."""
MAX_SHOWN_REFERENCES = 3
"""Maximum number of unknown references that a note names. All are counted."""
FIRST_CYCLE = "This is the first cycle: no asset can be missing."


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPreview:
    """A plan, and what a person reads beside it.

    Attributes:
        plan: The plan, with the ID that a cycle of the same state has.
        new_assets: New assets, at most 100, sorted by label.
        content: The source in the order of sending, with its unknown references.
    """

    plan: RemovalPlan
    new_assets: tuple[AssetRow, ...]
    content: OrderedContent


def make_plan(
    session: Session,
    request: FinalizationRequest,
    content: SourceContent,
    limits: RemovalLimits,
    *,
    plans: ShownPlans,
    evicts: bool = False,
) -> PlanPreview:
    """Return the plan that a cycle would make now.

    A plan that needs an approval is recorded as shown, so that ``accept_missing_count`` can approve
    it. Nothing else is written.

    Args:
        session: Access to Collibra and the ledger.
        request: Synchronization and strategy.
        content: The source, read and checked.
        limits: Limits on what may go missing without approval.
        plans: Record of the plan that was shown last.
        evicts: Whether the cycle would clear Collibra's memory of the synchronization first.

    Raises:
        FinalizationRefusedError: If the status for missing assets does not exist.
    """
    check_status(session, request)
    manifest = Manifest.from_rows(content.iter_assets(), other_count=content.summary.other_count)
    ledger = _DraftLedger(session.ledger)
    notes = _close_open_entry(session, ledger)
    seen = _observe(replace(session, ledger=ledger))
    plan = compare_cycle(request, manifest, seen, limits, evicts=evicts)
    ordered = order_after(content, seen.baseline.previous)
    notes += [*_pending_notes(seen), *describe_unknown_references(ordered)]
    plan = plan.with_reasons((), notes=notes)
    if plan.reasons and not plan.refusals:
        plans.show(plan.plan_id, plan.number, session.flow_run)
    return PlanPreview(
        plan=plan, new_assets=_find_new_assets(plan, manifest, seen), content=ordered
    )


def order_after(content: SourceContent, previous: Iterable[AssetRow] | None) -> OrderedContent:
    """Arrange a source after the assets of the last cycle, which are read one at a time."""
    return content.order(row.asset for row in previous or ())


def describe_unknown_references(ordered: OrderedContent) -> list[str]:
    """Return a note on references to assets that neither the source nor the last cycle holds."""
    count = ordered.unknown_reference_count
    if not count:
        return []
    shown = [f"{label!r}" for label in ordered.unknown_reference_labels[:MAX_SHOWN_REFERENCES]]
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    noun = "asset, which is" if count == 1 else "assets, which are"
    note = (
        f"The source refers to {count:,} {noun} neither in the source nor in the last cycle: "
        f"{', '.join(shown)}{more}. Batches fail unless Collibra holds them for other reasons."
    )
    return [note]


def compare_cycle(
    request: FinalizationRequest,
    manifest: Manifest,
    seen: Observation,
    limits: RemovalLimits,
    *,
    evicts: bool,
) -> RemovalPlan:
    """Return the plan of a cycle, with every reason to ask a person.

    Args:
        request: Synchronization and strategy.
        manifest: Assets of the cycle.
        seen: The baseline, and the jobs since then.
        limits: Limits on what may go missing without approval.
        evicts: Whether Collibra's memory of the synchronization is cleared first.
    """
    baseline = seen.baseline_in_doubt(manifest)
    plan = plan_removal(
        request,
        manifest,
        baseline.previous,
        generation=baseline.generation,
        tracked=baseline.tracked,
        shown=baseline.shown,
    )
    if baseline.is_first and plan.previous_count is None:
        plan = replace(plan, new_count=plan.asset_count)
    plan = check_removal(plan, limits, evicts=evicts)
    notes = [FIRST_CYCLE] if baseline.is_first else []
    return plan.with_reasons([*baseline.reasons, *seen.reasons()], notes=notes)


class _DraftLedger(Ledger):
    """A ledger whose new and changed entries stay in memory."""

    def __init__(self, ledger: Ledger) -> None:
        """Read from the same store as another ledger."""
        super().__init__(ledger.store, ledger.environment, ledger.synchronization_id)
        self.draft: LedgerEntry | None = None

    def newest(self) -> LedgerEntry | None:
        """Return the draft, or the newest entry of the store."""
        return self.draft or super().newest()

    def entries(self) -> list[LedgerEntry]:
        """Return the entries, newest first, with the draft in its place."""
        kept = super().entries()
        if self.draft is None:
            return kept
        return [self.draft, *(each for each in kept if each.number < self.draft.number)]

    def claim(self, entry: LedgerEntry, *, generation: int, history: History) -> LedgerEntry | None:
        """Create the draft of entry ``generation + 1``; the store does not change."""
        self.draft = replace(
            entry, number=generation + 1, history=history, written_on=self.store.now()
        )
        return self.draft


def _close_open_entry(session: Session, ledger: _DraftLedger) -> list[str]:
    """Draft the end of an ended finalization; return a note if it has not ended."""
    newest = ledger.newest()
    if newest is None or not newest.open:
        return []
    name = f"Finalization {newest.number} of {session.synchronization_id!r}"
    if newest.phase == Phase.INTENDED or newest.job_id is None:
        note = (
            f"{name} is sent by another flow run now, or its outcome is unknown. The plan may "
            "change. If no flow run is active, run resolve-finalization first."
        )
        return [note]
    job = _read_ended(session, newest.job_id)
    if job is None:
        return [f"{name} has not ended (job {newest.job_id}). The plan may change until then."]
    ledger.draft = newest.with_ended_job(job)
    return []


def _read_ended(session: Session, job_id: str) -> Job | None:
    try:
        job = session.client.get_job(job_id)
    except CollibraError as error:
        session.log(f"Job {job_id} cannot be read: {error}")
        return None
    return job if job.ended else None


def _observe(session: Session) -> Observation:
    """Search the job list; a finalization by others is a draft in the ledger of the session."""
    while True:
        baseline = load_baseline(session, session.ledger.newest())
        seen = observe(session, baseline, baseline.checkpoint, Waiting(seconds=0))
        # The next search ends at the recorded finalization, so this happens once.
        if not seen.record_foreign():
            return seen


def _pending_notes(seen: Observation) -> list[str]:
    session = seen.session
    ignored = session.set_aside.read()
    pending = pending_job(seen.search, session.synchronization_id, ignore=ignored)
    if pending is None:
        return []
    return [f"Job {pending.job_id} has not ended: {pending.reason}. The plan may change."]


def _find_new_assets(
    plan: RemovalPlan, manifest: Manifest, seen: Observation
) -> tuple[AssetRow, ...]:
    if not plan.new_count:
        return ()
    previous: Iterable[AssetRow] = seen.baseline_in_doubt(manifest).previous or ()
    return tuple(islice(missing_rows(manifest, previous), MAX_NEW_ASSETS))
