"""Import commands: parsed, merged where they are adjacent, and checked for their form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import UUID

from collibra_tasks.sandbox.results import RUNTIME, VALIDATION, FailedCommand

RESOURCE_TYPES = {
    "Community": "COMMUNITY",
    "Domain": "DOMAIN",
    "Asset": "ASSET",
    "Mapping": "MAPPING",
    "Complex Relation": "COMPLEX_RELATION",
}
SYNC_ACTIONS = ("ADD", "UPDATE", "REMOVE")

CommandKey = tuple[str, str]


class InputError(Exception):
    """An input that is not a list of commands."""


class CommandError(Exception):
    """A command that cannot be executed."""

    def __init__(self, message: str, *, error_type: str = VALIDATION) -> None:
        """Store the text for the list of errors."""
        super().__init__(message)
        self.message = message
        self.error_type = error_type


def not_found(resource: str) -> CommandError:
    """Return the error for a reference to a resource that does not exist."""
    return CommandError(f"{resource} could not be found.", error_type=RUNTIME)


@dataclass(frozen=True)
class Command:
    """One command, or several adjacent commands merged into one.

    Attributes:
        body: The command as it came; any JSON value until `check` has passed.
        indices: Positions in the input.
    """

    body: Any
    indices: tuple[int, ...]

    @property
    def fields(self) -> Mapping[str, Any]:
        """Return the fields; none if the command is not an object."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def resource_type(self) -> str:
        """Return the resource type, as the input wrote it."""
        return str(self.fields.get("resourceType"))

    @property
    def identifier(self) -> Mapping[str, Any]:
        """Return the identifier; empty if it is not an object."""
        identifier = self.fields.get("identifier")
        return identifier if isinstance(identifier, dict) else {}

    @cached_property
    def key(self) -> CommandKey:
        """The key that commands about one resource share."""
        return self.resource_type, canonical(self.identifier)

    @cached_property
    def digest(self) -> str:
        """The hash by which update discovery detects a change."""
        return sha256(canonical(self.body).encode()).hexdigest()

    def to_failure(self, error: CommandError) -> FailedCommand:
        """Return the entry for the list of errors."""
        return FailedCommand(
            message=error.message,
            error_type=error.error_type,
            resource_type=RESOURCE_TYPES.get(self.resource_type, "ASSET"),
            indices=self.indices,
            identifier=canonical(self.identifier),
        )


