"""What the cycles in these tests are made of."""

from collections.abc import Callable
from typing import Any

from collibra_tasks import Receipt
from collibra_tasks.sandbox import Sandbox
from tests.conftest import DOMAIN

Mirror = Callable[..., Receipt]


def table(name: str) -> dict[str, Any]:
    return {
        "resourceType": "Asset",
        "identifier": {"name": name, "domain": DOMAIN},
        "type": {"name": "Table"},
    }


def tables(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [table(f"table_{number:03}") for number in range(first, first + count)]


def fail_batch(tenant: Sandbox, number: int) -> None:
    """Let the batches before it be imported, and this one not."""
    tenant.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=number - 1)
    tenant.end_jobs_as("ERROR", "FAILURE", on="batch")
