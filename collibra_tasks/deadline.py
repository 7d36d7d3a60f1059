"""A deadline for a whole answer, however steadily its bytes come."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from socket import SHUT_RDWR, socket
from threading import Lock, Timer, current_thread
from types import TracebackType
from typing import Any, Self

import httpx


class Deadline:
    """Cuts the connection when an answer is not whole in time after its request has left.

    httpx limits the pause between two bytes only, and gives nothing away before the headers are
    whole; a tenant that drips them could hold us for ever. So this follows the request through the
    ``trace`` extension. A transport that has no connection tells nothing, and needs no deadline.

    Source: httpx, Extensions (documented); the names of the events (observed, httpcore 1.0).
    """

    def __init__(self, seconds: float) -> None:
        """Take how long the answer may take."""
        self._seconds = seconds
        self._passed = False
        self._socket: socket | None = None
        self._timer: Timer | None = None
        self._lock = Lock()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow the request: time runs while its answer is read, not while it is sent."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
        elif event.endswith(("start_tls.started", "send_request_headers.started")):
            self._lift()  # what was read until now came from a proxy
        elif event.endswith("receive_response_headers.started"):
            self._timer = Timer(self._seconds, self._cut)
            self._timer.daemon = True
            self._timer.start()
        elif event.endswith("response_closed.started"):
            self._lift()

    def _cut(self) -> None:
        with self._lock:  # a closed socket's number may be another one's by now
            if self._timer is current_thread() and self._socket:
                self._passed = True
                with suppress(OSError):
                    # SSLSocket's own would take TLS off under the thread that is reading.
                    socket.shutdown(self._socket, SHUT_RDWR)

    def _lift(self) -> None:
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._timer = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say that it was late, even where the cut looked like the answer's end."""
        self._lift()
        if self._passed and (error is None or isinstance(error, httpx.HTTPError)):
            message = f"the answer took longer than {self._seconds:g} seconds"
            raise httpx.ReadTimeout(message) from error