def canonical(value: object) -> str:
    """Return JSON text that is equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def read_input(content: bytes) -> list[Command]:
    """Parse an input file and merge its adjacent commands."""
    try:
        bodies = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InputError("The file is not JSON.") from None
    if not isinstance(bodies, list):
        raise InputError("The file is not a list of commands.")
    return merge_adjacent(bodies)


def _refuse_constant(word: str) -> None:
    raise ValueError(word)  # NaN and Infinity are not JSON


def merge_adjacent(bodies: Iterable[Any]) -> list[Command]:
    """Build commands and merge adjacent ones that have the same identifier.

    Source: only adjacent commands are merged, *documented*; that their characteristics add up
    and that of two single values the later one counts is *assumed*.
    """
    commands: list[Command] = []
    for index, body in enumerate(bodies):
        command = Command(body, (index,))
        if commands and command.identifier and commands[-1].key == command.key:
            commands[-1] = _merge(commands[-1], command)
        else:
            commands.append(command)
    return commands


def _merge(first: Command, second: Command) -> Command:
    return Command(_add_up(first.body, second.body), first.indices + second.indices)


def _add_up(first: Any, second: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(first, dict) and isinstance(second, dict):
        both = {name: _add_up(first[name], second[name]) for name in first if name in second}
        return {**first, **second, **both}
    if isinstance(first, list) and isinstance(second, list):
        return first + [item for item in second if item not in first]
    return second


def check(command: Command) -> None:
    """Raise a CommandError unless the command is well-formed.

    Source: ``resourceType`` and ``identifier`` are mandatory, *documented*; the fields are those
    of the published OpenAPI description. That an unknown field fails its command is *assumed*.
    """
    if not isinstance(command.body, dict):
        raise CommandError("The command is not an object.")
    if command.resource_type not in RESOURCE_TYPES:
        raise CommandError(f"The resource type {command.resource_type} is not known.")
    if not command.identifier:
        raise CommandError("The command has no identifier.")
    shapes = FIELDS[command.resource_type]
    for name, value in command.fields.items():
        if name in ("resourceType", "identifier"):
            continue
        if name not in shapes:
            raise CommandError(f"The field {name} is not known.")
        if not shapes[name](value):
            raise CommandError(f"The field {name} has a value of the wrong form.")


def is_uuid(value: object) -> bool:
    """Whether a value is the text of a UUID."""
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


def attribute_texts(item: Mapping[str, Any]) -> list[str]:
    """Return the values of one attribute item as text; null stands for no value.

    Source: the OpenAPI description lists strings; numbers and booleans are sent to real tenants
    in public code, *observed*. The meaning of null is *assumed*.
    """
    values = item["values"] if "values" in item else [item["value"]]
    return [v if isinstance(v, str) else json.dumps(v) for v in values if v is not None]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_filled, value))


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _is_reference(*names: str) -> Callable[[object], bool]:
    def check_reference(value: object) -> bool:
        return (
            isinstance(value, dict)
            and bool(value)
            and set(value) <= set(names)
            and all(
                is_uuid(item) if name == "id" else _is_filled(item) for name, item in value.items()
            )
        )

    return check_reference


def _is_attribute(item: object) -> bool:
    if not isinstance(item, dict) or len(item) != 1:
        return False
    if "values" in item:
        return isinstance(item["values"], list) and all(map(_is_scalar, item["values"]))
    return "value" in item and _is_scalar(item["value"])


def _is_responsibility(item: object) -> bool:
    return (
        isinstance(item, dict)
        and bool(item)
        and set(item) <= {"user", "userGroup"}
        and all(map(_is_object, item.values()))
    )


def _is_map_of(
    is_item: Callable[[object], bool], pattern: str = r"(?s).*\S.*"
) -> Callable[[object], bool]:
    def check_map(value: object) -> bool:
        return isinstance(value, dict) and all(
            re.fullmatch(pattern, name) and isinstance(items, list) and all(map(is_item, items))
            for name, items in value.items()
        )

    return check_map


_TYPE = _is_reference("id", "name", "publicId")
_ATTRIBUTES = _is_map_of(_is_attribute)
_RESPONSIBILITIES = _is_map_of(_is_responsibility)

FIELDS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "Community": {
        "name": _is_filled,
        "description": _is_text,
        "language": _is_text,
        "parent": _is_object,
        "responsibilities": _RESPONSIBILITIES,
    },
    "Domain": {
        "name": _is_filled,
        "description": _is_text,
        "community": _is_object,
        "type": _TYPE,
        "responsibilities": _RESPONSIBILITIES,
    },
    "Asset": {
        "name": _is_filled,
        "displayName": _is_text,
        "domain": _is_object,
        "type": _TYPE,
        "status": _is_reference("id", "name"),
        "attributes": _ATTRIBUTES,
        "relations": _is_map_of(_is_object, r"[^:]+:(SOURCE|TARGET)"),
        "tags": _is_texts,
        "responsibilities": _RESPONSIBILITIES,
    },
    "Mapping": {
        "externalSystemId": _is_filled,
        "externalEntityId": _is_filled,
        "dgcId": is_uuid,
        "asset": _is_object,
        "domain": _is_object,
        "community": _is_object,
        "complexRelation": _is_object,
        "extEntityUrl": _is_text,
        "lastSyncDate": _is_whole,
        "syncAction": SYNC_ACTIONS.__contains__,
        "description": _is_text,
    },
    "Complex Relation": {
        "complexRelationType": _TYPE,
        "attributes": _ATTRIBUTES,
        "relations": _is_map_of(_is_object, r"[^:]+(:(SOURCE|TARGET))?"),
    },
}
