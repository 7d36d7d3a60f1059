"""The tenant on a loopback socket, and as an httpx transport without a socket."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from typing import Any

import httpx

from collibra_tasks.sandbox.http import error_response
from collibra_tasks.sandbox.tenant import Tenant

LOOPBACK = "127.0.0.1"
SHUTDOWN_POLL_SECONDS = 0.05
DRIPS = 20
_USED_PORTS: set[int] = set()


class Server(ThreadingHTTPServer):
    """Server of one tenant, with one thread per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, tenant: Tenant, port: int) -> None:
        """Bind to loopback only."""
        self.tenant = tenant
        self._connections: set[socket.socket] = set()
        self._connections_lock = Lock()
        super().__init__((LOOPBACK, port), _Connection)
        self._thread = Thread(target=self.serve_forever, args=(SHUTDOWN_POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """Return the URL of the tenant."""
        return f"http://{LOOPBACK}:{self.server_port}"

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, and cut all open connections."""
        self.tenant.close()
        cut(self.socket)  # wakes the thread before its next poll, where the system supports it
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._connections_lock:
            for connection in self._connections:
                cut(connection)

    def server_bind(self) -> None:
        """Bind without resolving the name of the machine, which can take seconds.

        A free port is one that no earlier sandbox of this process had, because the URL names the
        ledger of a tenant.
        """
        wanted = self.server_address
        TCPServer.server_bind(self)
        while not wanted[1] and self.server_address[1] in _USED_PORTS:
            with self.socket:  # closed after another port was found
                self.socket = socket.socket(self.address_family, self.socket_type)
                self.server_address = wanted
                TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, int(self.server_address[1])
        _USED_PORTS.add(self.server_port)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Register the connection, so that `stop` can cut it."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as inherited
        """Unregister the connection."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Ignore clients that disconnected; any other error is a fault of the sandbox."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a head and a body in two packets would wait for each other
    disable_nagle_algorithm = True
    server: Server

    def _handle(self) -> None:
        try:
            request = self._read()
        except (ValueError, httpx.InvalidURL):
            self.close_connection = True
            self._send(error_response(400, "The request cannot be parsed."))
            return
        response = self.server.tenant.handle(request)
        delay = response.extensions.get("delay_seconds", 0.0) if response else 0.0
        if response is None or self.server.tenant.closing.wait(delay):
            self.close_connection = True
            cut(self.connection)
        else:
            self._send(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def handle_expect_100(self) -> bool:
        """Send the interim response at once, so that the client sends its body."""
        agreed = super().handle_expect_100()
        self.wfile.flush()
        return agreed

    def _read(self) -> httpx.Request:
        if not self.path.startswith("/"):
            raise ValueError(self.path)
        return httpx.Request(
            self.command,
            self.server.url + self.path,
            headers=list(self.headers.items()),
            content=self._read_body(),
        )

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._read_chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _read_chunk(self) -> bytes:
        size = int(self.rfile.readline().partition(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _send(self, response: httpx.Response) -> None:
        self.send_response_only(response.status_code, response.reason_phrase)
        for name, value in response.headers.items():
            if name != "content-length":
                self.send_header(name.title(), value)
        if response.status_code != httpx.codes.NO_CONTENT:
            self.send_header("Content-Length", str(len(response.content)))
        self.end_headers()
        interval = response.extensions.get("drip_seconds", 0.0) / DRIPS
        for piece in _split(response.content) if interval else [response.content]:
            self.wfile.write(piece)
            self.wfile.flush()
            if interval and self.server.tenant.closing.wait(interval):
                self.close_connection = True
                return

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def cut(connection: socket.socket) -> None:
    """Cut a connection, whatever its other end is waiting for."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _split(body: bytes) -> list[bytes]:
    size = max(1, len(body) // DRIPS)
    return [body[start : start + size] for start in range(0, len(body), size)]


class SandboxTransport(httpx.BaseTransport):
    """A transport that reaches the tenant without a socket, in the caller's thread.

    Attributes:
        refused_connections: Number of next requests that fail with `httpx.ConnectError` and do
            not reach the tenant.
    """

    def __init__(self, tenant: Tenant, cut_error: type[httpx.TransportError]) -> None:
        """Create a transport that raises ``cut_error`` for a cut connection."""
        self._tenant = tenant
        self._cut_error = cut_error
        self.refused_connections = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the tenant's response, or raise as a socket's transport does.

        A delay beyond the request's read timeout raises at once instead of waiting.
        """
        if self.refused_connections > 0:
            self.refused_connections -= 1
            raise httpx.ConnectError("Connection refused", request=request)
        request.read()
        response = self._tenant.handle(request)
        if response is None:
            raise self._cut_error("The server cut the connection.", request=request)
        self._wait(response.extensions.pop("delay_seconds", 0.0), request)
        interval = response.extensions.pop("drip_seconds", 0.0) / DRIPS
        if not interval:
            return response
        stream = _DripStream(self, response.content, interval, request)
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)

    def _wait(self, seconds: float, request: httpx.Request) -> None:
        timeout = request.extensions.get("timeout", {}).get("read")
        if timeout is not None and seconds > timeout:
            raise httpx.ReadTimeout("The read operation timed out", request=request)
        if self._tenant.closing.wait(seconds):
            raise self._cut_error("The server cut the connection.", request=request)


class _DripStream(httpx.SyncByteStream):
    """A body that arrives in small pieces."""

    def __init__(
        self, transport: SandboxTransport, body: bytes, interval: float, request: httpx.Request
    ) -> None:
        self._transport, self._body = transport, body
        self._interval, self._request = interval, request

    def __iter__(self) -> Iterator[bytes]:
        for piece in _split(self._body):
            self._transport._wait(self._interval, self._request)  # noqa: SLF001 - its own stream
            yield piece
