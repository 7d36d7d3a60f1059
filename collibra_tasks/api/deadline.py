"""Deadline for one complete response, independent of the pauses between its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from socket import SHUT_RDWR, socket
from threading import Lock, Timer, current_thread
from types import TracebackType
from typing import Any, Self

import httpx


class Deadline:
    """Context manager that closes the connection if a response is not complete in time.

    httpx limits the pause between two bytes only, and returns nothing before the headers are
    complete. A server that sends byte by byte could therefore block the client for ever. The
    deadline follows the request through the ``trace`` extension. A transport without a connection
    calls no trace function and needs no deadline.

    Source: httpx, Extensions (documented); names of the events (observed, httpcore 1.0).
    """

    def __init__(self, seconds: float) -> None:
        """Store the maximum duration of the response in seconds."""
        self._seconds = seconds
        self._passed = False
        self._socket: socket | None = None
        self._timer: Timer | None = None
        self._lock = Lock()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Start the timer when the response is awaited, not while the request is sent."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
        elif event.endswith(("start_tls.started", "send_request_headers.started")):
            self._cancel()  # the response read so far came from a proxy
        elif event.endswith("receive_response_headers.started"):
            self._timer = Timer(self._seconds, self._close_connection)
            self._timer.daemon = True
            self._timer.start()
        elif event.endswith("response_closed.started"):
            self._cancel()

    def _close_connection(self) -> None:
        with self._lock:  # a closed socket's number may belong to another connection by now
            if self._timer is current_thread() and self._socket:
                self._passed = True
                with suppress(OSError):
                    # SSLSocket.shutdown would remove TLS while another thread reads.
                    socket.shutdown(self._socket, SHUT_RDWR)

    def _cancel(self) -> None:
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._timer = None

    def __enter__(self) -> Self:
        """Return the deadline."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise ReadTimeout if the deadline passed, also where the cut looked like the end."""
        self._cancel()
        if self._passed and (error is None or isinstance(error, httpx.HTTPError)):
            raise httpx.ReadTimeout(
                f"The response took longer than {self._seconds:g} seconds."
            ) from error
