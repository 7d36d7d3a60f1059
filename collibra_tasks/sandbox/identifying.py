"""Finding the resource that an identifier speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collibra_tasks.sandbox.catalog import AssetKey, Catalog, DomainKey, ExternalKey
from collibra_tasks.sandbox.commands import CommandError, not_found

Identifier = Mapping[str, Any]


def find_asset_id(catalog: Catalog, identifier: Identifier) -> str | None:
    """Return the id of an asset that is there, by id, by name and domain, or by mapping."""
    if "id" in identifier:
        return _known(catalog.assets, identifier["id"], "Asset")
    external = read_external(identifier)
    if external is not None:
        known = catalog.externals.get(external)
        return known if known in catalog.assets else None
    return catalog.asset_ids.get(read_asset_key(catalog, identifier))


def read_asset_key(catalog: Catalog, identifier: Identifier) -> AssetKey:
    """Return where an asset stands, by its name and domain."""
    domain = read_domain(catalog, _object(identifier, "domain"))
    return AssetKey(domain.community, domain.name, _text(identifier, "name"))


def read_domain(catalog: Catalog, identifier: Identifier) -> DomainKey:
    """Return where a domain stands, by its id or by its name and community."""
    if "id" in identifier:
        domain_id = _known(set(catalog.domains.values()), identifier["id"], "Domain")
        return next(key for key, known in catalog.domains.items() if known == domain_id)
    community = read_community(catalog, _object(identifier, "community"))
    return DomainKey(community, _text(identifier, "name"))


def read_community(catalog: Catalog, identifier: Identifier) -> str:
    """Return a community's name, by its id or its name."""
    if "id" in identifier:
        community_id = _known(set(catalog.communities.values()), identifier["id"], "Community")
        return next(name for name, known in catalog.communities.items() if known == community_id)
    return _text(identifier, "name")


def read_external(identifier: Identifier) -> ExternalKey | None:
    """Return what another system calls the resource, if the identifier says so."""
    if "externalEntityId" not in identifier:
        return None
    return ExternalKey(_text(identifier, "externalSystemId"), _text(identifier, "externalEntityId"))


def _known(ids: Mapping[str, object] | set[str], wanted: object, what: str) -> str:
    if not isinstance(wanted, str) or wanted not in ids:
        raise not_found(f"{what} {wanted}")
    return wanted


def _object(identifier: Identifier, name: str) -> Identifier:
    value = identifier.get(name)
    if not isinstance(value, dict):
        raise CommandError(f"The identifier has no {name}.")
    return value


def _text(identifier: Identifier, name: str) -> str:
    value = identifier.get(name)
    if not isinstance(value, str) or not value:
        raise CommandError(f"The identifier has no {name}.")
    return value
