"""Promises of Prefect's part, with a stand-in for Prefect's API client."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.states import Cancelled, Completed, Crashed, Failed, Running

from collibra_tasks import _prefect
from collibra_tasks._prefect import (
    READ_TASK,
    WRITE_TASK,
    current_flow_run,
    flow_run_has_ended,
    require_sync_context,
    run_step,
    tag_flow_run,
    wait_for_api,
)
from collibra_tasks.errors import (
    BusyError,
    FinalizationRefusedError,
    NotSentError,
    OutcomeUnknownError,
    TenantFaultError,
)
from collibra_tasks.models import FlowRunInfo
from collibra_tasks.options import Timing
from tests.support.clients import FakeClock

ID, ROOT_ID, TASK_ID, DEPLOYMENT_ID = (uuid4() for _ in range(4))


class Api:
    """Prefect's API client, with records in place of a server."""

    def __init__(self) -> None:
        self.records: dict[UUID, Any] = {}
        self.absences = 0
        self.tags: list[list[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, key: UUID) -> Any:
        if key not in self.records:
            raise ObjectNotFound(http_exc=Exception("404"))
        return self.records[key]

    def update_flow_run(self, key: UUID, *, tags: list[str]) -> None:
        self.tags.append(tags)
        self.records[key].tags = tags

    read_flow_run = read_task_run = read_deployment = read

    def api_healthcheck(self) -> Exception | None:
        self.absences -= 1
        return ConnectionError() if self.absences >= 0 else None


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Replace Prefect's API client."""
    api = Api()

    def get_client(*, sync_client: bool) -> Api:
        assert sync_client
        return api

    monkeypatch.setattr(_prefect, "get_client", get_client)
    return api


def flow_run(key: UUID = ID, **changes: Any) -> SimpleNamespace:
    fields = {
        "id": key,
        "name": "amber-fox",
        "run_count": 1,
        "parent_task_run_id": None,
        "deployment_id": None,
        "auto_scheduled": False,
        "expected_start_time": None,
    }
    return SimpleNamespace(**fields | changes)


def test_current_flow_run_outside_of_one_is_empty(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code outside of a flow run has no flow run, and asks no server."""
    monkeypatch.delenv("PREFECT__FLOW_RUN_ID", raising=False)
    api.records = {}

    assert FlowRunInfo() == current_flow_run()


def test_current_flow_run_describes_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow run without a caller is its own root."""
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(ID))
    due = datetime(2026, 11, 25, 13, tzinfo=timezone(timedelta(hours=1)))
    api.records = {
        ID: flow_run(
            run_count=2, auto_scheduled=True, deployment_id=DEPLOYMENT_ID, expected_start_time=due
        ),
        DEPLOYMENT_ID: SimpleNamespace(name="nightly"),
    }

    assert current_flow_run() == FlowRunInfo(
        id=str(ID),
        name="amber-fox",
        root_id=str(ID),
        attempt=2,
        root_attempt=2,
        deployment="nightly",
        created_by_schedule=True,
        started_on=datetime(2026, 11, 25, 12, tzinfo=UTC),
    )


def test_current_flow_run_finds_outermost_caller(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subflow knows the flow run that a schedule created, and its deployment."""
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(ID))
    api.records = {
        ID: flow_run(parent_task_run_id=TASK_ID),
        TASK_ID: SimpleNamespace(flow_run_id=ROOT_ID),
        ROOT_ID: flow_run(ROOT_ID, auto_scheduled=True, deployment_id=DEPLOYMENT_ID),
    }

    info = current_flow_run()

    assert (str(ID), str(ROOT_ID)) == (info.id, info.root_id)
    assert info.created_by_schedule
    assert info.deployment is None  # deleted meanwhile


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        (Completed(), True),
        (Failed(), True),
        (Crashed(), True),
        (Cancelled(), True),
        (Running(), False),
        (None, False),
    ],
)
def test_flow_run_has_ended_in_final_state(api: Api, state: Any, ended: bool) -> None:  # noqa: FBT001
    """Only a final state ends a flow run."""
    api.records = {ID: flow_run(state=state)}

    assert ended == flow_run_has_ended(str(ID))


def test_flow_run_has_ended_if_deleted(api: Api) -> None:
    """A deleted flow run does not hold a lock for ever."""
    api.records = {}

    assert flow_run_has_ended(str(ID))


@pytest.mark.parametrize("text", [None, "", "a note"])
def test_flow_run_has_ended_of_no_id_is_false(api: Api, text: str | None) -> None:
    """A text that is no ID proves nothing."""
    api.records = {}

    assert not flow_run_has_ended(text)


def test_run_step_outside_of_a_flow_run_calls_the_function() -> None:
    """A program without a flow run needs no task runs."""
    assert 5 == run_step("upload batch 1 of 2", lambda: 5)


def test_tag_flow_run_adds_missing_tags_once(api: Api) -> None:
    """A flow run keeps its tags and gets those that are missing, without duplicates."""
    api.records = {ID: flow_run(tags=["mine", "nightly"])}
    for _ in range(2):
        tag_flow_run(str(ID), ("nightly", "tenant.collibra.com", ""))

    assert [["mine", "nightly", "collibra", "tenant.collibra.com"]] == api.tags
    assert api.tags[0] == api.records[ID].tags


def test_tag_flow_run_never_raises(api: Api) -> None:
    """A flow run whose tags cannot be set continues."""
    api.records = {}

    tag_flow_run(str(ID), ("nightly",))
    tag_flow_run(None, ("nightly",))


def test_wait_for_api_returns_when_available(api: Api) -> None:
    """The wait ends when the API is available, and is logged once."""
    clock, lines = FakeClock(), list[str]()
    api.absences = 3

    wait_for_api(lines.append, monotonic=clock.monotonic, sleep=clock.sleep, now=clock.time)

    assert (1, 6) == (len(lines), clock.now)
    assert "until 00:15:00 UTC" in lines[0]


def test_wait_for_api_does_not_wait_for_available_api(api: Api) -> None:
    """An available API costs one call and no line in the log."""
    lines: list[str] = []

    wait_for_api(lines.append, sleep=lambda _: pytest.fail("no pause is needed"))

    assert ([], -1) == (lines, api.absences)


def test_wait_for_api_ends_at_limit(api: Api) -> None:
    """An API that stays absent does not hold the flow run for ever."""
    clock = FakeClock()
    api.absences = 10**6
    timing = Timing(api_absence=60)

    wait_for_api(lambda _: None, timing, monotonic=clock.monotonic, sleep=clock.sleep)

    assert 60 == clock.now


def test_require_sync_context_accepts_def_flow() -> None:
    """A thread without an event loop is accepted."""
    require_sync_context()


def test_require_sync_context_refuses_async_flow() -> None:
    """An ``async def`` flow is refused before anything is sent, with the next step."""

    async def call() -> None:
        require_sync_context()

    with pytest.raises(FinalizationRefusedError, match=r"Not started: .* Use a def flow\."):
        asyncio.run(call())


LATER = BusyError("Busy.", status_code=429, retry_after_seconds=86_400)
SOON = BusyError("Busy.", status_code=429, retry_after_seconds=5)


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (NotSentError("Away."), True, True),
        (NotSentError("Expired.", transient=False), False, False),
        (OutcomeUnknownError("Lost."), True, False),
        (TenantFaultError("Broken.", status_code=503), True, False),
        (SOON, True, False),
        (LATER, False, False),
        (ValueError("?"), False, False),
    ],
)
def test_task_options_retry_by_outcome(
    error: Exception,
    read: bool,  # noqa: FBT001 - a case
    write: bool,  # noqa: FBT001 - a case
) -> None:
    """A task retries only what is safe; a requested pause is never shortened by a retry."""
    for options, expected in ((READ_TASK, read), (WRITE_TASK, write)):
        condition: Callable[..., bool] = options["retry_condition_fn"]
        run = TaskRun(task_key="a", dynamic_key="b", flow_run_id=None)
        assert expected == condition(task(lambda: None), run, Failed(data=error))


def test_task_options_use_no_cache() -> None:
    """No result of Collibra is taken from a cache, and retry conditions are plain functions."""
    for options in (READ_TASK, WRITE_TASK):
        assert NO_CACHE is options["cache_policy"]
        assert not asyncio.iscoroutinefunction(options["retry_condition_fn"])
        assert options["retries"] == len(options["retry_delay_seconds"])


def filter_line(logger_name: str, message: str, **extra: object) -> logging.LogRecord:
    """Return Prefect's line about an expected error, as the handlers of its logger get it."""
    error = FinalizationRefusedError("Not finalized. Run again.")
    logger = get_logger(logger_name)
    record = logger.makeRecord(
        logger.name,
        logging.ERROR,
        "engine.py",
        1,
        message,
        (),
        (type(error), error, None),
        extra=extra,
    )
    assert logger.filter(record)
    return record


def test_last_line_of_a_failed_run_is_the_sentence() -> None:
    """The last line of a deployed run is the sentence of the error, in place of a traceback."""
    record = filter_line("flow_runs", "Engine execution exited with unexpected exception")

    assert "Not finalized. Run again." == record.getMessage()
    assert record.exc_info is None


def test_failed_public_task_has_no_traceback() -> None:
    """The line of Prefect about a failed task keeps its text and loses its traceback."""
    record = filter_line("task_runs", "Task run failed", task_run_id="1")

    assert "Task run failed" == record.getMessage()
    assert record.exc_info is None


def test_error_in_the_flow_of_a_user_keeps_its_traceback() -> None:
    """The traceback that shows the line in a user's own flow stays."""
    record = filter_line("flow_runs", "Encountered exception during execution")

    assert record.exc_info is not None
