"""Promises of the deadline, against a server that sends byte by byte."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

import httpx
import pytest

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.errors import CollibraError, OutcomeUnknownError
from tests.support.clients import connection_of, finalize

DRIP_SECONDS = 0.005
SSL_CONTEXT = ssl.create_default_context()
MANY = 300
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CALLS: list[Callable[[CollibraClient], object]] = [
    lambda client: client.synchronization_exists("nightly"),
    finalize,
]


@dataclass(slots=True)
class SlowServer:
    """A server that sends some bytes at once and the others one by one."""

    url: str = ""
    emptied: bool = False


@contextmanager
def serve_slowly(at_once: bytes, drop: bytes, drops: int = MANY) -> Iterator[SlowServer]:
    """Serve one request slowly, and record whether the client waited for the last byte."""
    slow, over = SlowServer(), Event()

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(at_once)
                for _ in range(drops):
                    over.wait(DRIP_SECONDS)
                    connection.sendall(drop)
                slow.emptied = True

    with socket.create_server(("127.0.0.1", 0)) as listener:
        slow.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = Thread(target=serve, daemon=True)
        server.start()
        yield slow
        over.set()
        server.join(5)


def client_of(url: str, *, proxy: str = "", seconds: float = 0.1) -> CollibraClient:
    return CollibraClient(connection_of(base_url=url, proxy=proxy, request_timeout_seconds=seconds))


@pytest.fixture(autouse=True)
def _one_trust_store(monkeypatch: pytest.MonkeyPatch) -> None:
    # Reading certificates takes most of a test's time, and loopback needs none.
    monkeypatch.setattr(httpx, "create_ssl_context", lambda: SSL_CONTEXT)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("at_once", "slow"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (HEADERS + b"Content-Length: 65536\r\n\r\n", b" "),
        (HEADERS + b"Connection: close\r\n\r\ntrue", b" "),
        (HEADERS + b'Connection: close\r\n\r\n{"id": "1"}', b" "),
    ],
    ids=["headers", "interim responses", "body", "open end", "open end of a job"],
)
def test_slow_response_ends_at_deadline(
    call: Callable[[CollibraClient], object], at_once: bytes, slow: bytes
) -> None:
    """A response that is not complete in time is lost, whichever part of it is slow."""
    with serve_slowly(at_once, slow) as host, client_of(host.url) as client:
        with pytest.raises(OutcomeUnknownError):
            call(client)
        assert not host.emptied


def test_slow_proxy_ends_at_deadline() -> None:
    """A slow proxy does not block the client either."""
    with (
        serve_slowly(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a") as proxy,
        client_of("https://tenant.test", proxy=proxy.url) as client,
    ):
        with pytest.raises(CollibraError):
            finalize(client)
        assert not proxy.emptied


def test_slow_response_before_deadline_is_read() -> None:
    """Bytes that arrive one by one, and in time, are read to their end."""
    with (
        serve_slowly(HEADERS + b"Content-Length: 14\r\n\r\ntrue", b" ", drops=10) as host,
        client_of(host.url, seconds=10) as client,
    ):
        assert client.synchronization_exists("nightly") is True
