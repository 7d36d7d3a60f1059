"""Jobs of cancelled flow runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from collibra_tasks.errors import NotSentError
from collibra_tasks.ledger.entry import LedgerEntry, Phase
from collibra_tasks.ledger.identity import Environment
from collibra_tasks.options import OnCancel
from collibra_tasks.reporting import cancellation
from collibra_tasks.reporting.cancellation import (
    cancel_job,
    read_on_cancel,
    report_or_cancel_job,
)
from tests.support.clients import Server, json_response, refusal

JOB = {"id": "j1", "state": "CANCELED", "result": "NOT_SET"}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, OnCancel.LEAVE),
        ({"on_cancel": "cancel_job"}, OnCancel.CANCEL_JOB),
        ({"sending": {"on_cancel": "cancel_job"}}, OnCancel.CANCEL_JOB),
        ({"sending": None, "on_cancel": None}, OnCancel.LEAVE),
    ],
)
def test_read_on_cancel_of_each_form(parameters: dict[str, Any], expected: OnCancel) -> None:
    """The choice is found in the form of each flow; the default leaves the job."""
    assert expected == read_on_cancel(parameters)


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (json_response(JOB), "Its state is CANCELED"),
        (httpx.Response(404), "no longer exists"),
        (httpx.Response(500), "Its state is unknown"),
    ],
)
def test_cancel_job_reports_state(job: httpx.Response, text: str) -> None:
    """The message names the job and its state after the request."""
    server = Server({"/cancel": json_response({"id": "j1"}), "/jobs": job})
    with server.client() as client:
        message = cancel_job(client, "j1")

    assert "asked to stop job j1" in message
    assert text in message


def test_cancel_job_reports_refusal() -> None:
    """A job that Collibra does not cancel is named as possibly continuing."""
    with Server({"jobs": refusal(403)}).client() as client:
        message = cancel_job(client, "j1")

    assert "job j1 could not be cancelled and may continue" in message


class Hook:
    """The hook with a ledger in place of a Prefect server, and its messages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, entry: LedgerEntry | None) -> None:
        self.published: list[str] = []
        self.logged: list[str] = []
        self.entry = entry
        self.away = False
        log = SimpleNamespace(info=self._log, warning=self._log)
        monkeypatch.setattr(cancellation, "open_session", self._open)
        monkeypatch.setattr(cancellation, "flow_run_logger", lambda *_: log)
        monkeypatch.setattr(cancellation, "cancel_job", lambda _client, job_id: f"stop {job_id}")
        monkeypatch.setattr(
            cancellation,
            "_publish",
            lambda _run, _key, _id, message: self.published.append(message),
        )

    def _log(self, message: str, *values: object) -> None:
        self.logged.append(message % values if values else message)

    @contextmanager
    def _open(self, *_: object) -> Iterator[SimpleNamespace]:
        if self.away:
            raise NotSentError("Collibra was not reached.")
        ledger = SimpleNamespace(newest=lambda: self.entry)
        environment = Environment("acme", "https://acme.collibra.com")
        yield SimpleNamespace(client=None, ledger=ledger, environment=environment)

    def run(self, **parameters: object) -> None:
        block = {"base_url": "https://acme.collibra.com", "username": "u", "password": "p"}
        known = {"credentials": block, "synchronization_id": "nightly"}
        flow_run: Any = SimpleNamespace(id="run-1", parameters=known | parameters)
        flow: Any = None
        report_or_cancel_job(flow, flow_run, flow)


def entry_of(phase: Phase, job_id: str | None = "j1", flow_run_id: str = "run-1") -> LedgerEntry:
    return LedgerEntry(
        environment="acme",
        synchronization_id="nightly",
        strategy="IGNORE",
        phase=phase,
        job_id=job_id,
        flow_run_id=flow_run_id,
    )


@pytest.mark.parametrize(
    ("on_cancel", "text"),
    [("leave", "job j1 continues in Collibra"), ("cancel_job", "stop j1")],
)
def test_report_or_cancel_job_follows_choice(
    monkeypatch: pytest.MonkeyPatch, on_cancel: str, text: str
) -> None:
    """The job is left or cancelled as chosen; log and artifact say so."""
    hook = Hook(monkeypatch, entry_of(Phase.SENT))
    hook.run(on_cancel=on_cancel)

    assert text in hook.published[0]
    assert hook.published == hook.logged


def test_report_or_cancel_job_during_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow run that is cancelled during its request has an unknown outcome."""
    hook = Hook(monkeypatch, entry_of(Phase.INTENDED, job_id=None))
    hook.run(on_cancel="cancel_job")

    assert "unknown" in hook.published[0]
    assert "resolve-finalization" in hook.published[0]


@pytest.mark.parametrize(
    "entry", [None, entry_of(Phase.ENDED), entry_of(Phase.SENT, flow_run_id="run-2")]
)
def test_report_or_cancel_job_never_stops_other_jobs(
    monkeypatch: pytest.MonkeyPatch, entry: LedgerEntry | None
) -> None:
    """An ended job, or the job of another flow run, is not cancelled."""
    hook = Hook(monkeypatch, entry)
    hook.run(on_cancel="cancel_job")

    assert not hook.published
    assert "no finalization in progress" in hook.logged[0]


def test_report_or_cancel_job_without_collibra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that cannot reach Collibra logs so and does not fail."""
    hook = Hook(monkeypatch, None)
    hook.away = True
    hook.run()

    assert "could not be read: Collibra was not reached." in hook.logged[0]
