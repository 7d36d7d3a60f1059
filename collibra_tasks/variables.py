"""Prefect's variables as the ledger's store.

Every worker sees them, a person can read them in the UI, and the server creates each name once:
that is the only compare-and-set it offers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from pydantic import TypeAdapter

from collibra_tasks.ledger import Kept

PAGE = 200

_kept = TypeAdapter(Kept)


class VariableStore:
    """Named values on the Prefect server; trouble with it raises what Prefect's client raises."""

    def create(self, name: str, value: dict[str, Any]) -> bool:
        """Create a variable; ``False`` if the name is taken."""
        with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
            client.create_variable(VariableCreate(name=name, value=value, tags=_tags(value)))
            return True
        return False

    def update(self, name: str, value: dict[str, Any]) -> None:
        """Replace a variable's value."""
        with get_client(sync_client=True) as client:
            client.update_variable(VariableUpdate(name=name, value=value, tags=_tags(value)))

    def delete(self, name: str) -> None:
        """Delete a variable, if it is there."""
        with get_client(sync_client=True) as client, suppress(ObjectNotFound):
            client.delete_variable_by_name(name)

    def find(self, prefix: str) -> Iterator[Kept]:
        """Yield the variables whose names begin so, the last name first."""
        with get_client(sync_client=True) as client:
            offset = 0
            while True:
                query = {
                    "variables": {"name": {"like_": prefix}},
                    "sort": "NAME_DESC",
                    "limit": PAGE,
                    "offset": offset,
                }
                rows = client.request("POST", "/variables/filter", json=query).json()
                for row in rows:
                    if row["name"].startswith(prefix):
                        yield _kept.validate_python(row | {"written_on": row["updated"]})
                offset += len(rows)
                if len(rows) < PAGE:
                    return


def _tags(value: dict[str, Any]) -> list[str]:
    return ["collibra", value["phase"]]
