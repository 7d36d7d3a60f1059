"""When Prefect repeats a task: the one rule, for reads and for writes."""

from __future__ import annotations

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from collibra_tasks.errors import may_repeat


def _read_again(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return may_repeat(state.result(raise_on_failure=False), write=False)


def _write_again(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return may_repeat(state.result(raise_on_failure=False), write=True)


DELAYS = [2.0, 5.0, 15.0, 45.0]
READ: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "retries": len(DELAYS),
    "retry_delay_seconds": DELAYS,
    "retry_condition_fn": _read_again,
}
WRITE: dict[str, Any] = READ | {"retry_condition_fn": _write_again}
