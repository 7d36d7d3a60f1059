"""Patience costs time: runs in these tests wait as little as they may."""

import json
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks import CollibraCredentials, CollibraSettings, Receipt, finalizing, waiting
from collibra_tasks import tasks as library_tasks
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.tasks import finalization, turns
from flows.synchronize_source import synchronize_source
from tests.flows.cycles import Mirror, tables


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finalization, "LONGEST_REQUEST_TIMEOUTS", 0)
    monkeypatch.setattr(waiting, "GRACE_SECONDS", 2)
    monkeypatch.setattr(finalizing, "LONGEST_STALL_SECONDS", 8)
    monkeypatch.setattr(finalizing, "TICK_SECONDS", 0)
    monkeypatch.setattr(turns, "LONGEST_LEASE_SECONDS", 1)
    for name in ("inspect_cycle", "submit_finalization"):
        monkeypatch.setattr(getattr(library_tasks, name), "retry_delay_seconds", [0] * 4)


@pytest.fixture
def credentials(tenant: Sandbox, monkeypatch: pytest.MonkeyPatch) -> CollibraCredentials:
    """Return credentials as an environment gives them."""
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    return CollibraCredentials.from_settings(CollibraSettings())


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Return the file that the extractor writes anew for every cycle."""
    return tmp_path / "export.json"


@pytest.fixture
def mirror(credentials: CollibraCredentials, export: Path) -> Mirror:
    """Write a source of so many tables and synchronize it."""

    def run(count: int, **changes: Any) -> Receipt:
        export.write_text(json.dumps(tables(count)))
        asked: dict[str, Any] = {"source": str(export), "wait_seconds": 20} | changes
        receipt: Receipt = synchronize_source(credentials, "nightly", **asked)
        return receipt

    return run
