"""A tenant with a clock that stands still, and a caller."""

from collections.abc import Iterator

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import Caller, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Return the tenant's clock."""
    return FakeClock()


@pytest.fixture
def tenant(clock: FakeClock) -> Iterator[Sandbox]:
    """Serve a tenant whose jobs are over at the first look."""
    with Sandbox(clock=clock) as tenant:
        yield tenant


@pytest.fixture
def caller(tenant: Sandbox) -> Iterator[Caller]:
    """Call the tenant as its account."""
    with Caller(tenant) as caller:
        yield caller
