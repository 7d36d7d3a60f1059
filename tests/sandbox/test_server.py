"""The tenant on a socket, and as a transport."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from socketserver import TCPServer
from urllib.parse import urlsplit

import httpx
import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import NO_TLS, ApiClient, asset

USER = "/rest/2.0/users/current"


def test_server_listens_on_loopback_only(served: Sandbox) -> None:
    """The address is 127.0.0.1."""
    assert "127.0.0.1" == urlsplit(served.url).hostname


def test_free_port_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sandboxes of one process never have the same URL, which names the ledger."""
    with Sandbox() as first:
        used = urlsplit(first.url).port or 0
    offered, bind = [used], TCPServer.server_bind

    def offer(server: TCPServer) -> None:
        if offered:
            server.server_address = ("127.0.0.1", offered.pop())
        bind(server)

    monkeypatch.setattr(TCPServer, "server_bind", offer)
    with Sandbox() as second:
        assert used != urlsplit(second.url).port
    assert not offered


def test_unknown_path_is_a_page(socket_client: ApiClient) -> None:
    """A path that does not exist is 404 in HTML."""
    response = socket_client.get("/rest/2.0/nowhere")

    assert 404 == response.status_code
    assert response.headers["Content-Type"].startswith("text/html")


def test_requests_of_many_threads_are_complete(served: Sandbox) -> None:
    """Requests at the same time do not disturb each other."""

    def send(number: int) -> None:
        with ApiClient(served, socket=True) as client:
            client.batch(asset(f"table {number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(16)))

    assert 16 == served.batches == len(served.assets())


def test_connection_stays_open(socket_client: ApiClient) -> None:
    """Several requests use one connection, a chunked one among them."""
    socket_client.batch(asset("a"))
    chunks = iter([b"--b\r\nContent-Disposition: form-data; ", b'name="foo"\r\n\r\nbar\r\n--b--'])
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    path = "/rest/2.0/import/synchronize/nightly/finalize/job"
    response = socket_client.http.post(path, content=chunks, headers=headers)

    assert 200 == response.status_code
    assert "bar" == socket_client.tenant.finalization_requests[0].parts["foo"].value


def talk(served: Sandbox, *pieces: bytes) -> list[bytes]:
    address = ("127.0.0.1", urlsplit(served.url).port)
    with socket.create_connection(address, timeout=5) as connection:
        replies = []
        for piece in pieces:
            connection.sendall(piece)
            replies.append(connection.recv(1024))
        return replies


def test_expecting_client_gets_an_interim_response(served: Sandbox) -> None:
    """A client that asks before it sends its body gets a 100 at once."""
    head = f"GET /rest/2.0/application/info HTTP/1.1\r\nHost: {served.url}\r\n"
    expect = f"{head}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n".encode()
    interim, final = talk(served, expect, b"x")

    assert interim.startswith(b"HTTP/1.1 100")
    assert final.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET http://elsewhere.invalid/ HTTP/1.1\r\n\r\n",
        b"POST /idp/token HTTP/1.1\r\nContent-Length: many\r\n\r\n",
    ],
)
def test_unreadable_request_is_refused(served: Sandbox, request_: bytes) -> None:
    """A request that cannot be parsed is 400."""
    (reply,) = talk(served, request_)

    assert reply.startswith(b"HTTP/1.1 400")


def cut(client: ApiClient) -> None:
    with pytest.raises(httpx.TransportError):
        client.finalize()


@pytest.mark.parametrize("held", [True, False])
def test_stopping_does_not_wait(*, held: bool) -> None:
    """Held and slow requests get no response when the tenant stops."""
    tenant = Sandbox().start()
    hold = tenant.hold_next_answer(before_commit=held)
    tenant.answer_slowly(600)
    client = ApiClient(tenant, socket=True)
    thread = threading.Thread(target=cut, args=(client,))
    thread.start()
    assert hold.reached.wait(5)
    if not held:
        hold.release()
    tenant.stop()
    thread.join(5)
    client.http.close()

    assert not thread.is_alive()
    assert (0 if held else 1) == tenant.finalizations


def test_tenant_can_be_started_again() -> None:
    """A stopped tenant keeps its content and serves again."""
    tenant = Sandbox().start()
    with ApiClient(tenant, socket=True) as client:
        client.batch(asset("a"))
    tenant.stop()
    tenant.stop()
    with tenant, ApiClient(tenant, socket=True) as client:
        client.batch(asset("b"))

    assert {"a", "b"} == tenant.asset_names()


def test_hold_ends_with_a_stop() -> None:
    """A hold that no request reached is gone when the tenant serves again."""
    tenant = Sandbox().start()
    tenant.hold_next_answer()
    tenant.stop()
    with tenant, ApiClient(tenant, socket=True) as client:
        assert 200 == client.finalize().status_code


@pytest.mark.parametrize("fixture", ["client", "socket_client"])
def test_requests_are_recorded(request: pytest.FixtureRequest, fixture: str) -> None:
    """Every request can be read afterwards, with its query and its secrets."""
    client: ApiClient = request.getfixturevalue(fixture)
    client.get("/rest/2.0/statuses", name="New", limit=1)
    (sent,) = client.tenant.requests

    assert ("GET", "/rest/2.0/statuses") == (sent.method, sent.url.path)
    assert {"name": "New", "limit": "1"} == dict(sent.url.params)
    assert sent.headers["authorization"].startswith("Basic ")


def test_transport_needs_no_socket() -> None:
    """A tenant that was never started responds through its transport."""
    tenant = Sandbox()
    http = httpx.Client(
        base_url=tenant.url,
        transport=tenant.transport(),
        auth=(tenant.username, tenant.password),
        verify=NO_TLS,
    )
    with http:
        path = "/rest/2.0/import/synchronize/nightly/batch/json-job"
        assert http.post(path, files={"file": ("f", json.dumps([asset("a")]))}).is_success

    assert {"a"} == tenant.asset_names()


@pytest.mark.parametrize("error", [httpx.RemoteProtocolError, httpx.ReadError])
def test_transport_raises_for_a_cut_connection(
    tenant: Sandbox, error: type[httpx.TransportError]
) -> None:
    """A cut connection is an error of httpx, as with a socket."""
    tenant.lose_next_answer(on="info")
    with ApiClient(tenant, transport=tenant.transport(cut_error=error), socket=True) as client:
        with pytest.raises(error):
            client.get("/rest/2.0/application/info")
        assert 200 == client.get("/rest/2.0/application/info").status_code


def test_transport_can_refuse_connections(tenant: Sandbox) -> None:
    """A refused connection raises ConnectError, and the tenant sees no request."""
    transport = tenant.transport()
    transport.refused_connections = 1
    with ApiClient(tenant, transport=transport, socket=True) as client:
        with pytest.raises(httpx.ConnectError):
            client.get(USER)
        assert [] == tenant.requests
        assert 200 == client.get(USER).status_code


def test_handle_returns_none_for_a_cut_connection(tenant: Sandbox) -> None:
    """A single request can be handled without a client."""
    request = httpx.Request("GET", f"{tenant.url}/rest/2.0/application/info")
    tenant.lose_next_answer(on="info")

    assert tenant.handle(request) is None
    response = tenant.handle(request)
    assert response is not None
    assert "2026.07.0" == response.json()["version"]["fullVersion"]


def test_tenants_have_different_urls() -> None:
    """Tenants without a socket differ in their URL."""
    assert Sandbox().url != Sandbox().url
