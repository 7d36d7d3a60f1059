"""Closing a cycle: what becomes of the assets that did not come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from collibra_tasks.sandbox.catalog import Catalog
from collibra_tasks.sandbox.outcomes import RUNTIME, FailedCommand, Outcome, Tallies, Tally, failed
from collibra_tasks.sandbox.statuses import CANDIDATE, STATUSES
from collibra_tasks.sandbox.synchronizations import Synchronization

REMOVE_RESOURCES, CHANGE_STATUS, IGNORE = "REMOVE_RESOURCES", "CHANGE_STATUS", "IGNORE"
STRATEGIES = (REMOVE_RESOURCES, CHANGE_STATUS, IGNORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalization:
    """What a finalization was asked to do.

    Attributes:
        status_id: The status for missing assets, where the strategy is to change it.
    """

    strategy: str
    status_id: str | None = None


def finalize(order: Finalization, *, catalog: Catalog, synchronization: Synchronization) -> Outcome:
    """Deal with the missing assets, and close the cycle.

    Source: a status that does not exist fails the job and leaves the cycle open, *assumed*.
    """
    if order.strategy == CHANGE_STATUS and order.status_id not in STATUSES:
        message = f"Status {order.status_id} could not be found."
        return failed([FailedCommand(message=message, error_type=RUNTIME)])
    tallies = _STRATEGIES[order.strategy](catalog, synchronization, order.status_id)
    synchronization.close_cycle()
    return Outcome(tallies=tallies)


def _remove(catalog: Catalog, synchronization: Synchronization, _: str | None) -> Tallies:
    """Remove the missing assets, and nothing else.

    Source: the documents speak of assets; that communities and domains stay is *assumed*.
    """
    removed = [catalog.remove(asset_id) for asset_id in synchronization.missing]
    return Counter(Tally("ASSET", asset.type, "removed") for asset in removed if asset)


def _change_status(
    catalog: Catalog, synchronization: Synchronization, status_id: str | None
) -> Tallies:
    """Mark the missing assets, and bring those back that carry the mark and are present.

    Source: a restored asset gets the default status of its type, and only where the cycle is
    finalized with the status that it was marked with, *documented*. That this looks at nothing
    but the asset's present status is *assumed*.
    """
    wanted = dict.fromkeys(synchronization.missing, status_id or "")
    for asset_id in synchronization.present & catalog.assets.keys():
        if catalog.assets[asset_id].status_id == status_id:
            wanted[asset_id] = CANDIDATE
    return _set_statuses(catalog, wanted)


def _set_statuses(catalog: Catalog, wanted: Mapping[str, str]) -> Tallies:
    tallies: Tallies = Counter()
    for asset_id in wanted.keys() & catalog.assets.keys():
        asset = catalog.assets[asset_id]
        if asset.status_id != wanted[asset_id]:
            catalog.put(replace(asset, status_id=wanted[asset_id]))
            tallies[Tally("ASSET", asset.type, "updated")] += 1
    return tallies


def _ignore(*_: object) -> Tallies:
    return Counter()


_STRATEGIES: Mapping[str, Callable[[Catalog, Synchronization, str | None], Tallies]] = {
    REMOVE_RESOURCES: _remove,
    CHANGE_STATUS: _change_status,
    IGNORE: _ignore,
}
