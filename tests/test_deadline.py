"""How long an answer may take, against a tenant that drips it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

import pytest

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import CollibraError, OutcomeUnknownError
from collibra_tasks.models import FinalizationStrategy
from collibra_tasks.settings import CollibraConnection

pytestmark = pytest.mark.usefixtures("one_trust_store")
DRIP_SECONDS = 0.01
MANY = 300
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ASKS: list[Callable[[CollibraClient], object]] = [
    lambda client: client.synchronization_exists("nightly"),
    lambda client: client.submit_finalization("nightly", strategy=FinalizationStrategy.IGNORE),
]


@dataclass(slots=True)
class Dripper:
    """A host that answers with some bytes at once, and others drop by drop."""

    url: str = ""
    emptied: bool = False


@contextmanager
def dripping(at_once: bytes, drop: bytes, drops: int = MANY) -> Iterator[Dripper]:
    """Serve one request so; tell whether the caller stayed for the last drop."""
    dripper, over = Dripper(), Event()

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(at_once)
                for _ in range(drops):
                    over.wait(DRIP_SECONDS)
                    connection.sendall(drop)
                dripper.emptied = True

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripper.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = Thread(target=serve, daemon=True)
        server.start()
        yield dripper
        over.set()
        server.join(5)


def client_of(url: str, *, proxy: str = "", seconds: float = 0.2) -> CollibraClient:
    return CollibraClient(
        CollibraConnection.model_validate(
            {
                "base_url": url,
                "username": "robot",
                "password": "secret",
                "proxy": proxy,
                "request_timeout_seconds": seconds,
            }
        )
    )


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    ("at_once", "dripped"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (HEADERS + b"Content-Length: 65536\r\n\r\n", b" "),
        (HEADERS + b"Connection: close\r\n\r\ntrue", b" "),
        (HEADERS + b'Connection: close\r\n\r\n{"id": "1"}', b" "),
    ],
    ids=["headers", "interim answers", "body", "open end", "open end of a job"],
)
def test_no_drip_holds_us_longer_than_a_request_may_take(
    ask: Callable[[CollibraClient], object], at_once: bytes, dripped: bytes
) -> None:
    """An answer that is not whole in time is lost, wherever it is slow and whatever came so far."""
    with dripping(at_once, dripped) as host, client_of(host.url) as client:
        with pytest.raises(OutcomeUnknownError):
            ask(client)
        assert not host.emptied


def test_a_proxy_that_drips_does_not_hold_us_either() -> None:
    """The way to the tenant is held to the same time."""
    with (
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a") as proxy,
        client_of("https://tenant.test", proxy=proxy.url) as client,
    ):
        with pytest.raises(CollibraError):
            client.submit_finalization("nightly", strategy=FinalizationStrategy.IGNORE)
        assert not proxy.emptied


def test_a_slow_answer_in_time_is_an_answer() -> None:
    """Bytes that come one by one, and in time, are read to their end."""
    with (
        dripping(HEADERS + b"Content-Length: 14\r\n\r\ntrue", b" ", drops=10) as host,
        client_of(host.url, seconds=10) as client,
    ):
        assert client.synchronization_exists("nightly") is True
