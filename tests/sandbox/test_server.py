"""The tenant on its socket, and without one."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import pytest

from collibra_tasks.sandbox import Answer, Sandbox
from tests.sandbox.caller import NO_TLS, Caller, FakeClock, asset

BATCH = "/rest/2.0/import/synchronize/nightly/batch/json-job"


def test_it_listens_on_loopback_only(tenant: Sandbox) -> None:
    """The address is 127.0.0.1 and no other."""
    assert "127.0.0.1" == urlsplit(tenant.url).hostname


def test_every_answer_is_dated_by_the_tenant(caller: Caller, clock: FakeClock) -> None:
    """Good answers, refusals and staged failures carry the tenant's own time."""
    clock.advance(86400)
    caller.tenant.fail_next(503, on="user")
    for path in ("/rest/2.0/application/info", "/nowhere", "/rest/2.0/users/current"):
        assert clock() == parsedate_to_datetime(caller.get(path).headers["Date"])


def test_a_path_to_nowhere_is_a_page(caller: Caller) -> None:
    """What the tenant does not serve answers 404 in HTML."""
    answer = caller.get("/rest/2.0/nowhere")

    assert 404 == answer.status_code
    assert answer.headers["Content-Type"].startswith("text/html")


def test_many_threads_are_one_after_the_other(tenant: Sandbox) -> None:
    """Requests at the same time lose nothing of each other."""

    def send(number: int) -> None:
        with Caller(tenant) as caller:
            caller.batch(asset(f"table {number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(16)))

    assert 16 == tenant.batches == len(tenant.assets())


def test_a_connection_is_kept(caller: Caller) -> None:
    """Requests follow each other on one connection, a chunked one among them."""
    caller.batch(asset("a"))
    chunks = iter([b"--b\r\nContent-Disposition: form-data; ", b'name="foo"\r\n\r\nbar\r\n--b--'])
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    path = "/rest/2.0/import/synchronize/nightly/finalize/job"
    assert 200 == caller.http.post(path, content=chunks, headers=headers).status_code

    assert "bar" == caller.tenant.finalization_requests[0].parts["foo"].value


def test_a_cautious_client_is_told_to_go_on(tenant: Sandbox) -> None:
    """A client that asks before it sends its body is answered at once."""
    head = f"GET /rest/2.0/application/info HTTP/1.1\r\nHost: {tenant.url}\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(tenant.url).port), timeout=5) as client:
        client.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n".encode())
        assert client.recv(1024).startswith(b"HTTP/1.1 100")
        client.sendall(b"x")
        assert client.recv(1024).startswith(b"HTTP/1.1 200")


def unanswered(caller: Caller) -> None:
    with pytest.raises(httpx.TransportError):
        caller.finalize()


@pytest.mark.parametrize("held", [True, False])
def test_stopping_does_not_wait(*, held: bool) -> None:
    """Held and slow requests go unanswered when the tenant stops."""
    tenant = Sandbox().start()
    hold = tenant.hold_next_answer(before_commit=held)
    tenant.answer_slowly(600)
    caller = Caller(tenant)
    asking = threading.Thread(target=unanswered, args=(caller,))
    asking.start()
    assert hold.reached.wait(5)
    if not held:
        hold.release()
    tenant.stop()
    asking.join(5)
    caller.http.close()

    assert not asking.is_alive()
    assert (0 if held else 1) == tenant.finalizations


def test_it_can_be_started_again() -> None:
    """A stopped tenant keeps what it knows and serves again."""
    tenant = Sandbox().start()
    with Caller(tenant) as caller:
        caller.batch(asset("a"))
    tenant.stop()
    tenant.stop()
    with tenant, Caller(tenant) as caller:
        caller.batch(asset("b"))

    assert {"a", "b"} == tenant.asset_names()


def test_a_hold_does_not_outlive_a_stop() -> None:
    """A hold that nobody reached is gone when the tenant serves again."""
    tenant = Sandbox().start()
    tenant.hold_next_answer()
    tenant.stop()
    with tenant, Caller(tenant) as caller:
        assert 200 == caller.finalize().status_code


def test_requests_are_kept_with_their_headers(caller: Caller) -> None:
    """Every request that arrived can be read afterwards, secrets included."""
    caller.get("/rest/2.0/statuses", name="New", limit=1)
    (request,) = caller.tenant.requests

    assert ("GET", "/rest/2.0/statuses") == (request.method, request.path)
    assert {"name": ("New",), "limit": ("1",)} == dict(request.query)
    assert request.headers["authorization"].startswith("Basic ")


def test_a_transport_can_ask_without_a_socket() -> None:
    """A tenant that was never started answers an httpx transport, or cuts the connection."""
    tenant = Sandbox()

    def answer(request: httpx.Request) -> httpx.Response:
        found = tenant.ask(
            request.method, str(request.url.raw_path, "ascii"),
            headers=dict(request.headers), body=request.read(),
        )  # fmt: skip
        if found is None:
            raise httpx.RemoteProtocolError("cut", request=request)
        return httpx.Response(found.status, headers=dict(found.headers), content=found.body)

    http = httpx.Client(
        base_url=tenant.url,
        transport=httpx.MockTransport(answer),
        auth=(tenant.username, tenant.password),
        verify=NO_TLS,
    )
    with http:
        commands = json.dumps([asset("a")])
        assert http.post(BATCH, files={"file": ("f", commands)}).is_success
        tenant.lose_next_answer(on="user")
        with pytest.raises(httpx.RemoteProtocolError):
            http.get("/rest/2.0/users/current")

    assert {"a"} == tenant.asset_names()


@pytest.mark.parametrize("query", ["limit=1&limit=2", {"limit": ["1", "2"]}])
def test_a_query_is_written_in_either_way(
    tenant: Sandbox, query: str | dict[str, list[str]]
) -> None:
    """A query is taken as text or as a mapping, beside what the path has."""
    answer = tenant.ask("get", "/nowhere?offset=3", query=query)

    assert isinstance(answer, Answer)
    assert {"offset": ("3",), "limit": ("1", "2")} == dict(tenant.requests[0].query)
