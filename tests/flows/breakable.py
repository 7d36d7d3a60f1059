"""The shipped flow in a process that kills itself at one step of its first attempt.

The step is named by the environment variable ``BREAK_AT``. Nothing else differs, but that less time
is given to a job to show in the tenant's list.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

from prefect import runtime

from collibra_tasks import waiting
from collibra_tasks.client import CollibraClient
from collibra_tasks.ledger import Ledger
from flows.finalize_synchronization import finalize_synchronization

__all__ = ["finalize_synchronization"]

STEPS: dict[str, tuple[type, str]] = {
    "before the intent": (Ledger, "claim"),
    "after the intent": (Ledger, "claim"),
    "after the answer": (CollibraClient, "submit_finalization"),
    "after the record": (Ledger, "update"),
    "before the end is recorded": (Ledger, "close"),
    "after the end": (Ledger, "close"),
}
"""Where each step is; all but those that begin with "before" come when the call has returned."""


def broken(call: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    @wraps(call)
    def break_once(*args: Any, **kwargs: Any) -> Any:
        first = runtime.flow_run.get_run_count() == 1
        if before and first:
            os.kill(os.getpid(), signal.SIGKILL)
        returned = call(*args, **kwargs)
        if first:
            os.kill(os.getpid(), signal.SIGKILL)
        return returned

    return break_once


if "BREAK_AT" in os.environ:
    waiting.GRACE_SECONDS = 3
if step := os.environ.get("BREAK_AT"):
    owner, name = STEPS[step]
    setattr(owner, name, broken(getattr(owner, name), before=step.startswith("before")))
