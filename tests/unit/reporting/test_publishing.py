"""Publication of receipts, whatever ends a flow run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import FinalizationRefusedError, JobFailedError
from collibra_tasks.models import FinalizationStrategy, ImportFailure, Job
from collibra_tasks.reporting import tasks
from collibra_tasks.reporting.receipts import Receipt
from collibra_tasks.reporting.tasks import (
    completed_state,
    failed_state,
    publishing_receipt,
    skipped_state,
)

CREDENTIALS = CollibraCredentials(base_url="https://acme.collibra.com", username="u", password="p")
ENDED = Job(id="j1", state="COMPLETED", result="SUCCESS")


class Prefect:
    """Prefect in place of a server: publications, events and waits."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.waits = 0
        self.error: Exception | None = None

    def publish(
        self, _credentials: CollibraCredentials, receipt: Receipt, _session: object
    ) -> Receipt:
        if self.error:
            raise self.error
        self.receipts.append(receipt)
        return receipt

    def emit(self, kind: str, _name: str, _environment: str, payload: Mapping[str, Any]) -> None:
        self.events.append((kind, payload))

    def wait(self, _log: object) -> None:
        self.waits += 1


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Prefect:
    """Replace Prefect's part of the publication."""
    prefect = Prefect()
    monkeypatch.setattr(tasks, "complete_and_publish", prefect.publish)
    monkeypatch.setattr(tasks, "emit_synchronization_event", prefect.emit)
    monkeypatch.setattr("collibra_tasks._prefect.wait_for_api", prefect.wait)
    monkeypatch.setattr(tasks, "_find_requester", lambda: "flow run ada")
    return prefect


def finish(error: BaseException | None = None, job: Job | None = None) -> None:
    with publishing_receipt(CREDENTIALS, "nightly", strategy="IGNORE") as report:
        report.job, report.job_id = job, job.id if job else None
        if error is not None:
            raise error


def test_publishing_receipt_after_success(prefect: Prefect) -> None:
    """A finalized cycle leaves a receipt and an event, and waits for the Prefect API first."""
    finish(job=ENDED)

    assert prefect.receipts[0].succeeded
    assert "flow run ada" == prefect.receipts[0].requested_by
    assert ["finalized"] == [kind for kind, _ in prefect.events]
    assert 1 == prefect.waits


def test_publishing_receipt_after_refusal(prefect: Prefect) -> None:
    """A refused cycle leaves a receipt with the reason, and the caller gets the error itself."""
    error = FinalizationRefusedError("Too many are missing.")
    with pytest.raises(FinalizationRefusedError) as caught:
        finish(error)

    assert error is caught.value
    assert ("Too many are missing.",) == prefect.receipts[0].notes
    assert prefect.receipts[0].not_sent
    assert "refused" == prefect.events[0][0]
    assert "Too many are missing." in prefect.events[0][1]["message"]


def test_publishing_receipt_never_hides_the_error(prefect: Prefect) -> None:
    """The error of a cycle is raised even if the receipt cannot be published."""
    prefect.error = RuntimeError("API down")
    with pytest.raises(FinalizationRefusedError):
        finish(FinalizationRefusedError("Too many are missing."))

    assert "refused" == prefect.events[0][0]


def test_publishing_receipt_never_fails_a_finalized_cycle(prefect: Prefect) -> None:
    """A finalized cycle stays finalized if its receipt cannot be published."""
    prefect.error = RuntimeError("API down")
    with publishing_receipt(CREDENTIALS, "nightly", strategy="IGNORE") as report:
        report.job, report.job_id = ENDED, ENDED.id

    assert report.receipt.succeeded


def test_publishing_receipt_of_stopped_flow_run(prefect: Prefect) -> None:
    """A cancelled flow run names its job at once, without a wait for the Prefect API."""
    with pytest.raises(KeyboardInterrupt):
        finish(KeyboardInterrupt(), Job(id="j1", state="RUNNING"))

    assert "j1 continues in Collibra" in prefect.receipts[0].notes[0]
    assert 0 == prefect.waits


def test_publishing_receipt_of_suspended_flow_run(prefect: Prefect) -> None:
    """A suspended flow run has not ended and leaves nothing."""
    from prefect.exceptions import Pause

    with pytest.raises(Pause):
        finish(Pause("suspended"))

    assert not prefect.receipts
    assert not prefect.events


def test_states_carry_sentence_and_value() -> None:
    """The UI shows one sentence; the caller of the flow gets the receipt or the exception."""
    receipt = Receipt(synchronization_id="n", strategy=FinalizationStrategy.IGNORE)
    finalized = replace(receipt, job_id="j1", state="COMPLETED", result="SUCCESS")
    failures = tuple(ImportFailure(message=f"bad {n}.", identifier=f"T{n}") for n in range(7))
    error = JobFailedError("Job j1 failed.", job=ENDED).with_results(None, failures)

    assert "Finalized n with IGNORE. Job j1." == completed_state(finalized).message
    assert finalized is completed_state(finalized).data
    assert "Skipped" == skipped_state(receipt).name
    assert "Job j1 failed. 7 commands failed; first: T0: bad 0." == failed_state(error).message
    assert error is failed_state(error).data
