"""Import commands and source contents for the tests of merge, order and batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from collibra_tasks.sources.batches import Batch
from collibra_tasks.sources.identifiers import resource_key
from collibra_tasks.sources.records import RecordPosition, SourceRecord
from collibra_tasks.sources.source import SourceContent, scan_source

Command = dict[str, Any]
RELATION = "00000000-0000-0000-0000-000000007042:TARGET"
OTHER_RELATION = "00000000-0000-0000-0000-000000007043:SOURCE"


def community(name: str, **fields: Any) -> Command:
    return {"resourceType": "Community", "identifier": {"name": name}, **fields}


def domain(name: str, **fields: Any) -> Command:
    identifier = {"name": name, "community": {"name": "C"}}
    return {"resourceType": "Domain", "identifier": identifier, **fields}


def named(name: str, domain_name: str = "D") -> dict[str, Any]:
    return {"name": name, "domain": {"name": domain_name, "community": {"name": "C"}}}


def external(entity: str) -> dict[str, Any]:
    return {"externalSystemId": "erp", "externalEntityId": entity}


def label(name: str) -> str:
    return f"C > D > {name}"


def asset(name: str, *targets: str, relation: str = RELATION, **fields: Any) -> Command:
    command = {"resourceType": "Asset", "identifier": named(name), **fields}
    if targets:
        command.setdefault("relations", {})[relation] = [named(each) for each in targets]
    return command


def mapping(entity: str, **fields: Any) -> Command:
    return {"resourceType": "Mapping", "identifier": external(entity), **fields}


def complex_relation(entity: str, *legs: str, **fields: Any) -> Command:
    relations = {RELATION: [named(each) for each in legs]}
    return {
        "resourceType": "Complex Relation",
        "identifier": external(entity),
        "relations": relations,
        **fields,
    }


def records(commands: Iterable[Command], file: str = "a.json") -> Iterable[SourceRecord]:
    for number, command in enumerate(commands):
        yield SourceRecord(
            command, RecordPosition(file, "index", number, resource_key(command).label)
        )


def scan(
    commands: Iterable[Command], log: Callable[[str], object] = lambda _: None
) -> SourceContent:
    return scan_source(records(commands), files=["a.json"], log=log)


def split(
    commands: Iterable[Command], size: int = 10_000, known: Iterable[str] = ()
) -> list[Batch]:
    with scan(commands) as content:
        return list(content.order(sorted(known)).iter_batches(size))


def load(batch: Batch) -> list[Command]:
    commands: list[Command] = json.loads(batch.content)
    return commands


def load_all(batches: Iterable[Batch]) -> list[Command]:
    return [command for batch in batches for command in load(batch)]


def names(batch: Batch) -> list[str]:
    """Return the names of the resources in a batch, in its order."""
    return [
        command["identifier"].get("name") or command["identifier"]["externalEntityId"]
        for command in load(batch)
    ]
