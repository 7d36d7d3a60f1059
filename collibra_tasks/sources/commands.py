"""Check of import commands against Collibra's published description.

Collibra can never import a command that is refused here. What the description does not list is
passed on, since newer versions may know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from collibra_tasks.sources.command_keys import (
    EXTERNAL_KEYS,
    SYNC_ACTIONS,
    TYPE_KEYS,
    USER_KEYS,
)
from collibra_tasks.sources.identifiers import (
    ASSET,
    COMMUNITY,
    COMPLEX_RELATION,
    DOMAIN,
    MAPPING,
    RESOURCE_TYPES,
)
from collibra_tasks.sources.references import (
    MAPPED_FIELDS,
    Check,
    Report,
    accept,
    check_asset,
    check_community,
    check_complex_identifier,
    check_domain,
    check_fields,
    check_id,
    check_keys,
    check_list,
    check_mapping_identifier,
    check_name,
    check_relations,
    check_scalar,
    check_unknown,
    describe_type,
    find_resembling_key_in,
    is_object,
)


def check_command(command: object, unknown_keys: set[str] | None = None) -> list[str]:
    """Return the reasons why Collibra cannot import a command; an empty list if it can.

    Args:
        command: One import command, as read from JSON.
        unknown_keys: Receives the keys that Collibra's description does not list, such as
            ``Asset.newField``.

    Example:
        ```python
        check_command({"resourceType": "Asset", "identifier": {"name": "T1"}})
        # ["identifier: a name needs a domain beside it. Add domain, or identify by id."]
        ```
    """
    if not isinstance(command, dict):
        return [f"a command must be an object, not {describe_type(command)}."]
    resource_type = command.get("resourceType")
    report = Report(set() if unknown_keys is None else unknown_keys)
    if not isinstance(resource_type, str) or resource_type not in _FIELDS:
        return [_explain_type(command)]
    if "identifier" not in command:
        wrong = find_resembling_key_in(command, frozenset({"identifier"}))
        hint = f" Write identifier instead of {wrong!r}." if wrong else ""
        return [f"the {resource_type} command has no identifier.{hint}"]
    report.direction_required = resource_type != COMPLEX_RELATION
    check_fields(report, resource_type, command, _FIELDS[resource_type])
    _IDENTIFIERS[resource_type](report, "identifier", command["identifier"])
    return report.reasons


def _explain_type(command: Mapping[str, Any]) -> str:
    if "resourceType" not in command:
        wrong = find_resembling_key_in(command, frozenset({"resourceType"}))
        hint = f" Write resourceType instead of {wrong!r}." if wrong else ""
        return f"the command has no resourceType.{hint}"
    known = ", ".join(RESOURCE_TYPES)
    return f"resourceType is {command['resourceType']!r:.60}, not one of {known}."


def _check_sync_action(report: Report, path: str, value: object) -> None:
    if value not in SYNC_ACTIONS:
        report.refuse(path, f"{value!r:.60} is not one of {', '.join(SYNC_ACTIONS)}.")


def _check_type(report: Report, path: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        report.refuse(path, f'must be an object, not text. Write {{"name": "{value:.60}"}}.')
    elif is_object(report, path, value):
        _check_one_of(report, path, value, TYPE_KEYS)


def _check_one_of(
    report: Report, path: str, value: Mapping[str, Any], keys: tuple[str, ...]
) -> None:
    check_fields(report, path, value, _NAMING_FIELDS[keys])
    if value.get("id") is not None:
        check_id(report, f"{path}.id", value["id"])
    for key in keys[1:]:
        if value.get(key) is not None:
            check_name(report, f"{path}.{key}", value[key])
    if not report.reasons and all(value.get(key) is None for key in keys):
        report.refuse(path, f"needs one of {', '.join(keys)}.")


def _check_tags(report: Report, path: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    if check_list(report, path, value, f'["{value}"]' if isinstance(value, str) else '["tag"]'):
        for tag in value:
            check_name(report, path, tag)


def _check_attributes(report: Report, path: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    example = '[{"value": "text"}]'
    if not isinstance(value, dict):
        reason = f'{describe_type(value)}. Write {{"attribute type": {example}}}.'
        report.refuse(path, f"must be an object, not {reason}")
        return
    check_keys(report, path, value)
    for key, items in value.items():
        where = f"{path}.{key}"
        if not key.strip():
            report.refuse(path, "has an attribute type with a blank name.")
        if items is not None and check_list(report, where, items, example):
            for item in items:
                _check_attribute_value(report, where, item)


_VALUE_KEYS: Final = frozenset({"value", "values"})


def _check_attribute_value(report: Report, path: str, item: Any) -> None:  # noqa: ANN401 - any JSON value
    if not isinstance(item, dict):
        reason = f'{describe_type(item)}. Write {{"value": ...}}.'
        report.refuse(path, f"each entry must be an object, not {reason}")
        return
    if item.keys().isdisjoint(_VALUE_KEYS):
        report.refuse(path, 'an entry has no value. Write {"value": ...}.')
        return
    if item.keys() >= _VALUE_KEYS:
        report.refuse(path, "an entry has both value and values. Write one of them.")
    for key in item.keys() - _VALUE_KEYS:
        check_unknown(report, path, key, _VALUE_KEYS)
    check_scalar(report, f"{path}.value", item.get("value"))
    if "values" in item and check_list(report, f"{path}.values", item["values"], '["text"]'):
        for each in item["values"]:
            check_scalar(report, f"{path}.values", each)


def _check_responsibilities(report: Report, path: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        report.refuse(path, f"must be an object, not {describe_type(value)}.")
        return
    check_keys(report, path, value)
    for role, owners in value.items():
        where = f"{path}.{role}"
        if owners is not None and check_list(report, where, owners, '[{"user": {"id": ...}}]'):
            for owner in owners:
                _check_owner(report, where, owner)


def _check_owner(report: Report, path: str, owner: object) -> None:
    if is_object(report, path, owner):
        fields: Any = owner
        check_fields(report, path, fields, _OWNER_FIELDS)
        if fields.get("user") is None and fields.get("userGroup") is None and not report.reasons:
            report.refuse(path, "an entry needs a user or a userGroup.")


def _check_user(report: Report, path: str, value: object) -> None:
    if is_object(report, path, value):
        fields: Any = value
        _check_one_of(report, path, fields, USER_KEYS)


_OWNER_FIELDS: Final = {"user": _check_user, "userGroup": _check_user}
_NAMING_FIELDS: Final[Mapping[tuple[str, ...], Mapping[str, Check]]] = {
    keys: dict.fromkeys((*keys, "indexes"), accept) for keys in (TYPE_KEYS, USER_KEYS)
}
_COMMON: Final = dict.fromkeys(("resourceType", "identifier", "indexes"), accept)
_NAMED: Final[Mapping[str, Check]] = {
    **_COMMON,
    "name": check_name,
    "description": check_scalar,
    "responsibilities": _check_responsibilities,
}
_FIELDS: Final[Mapping[str, Mapping[str, Check]]] = {
    COMMUNITY: {**_NAMED, "language": check_scalar, "parent": check_community},
    DOMAIN: {**_NAMED, "community": check_community, "type": _check_type},
    ASSET: {
        **_COMMON,
        "name": check_name,
        "displayName": check_scalar,
        "domain": check_domain,
        "type": _check_type,
        "status": _check_type,
        "attributes": _check_attributes,
        "relations": check_relations,
        "tags": _check_tags,
        "responsibilities": _check_responsibilities,
    },
    MAPPING: {
        **_COMMON,
        **MAPPED_FIELDS,
        **dict.fromkeys(EXTERNAL_KEYS, check_name),
        **dict.fromkeys(("extEntityUrl", "externalEntityUrl", "description"), check_scalar),
        "lastSyncDate": check_scalar,
        "syncAction": _check_sync_action,
    },
    COMPLEX_RELATION: {
        **_COMMON,
        "complexRelationType": _check_type,
        "attributes": _check_attributes,
        "relations": check_relations,
    },
}
_IDENTIFIERS: Final[Mapping[str, Check]] = {
    COMMUNITY: check_community,
    DOMAIN: check_domain,
    ASSET: check_asset,
    MAPPING: check_mapping_identifier,
    COMPLEX_RELATION: check_complex_identifier,
}
