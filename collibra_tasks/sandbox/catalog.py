"""What a tenant holds: communities, domains, assets, mappings and complex relations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from uuid import NAMESPACE_URL, uuid4, uuid5

from collibra_tasks.sandbox.statuses import CANDIDATE


class AssetKey(NamedTuple):
    """Where an asset stands."""

    community: str
    domain: str
    name: str


class DomainKey(NamedTuple):
    """Where a domain stands."""

    community: str
    name: str


class ExternalKey(NamedTuple):
    """What another system calls a resource."""

    system: str
    entity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """An asset.

    Attributes:
        type: The name or id of its type, as the input gave it.
        attributes: The values of each attribute type, by its name or id.
        relations: The targets of each relation type, each as JSON text.
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
        """Return where the asset stands."""
        return AssetKey(self.community, self.domain, self.name)


@dataclass(slots=True)
class Catalog:
    """Everything the tenant holds, by id or by name."""

    communities: dict[str, str] = field(default_factory=dict)
    domains: dict[DomainKey, str] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)
    asset_ids: dict[AssetKey, str] = field(default_factory=dict)
    externals: dict[ExternalKey, str] = field(default_factory=dict)
    complex_relations: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Self:
        """Return a second catalog that can change alone."""
        return type(self)(
            dict(self.communities),
            dict(self.domains),
            dict(self.assets),
            dict(self.asset_ids),
            dict(self.externals),
            dict(self.complex_relations),
        )

    def become(self, other: Self) -> None:
        """Hold what another catalog holds."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def put(self, asset: Asset) -> None:
        """Add an asset, or put a changed one in place of the old."""
        self.remove(asset.id)
        self.communities.setdefault(asset.community, str(uuid4()))
        self.domains.setdefault(DomainKey(asset.community, asset.domain), str(uuid4()))
        self.assets[asset.id] = asset
        self.asset_ids[asset.key] = asset.id

    def remove(self, asset_id: str) -> Asset | None:
        """Remove an asset; its domain and community stay, and so does a mapping's own record.

        Source: deleting an asset does not delete a mapping, *documented*.
        """
        asset = self.assets.pop(asset_id, None)
        if asset is not None:
            del self.asset_ids[asset.key]
        return asset

    def at(self, key: AssetKey) -> Asset | None:
        """Find an asset by where it stands."""
        return self.assets.get(self.asset_ids.get(key, ""))


def category_id(name: str) -> str:
    """Return a stable id for a type that is only known by name."""
    return str(uuid5(NAMESPACE_URL, f"urn:collibra-sandbox:type:{name}"))
