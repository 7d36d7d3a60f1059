"""Deferral of SIGTERM during request and record."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from collibra_tasks.finalization.shield import shield_from_termination


class TerminatedError(BaseException):
    """Stand-in for the exception that Prefect raises on SIGTERM."""


@pytest.fixture
def received() -> Iterator[list[int]]:
    """Count the signals that reach the handler before the shield."""
    signals: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, handle)
    yield signals
    signal.signal(signal.SIGTERM, before)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_shield_from_termination_defers(received: list[int]) -> None:
    """SIGTERM during the request is delivered after the record, once."""
    done = []
    with pytest.raises(TerminatedError), shield_from_termination(25):  # noqa: PT012 - the signal ends the block
        terminate()
        terminate()
        done.append("recorded")
        assert received == []
    assert done == ["recorded"]
    assert received == [signal.SIGTERM]


def test_shield_from_termination_after_failure(received: list[int]) -> None:
    """A request that fails does not swallow the signal."""
    with pytest.raises(TerminatedError), shield_from_termination(25):  # noqa: PT012 - the signal ends the block
        terminate()
        raise ConnectionError
    assert received == [signal.SIGTERM]


def test_shield_from_termination_without_signal(received: list[int]) -> None:
    """Without a signal nothing is delivered, and the handler is the one from before."""
    before = signal.getsignal(signal.SIGTERM)
    with shield_from_termination(25):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    assert received == []


def test_shield_from_termination_expires(received: list[int]) -> None:
    """A request that takes too long is interrupted when the deferral expires."""
    begun = time.monotonic()
    with pytest.raises(TerminatedError), shield_from_termination(0.05):  # noqa: PT012 - the signal ends the block
        terminate()
        for _ in range(1000):
            threading.Event().wait(0.01)
    assert time.monotonic() - begun < 5
    assert received == [signal.SIGTERM]


def test_shield_from_termination_expires_with_default_handler() -> None:
    """Without a handler the process ends when the deferral expires."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with shield_from_termination(0.05):
            terminate()
            threading.Event().wait(5)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM


def test_shield_from_termination_in_other_thread(received: list[int]) -> None:
    """Outside of the main thread the context does nothing."""
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def run() -> None:
        with shield_from_termination(25):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
    assert received == []
