"""Outlive the absence of the Prefect server."""

from __future__ import annotations

import time
from collections.abc import Callable

from prefect.client.orchestration import get_client

LONGEST_ABSENCE_SECONDS = 900.0
LOOK_SECONDS = 2.0


def wait_for_prefect(log: Callable[[str], None]) -> None:
    """Wait until the Prefect server answers, for a quarter of an hour at most.

    Its client gives up at once where a connection is refused. Whatever is to be told after a long
    wait is therefore told only when somebody listens again.
    """
    deadline = time.monotonic() + LONGEST_ABSENCE_SECONDS
    told = False
    with get_client(sync_client=True) as client:
        while client.api_healthcheck() is not None and time.monotonic() < deadline:
            if not told:
                log("the Prefect server does not answer; waiting for it, nothing is lost")
                told = True
            time.sleep(LOOK_SECONDS)
