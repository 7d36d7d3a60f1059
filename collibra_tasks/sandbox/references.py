"""Identifiers in commands, resolved to the resources of a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collibra_tasks.sandbox.catalog import (
    STATUS_IDS,
    STATUSES,
    AssetKey,
    Catalog,
    DomainKey,
    ExternalKey,
)
from collibra_tasks.sandbox.commands import CommandError, canonical, is_uuid, not_found

Identifier = Mapping[str, Any]

BY_ID = frozenset(["id"])
EXTERNAL = frozenset(["externalSystemId", "externalEntityId"])
ASSET_FORMS = (BY_ID, EXTERNAL, frozenset(["name", "domain"]))
DOMAIN_FORMS = (BY_ID, EXTERNAL, frozenset(["name", "community"]))
COMMUNITY_FORMS = (BY_ID, EXTERNAL, frozenset(["name"]))
COMPLEX_RELATION_FORMS = (BY_ID, EXTERNAL, frozenset(["relations"]))

MAPPED_RESOURCES = ("asset", "domain", "community", "complexRelation", "dgcId")
MAPPING_KEYS = frozenset(["id", *EXTERNAL, *MAPPED_RESOURCES])


def check_form(identifier: object, forms: tuple[frozenset[str], ...]) -> Identifier:
    """Return an identifier that has exactly the keys of one form, or raise a CommandError.

    Source: identifiers that are ambiguous or not defined fail, *documented*; that an unknown key
    fails is *assumed*.
    """
    if not isinstance(identifier, dict):
        raise CommandError("The identifier is not an object.")
    keys = frozenset(identifier)
    if keys in forms:
        return identifier
    unknown = keys - frozenset().union(*forms)
    if unknown:
        raise CommandError(f"The identifier has the unknown key {min(unknown)}.")
    if any(keys > form for form in forms):
        raise CommandError("The identifier is ambiguous.")
    raise CommandError("The identifier is not complete.")


def find_asset_id(catalog: Catalog, identifier: object) -> str | None:
    """Return the ID of an existing asset, or None; an unknown ``id`` raises a CommandError."""
    known = check_form(identifier, ASSET_FORMS)
    if "id" in known:
        return _check_id(catalog.assets, known["id"], "Asset")
    external = read_external(known)
    if external is not None:
        mapped = catalog.externals.get(external)
        return mapped if mapped in catalog.assets else None
    return catalog.asset_ids.get(read_asset_key(catalog, known))


def require_asset_id(catalog: Catalog, identifier: object) -> str:
    """Return the ID of an existing asset, or raise a CommandError."""
    asset_id = find_asset_id(catalog, identifier)
    if asset_id is None:
        raise not_found(f"Asset {canonical(identifier)}")
    return asset_id


def read_asset_key(catalog: Catalog, identifier: Identifier) -> AssetKey:
    """Return the place and name of an asset, from its name and domain."""
    domain = read_domain(catalog, identifier.get("domain"))
    return AssetKey(domain.community, domain.name, read_text(identifier, "name"))


def read_domain(catalog: Catalog, identifier: object) -> DomainKey:
    """Return the place and name of a domain; one that is only named need not exist."""
    known = check_form(identifier, DOMAIN_FORMS)
    if "name" in known:
        return DomainKey(read_community(catalog, known["community"]), read_text(known, "name"))
    domain_id = _resolve(catalog, known, set(catalog.domains.values()), "Domain")
    return next(key for key, one in catalog.domains.items() if one == domain_id)


def read_community(catalog: Catalog, identifier: object) -> str:
    """Return the name of a community; one that is only named need not exist."""
    known = check_form(identifier, COMMUNITY_FORMS)
    if "name" in known:
        return read_text(known, "name")
    community_id = _resolve(catalog, known, set(catalog.communities.values()), "Community")
    return next(name for name, one in catalog.communities.items() if one == community_id)


def read_complex_relation(catalog: Catalog, identifier: object) -> str:
    """Return the key under which the catalog stores a complex relation."""
    known = check_form(identifier, COMPLEX_RELATION_FORMS)
    if "id" in known:
        relation_id = _check_id(set(catalog.complex_relations.values()), known["id"], "Relation")
        return next(key for key, one in catalog.complex_relations.items() if one == relation_id)
    external = read_external(known)
    return canonical(external or known["relations"])


def find_mapped_id(catalog: Catalog, kind: str, identifier: object) -> str:
    """Return the ID of a resource of one of the `MAPPED_RESOURCES`, or raise a CommandError."""
    if kind == "asset":
        return require_asset_id(catalog, identifier)
    if kind == "dgcId":
        return require_asset_id(catalog, {"id": identifier})
    found: str | None
    if kind == "domain":
        found = catalog.domains.get(read_domain(catalog, identifier))
    elif kind == "community":
        found = catalog.communities.get(read_community(catalog, identifier))
    else:
        found = catalog.complex_relations.get(read_complex_relation(catalog, identifier))
    if found is None:
        raise not_found(f"{kind} {canonical(identifier)}")
    return found


def read_type(reference: Mapping[str, str]) -> str:
    """Return the name, public ID or ID of a type; its existence is not checked."""
    return reference.get("name") or reference.get("publicId") or reference["id"]


def read_status_id(reference: Mapping[str, str]) -> str:
    """Return the ID of an existing status, or raise a CommandError."""
    status_id = reference.get("id") or STATUS_IDS.get(reference["name"], "")
    if status_id.lower() not in STATUSES:
        raise not_found(f"Status {reference.get('name') or status_id}")
    return status_id.lower()


def read_external(identifier: Identifier) -> ExternalKey | None:
    """Return the external identifier, or None if the identifier has none."""
    if "externalEntityId" not in identifier:
        return None
    return ExternalKey(
        read_text(identifier, "externalSystemId"), read_text(identifier, "externalEntityId")
    )


def read_text(identifier: Identifier, name: str) -> str:
    """Return a text of an identifier that is neither empty nor blank."""
    value = identifier.get(name)
    if not isinstance(value, str) or not value.strip():
        raise CommandError(f"The identifier has no {name}.")
    return value


def _resolve(catalog: Catalog, identifier: Identifier, ids: set[str], resource: str) -> str:
    external = read_external(identifier)
    if external is None:
        return _check_id(ids, identifier["id"], resource)
    mapped = catalog.externals.get(external)
    if mapped not in ids:
        raise not_found(f"{resource} {canonical(identifier)}")
    return mapped


def _check_id(ids: Mapping[str, object] | set[str], value: object, resource: str) -> str:
    if not isinstance(value, str) or not is_uuid(value):
        raise CommandError(f"The identifier has an id that is not a UUID: {value}.")
    if value.lower() not in ids:
        raise not_found(f"{resource} {value}")
    return value.lower()
