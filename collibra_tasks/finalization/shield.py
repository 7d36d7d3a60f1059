"""Deferral of SIGTERM while a finalization is sent and recorded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def shield_from_termination(seconds: float) -> Iterator[None]:
    """Defer SIGTERM until the context ends, at most for some seconds.

    Prefect kills a cancelled flow run 30 seconds after SIGTERM (observed). Without the deferral, a
    request in flight would have an unknown outcome. Outside of the main thread, signals cannot be
    deferred, and the context does nothing.

    Args:
        seconds: Maximum deferral in seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = threading.Event()
    expired = threading.Event()
    previous = signal.getsignal(signal.SIGTERM)
    timers: list[threading.Timer] = []

    def defer(number: int, frame: FrameType | None) -> None:
        if expired.is_set():
            signal.signal(signal.SIGTERM, previous)
            if callable(previous):
                previous(number, frame)
            else:
                os.kill(os.getpid(), number)
            return
        if not received.is_set():
            received.set()
            timers.append(threading.Timer(seconds, expire))
            timers[0].daemon = True
            timers[0].start()

    def expire() -> None:
        expired.set()
        os.kill(os.getpid(), signal.SIGTERM)

    if previous is None:  # a handler that was not installed from Python cannot be restored
        yield
        return
    signal.signal(signal.SIGTERM, defer)
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        signal.signal(signal.SIGTERM, previous)
        # Inside of the finally: a failed request must not swallow the signal.
        if received.is_set() and not expired.is_set():
            os.kill(os.getpid(), signal.SIGTERM)
