r"""What a command is about, as one line that a person can read and a machine can compare.

    Warehouse > Physical Dictionary > SALES.ORDERS     by name: community > domain > asset
    [00000000-0000-0000-0000-000000005066]             by id
    [snowflake: SALES.ORDERS]                          by external system and entity
    [00000000-0000-0000-0000-000000000001] > ORDERS    a domain by id, an asset by name

Two identifiers have the same line only if they say the same. A last name stands as it is; before
it, and in external ids, ``>`` and ``\`` are escaped with ``\``, as is ``[`` or ``{`` at the start.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple

COMMUNITY: Final = "Community"
DOMAIN: Final = "Domain"
ASSET: Final = "Asset"
CONTAINERS: Final = frozenset({COMMUNITY, DOMAIN})
RESOURCE_TYPES: Final = CONTAINERS | {ASSET, "Mapping", "Complex Relation"}
"""What a command can be about. Source: documented."""

_BY_EXTERNAL: Final = ("externalSystemId", "externalEntityId")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ">": "\\>"})
_COLON: Final = "\\:"


class CommandError(ValueError):
    """Why a command cannot be sent; whoever reads the file adds the place."""


class Identity(NamedTuple):
    """What a command is about."""

    resource_type: str
    identifier: str


def identify(command: object) -> Identity:
    """Tell what an import command is about.

    Raises:
        CommandError: It is no import command; the message is the reason.
    """
    if not isinstance(command, dict):
        raise CommandError("the command is not an object")
    resource_type = command.get("resourceType")
    if not isinstance(resource_type, str):
        raise CommandError("the command has no resourceType")
    if resource_type not in RESOURCE_TYPES:
        known = ", ".join(sorted(RESOURCE_TYPES))
        raise CommandError(f"the resourceType {resource_type!r} is none of {known}")
    if "identifier" not in command:
        raise CommandError(f"the {resource_type} command has no identifier")
    return Identity(resource_type, write_identifier(command["identifier"]))


def write_identifier(identifier: object) -> str:
    """Write an identifier as one line, whatever the order of its keys.

    Raises:
        CommandError: It is not an object of texts (or of such objects), or says nothing.
    """
    fields = _read_object("identifier", identifier)
    parent = _find_parent(fields)
    if parent is None:
        return _write_alone(fields)
    return f"{_write_parent(parent, fields[parent])} > {_read_text('name', fields['name'])}"


def _find_parent(fields: dict[str, Any]) -> str | None:
    if len(fields) != len(("name", "parent")) or "name" not in fields:
        return None
    return "domain" if "domain" in fields else "community" if "community" in fields else None


def _write_parent(kind: str, value: object) -> str:
    fields = _read_object(kind, value)
    parent = _find_parent(fields)
    # Only a domain in a community goes on, so that the number of names before the last is known.
    if kind == "domain" and parent == "community":
        name = _escape(_read_text("name", fields["name"]))
        return f"{_write_parent(parent, fields[parent])} > {name}"
    if kind == "domain" and "name" in fields:
        return _write_canonical(fields)
    return _write_alone(fields)


def _write_alone(fields: dict[str, Any]) -> str:
    if len(fields) == 1 and "name" in fields:
        name = _escape(_read_text("name", fields["name"]))
        return f"\\{name}" if name.startswith(("[", "{")) else name
    if fields.keys() == {"id"}:
        return f"[{_read_text('id', fields['id']).lower()}]"
    if fields.keys() == set(_BY_EXTERNAL):
        system, entity = (_escape(_read_text(key, fields[key])) for key in _BY_EXTERNAL)
        return f"[{system.replace(':', _COLON)}: {entity}]"
    return _write_canonical(fields)


@lru_cache(maxsize=1024)  # domains and communities are few
def _escape(name: str) -> str:
    return name.translate(_ESCAPES)


def _write_canonical(fields: dict[str, Any]) -> str:
    _check_leaves(fields)
    return json.dumps(fields, sort_keys=True, ensure_ascii=False)


def _check_leaves(fields: dict[str, Any]) -> None:
    for key, value in fields.items():
        if isinstance(value, list):  # the legs of a complex relation
            if not value:
                raise CommandError(f"the identifier's {key} is empty")
            for each in value:
                _check_leaves(_read_object(key, each))
        elif isinstance(value, dict):
            _check_leaves(_read_object(key, value))
        else:
            _read_text(key, value)


def _read_object(key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CommandError(f"the {key} is {_name_type(value)}, not an object")
    if not value:
        raise CommandError(f"the {key} is empty")
    return value


def _read_text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise CommandError(f"the identifier's {key} is {_name_type(value)}, not text")
    if not value:
        raise CommandError(f"the identifier's {key} is empty")
    return value


def _name_type(value: object) -> str:
    if value is None:
        return "null"
    words = {str: "text", bool: "true or false", float: "a number", int: "a number", list: "a list"}
    return words.get(type(value), type(value).__name__)
