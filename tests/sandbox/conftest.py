"""A tenant with a clock that stands still, and clients of it."""

from collections.abc import Iterator

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import ApiClient, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Return the tenant's clock."""
    return FakeClock()


@pytest.fixture
def tenant(clock: FakeClock) -> Sandbox:
    """Return a tenant without a socket, whose jobs end at the next request."""
    return Sandbox(clock=clock)


@pytest.fixture
def client(tenant: Sandbox) -> Iterator[ApiClient]:
    """Return a client of the tenant."""
    with ApiClient(tenant) as client:
        yield client


@pytest.fixture
def served(clock: FakeClock) -> Iterator[Sandbox]:
    """Return a tenant on a loopback socket."""
    with Sandbox(clock=clock) as tenant:
        yield tenant


@pytest.fixture
def socket_client(served: Sandbox) -> Iterator[ApiClient]:
    """Return a client of the tenant on a socket."""
    with ApiClient(served, socket=True) as client:
        yield client
