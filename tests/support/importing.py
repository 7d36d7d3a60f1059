"""A sandbox that receives the batches of a source, as strict as Collibra about what must exist."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from collibra_tasks.sandbox import Sandbox
from collibra_tasks.sources.batches import Batch
from tests.support.api_client import ApiClient
from tests.support.source_commands import Command

Relations = dict[str, list[str]]


class ImportingTenant:
    """A tenant in which a domain, community or target that does not exist fails its command.

    Attributes:
        errors: Messages of failed commands.
    """

    def __init__(self, existing: Iterable[Command] = ()) -> None:
        self.sandbox = Sandbox(create_named_domains=False, failures_before_abort=1_000_000)
        self.client = ApiClient(self.sandbox)
        self.errors: list[str] = []
        for command in existing:
            self._import([command], self.client.import_plainly(command, continueOnError="true"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.http.close()

    def send(self, batches: Iterable[Batch]) -> None:
        """Import batches, each after the end of the one before."""
        for batch in batches:
            commands = json.loads(batch.content)
            self._import(commands, self.client.batch(*commands, continueOnError="true"))

    def close_cycle(self) -> None:
        """Finalize the cycle without a change of any asset."""
        self.client.finalize(finalizationStrategy="IGNORE")

    def relations(self) -> dict[str, Relations]:
        """Return the names of related assets by asset and by relation type with direction."""
        return {
            asset.name: {role: sorted(names) for role, names in asset.relations.items()}
            for asset in self.sandbox.assets().values()
        }

    def _import(self, commands: Sequence[Any], job_id: str) -> None:
        state, result = self.client.end_of(job_id)
        assert "COMPLETED" == state
        if "SUCCESS" != result:
            self.errors += [
                f"{error['errorMessage']} ({len(commands)} commands)"
                for error in self.client.errors(job_id)
            ]
