"""Checks of identifiers and references, shared by all kinds of import commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from collibra_tasks.sources.command_keys import (
    EXTERNAL_KEYS,
    IDENTIFIER_KEYS,
    SPREADSHEET_ERRORS,
    explain_relation_key,
    find_double_key,
    find_resembling_key,
    is_uuid,
)

_SCALARS: Final = (str, int, float, Decimal, type(None))


@dataclass(slots=True)
class Report:
    """Reasons against one command, and its keys that Collibra's description does not list."""

    unknown_keys: set[str]
    direction_required: bool = True
    reasons: list[str] = field(default_factory=list)

    def refuse(self, path: str, reason: str) -> None:
        """Add a reason, with the keys that lead to the value."""
        self.reasons.append(f"{path}: {reason}")


Check = Callable[[Report, str, Any], None]


def describe_type(value: object) -> str:
    """Return the kind of a JSON value for a sentence."""
    if value is None:
        return "null"
    words = {str: "text", bool: "true or false", int: "a number", float: "a number"}
    words |= {Decimal: "a number"}
    words |= {list: "a list", dict: "an object"}
    return words.get(type(value), type(value).__name__)


def find_resembling_key_in(command: Mapping[str, Any], known: frozenset[str]) -> str | None:
    """Return the first key of a command that is a misspelt form of a known key."""
    return next((key for key in command if find_resembling_key(key, known)), None)


def check_fields(
    report: Report, owner: str, value: Mapping[str, Any], fields: Mapping[str, Check]
) -> None:
    """Check each known field of an object, and note the unknown ones."""
    for key, content in value.items():
        check = fields.get(key)
        if check is None:
            check_unknown(report, owner, key, frozenset(fields))
        elif content is not None:  # null is the same as an absent key
            check(report, key, content)


def check_unknown(report: Report, owner: str, key: str, known: frozenset[str]) -> None:
    """Refuse a key that resembles a known one; note any other."""
    resembling = find_resembling_key(key, known)
    if resembling is None:
        report.unknown_keys.add(f"{owner}.{key}")
    else:
        report.refuse(key, f"unknown key of {owner}. Write {resembling!r}.")


def accept(_report: Report, _path: str, _value: object) -> None:
    """Accept any value; its check is elsewhere, or it has no documented form."""


def check_scalar(report: Report, path: str, value: object) -> None:
    """Check that a value is a text, a number, a boolean or null."""
    if not isinstance(value, _SCALARS):
        report.refuse(path, f"must be text, not {describe_type(value)}.")


def check_name(report: Report, path: str, value: object) -> None:
    """Check that a value is a text that is not blank."""
    if not isinstance(value, str):
        report.refuse(path, f"must be text, not {describe_type(value)}.")
    elif not value.strip():
        report.refuse(path, "is blank.")
    elif value.strip() in SPREADSHEET_ERRORS:
        report.refuse(path, f"is {value}, an error value of a spreadsheet.")


def check_id(report: Report, path: str, value: object) -> None:
    """Check that a value is a UUID."""
    if not is_uuid(value):
        report.refuse(path, f"{value!r:.60} is not a UUID.")


def is_object(report: Report, path: str, value: object) -> bool:
    """Return whether a value is an object with content; refuse it otherwise."""
    if isinstance(value, dict) and value:
        return True
    reason = "is empty." if value == {} else f"must be an object, not {describe_type(value)}."
    report.refuse(path, reason)
    return False


def check_community(report: Report, path: str, value: object) -> None:
    """Check the identifier of a community."""
    if is_object(report, path, value):
        _check_reference(report, path, value, parent="")


def check_domain(report: Report, path: str, value: object) -> None:
    """Check the identifier of a domain."""
    if not _is_plain_domain(value) and is_object(report, path, value):
        _check_reference(report, path, value, parent="community")


def check_asset(report: Report, path: str, value: object) -> None:
    """Check the identifier of an asset."""
    if not _is_plain_asset(value) and is_object(report, path, value):
        _check_reference(report, path, value, parent="domain")


