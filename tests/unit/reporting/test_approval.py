"""Approval of plans, progress, tables and events without a Prefect server."""

from typing import Any

import pytest
from prefect import runtime
from prefect.exceptions import FlowPauseTimeout

from collibra_tasks.cycle import approval
from collibra_tasks.cycle.approval import ApprovalForm, PrefectApproval, render_question
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.ports import ApprovalInput
from collibra_tasks.models import AssetRow, FinalizationStrategy, Job
from collibra_tasks.reporting import events, progress
from collibra_tasks.reporting.events import emit_synchronization_event
from collibra_tasks.reporting.progress import ProgressArtifact, show_failed_commands
from tests.support.clients import FakeClock

PLAN = RemovalPlan(
    synchronization_id="nightly",
    strategy=FinalizationStrategy.IGNORE,
    generation=1,
    asset_count=57,
    previous_count=117,
    missing_count=60,
    missing=tuple(AssetRow(f"D > T{n}", "D", "C", "a.csv") for n in range(60)),
    reasons=("60 of 117 assets are missing.",),
)


class Prefect:
    """Prefect's pauses, suspensions, artifacts and events, in place of a server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deployment: str | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.response: object = ApprovalForm(expected_number=60, reason="dropped")
        for module, name in (
            (approval, "pause_flow_run"),
            (approval, "suspend_flow_run"),
            (approval, "emit_synchronization_event"),
            (approval, "show_table"),
        ):
            monkeypatch.setattr(module, name, self._recorder(name))
        monkeypatch.setattr(runtime.deployment, "get_id", lambda: deployment)

    def _recorder(self, name: str) -> Any:
        def record(*arguments: object, **options: object) -> object:
            self.calls.append((name, {"arguments": arguments, **options}))
            if isinstance(self.response, Exception) and "flow_run" in name:
                raise self.response
            return self.response

        return record

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.mark.parametrize(
    ("deployment", "function"), [(None, "pause_flow_run"), ("d1", "suspend_flow_run")]
)
def test_ask_returns_number_and_reason(
    monkeypatch: pytest.MonkeyPatch, deployment: str | None, function: str
) -> None:
    """A deployed flow run is suspended, another one paused; an event is emitted before."""
    prefect = Prefect(monkeypatch, deployment)
    found = PrefectApproval("acme").ask(PLAN, timeout_seconds=60)

    assert ApprovalInput(60, "dropped") == found
    assert ["emit_synchronization_event", function] == prefect.names()
    assert "waiting-for-approval" == prefect.calls[0][1]["arguments"][0]


def test_ask_key_belongs_to_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another plan is another question, so an earlier response does not approve it."""
    prefect = Prefect(monkeypatch)
    PrefectApproval().ask(PLAN, timeout_seconds=60)
    PrefectApproval().ask(PLAN.with_reasons(["More."]), timeout_seconds=60)
    PrefectApproval().ask(PLAN, timeout_seconds=60)
    keys = [call["key"] for name, call in prefect.calls if name == "pause_flow_run"]

    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


@pytest.mark.parametrize("response", [FlowPauseTimeout("late"), None])
def test_ask_without_input_is_no_approval(
    monkeypatch: pytest.MonkeyPatch, response: object
) -> None:
    """A late response, or a resumption without input, approves nothing."""
    prefect = Prefect(monkeypatch)
    prefect.response = response

    assert PrefectApproval().ask(PLAN, timeout_seconds=60) is None


def test_render_question_shows_names_and_number() -> None:
    """The form shows reasons, the number to repeat, at most 10 names, and how many are left."""
    text = render_question(PLAN)

    assert "60 of 117 assets are missing." in text
    assert "- D > T9\n- and 50 more" in text
    assert text.index("**60**") < text.index("- D > T0")


def test_show_missing_creates_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table names each missing asset with domain, community and file."""
    prefect = Prefect(monkeypatch)
    PrefectApproval().show_missing(PLAN, "missing-x")
    rows, key, title = prefect.calls[0][1]["arguments"]

    expected = {"asset": "D > T0", "domain": "D", "community": "C", "file": "a.csv", "name": ""}
    assert expected == rows[0]
    assert "missing-x" == key
    assert "60 of 117 assets of the previous cycle" in title


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("API down")


def test_progress_and_events_never_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cycle continues while the Prefect API is down."""
    for name in ("create_progress_artifact", "update_progress_artifact", "create_table_artifact"):
        monkeypatch.setattr(progress, name, fail)
    monkeypatch.setattr(events, "emit_event", fail)

    ProgressArtifact("p").update(sent=1, done=1, failed=0, commands=10)
    show_failed_commands([{"message": "x"}], "f")
    emit_synchronization_event("planned", "nightly", "acme", {})


def test_progress_describes_reading_batches_and_finalization(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading, batches with rate and remaining time, and the finalization move the progress."""
    shown: list[tuple[float, str]] = []
    monkeypatch.setattr(progress, "create_progress_artifact", lambda *_, **__: "id")
    monkeypatch.setattr(
        progress,
        "update_progress_artifact",
        lambda _id, percent, description: shown.append((percent, description)),
    )
    clock = FakeClock()
    artifact = ProgressArtifact("p", monotonic=clock.monotonic)
    artifact.show_reading(1_000)
    clock.now = 2.0
    artifact.show_reading(2_000)
    artifact.begin_upload(2_000)
    clock.now = 12.0
    artifact.update(sent=2, done=1, failed=0, commands=500)
    clock.now = 22.0
    artifact.update(sent=4, done=4, failed=0, commands=2_000)
    artifact.show_finalization(Job(id="j", state="RUNNING", progress_percentage=50))
    artifact.show_finalization(Job(id="j", state="COMPLETED", result="SUCCESS"))

    assert [
        (0.8, "Reading the source: 2,000 records so far."),
        (20.0, "Source read: 2,000 commands. No batch sent yet."),
    ] == shown[:2]
    assert (
        37.5,
        (
            "Batches: 2 sent, 1 imported, 0 failed. Commands: 500 of 2,000, 50 per second, "
            "about 30 s remaining."
        ),
    ) == shown[2]
    assert 90.0 == shown[3][0]
    assert shown[3][1].endswith("100 per second.")
    assert [
        (95.0, "Finalization: job j RUNNING, 50%."),
        (100.0, "Finalization: job j COMPLETED with SUCCESS."),
    ] == shown[4:]


def test_show_failed_commands_cuts_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table holds at most 1,000 commands, and its title the number of all."""
    shown: list[tuple[int, str]] = []
    monkeypatch.setattr(
        progress,
        "create_table_artifact",
        lambda rows, *, key, description: shown.append((len(rows), f"{key} {description}")),
    )
    show_failed_commands([{"message": "x"}] * 1_001, "f")

    assert [(1_000, "f 1,001 commands that Collibra did not import")] == shown


def test_emit_synchronization_event_names_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    """Automations match the kind and the synchronization."""
    emitted: list[dict[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda **event: emitted.append(event))
    emit_synchronization_event("refused", "nightly", "acme", {"missing_count": 3})

    assert "collibra.synchronization.refused" == emitted[0]["event"]
    assert "collibra.synchronization.nightly" == emitted[0]["resource"]["prefect.resource.id"]
    assert 3 == emitted[0]["payload"]["missing_count"]
