"""Effects of single import commands on the catalog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from collibra_tasks.sandbox.catalog import Asset, AssetKey, Catalog, DomainKey
from collibra_tasks.sandbox.commands import (
    RESOURCE_TYPES,
    Command,
    CommandError,
    attribute_texts,
    check,
    not_found,
)
from collibra_tasks.sandbox.references import (
    MAPPED_RESOURCES,
    MAPPING_KEYS,
    find_asset_id,
    find_mapped_id,
    read_asset_key,
    read_community,
    read_complex_relation,
    read_domain,
    read_external,
    read_status_id,
    read_type,
    require_asset_id,
)
from collibra_tasks.sandbox.results import Tallies, Tally

ADD_OR_IGNORE, REPLACE = "ADD_OR_IGNORE", "REPLACE"

Values = tuple[str, ...]
Characteristics = Mapping[str, Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules by which an import executes its commands.

    Attributes:
        relations: ``REPLACE``: the relations of each type that a command mentions are exactly
            those that it lists. ``ADD_OR_IGNORE``: the listed ones are added.
        attributes: The same for attributes.
        create_named_domains: Whether a domain or community that is only named is created; False
            fails the command, as Collibra does.

    Source: REPLACE is the default of both actions, *documented*.
    """

    relations: str = REPLACE
    attributes: str = REPLACE
    create_named_domains: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The effect of a command: the asset that it is about, and the changes."""

    asset_id: str | None = None
    tallies: Tallies = field(default_factory=Counter)


def execute(command: Command, catalog: Catalog, rules: Rules) -> Effect:
    """Execute one command completely, or raise a CommandError and change nothing.

    Source: one bad item skips its whole command, *documented*.
    """
    check(command)
    return _EXECUTORS[command.resource_type](command, catalog, rules)


def _tally(command: Command, *, exists: bool) -> Tallies:
    resource_type = RESOURCE_TYPES[command.resource_type]
    return Counter({Tally(resource_type, None, "updated" if exists else "added"): 1})


def _execute_community(command: Command, catalog: Catalog, rules: Rules) -> Effect:
    name = read_community(catalog, command.identifier)
    if "parent" in command.fields:
        _check_community(read_community(catalog, command.fields["parent"]), catalog, rules)
    _check_name(command, name)
    effect = Effect(tallies=_tally(command, exists=name in catalog.communities))
    catalog.communities.setdefault(name, str(uuid4()))
    return effect


def _execute_domain(command: Command, catalog: Catalog, rules: Rules) -> Effect:
    key = read_domain(catalog, command.identifier)
    _check_name(command, key.name)
    if read_community(catalog, command.fields.get("community", {"name": key.community})) != (
        key.community
    ):
        raise CommandError("A Domain cannot be moved.")
    _check_community(key.community, catalog, rules)
    effect = Effect(tallies=_tally(command, exists=key in catalog.domains))
    catalog.add_domain(key)
    return effect


def _check_community(name: str, catalog: Catalog, rules: Rules) -> None:
    if not rules.create_named_domains and name not in catalog.communities:
        raise not_found(f"Community {name}")


def _check_name(command: Command, name: str) -> None:
    """Refuse to rename a community or domain, which the sandbox does not imitate."""
    if command.fields.get("name", name) != name:
        raise CommandError(f"A {command.resource_type} cannot be renamed.")


def _execute_mapping(command: Command, catalog: Catalog, _: Rules) -> Effect:
    unknown = set(command.identifier) - MAPPING_KEYS
    if unknown:
        raise CommandError(f"The identifier has the unknown key {min(unknown)}.")
    external = read_external(command.identifier)
    if external is None:
        raise CommandError("The identifier has no externalEntityId.")
    named = {**command.identifier, **command.fields}
    resources = [name for name in MAPPED_RESOURCES if name in named]
    if len(resources) != 1:
        raise CommandError("A mapping needs exactly one resource.")
    resource_id = find_mapped_id(catalog, resources[0], named[resources[0]])
    effect = Effect(tallies=_tally(command, exists=external in catalog.externals))
    catalog.externals[external] = resource_id
    return effect


def _execute_complex_relation(command: Command, catalog: Catalog, _: Rules) -> Effect:
    key = read_complex_relation(catalog, command.identifier)
    exists = key in catalog.complex_relations
    relations = command.fields.get("relations", command.identifier.get("relations"))
    for targets in _target_lists(relations):
        for target in targets:
            require_asset_id(catalog, target)
    if not exists and not (relations and "complexRelationType" in command.fields):
        raise CommandError("A new complex relation needs a complexRelationType and relations.")
    catalog.complex_relations.setdefault(key, str(uuid4()))
    return Effect(tallies=_tally(command, exists=exists))


def _target_lists(relations: object) -> list[list[Any]]:
    if relations is None:
        return []
    if not isinstance(relations, dict) or not all(isinstance(t, list) for t in relations.values()):
        raise CommandError("The field relations has a value of the wrong form.")
    return list(relations.values())


def _execute_asset(command: Command, catalog: Catalog, rules: Rules) -> Effect:
    asset_id = find_asset_id(catalog, command.identifier)
    before = catalog.assets[asset_id] if asset_id else None
    after = _change(before or _new_asset(command, catalog, rules), command, catalog, rules)
    occupant = catalog.find(after.key)
    if occupant is not None and occupant.id != after.id:
        raise CommandError(f"Asset {after.name} already exists in domain {after.domain}.")
    relations = _read_relations(after, command, catalog, rules)
    tallies = _tally_characteristics(before, after, relations, catalog)
    if before != after or tallies:
        tallies[Tally("ASSET", after.type, "updated" if before else "added")] += 1
    catalog.put(after)
    for role, targets in relations.items():
        catalog.relations.replace(after.id, role, targets)
    external = read_external(command.identifier)
    if external is not None:
        catalog.externals[external] = after.id
    return Effect(asset_id=after.id, tallies=tallies)


def _new_asset(command: Command, catalog: Catalog, rules: Rules) -> Asset:
    """Return the asset that a command creates.

    Source: that a new asset needs a type is *assumed* from the Core API, which requires one.
    """
    by_mapping = read_external(command.identifier) is not None
    source = command.fields if by_mapping else command.identifier
    key = read_asset_key(catalog, source)
    if "type" not in command.fields:
        raise CommandError(f"The new asset {key.name} needs a type.")
    _check_domain(DomainKey(key.community, key.domain), catalog, rules)
    return Asset(name=key.name, domain=key.domain, community=key.community)


def _check_domain(key: DomainKey, catalog: Catalog, rules: Rules) -> None:
    if not rules.create_named_domains and key not in catalog.domains:
        raise not_found(f"Domain {key.name}")


def _change(asset: Asset, command: Command, catalog: Catalog, rules: Rules) -> Asset:
    fields = command.fields
    key = _read_new_key(asset, command, catalog, rules)
    return replace(
        asset,
        name=key.name,
        domain=key.domain,
        community=key.community,
        display_name=fields.get("displayName", asset.display_name),
        type=read_type(fields["type"]) if "type" in fields else asset.type,
        status_id=read_status_id(fields["status"]) if "status" in fields else asset.status_id,
        tags=tuple(fields.get("tags", asset.tags)),
        attributes=_combine(asset.attributes, _read_attributes(fields), rules.attributes),
    )


def _read_new_key(asset: Asset, command: Command, catalog: Catalog, rules: Rules) -> AssetKey:
    domain = DomainKey(asset.community, asset.domain)
    if "domain" in command.fields:
        domain = read_domain(catalog, command.fields["domain"])
        _check_domain(domain, catalog, rules)
    key = AssetKey(domain.community, domain.name, command.fields.get("name", asset.name))
    if key != asset.key and "name" in command.identifier:
        # Source: importCommandNotIdempotent, documented.
        raise CommandError("An asset identified by name and domain cannot be renamed or moved.")
    return key


def _read_attributes(fields: Mapping[str, Any]) -> Characteristics:
    return {
        name: tuple(text for item in items for text in attribute_texts(item))
        for name, items in fields.get("attributes", {}).items()
    }


def _read_relations(
    asset: Asset, command: Command, catalog: Catalog, rules: Rules
) -> Characteristics:
    """Return the new relations of each mentioned type; an unknown target raises a CommandError.

    Source: missing dependencies fail, *documented*; an asset may be related to itself, *assumed*.
    """
    given = {
        role: tuple(_target_id(asset, target, catalog) for target in targets)
        for role, targets in command.fields.get("relations", {}).items()
    }
    before = {role: catalog.relations.targets(asset.id, role) for role in given}
    combined = _combine(before, given, rules.relations)
    return {role: combined.get(role, ()) for role in given}


def _target_id(asset: Asset, target: Any, catalog: Catalog) -> str:  # noqa: ANN401 - any JSON
    found = find_asset_id(catalog, target)
    if found is None and "name" in target and read_asset_key(catalog, target) == asset.key:
        return asset.id
    return found or require_asset_id(catalog, target)


def _combine(before: Characteristics, given: Characteristics, action: str) -> Characteristics:
    if action == ADD_OR_IGNORE:
        given = {
            name: (*before.get(name, ()), *(v for v in values if v not in before.get(name, ())))
            for name, values in given.items()
        }
    return {name: values for name, values in {**before, **given}.items() if values}


def _tally_characteristics(
    before: Asset | None, after: Asset, relations: Characteristics, catalog: Catalog
) -> Tallies:
    tallies: Tallies = Counter()
    old = before.attributes if before else {}
    for name in {*old, *after.attributes}:
        new = after.attributes.get(name, ())
        tallies += _tally_values("ATTRIBUTE", name, old.get(name, ()), new)
    for role, targets in relations.items():
        old_targets = catalog.relations.targets(after.id, role)
        tallies += _tally_values("RELATION", role, old_targets, targets)
    return tallies


def _tally_values(resource_type: str, name: str, before: Values, after: Values) -> Tallies:
    tallies: Tallies = Counter()
    tallies[Tally(resource_type, name, "added")] += len(set(after) - set(before))
    tallies[Tally(resource_type, name, "removed")] += len(set(before) - set(after))
    return +tallies


_EXECUTORS: Mapping[str, Callable[[Command, Catalog, Rules], Effect]] = {
    "Community": _execute_community,
    "Domain": _execute_domain,
    "Asset": _execute_asset,
    "Mapping": _execute_mapping,
    "Complex Relation": _execute_complex_relation,
}
