"""What one import command does to the catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from collibra_tasks.sandbox.catalog import Asset, AssetKey, Catalog, DomainKey
from collibra_tasks.sandbox.commands import Command, CommandError, canonical, check, not_found
from collibra_tasks.sandbox.identifying import (
    find_asset_id,
    read_asset_key,
    read_community,
    read_domain,
    read_external,
)
from collibra_tasks.sandbox.outcomes import Tallies, Tally
from collibra_tasks.sandbox.statuses import CANDIDATE, STATUSES, status_named

ADD_OR_IGNORE, REPLACE = "ADD_OR_IGNORE", "REPLACE"

Characteristics = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """Whether given characteristics replace what is there or add to it.

    Source: given values replace, *documented* (SET); that this is also the default of
    ``relationsAction`` and of ``attributesAction`` is *assumed*.
    """

    relations: str = REPLACE
    attributes: str = REPLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a command did, and to which asset."""

    asset_id: str | None = None
    tallies: Tallies = field(default_factory=Counter)


def execute(command: Command, catalog: Catalog, actions: Actions) -> Effect:
    """Execute one command whole, or raise a CommandError and change nothing.

    Source: one bad item skips its whole command, *documented*.
    """
    check(command)
    return _EXECUTORS[command.resource_type](command, catalog, actions)


def _execute_community(command: Command, catalog: Catalog, _: Actions) -> Effect:
    name = read_community(catalog, command.identifier)
    happening = "updated" if name in catalog.communities else "added"
    catalog.communities.setdefault(name, str(uuid4()))
    return Effect(tallies=Counter({Tally("COMMUNITY", None, happening): 1}))


def _execute_domain(command: Command, catalog: Catalog, _: Actions) -> Effect:
    key: DomainKey = read_domain(catalog, command.identifier)
    happening = "updated" if key in catalog.domains else "added"
    catalog.communities.setdefault(key.community, str(uuid4()))
    catalog.domains.setdefault(key, str(uuid4()))
    return Effect(tallies=Counter({Tally("DOMAIN", None, happening): 1}))


def _execute_mapping(command: Command, catalog: Catalog, _: Actions) -> Effect:
    external = read_external(command.identifier)
    asset = command.fields.get("asset") or command.identifier.get("asset")
    if external is None:
        raise CommandError("The identifier has no externalEntityId.")
    if isinstance(asset, dict):
        asset_id = find_asset_id(catalog, asset)
        if asset_id is None:
            raise not_found(f"Asset {canonical(asset)}")
        catalog.externals[external] = asset_id
    return Effect(tallies=Counter({Tally("MAPPING", None, "added"): 1}))


def _execute_complex_relation(command: Command, catalog: Catalog, _: Actions) -> Effect:
    key = canonical(command.identifier)
    happening = "updated" if key in catalog.complex_relations else "added"
    catalog.complex_relations[key] = canonical(command.body)
    return Effect(tallies=Counter({Tally("COMPLEX_RELATION", None, happening): 1}))


def _execute_asset(command: Command, catalog: Catalog, actions: Actions) -> Effect:
    asset_id = find_asset_id(catalog, command.identifier)
    before = catalog.assets[asset_id] if asset_id else None
    after = _described(before or _new_asset(command, catalog), command, catalog, actions)
    occupant = catalog.at(after.key)
    if occupant is not None and occupant.id != after.id:
        raise CommandError(f"Asset {after.name} already exists in domain {after.domain}.")
    catalog.put(after)
    _remember_external(command, catalog, after.id)
    return Effect(asset_id=after.id, tallies=_tally_asset(before, after))


def _new_asset(command: Command, catalog: Catalog) -> Asset:
    by_mapping = read_external(command.identifier) is not None
    key = read_asset_key(catalog, command.fields if by_mapping else command.identifier)
    return Asset(name=key.name, domain=key.domain, community=key.community, status_id=CANDIDATE)


def _remember_external(command: Command, catalog: Catalog, asset_id: str) -> None:
    external = read_external(command.identifier)
    if external is not None:
        catalog.externals[external] = asset_id


def _described(asset: Asset, command: Command, catalog: Catalog, actions: Actions) -> Asset:
    fields = command.fields
    key = _wanted_key(asset, command, catalog)
    return replace(
        asset,
        name=key.name,
        domain=key.domain,
        community=key.community,
        display_name=fields.get("displayName", asset.display_name),
        type=_name_or_id(fields["type"]) if "type" in fields else asset.type,
        status_id=_status_id(fields["status"]) if "status" in fields else asset.status_id,
        tags=tuple(fields.get("tags", asset.tags)),
        attributes=_combined(asset.attributes, _read_attributes(fields), actions.attributes),
        relations=_combined(asset.relations, _read_relations(fields), actions.relations),
    )


def _wanted_key(asset: Asset, command: Command, catalog: Catalog) -> AssetKey:
    domain = DomainKey(asset.community, asset.domain)
    if "domain" in command.fields:
        domain = read_domain(catalog, command.fields["domain"])
    wanted = AssetKey(domain.community, domain.name, command.fields.get("name", asset.name))
    if wanted != asset.key and "name" in command.identifier:
        message = "An asset that is identified by name and domain cannot be renamed or moved."
        raise CommandError(message)  # documented as importCommandNotIdempotent
    return wanted


def _name_or_id(reference: Mapping[str, Any]) -> str:
    return str(reference.get("name") or reference.get("id"))


def _status_id(reference: Mapping[str, Any]) -> str:
    by_name = status_named(str(reference.get("name")))
    status_id = str(reference.get("id") or (by_name.id if by_name else ""))
    if status_id not in STATUSES:
        raise not_found(f"Status {_name_or_id(reference)}")
    return status_id


def _read_attributes(fields: Mapping[str, Any]) -> Characteristics:
    return {
        name: tuple(value for item in items for value in item.get("values", [item.get("value")]))
        for name, items in fields.get("attributes", {}).items()
    }


def _read_relations(fields: Mapping[str, Any]) -> Characteristics:
    return {
        name: tuple(canonical(target) for target in targets)
        for name, targets in fields.get("relations", {}).items()
    }


def _combined(before: Characteristics, given: Characteristics, action: str) -> Characteristics:
    if action == ADD_OR_IGNORE:
        given = {
            name: (*before.get(name, ()), *(v for v in values if v not in before.get(name, ())))
            for name, values in given.items()
        }
    both = {**before, **given}
    return {name: values for name, values in both.items() if values}


def _tally_asset(before: Asset | None, after: Asset) -> Tallies:
    tallies: Tallies = Counter()
    if before != after:
        tallies[Tally("ASSET", after.type, "updated" if before else "added")] += 1
    tallies += _tally_characteristics(
        "ATTRIBUTE", before.attributes if before else {}, after.attributes
    )
    tallies += _tally_characteristics(
        "RELATION", before.relations if before else {}, after.relations
    )
    return tallies


def _tally_characteristics(
    resource_type: str, before: Characteristics, after: Characteristics
) -> Tallies:
    tallies: Tallies = Counter()
    for name in {*before, *after}:
        old, new = set(before.get(name, ())), set(after.get(name, ()))
        tallies[Tally(resource_type, name, "added")] += len(new - old)
        tallies[Tally(resource_type, name, "removed")] += len(old - new)
    return +tallies


_EXECUTORS: Mapping[str, Callable[[Command, Catalog, Actions], Effect]] = {
    "Community": _execute_community,
    "Domain": _execute_domain,
    "Asset": _execute_asset,
    "Mapping": _execute_mapping,
    "Complex Relation": _execute_complex_relation,
}
