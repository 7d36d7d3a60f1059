"""Fixtures that several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support import counters
from tests.support.prefect_server import (
    prefect_environment,
    prefect_home,
    prefect_process,
    prefect_server,
)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Add the counters of a test process to those of the main process."""
    counters.counted.update(getattr(node, "workeroutput", {}).get("counters", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counters of a test process to the main process."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["counters"] = dict(counters.counted)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of finalizations that were attacked."""
    if counters.counted:
        terminalreporter.section("At most one finalization per cycle")
    for name, number in sorted(counters.counted.items()):
        terminalreporter.write_line(f"{number:>8,}  {name}")


@pytest.fixture
def tenant() -> Iterator[Sandbox]:
    """Serve a sandbox on loopback."""
    with Sandbox() as sandbox:
        yield sandbox


__all__ = ["prefect_environment", "prefect_home", "prefect_process", "prefect_server"]
