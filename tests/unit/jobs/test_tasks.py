"""Promises of the task that waits for a job, without a Prefect server."""

from typing import Any

import pytest
from prefect.logging import disable_run_logger

from collibra_tasks import _prefect
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import CollibraError, JobIncompleteError, JobTimedOutError
from collibra_tasks.jobs.tasks import wait_for_job
from collibra_tasks.models import Job
from tests.support.clients import SHORT_TIMING, Server, connection_of, json_response, page_of

FAILURE = {"errorMessage": "No such type."}


class Terminated(BaseException):
    """A cancellation, as Prefect raises it."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets an entry for each wait for the Prefect API."""
    done: list[str] = []
    monkeypatch.setattr(_prefect, "wait_for_api", lambda *_: done.append("waited"))
    return done


def run(monkeypatch: pytest.MonkeyPatch, server: Any, wait_seconds: float = 0) -> Job:
    monkeypatch.setattr(CollibraCredentials, "get_client", lambda _: server.client())
    credentials = CollibraCredentials.from_settings(connection_of())
    with disable_run_logger():
        return wait_for_job.fn(credentials, "1", wait_seconds=wait_seconds, timing=SHORT_TIMING)


def job(state: str, result: str) -> Server:
    content = {"id": "1", "state": state, "result": result}
    return Server({"/v1/jobs/1": json_response(content), "/errors": page_of(FAILURE)})


def test_wait_for_job_returns_successful_job(
    monkeypatch: pytest.MonkeyPatch, waits: list[str]
) -> None:
    """A job with full success is returned, after the Prefect API is available."""
    assert run(monkeypatch, job("COMPLETED", "SUCCESS")).succeeded
    assert ["waited"] == waits


@pytest.mark.parametrize(
    ("state", "result", "error"),
    [
        ("COMPLETED", "COMPLETED_WITH_ERROR", JobIncompleteError),
        ("RUNNING", "NOT_SET", JobTimedOutError),
    ],
)
def test_wait_for_job_raises_errors_with_results(
    monkeypatch: pytest.MonkeyPatch,
    waits: list[str],
    state: str,
    result: str,
    error: type[CollibraError],
) -> None:
    """Any other end raises, with the errors that Collibra recorded."""
    with pytest.raises(error) as caught:
        run(monkeypatch, job(state, result))

    assert "1" == caught.value.job_id
    assert ["waited"] == waits
    if isinstance(caught.value, JobIncompleteError):
        assert "No such type." == caught.value.failures[0].message


def test_wait_for_job_cancellation_does_not_wait(
    monkeypatch: pytest.MonkeyPatch, waits: list[str]
) -> None:
    """A cancelled flow run ends at once, without a wait for the Prefect API."""

    class Cancelled:
        def client(self) -> Any:
            raise Terminated

    with pytest.raises(Terminated):
        run(monkeypatch, Cancelled())

    assert [] == waits
