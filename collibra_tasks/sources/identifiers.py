r"""Readable, unique labels of the resources that import commands are about or refer to.

| identifier | label |
|---|---|
| by names | ``Data Warehouse > Sales schema > T1`` |
| by ID | ``id 00000000-0000-0000-0000-000000005066`` |
| by external IDs | ``external snowflake/SALES.ORDERS`` |
| domain by ID, asset by name | ``id 00000000-0000-0000-0000-000000000001 > T1`` |

Two resources of one type have equal labels only if their identifiers are equal. Inside a name, a
``>`` between blanks is written as ``\>``, so that it never looks like the separator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from collibra_tasks.models import AssetRow

COMMUNITY: Final = "Community"
DOMAIN: Final = "Domain"
ASSET: Final = "Asset"
MAPPING: Final = "Mapping"
COMPLEX_RELATION: Final = "Complex Relation"
RESOURCE_TYPES: Final = (COMMUNITY, DOMAIN, ASSET, MAPPING, COMPLEX_RELATION)
"""Resource types of import commands. Source: documented."""

SEPARATOR: Final = " > "

_MAPPED: Final = {
    "community": COMMUNITY,
    "domain": DOMAIN,
    "asset": ASSET,
    "complexRelation": COMPLEX_RELATION,
}
_LOOSE_BRACKET: Final = re.compile(r"(?:(?<=\s)|^)>(?=\s|$)")
_BACKSLASHES_BEFORE_BRACKET: Final = re.compile(r"\\+(?=>)")
_LOOKS_LIKE_ID: Final = re.compile(r"\\*(?:id [0-9a-f-]{36}|external .*/.*)", re.DOTALL)

Identifier = Mapping[str, Any]


class ResourceKey(NamedTuple):
    """Resource that a command is about or refers to.

    Example:
        ```python
        ResourceKey("Asset", "Data Warehouse > Sales schema > T1")
        ```
    """

    resource_type: str
    label: str


def resource_key(command: Mapping[str, Any]) -> ResourceKey:
    """Return the resource that a checked command is about."""
    resource_type = command["resourceType"]
    return ResourceKey(resource_type, format_identifier(command["identifier"], resource_type))


def format_identifier(identifier: Identifier, resource_type: str = ASSET) -> str:
    """Return the label of a checked identifier, independent of the order of its keys.

    Args:
        identifier: The identifier, as :func:`~collibra_tasks.sources.commands.check_command`
            accepts it.
        resource_type: One of `RESOURCE_TYPES`.
    """
    if resource_type == ASSET:
        return _format_asset(identifier)
    if resource_type == DOMAIN:
        return _format_domain(identifier)
    if resource_type == COMMUNITY:
        return _format_community(identifier)
    return _format_mapping(identifier) if resource_type == MAPPING else _format_complex(identifier)


def reference_keys(command: Mapping[str, Any]) -> Iterator[ResourceKey]:
    """Yield every resource that a checked command refers to.

    Types, statuses, users and groups are not among them: no import command creates these.
    A relation target stands for itself; its domain and community are not yielded.
    """
    resource_type, identifier = command["resourceType"], command["identifier"]
    if resource_type == COMMUNITY:
        if parent := command.get("parent"):
            yield ResourceKey(COMMUNITY, _format_community(parent))
        return
    if resource_type in (DOMAIN, ASSET):
        known = "community" if resource_type == DOMAIN else "domain"
        for holder in (identifier, command):
            yield from _iter_containers({known: holder.get(known)})
    if resource_type == MAPPING:
        for holder in (identifier, command):
            yield from _iter_mapped(holder)
    if resource_type == COMPLEX_RELATION:
        yield from _iter_targets(legs_of(identifier))
    if resource_type in (ASSET, COMPLEX_RELATION):
        yield from _iter_targets(command.get("relations"))


def asset_row(command: Mapping[str, Any], file: str) -> AssetRow:
    """Return the row of the manifest for a checked asset command.

    Args:
        command: A command whose resource type is ``Asset``.
        file: Short name of its source file, or empty.
    """
    identifier = command["identifier"]
    domain = identifier.get("domain") or command.get("domain") or {}
    community = domain.get("community")
    return AssetRow(
        asset=_format_asset(identifier),
        domain=_format_domain(domain) if domain else "",
        community=_format_community(community) if community else "",
        file=file,
        name=name_beside_label(command),
    )


def name_beside_label(command: Mapping[str, Any]) -> str:
    """Return the name of an asset, written as in a label, unless its label ends with the name."""
    name = command.get("name")
    if name is None or command["identifier"].get("name") is not None:
        return ""
    return _escape(name)


def legs_of(identifier: Identifier) -> dict[str, Any]:
    """Return the relations by which a complex relation is identified, or an empty mapping.

    Source: documented, relation keys stand in the identifier itself; Collibra's OpenAPI
    description has them below ``relations``.
    """
    legs = dict(identifier.get("relations") or {})
    legs.update({key: targets for key, targets in identifier.items() if ":" in key})
    return legs


def _format_asset(identifier: Identifier) -> str:
    name = identifier.get("name")
    if name is None:
        return _format_without_name(identifier)
    return f"{_format_domain(identifier['domain'])}{SEPARATOR}{_escape(name)}"


def _format_domain(identifier: Identifier) -> str:
    name = identifier.get("name")
    if name is None:
        return _format_without_name(identifier)
    community = identifier["community"]
    parent = community.get("name")
    if parent is None:
        return f"{_format_without_name(community)}{SEPARATOR}{_escape(name)}"
    return _join_domain(parent, name)


@lru_cache(maxsize=8192)  # a source has few domains and many references to each
def _join_domain(community: str, name: str) -> str:
    return f"{_escape_first(community)}{SEPARATOR}{_escape(name)}"


def _format_community(identifier: Identifier) -> str:
    name = identifier.get("name")
    return _format_without_name(identifier) if name is None else _escape_first(name)


def _format_without_name(identifier: Identifier) -> str:
    if identifier.get("id"):
        return f"id {identifier['id'].lower()}"
    system, entity = identifier["externalSystemId"], identifier["externalEntityId"]
    system = system.replace("\\", "\\\\").replace("/", "\\/")
    return _escape(f"external {system}/{entity}")


def _format_mapping(identifier: Identifier) -> str:
    if identifier.get("id") or identifier.get("externalEntityId"):
        return _format_without_name(identifier)
    if identifier.get("dgcId"):
        return f"mapping of id {identifier['dgcId'].lower()}"
    mapped = sorted(f"{key.resource_type} {key.label}" for key in _iter_mapped(identifier))
    return f"mapping of {'; '.join(mapped)}"


def _format_complex(identifier: Identifier) -> str:
    legs = legs_of(identifier)
    if not legs:
        return _format_without_name(identifier)
    labels = {key.lower(): sorted(map(_format_asset, legs[key] or ())) for key in legs}
    return f"relations {json.dumps(labels, sort_keys=True, ensure_ascii=False)}"


def _escape(name: str) -> str:
    if ">" not in name:
        return name
    # Doubling comes first: it must not touch the backslashes that the second step adds.
    return _LOOSE_BRACKET.sub(r"\\>", _BACKSLASHES_BEFORE_BRACKET.sub(r"\g<0>\g<0>", name))


def _escape_first(name: str) -> str:
    text = _escape(name)
    return f"\\{text}" if _LOOKS_LIKE_ID.fullmatch(text) else text


def _iter_containers(holder: Identifier) -> Iterator[ResourceKey]:
    domain, community = holder.get("domain"), holder.get("community")
    if domain:
        yield ResourceKey(DOMAIN, _format_domain(domain))
        community = domain.get("community")
    if community:
        yield ResourceKey(COMMUNITY, _format_community(community))


def _iter_mapped(holder: Identifier) -> Iterator[ResourceKey]:
    for field, resource_type in _MAPPED.items():
        if mapped := holder.get(field):
            yield ResourceKey(resource_type, format_identifier(mapped, resource_type))


def _iter_targets(relations: Mapping[str, Any] | None) -> Iterator[ResourceKey]:
    for targets in (relations or {}).values():
        for target in targets or ():
            yield ResourceKey(ASSET, _format_asset(target))