def _is_plain_domain(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a domain is identified by two sound names, as in nearly all sources.

    This and `_is_plain_asset` are shortcuts; the checks below give the reasons.
    """
    try:
        community = value["community"]
        return (
            len(value) == len(("name", "community"))
            and len(community) == 1
            and _are_sound_names(value["name"], community["name"])
        )
    except (TypeError, KeyError):
        return False


def _is_plain_asset(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    try:
        name = value["name"]
        return (
            len(value) == len(("name", "domain"))
            and _is_plain_domain(value["domain"])
            and isinstance(name, str)
            and name not in SPREADSHEET_ERRORS
            and not name.isspace()
            and name != ""
        )
    except (TypeError, KeyError):
        return False


@lru_cache(maxsize=8192)  # a source has few domains and many references to each
def _are_sound_names(*names: object) -> bool:
    return all(
        isinstance(name, str) and name.strip() and name not in SPREADSHEET_ERRORS for name in names
    )


_PARENT_CHECKS: Final[Mapping[str, Check]] = {
    "domain": check_domain,
    "community": check_community,
}
_REFERENCE_KEYS: Final = {
    parent: IDENTIFIER_KEYS | ({parent} if parent else frozenset())
    for parent in ("", "community", "domain")
}


def _check_reference(report: Report, path: str, value: Any, *, parent: str) -> None:  # noqa: ANN401 - any JSON value
    """Check that exactly one documented way to identify a resource is used."""
    known = _REFERENCE_KEYS[parent]
    if not value.keys() <= known:
        before = len(report.reasons)
        for key in value.keys() - known:
            check_unknown(report, path, key, known)
        if len(report.reasons) > before:
            return  # the misspelt key explains what is missing
    by_name = "name" in value or (bool(parent) and parent in value)
    by_external = any(key in value for key in EXTERNAL_KEYS)
    ways = ("id" in value) + by_name + by_external
    if ways != 1:
        keys = ", ".join(sorted(value))
        allowed = (
            f"id, name{f' with {parent}' if parent else ''}, or {' with '.join(EXTERNAL_KEYS)}"
        )
        cause = f"mixes {keys}" if ways else "identifies nothing"
        if empty := [key for key in sorted(value) if value[key] is None]:
            cause += f"; leave out {', '.join(empty)}, which is null"
        report.refuse(path, f"{cause}. Use only one of: {allowed}.")
    elif "id" in value:
        check_id(report, f"{path}.id", value["id"])
    elif by_external:
        _check_external(report, path, value)
    else:
        _check_named(report, path, value, parent)


def _check_external(report: Report, path: str, value: Mapping[str, Any]) -> None:
    for key in EXTERNAL_KEYS:
        if key not in value:
            report.refuse(path, f"{' and '.join(EXTERNAL_KEYS)} go together. Add {key}.")
        else:
            check_name(report, f"{path}.{key}", value[key])


def _check_named(report: Report, path: str, value: Mapping[str, Any], parent: str) -> None:
    if "name" not in value:
        report.refuse(path, f"has {parent} without a name. Add name.")
    else:
        check_name(report, f"{path}.name", value["name"])
    if parent and parent not in value:
        report.refuse(path, f"a name needs a {parent} beside it. Add {parent}, or identify by id.")
    elif parent:
        _PARENT_CHECKS[parent](report, f"{path}.{parent}", value[parent])


def check_complex_identifier(report: Report, path: str, value: object) -> None:
    """Check the identifier of a complex relation: ID, external IDs or relations."""
    if not is_object(report, path, value):
        return
    fields: Any = value
    legs = {key: targets for key, targets in fields.items() if ":" in key}
    others = {key: content for key, content in fields.items() if key not in legs}
    if "relations" in others:
        check_relations(report, f"{path}.relations", others.pop("relations"))
        if others:
            report.refuse(path, "mixes relations with other keys. Use only one of them.")
    elif others or not legs:
        _check_reference(report, path, others, parent="")
        if legs:
            report.refuse(path, "mixes relations with other keys. Use only one of them.")
    if legs:
        check_relations(report, path, legs)
    named = fields.get("relations", legs or None)
    if isinstance(named, dict) and not any(named.values()):
        report.refuse(path, "its relations name no target. Identify it by a target or by IDs.")
    if "name" in others:
        report.refuse(path, "a complex relation has no name. Identify it by external IDs.")


def check_mapping_identifier(report: Report, path: str, value: object) -> None:
    """Check the identifier of a mapping: ID, external IDs or the mapped resource."""
    if not is_object(report, path, value):
        return
    fields: Any = value
    fields = {key: content for key, content in fields.items() if content is not None}
    mapped = {key: content for key, content in fields.items() if key in MAPPED_FIELDS}
    others = {key: content for key, content in fields.items() if key not in MAPPED_FIELDS}
    check_fields(report, path, mapped, MAPPED_FIELDS)
    if any(key in others for key in EXTERNAL_KEYS) or not mapped or "id" in others:
        _check_reference(report, path, others, parent="")
    if "name" in others:
        report.refuse(path, "a mapping has no name. Identify it by external IDs.")


def check_list(report: Report, path: str, value: object, example: str) -> bool:
    """Return whether a value is a list; refuse it otherwise."""
    if isinstance(value, list):
        return True
    report.refuse(path, f"must be a list, not {describe_type(value)}. Write {example}.")
    return False


def check_keys(report: Report, path: str, value: Mapping[str, Any]) -> None:
    """Refuse a type or role that stands twice: the second list would replace the first."""
    if double := find_double_key(value.keys()):
        report.refuse(path, f"the key {double!r} stands twice, in different case. Unite the lists.")


def check_relations(report: Report, path: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Check relation keys and the identifiers of their targets."""
    if not isinstance(value, dict):
        report.refuse(path, f"must be an object, not {describe_type(value)}.")
        return
    check_keys(report, path, value)
    for key, targets in value.items():
        reason = explain_relation_key(key, direction_required=report.direction_required)
        if reason:
            report.refuse(path, reason)
        where = f"{path}.{key}"
        if targets is not None and check_list(report, where, targets, "[{...}]"):
            for target in targets:
                check_asset(report, where, target)


MAPPED_FIELDS: Final[Mapping[str, Check]] = {
    "dgcId": check_id,
    "community": check_community,
    "domain": check_domain,
    "asset": check_asset,
    "complexRelation": check_complex_identifier,
}
