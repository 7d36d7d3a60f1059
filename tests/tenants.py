"""Tenants that nobody met before: Prefect's records know a tenant by its address."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from collibra_tasks.sandbox import Sandbox

met: set[str] = set()


@contextmanager
def new_tenant(**options: Any) -> Iterator[Sandbox]:
    """Serve a tenant, made with the sandbox's own options, whose address no test had before.

    The system hands out a port again once it is free, and the ledger would then take the records
    of another test's tenant for this one's.
    """
    with ExitStack() as stack:
        tenant = stack.enter_context(Sandbox(**options))
        while tenant.url in met:  # each stays open until the next one has a port
            tenant = stack.enter_context(Sandbox(**options))
        met.add(tenant.url)
        yield tenant
