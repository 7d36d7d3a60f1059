"""Import commands for the tests of sources."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collibra_tasks.sources import Batch, Source, iter_batches

Command = dict[str, Any]


def community(name: str, **fields: Any) -> Command:
    return {"resourceType": "Community", "identifier": {"name": name}, **fields}


def domain(name: str, **fields: Any) -> Command:
    identifier = {"name": name, "community": {"name": "C"}}
    return {"resourceType": "Domain", "identifier": identifier, **fields}


def asset(name: str, **fields: Any) -> Command:
    identifier = {"name": name, "domain": {"name": "D", "community": {"name": "C"}}}
    return {"resourceType": "Asset", "identifier": identifier, **fields}


def write_json(path: Path, commands: list[Command]) -> str:
    path.write_text(json.dumps(commands))
    return str(path)


def split(source: Source, max_commands_per_batch: int = 10_000) -> list[Batch]:
    survey = source.survey()
    return list(iter_batches(source, survey, max_commands_per_batch=max_commands_per_batch))


def load(batch: Batch) -> list[Command]:
    commands: list[Command] = json.loads(batch.content)
    return commands


def note_into(seen: list[str]) -> Callable[[str, str], None]:
    return lambda _, identifier: seen.append(identifier)
