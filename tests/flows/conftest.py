"""Patience costs time: runs in these tests wait as little as they may."""

import pytest

from collibra_tasks import CollibraCredentials, CollibraSettings, finalizing, waiting
from collibra_tasks import tasks as library_tasks
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.tasks import finalization


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finalization, "LONGEST_REQUEST_TIMEOUTS", 0)
    monkeypatch.setattr(waiting, "GRACE_SECONDS", 2)
    monkeypatch.setattr(finalizing, "LONGEST_STALL_SECONDS", 4)
    for name in ("inspect_cycle", "submit_finalization"):
        monkeypatch.setattr(getattr(library_tasks, name), "retry_delay_seconds", [0] * 4)


@pytest.fixture
def credentials(tenant: Sandbox, monkeypatch: pytest.MonkeyPatch) -> CollibraCredentials:
    """Return credentials as an environment gives them."""
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    return CollibraCredentials.from_settings(CollibraSettings())
