"""Prefect's part in every task: retry options, the current flow run, the wait for the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from prefect import runtime
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.exceptions import ObjectNotFound
from prefect.tasks import Task

from collibra_tasks.errors import BusyError, FinalizationRefusedError, may_retry
from collibra_tasks.models import FlowRunInfo
from collibra_tasks.options import Timing

API_POLL_SECONDS: Final = 2.0
RETRY_DELAYS_SECONDS: Final = (2.0, 5.0, 15.0, 45.0)


def _retry_read(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = _read_error(state)
    requested = (error.retry_after_seconds or 0.0) if isinstance(error, BusyError) else 0.0
    return requested <= max(RETRY_DELAYS_SECONDS) and may_retry(error, write=False)


def _retry_write(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    # After a 429 retry_while_busy waits as requested; Prefect's fixed delays would be too short.
    error = _read_error(state)
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
) -> None:
    """Wait for the Prefect API to become available again, at most ``timing.api_absence``.

    Prefect's client raises at once if a connection is refused. A result of a long wait is therefore
    reported only when the API is available.

    Args:
        log: Function that logs the beginning of the wait.
        timing: Maximum wait.
        monotonic: Clock of the wait, in seconds.
        sleep: Function that waits for a number of seconds.
    """
    deadline = monotonic() + timing.api_absence
    logged = False
    with get_client(sync_client=True) as client:
        while client.api_healthcheck() is not None and monotonic() < deadline:
            if not logged:
                log(
                    "The Prefect API is not available. Waiting for it, at most "
                    f"{timing.api_absence:,g} seconds; no result is lost."
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
