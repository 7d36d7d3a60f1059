"""Automations in ``deployments/``: valid, and right for the shipped deployments."""

import json
import re
from string import Template
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import AutomationCore

from tests.support.project_files import ROOT

FOLDER = ROOT / "deployments" / "automations"
PLACEHOLDER = "00000000-0000-0000-0000-000000000000"
STATES_WITHOUT_HEARTBEAT = {
    *(state.value.capitalize() for state in StateType if state != StateType.RUNNING),
    *("Skipped", "TimedOut", "Suspended", "Late", "AwaitingRetry", "AwaitingConcurrencySlot"),
}


def read_automation(name: str) -> dict[str, Any]:
    """Return an automation with an ID for each placeholder."""
    template = Template((FOLDER / name).read_text("utf-8"))
    values = dict.fromkeys(template.get_identifiers(), PLACEHOLDER)
    automation: dict[str, Any] = json.loads(template.substitute(values))
    return automation


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.json")))
def test_automation_is_valid_and_described(name: str) -> None:
    """Prefect accepts each automation, which has a name and a description."""
    automation = AutomationCore.model_validate(read_automation(name))

    assert automation.name.startswith("Collibra: ")
    assert automation.description


def test_dead_runs_waits_for_three_heartbeats() -> None:
    """A live flow run of the shipped deployments sends three heartbeats in the period."""
    deployments = (ROOT / "deployments" / "prefect.yaml").read_text("utf-8")
    heartbeat = re.search(r'PREFECT_FLOWS_HEARTBEAT_FREQUENCY: "(\d+)"', deployments)
    assert heartbeat

    assert read_automation("dead-runs.json")["trigger"]["within"] >= 3 * int(heartbeat[1])


def test_dead_runs_expects_each_state_without_heartbeats() -> None:
    """A flow run that has ended, or that waits without a process, is not marked as Crashed."""
    expected = set(read_automation("dead-runs.json")["trigger"]["expect"])

    assert {f"prefect.flow-run.{name}" for name in STATES_WITHOUT_HEARTBEAT} <= expected
    assert "prefect.flow-run.heartbeat" in expected
