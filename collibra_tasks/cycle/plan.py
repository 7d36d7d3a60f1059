"""Removal plan: what a finalization would remove or mark, and the ID under which it is approved."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from collibra_tasks.cycle.renames import NOT_RENAMED, WHOLE, Part, Renamed, count_renamed
from collibra_tasks.ledger.manifest import Manifest, count_missing, missing_rows
from collibra_tasks.models import AssetRow, FinalizationRequest, FinalizationStrategy

MAX_NAMES = 10_000
"""Maximum number of missing assets that a plan names. All are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLoss:
    """Loss in one domain, community or source file.

    Attributes:
        kind: ``domain``, ``community`` or ``source file``.
        name: Name of the part.
        previous_count: Number of its assets in the previous cycle.
        missing_count: Number of them that are missing.
        renamed: Number of missing assets whose name a new asset has.
    """

    kind: str
    name: str
    previous_count: int
    missing_count: int
    renamed: Renamed = NOT_RENAMED

    @property
    def percent(self) -> float:
        """Percentage of the part that is missing, 0 to 100."""
        return 100 * self.missing_count / self.previous_count


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalPlan:
    """What a finalization would do to assets that are not in the cycle.

    Attributes:
        generation: Number of the newest ledger entry that the plan was judged against.
        asset_count: Number of assets in the cycle.
        previous_count: Number of assets in the previous cycle; ``None`` if it is unknown.
        missing_count: Number of assets that newly go missing.
        new_count: Number of new assets.
        older_missing_count: Number of assets that earlier cycles ignored or marked, and that
            REMOVE_RESOURCES may delete now.
        unshown_count: Number of those that no approved plan has shown.
        missing: Missing assets, at most 10,000; newly missing ones first.
        names_digest: Digest of the names of all assets that would be removed or marked.
        renamed: Number of newly missing assets whose name a new asset has.
        parts: Losses by domain, community and source file.
        refusals: Reasons that no person can approve.
        reasons: Reasons to ask a person.
        notes: Facts for log and receipt.
    """

    synchronization_id: str
    strategy: FinalizationStrategy
    generation: int
    asset_count: int
    previous_count: int | None = None
    missing_count: int = 0
    new_count: int = 0
    older_missing_count: int = 0
    unshown_count: int = 0
    missing: tuple[AssetRow, ...] = ()
    names_digest: str = ""
    renamed: Renamed = NOT_RENAMED
    parts: tuple[PartLoss, ...] = ()
    refusals: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def number(self) -> int:
        """Number of assets that would be removed or marked; a person repeats it to approve."""
        if self.previous_count is None:
            return self.asset_count
        return self.missing_count + self.older_missing_count

    @property
    def allowed(self) -> bool:
        """Whether the cycle may be finalized without approval."""
        return not (self.refusals or self.reasons)

    @property
    def percent(self) -> float:
        """Percentage of the previous cycle that is newly missing, 0 to 100."""
        return 100 * self.missing_count / self.previous_count if self.previous_count else 0.0

    @property
    def plan_id(self) -> str:
        """Digest of synchronization, strategy, generation, names and reasons."""
        facts = [
            self.synchronization_id,
            self.strategy.value,
            self.generation,
            self.names_digest,
            self.number,
            sorted((*self.reasons, *self.refusals)),
        ]
        return sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def with_reasons(self, reasons: Iterable[str], *, notes: Iterable[str] = ()) -> RemovalPlan:
        """Return the plan with more reasons to ask, and more notes."""
        return replace(self, reasons=(*self.reasons, *reasons), notes=(*self.notes, *notes))


def plan_removal(
    request: FinalizationRequest,
    current: Manifest,
    previous: Manifest | None,
    *,
    generation: int,
    tracked: Manifest | None = None,
    shown: Manifest | None = None,
) -> RemovalPlan:
    """Compare a cycle with the previous one.

    Args:
        request: Synchronization and strategy.
        current: Assets of this cycle.
        previous: Assets of the last finalized cycle; ``None`` if they are unknown.
        generation: Number of the newest ledger entry.
        tracked: All assets that Collibra may still track, for REMOVE_RESOURCES.
        shown: Missing assets that approved plans have shown.
    """
    plan = RemovalPlan(
        synchronization_id=request.synchronization_id,
        strategy=request.strategy,
        generation=generation,
        asset_count=current.asset_count,
        names_digest=current.digest,
    )
    if previous is None:
        return plan
    comparison = _Comparison()
    for row in comparison.watch(missing_rows(previous, current)):
        comparison.count_missing(row)
    missing_count, unshown_count = comparison.total, 0
    if request.strategy == FinalizationStrategy.REMOVE_RESOURCES and tracked is not None:
        older = comparison.watch(missing_rows(missing_rows(tracked, current), previous))
        unshown_count = count_missing(older, shown or ())
    renamed = {}
    if missing_count:
        renamed = count_renamed(missing_rows(previous, current), missing_rows(current, previous))
    return replace(
        plan,
        previous_count=previous.asset_count,
        missing_count=missing_count,
        new_count=current.asset_count - (previous.asset_count - missing_count),
        older_missing_count=comparison.total - missing_count,
        unshown_count=unshown_count,
        missing=tuple(comparison.shown),
        names_digest=comparison.digest.hexdigest(),
        renamed=renamed.get(WHOLE, NOT_RENAMED),
        parts=comparison.parts(previous, current, renamed) if missing_count else (),
    )


class _Comparison:
    """Counts and names of missing assets."""

    def __init__(self) -> None:
        self.total = 0
        self.shown: list[AssetRow] = []
        self.digest = sha256()
        self._missing: Counter[Part] = Counter()

    def watch(self, rows: Iterable[AssetRow]) -> Iterator[AssetRow]:
        """Count and record rows while they pass."""
        for row in rows:
            self.total += 1
            self.digest.update(row.asset.encode("utf-8", "surrogatepass") + b"\n")
            if len(self.shown) < MAX_NAMES:
                self.shown.append(row)
            yield row

    def count_missing(self, row: AssetRow) -> None:
        self._missing.update(_parts_of(row))

    def parts(
        self, previous: Manifest, current: Manifest, renamed: Mapping[Part, Renamed]
    ) -> tuple[PartLoss, ...]:
        """Return the parts that lost assets, with their sizes in the previous cycle."""
        sizes: Counter[Part] = Counter()
        for row in previous:
            sizes.update(each for each in _parts_of(row) if each in self._missing)
        comparable = _files_are_comparable(previous, current)
        return tuple(
            PartLoss(
                kind=kind,
                name=name,
                previous_count=sizes[kind, name],
                missing_count=count,
                renamed=renamed.get((kind, name), NOT_RENAMED),
            )
            for (kind, name), count in sorted(self._missing.items())
            if sizes[kind, name] and (kind != "source file" or comparable)
        )


def _parts_of(row: AssetRow) -> Iterator[Part]:
    named = (("community", row.community), ("domain", row.domain), ("source file", row.file))
    return ((kind, name) for kind, name in named if name)


def _files_are_comparable(previous: Manifest, current: Manifest) -> bool:
    """Whether most file names of the previous cycle come back; dated names do not."""
    before = set(previous.files)
    return 2 * len(before & set(current.files)) > len(before)
