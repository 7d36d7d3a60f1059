"""The tenant on a loopback socket."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from typing import Any

from collibra_tasks.sandbox.messages import Answer, read_request
from collibra_tasks.sandbox.tenant import Tenant

LOOPBACK = "127.0.0.1"
SHUTDOWN_POLL_SECONDS = 0.05
DRIPS = 20


class Server(ThreadingHTTPServer):
    """Serves one tenant, one thread a connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, tenant: Tenant, port: int) -> None:
        """Bind to loopback, and to nothing else."""
        self.tenant = tenant
        self._connections: set[socket.socket] = set()
        self._connections_lock = Lock()
        super().__init__((LOOPBACK, port), _Conversation)
        self._thread = Thread(target=self.serve_forever, args=(SHUTDOWN_POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """Return where the tenant is."""
        return f"http://{LOOPBACK}:{self.server_port}"

    def start(self) -> None:
        """Serve from a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more, and cut what is still open."""
        self.tenant.close()
        cut(self.socket)  # wakes the thread, where the system is so kind, before its next poll
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._connections_lock:
            for connection in self._connections:
                cut(connection)

    def server_bind(self) -> None:
        """Bind without looking up the name of the machine, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Remember the connection, so that stopping can cut it."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as inherited
        """Forget the connection."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Say nothing of clients that went away; anything else is a fault of the sandbox."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a head and a body in two packets would wait for each other
    disable_nagle_algorithm = True
    server: Server

    def _converse(self) -> None:
        request = read_request(
            self.command, self.path, headers=dict(self.headers.items()), body=self._body()
        )
        answer = self.server.tenant.answer(request)
        if answer is None:
            self.close_connection = True
            cut(self.connection)
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _converse

    def handle_expect_100(self) -> bool:
        """Tell a client at once that it may send its body."""
        agreed = super().handle_expect_100()
        self.wfile.flush()
        return agreed

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().partition(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status, _phrase(answer.status))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.drip_seconds:
            self._drip(answer)
        else:
            self.wfile.write(answer.body)

    def _drip(self, answer: Answer) -> None:
        size = max(1, len(answer.body) // DRIPS)
        for start in range(0, len(answer.body), size):
            self.wfile.write(answer.body[start : start + size])
            self.wfile.flush()
            if self.server.tenant.closing.wait(answer.drip_seconds / DRIPS):
                self.close_connection = True
                return

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def cut(connection: socket.socket) -> None:
    """Cut a connection, whatever the other side is waiting for."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
