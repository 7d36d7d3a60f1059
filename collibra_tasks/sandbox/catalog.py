"""The content of a tenant: statuses, communities, domains, assets and their relations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple, Self
from uuid import NAMESPACE_URL, uuid4, uuid5

from collibra_tasks.sandbox.relations import Relations

_STATUS_PREFIX = "00000000-0000-0000-0000-00000000"

CANDIDATE = f"{_STATUS_PREFIX}5008"

# Source: the IDs are the same in every tenant, *documented*.
STATUSES = {
    _STATUS_PREFIX + digits: name
    for digits, name in {
        "5008": "Candidate",
        "5009": "Accepted",
        "5010": "Rejected",
        "5011": "Obsolete",
        "5019": "In Progress",
        "5020": "Under Review",
        "5021": "Reviewed",
        "5022": "Invalid",
        "5023": "Approval Pending",
        "5024": "Access Granted",
        "5025": "Approved",
        "5051": "Enabled",
        "5052": "Disabled",
        "5053": "Deployed",
        "5054": "Monitored",
        "5055": "Implemented",
        "5056": "Resolution Pending",
        "5057": "Resolved",
        "5058": "New",
        "5059": "Pending",
        "5060": "Submitted for Approval",
        "5066": "Missing from source",
        "5084": "Archived",
    }.items()
}
STATUS_IDS = {name: status_id for status_id, name in STATUSES.items()}


class AssetKey(NamedTuple):
    """The place and name of an asset."""

    community: str
    domain: str
    name: str


class DomainKey(NamedTuple):
    """The place and name of a domain."""

    community: str
    name: str


class ExternalKey(NamedTuple):
    """The identifier of a resource in an external system."""

    system: str
    entity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """An asset.

    Attributes:
        type: Name, public ID or ID of its type, as the input gave it.
        attributes: Values of each attribute type, by its name or ID.
        relations: Names of the related assets of each relation type and direction, for example
            ``"00000000-0000-0000-0000-000000007042:TARGET"``. Filled by `Catalog.describe`.
    """

    id: str = field(default_factory=lambda: str(uuid4()))
    name: str
    domain: str
    community: str
    type: str = "Asset"
    status_id: str = CANDIDATE
    display_name: str | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    relations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> AssetKey:
        """Return the place and name."""
        return AssetKey(self.community, self.domain, self.name)


@dataclass(slots=True)
class Catalog:
    """All resources of a tenant, by ID or by name.

    Attributes:
        externals: IDs of resources by their identifier in an external system.
        relations: Relations between assets.
    """

    communities: dict[str, str] = field(default_factory=dict)
    domains: dict[DomainKey, str] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)
    asset_ids: dict[AssetKey, str] = field(default_factory=dict)
    externals: dict[ExternalKey, str] = field(default_factory=dict)
    complex_relations: dict[str, str] = field(default_factory=dict)
    relations: Relations = field(default_factory=Relations)

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(*(getattr(self, one.name).copy() for one in fields(self)))

    def replace_with(self, other: Self) -> None:
        """Take over the content of another catalog."""
        for one in fields(self):
            setattr(self, one.name, getattr(other, one.name))

    def put(self, asset: Asset) -> None:
        """Add an asset, or replace the one with the same ID; its relations stay."""
        before = self.assets.get(asset.id)
        if before is not None:
            del self.asset_ids[before.key]
        self.add_domain(DomainKey(asset.community, asset.domain))
        self.assets[asset.id] = asset
        self.asset_ids[asset.key] = asset.id

    def add_domain(self, key: DomainKey) -> None:
        """Add a domain and its community, unless they exist."""
        self.communities.setdefault(key.community, str(uuid4()))
        self.domains.setdefault(key, str(uuid4()))

    def remove(self, asset_id: str) -> Asset | None:
        """Remove an asset and its relations; its domain and its mappings stay.

        Source: deleting an asset does not delete a mapping, *documented*.
        """
        asset = self.assets.pop(asset_id, None)
        if asset is not None:
            del self.asset_ids[asset.key]
            for role in self.relations.roles(asset_id):
                self.relations.replace(asset_id, role, ())
        return asset

    def find(self, key: AssetKey) -> Asset | None:
        """Return the asset at a place, or None."""
        return self.assets.get(self.asset_ids.get(key, ""))

    def describe(self, asset: Asset) -> Asset:
        """Return an asset with the names of its related assets."""
        relations = {
            role: tuple(self.assets[each].name for each in self.relations.targets(asset.id, role))
            for role in self.relations.roles(asset.id)
        }
        return replace(asset, relations=relations)


def type_id_of(name: str) -> str:
    """Return a stable ID for a type that is known only by name."""
    return str(uuid5(NAMESPACE_URL, f"urn:collibra-sandbox:type:{name}"))
