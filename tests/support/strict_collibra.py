"""A small strict model of Collibra: it executes commands one by one and refuses unknown targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collibra_tasks.sources.batches import Batch
from collibra_tasks.sources.identifiers import (
    ResourceKey,
    format_identifier,
    reference_keys,
    resource_key,
)
from tests.support.source_commands import load

Relations = dict[str, list[Any]]


class StrictCollibra:
    """Resources of one environment.

    Attributes:
        assets: Relations of each asset by label, as ``REPLACE`` leaves them.
        resources: Every resource that exists.
        missing: References to something that did not exist when it was needed.
    """

    def __init__(self, existing: Iterable[ResourceKey] = ()) -> None:
        self.resources = set(existing)
        self.assets: dict[str, Relations] = {}
        self.missing: list[ResourceKey] = []

    def execute(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            for command in load(batch):
                self._execute(command)

    def _execute(self, command: Mapping[str, Any]) -> None:
        self.missing += [key for key in reference_keys(command) if key not in self.resources]
        key = resource_key(command)
        self.resources.add(key)
        if key.resource_type == "Asset":
            self.assets.setdefault(key.label, {}).update(command.get("relations") or {})
            if "name" in command:
                names = {"name": command["name"], "domain": command["domain"]}
                self.resources.add(ResourceKey("Asset", format_identifier(names)))
        if key.resource_type == "Mapping" and "asset" in command:
            self.resources.add(ResourceKey("Asset", format_identifier(command["identifier"])))
