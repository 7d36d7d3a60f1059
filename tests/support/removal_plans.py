"""Manifests and removal plans for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from collibra_tasks.cycle.plan import RemovalPlan, plan_removal
from collibra_tasks.ledger.manifest import Manifest
from collibra_tasks.models import AssetRow, FinalizationRequest, FinalizationStrategy

STATUS = "00000000-0000-0000-0000-000000005066"


def rows(
    names: Iterable[object], domain: str = "D", community: str = "C", file: str = "a.json"
) -> list[AssetRow]:
    """Return assets of one domain."""
    return [AssetRow(f"{community} > {domain} > {name}", domain, community, file) for name in names]


def manifest(*parts: list[AssetRow]) -> Manifest:
    """Return the manifest of some assets."""
    return Manifest.from_rows(sorted(row for part in parts for row in part))


def plan(
    current: Manifest, previous: Manifest | None, strategy: str = "CHANGE_STATUS", **more: Any
) -> RemovalPlan:
    """Return the plan of a cycle after another one."""
    request = FinalizationRequest("nightly", FinalizationStrategy(strategy), STATUS)
    return plan_removal(request, current, previous, **({"generation": 3} | more))
