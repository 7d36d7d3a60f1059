"""Prefect's part in every task: retry options, the current flow run, the wait for the API."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.states import Failed
from prefect.tasks import Task

from collibra_tasks.errors import (
    BusyError,
    CollibraError,
    FinalizationRefusedError,
    may_retry,
)
from collibra_tasks.models import FlowRunInfo
from collibra_tasks.options import Timing
from collibra_tasks.wording import clock_time

Result = TypeVar("Result")

COMMON_TAG: Final = "collibra"
STEP: Final = "collibra-step"
STEP_LINES: Final = ("Finished in state", "Task run failed with state")
"""Beginnings of Prefect's lines about the end of a step. The second one has an empty traceback."""
ENGINE_LINE: Final = "Engine execution exited with unexpected exception"
"""Prefect's last line about a deployed flow run that failed, above a traceback."""
MAX_STATE_MESSAGE_LENGTH: Final = 1_000
"""Maximum length of a state message, in characters."""
API_POLL_SECONDS: Final = 2.0
RETRY_DELAYS_SECONDS: Final = (2.0, 5.0, 15.0, 45.0)


def _retry_read(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = _read_error(state)
    requested = (error.retry_after_seconds or 0.0) if isinstance(error, BusyError) else 0.0
    return requested <= max(RETRY_DELAYS_SECONDS) and may_retry(error, write=False)


def _retry_write(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return may_retry_write(_read_error(state))


def may_retry_write(error: BaseException) -> bool:
    """Whether a step that changes Collibra may be repeated after Prefect's fixed delays.

    After a 429 the step itself has waited as requested; the fixed delays would be too short.
    """
    return not isinstance(error, BusyError) and may_retry(error, write=True)


def _read_error(state: State[Any]) -> BaseException:
    result = state.result(raise_on_failure=False)
    return result if isinstance(result, BaseException) else ValueError("not an error")


READ_TASK: Final[dict[str, Any]] = {
    "cache_policy": NO_CACHE,
    "retries": len(RETRY_DELAYS_SECONDS),
    "retry_delay_seconds": list(RETRY_DELAYS_SECONDS),
    "retry_condition_fn": _retry_read,
}
"""Options of tasks that only read from Collibra."""
WRITE_TASK: Final[dict[str, Any]] = READ_TASK | {"retry_condition_fn": _retry_write}
"""Options of tasks that change something in Collibra."""


def shorten_message(text: str) -> str:
    """Return a text that is short enough for a state message."""
    limit = MAX_STATE_MESSAGE_LENGTH
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """Whether a log line is not Prefect's own line about a step, which has a line of its own."""
    is_step = getattr(record, "task_name", None) == STEP
    return not (is_step and str(record.msg).startswith(STEP_LINES))


def _shorten_expected(record: logging.LogRecord) -> bool:
    """Replace the traceback of an expected error by its message; keep the line."""
    error = record.exc_info and record.exc_info[1]
    if isinstance(error, CollibraError):
        if record.msg == ENGINE_LINE:
            record.msg, record.args = str(error), ()
            record.exc_info = None
        elif hasattr(record, "task_run_id"):  # its message has the error
            record.exc_info = None
    return True


for _name in ("flow_runs", "task_runs"):
    get_logger(_name).addFilter(_shorten_expected)


def run_step(name: str, step: Callable[[], Result]) -> Result:
    """Run a function as a task run, in this thread and without retries; return its result.

    The Prefect UI then shows the steps of a flow run as a timeline. An expected error fails the
    task run without a traceback in the log, and is raised unchanged.

    Args:
        name: Name of the task run.
        step: Function of the step; it is called once.
    """
    if runtime.flow_run.get_id() is None:
        return step()
    get_logger("task_runs").addFilter(_is_worth_reading)  # a second time has no effect
    results: list[Result] = []
    errors: list[CollibraError] = []

    @task(
        name=STEP,
        task_run_name=name.replace("{", "{{").replace("}", "}}"),
        cache_policy=NO_CACHE,
        retries=0,
        persist_result=False,
    )
    def run() -> State[Any] | None:
        try:
            results.append(step())
        except CollibraError as error:
            errors.append(error)
            return Failed(message=shorten_message(str(error)))
        return None

    state = run(return_state=True)
    for error in errors:
        raise error
    if not results:  # an error of the program, which Prefect has logged
        state.result()
    return results[0]


def tag_flow_run(flow_run_id: str | None, names: Iterable[str]) -> None:
    """Add the tag *collibra* and further tags to a flow run; errors are not raised.

    Deployments do not know the synchronization of a flow run, so the tags are added at run time.

    Args:
        flow_run_id: ID of the flow run; ``None`` outside of one.
        names: Further tags; empty ones are left out.
    """
    if flow_run_id is None:
        return
    # Tags only help to find flow runs. Whatever fails here must not end one.
    with suppress(Exception), get_client(sync_client=True) as client:
        present = client.read_flow_run(UUID(flow_run_id)).tags
        wanted = [each for each in dict.fromkeys((COMMON_TAG, *names)) if each]
        if missing := [each for each in wanted if each not in present]:
            client.update_flow_run(UUID(flow_run_id), tags=[*present, *missing])


def current_flow_run() -> FlowRunInfo:
    """Return the flow run that executes the current code, or an empty value outside of one."""
    flow_run_id = runtime.flow_run.get_id()
    if flow_run_id is None:
        return FlowRunInfo()
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(UUID(str(flow_run_id)))
        root = _read_root(client, flow_run)
        deployment = _read_deployment_name(client, root)
    return FlowRunInfo(
        id=str(flow_run.id),
        name=flow_run.name,
        root_id=str(root.id),
        attempt=flow_run.run_count,
        root_attempt=root.run_count,
        deployment=deployment,
        created_by_schedule=bool(root.auto_scheduled),
        started_on=_to_utc(flow_run.expected_start_time),
    )


def _read_root(client: SyncPrefectClient, flow_run: FlowRun) -> FlowRun:
    """Return the outermost flow run that called a flow run, or the flow run itself."""
    while flow_run.parent_task_run_id is not None:
        caller_id = client.read_task_run(flow_run.parent_task_run_id).flow_run_id
        if caller_id is None:
            return flow_run
        flow_run = client.read_flow_run(caller_id)
    return flow_run


def _read_deployment_name(client: SyncPrefectClient, flow_run: FlowRun) -> str | None:
    if flow_run.deployment_id is None:
        return None
    try:
        return client.read_deployment(flow_run.deployment_id).name
    except ObjectNotFound:  # deleted while its flow run continues
        return None


def _to_utc(moment: datetime | None) -> datetime | None:
    return moment and datetime.fromtimestamp(moment.timestamp(), tz=UTC)


def flow_run_has_ended(flow_run_id: str | None) -> bool:
    """Return whether a flow run has ended or was deleted; ``False`` for text that is no ID."""
    try:
        key = UUID(flow_run_id or "")
    except ValueError:
        return False
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(key).state
        except ObjectNotFound:
            return True
    return state is not None and state.is_final()


def wait_for_api(
    log: Callable[[str], None],
    timing: Timing = Timing(),  # noqa: B008 - a frozen value
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> None:
    """Wait for the Prefect API to become available again, at most ``timing.api_absence``.

    Prefect's client raises at once if a connection is refused. A result of a long wait is therefore
    reported only when the API is available.

    Args:
        log: Function that logs the beginning of the wait.
        timing: Maximum wait.
        monotonic: Clock of the wait, in seconds.
        sleep: Function that waits for a number of seconds.
        now: Clock of the log line, in seconds since 1970.
    """
    deadline = monotonic() + timing.api_absence
    logged = False
    with get_client(sync_client=True) as client:
        while client.api_healthcheck() is not None and monotonic() < deadline:
            if not logged:
                end = clock_time(timing.api_absence, now())
                log(
                    f"The Prefect API is not available. Waiting for it until {end} at the latest; "
                    "no result is lost."
                )
                logged = True
            sleep(API_POLL_SECONDS)


def require_sync_context() -> None:
    """Check that no event loop runs in this thread.

    Prefect's synchronous functions return coroutines inside an ``async def`` flow, so a lock would
    never be acquired there.

    Raises:
        FinalizationRefusedError: If an event loop runs in this thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise FinalizationRefusedError(
        "Not started: the call comes from an async def flow or from a running event loop, where "
        "Prefect's synchronous functions have no effect. Use a def flow."
    )
