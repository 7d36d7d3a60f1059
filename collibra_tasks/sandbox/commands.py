"""Import commands: read, merged where they are neighbours, and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from collibra_tasks.sandbox.outcomes import RUNTIME, VALIDATION, FailedCommand

RESOURCE_TYPES = {
    "Community": "COMMUNITY",
    "Domain": "DOMAIN",
    "Asset": "ASSET",
    "Mapping": "MAPPING",
    "Complex Relation": "COMPLEX_RELATION",
}

CommandKey = tuple[str, str]


class CommandError(Exception):
    """A command cannot be executed."""

    def __init__(self, message: str, *, error_type: str = VALIDATION) -> None:
        """Keep the text that the errors list will show."""
        super().__init__(message)
        self.message = message
        self.error_type = error_type


def not_found(what: str) -> CommandError:
    """Say that a command refers to something that is not there."""
    return CommandError(f"{what} could not be found.", error_type=RUNTIME)


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or several neighbours merged into one.

    Attributes:
        body: What the command says; anything at all until `check` has seen it.
        indices: Where it stands in the input.
    """

    body: Any
    indices: tuple[int, ...]

    @property
    def fields(self) -> Mapping[str, Any]:
        """Return what the command says, if it is an object."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def resource_type(self) -> str:
        """Return the kind of resource, as it is written in the input."""
        return str(self.fields.get("resourceType"))

    @property
    def identifier(self) -> Mapping[str, Any]:
        """Return what the resource is known by."""
        identifier = self.fields.get("identifier")
        return identifier if isinstance(identifier, dict) else {}

    @property
    def key(self) -> CommandKey:
        """Return what makes two commands speak of one resource."""
        return self.resource_type, canonical(self.identifier)

    @property
    def digest(self) -> str:
        """Return the hash by which update discovery tells a changed command."""
        return sha256(canonical(self.body).encode()).hexdigest()

    def failure(self, error: CommandError) -> FailedCommand:
        """Return the entry for the errors list."""
        return FailedCommand(
            message=error.message,
            error_type=error.error_type,
            resource_type=RESOURCE_TYPES.get(self.resource_type, "ASSET"),
            indices=self.indices,
            identifier=canonical(self.identifier),
        )


def canonical(value: object) -> str:
    """Write a value so that equal ones are written alike."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def read_commands(bodies: Iterable[Any]) -> list[Command]:
    """Read an input's commands and merge the adjacent ones of one identifier.

    Source: only adjacent commands are merged, *documented*; that their characteristics add up
    and that of two single values the later one counts is *assumed*.
    """
    commands: list[Command] = []
    for index, body in enumerate(bodies):
        command = Command(body, (index,))
        if commands and _mergeable(commands[-1], command):
            commands[-1] = _merged(commands[-1], command)
        else:
            commands.append(command)
    return commands


def _mergeable(first: Command, second: Command) -> bool:
    return bool(first.identifier) and first.key == second.key


def _merged(first: Command, second: Command) -> Command:
    return Command(_added_up(first.body, second.body), first.indices + second.indices)


def _added_up(first: Any, second: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(first, dict) and isinstance(second, dict):
        both = {name: _added_up(first[name], second[name]) for name in first if name in second}
        return {**first, **second, **both}
    if isinstance(first, list) and isinstance(second, list):
        return first + [item for item in second if item not in first]
    return second


def check(command: Command) -> None:
    """Raise a CommandError unless the command is well formed.

    Source: ``resourceType`` and ``identifier`` are mandatory, and a value of an attribute is a
    string, *documented*; the wording of the errors is *assumed*.
    """
    if not isinstance(command.body, dict):
        raise CommandError("The command is not an object.")
    if command.resource_type not in RESOURCE_TYPES:
        raise CommandError(f"The resource type {command.resource_type} is not known.")
    if not command.identifier:
        raise CommandError("The command has no identifier.")
    for name, well_formed in _SHAPES.items():
        if name in command.fields and not well_formed(command.fields[name]):
            raise CommandError(f"The field {name} has a value of the wrong type.")


def _is_attributes(value: object) -> bool:
    return _is_characteristics(value, _is_attribute_value)


def _is_relations(value: object) -> bool:
    return _is_characteristics(value, lambda item: isinstance(item, dict))


def _is_characteristics(value: object, well_formed: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(
        isinstance(items, list) and all(map(well_formed, items)) for items in value.values()
    )


def _is_attribute_value(item: Any) -> bool:  # noqa: ANN401 - any JSON value
    if not isinstance(item, dict):
        return False
    values = item["values"] if "values" in item else [item.get("value")]
    return _is_strings(values)


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_reference(value: object) -> bool:
    return isinstance(value, dict) and any(
        isinstance(value.get(name), str) for name in ("id", "name", "externalEntityId")
    )


def _is_string(value: object) -> bool:
    return isinstance(value, str)


_SHAPES: Mapping[str, Callable[[Any], bool]] = {
    "name": _is_string,
    "displayName": _is_string,
    "domain": _is_reference,
    "community": _is_reference,
    "type": _is_reference,
    "status": _is_reference,
    "attributes": _is_attributes,
    "relations": _is_relations,
    "tags": _is_strings,
}
