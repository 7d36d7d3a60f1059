"""Labels of resources."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collibra_tasks.models import AssetRow
from collibra_tasks.sources.identifiers import (
    ResourceKey,
    asset_row,
    format_identifier,
    reference_keys,
    resource_key,
)
from tests.support.source_files import COLUMN_OF_TABLE, asset, target

UUID = "00000000-0000-0000-0000-00000000ABCD"
NAMES = st.text(alphabet="ab\\>/: ", min_size=1, max_size=6) | st.sampled_from(
    ["id " + UUID.lower(), "external a/b", "\\external a/b", "a >", "> a", ">"]
)
EXTERNALS = st.fixed_dictionaries({"externalSystemId": NAMES, "externalEntityId": NAMES})
IDS = st.just({"id": UUID})
COMMUNITIES = st.fixed_dictionaries({"name": NAMES}) | EXTERNALS | IDS
DOMAINS = st.fixed_dictionaries({"name": NAMES, "community": COMMUNITIES}) | EXTERNALS | IDS
ASSETS = st.fixed_dictionaries({"name": NAMES, "domain": DOMAINS}) | EXTERNALS | IDS
D = {"name": "D", "community": {"name": "C"}}


@pytest.mark.parametrize(
    ("kind", "identifier", "label"),
    [
        ("Community", {"name": "C"}, "C"),
        ("Domain", D, "C > D"),
        ("Asset", {"name": "A", "domain": D}, "C > D > A"),
        ("Asset", {"domain": {"community": {"name": "C"}, "name": "D"}, "name": "A"}, "C > D > A"),
        ("Asset", {"name": "DB > T", "domain": D}, r"C > D > DB \> T"),
        ("Asset", {"name": "DB>T", "domain": D}, "C > D > DB>T"),
        ("Asset", {"name": r"DB \> T", "domain": D}, r"C > D > DB \\> T"),
        ("Asset", {"name": r"SRV\01", "domain": D}, r"C > D > SRV\01"),
        ("Asset", {"id": UUID}, f"id {UUID.lower()}"),
        ("Community", {"name": f"id {UUID.lower()}"}, rf"\id {UUID.lower()}"),
        ("Community", {"name": "id card"}, "id card"),
        ("Asset", {"name": "A", "domain": {"id": UUID}}, f"id {UUID.lower()} > A"),
        ("Asset", {"externalEntityId": "T1", "externalSystemId": "snow"}, "external snow/T1"),
        ("Asset", {"externalEntityId": "b", "externalSystemId": "a/"}, r"external a\//b"),
        ("Mapping", {"externalEntityId": "x", "externalSystemId": "erp"}, "external erp/x"),
        ("Mapping", {"asset": {"name": "A", "domain": D}}, "mapping of Asset C > D > A"),
        (
            "Complex Relation",
            {COLUMN_OF_TABLE: [{"name": "B", "domain": D}, {"name": "A", "domain": D}]},
            f'relations {{"{COLUMN_OF_TABLE.lower()}": ["C > D > A", "C > D > B"]}}',
        ),
    ],
)
def test_format_identifier_is_a_path(kind: str, identifier: dict[str, Any], label: str) -> None:
    """A label reads as a path of names, an ID or a pair of external IDs, in any order of keys."""
    assert label == format_identifier(identifier, kind)


@settings(deadline=None)
@given(one=ASSETS, other=ASSETS)
def test_format_identifier_never_collides(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two assets have one label only if their identifiers are equal, so no asset hides another."""
    assert (one == other) is (format_identifier(one) == format_identifier(other))


@settings(deadline=None)
@given(one=DOMAINS, other=DOMAINS)
def test_format_identifier_never_collides_for_domains(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Two domains have one label only if their identifiers are equal."""
    labels = [format_identifier(each, "Domain") for each in (one, other)]
    assert (one == other) is (labels[0] == labels[1])


def test_resource_key_ignores_the_case_of_ids() -> None:
    """An ID in capital letters is the same resource."""
    one, other = (
        {"resourceType": "Asset", "identifier": {"id": each}} for each in (UUID, UUID.lower())
    )
    assert resource_key(one) == resource_key(other)


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (asset("A"), ["Domain C > D", "Community C"]),
        (
            asset("A", relations={COLUMN_OF_TABLE: [target("B")]}, type={"name": "Table"}),
            ["Domain C > D", "Community C", "Asset C > D > B"],
        ),
        (
            {"resourceType": "Community", "identifier": {"name": "C"}, "parent": {"name": "P"}},
            ["Community P"],
        ),
        (
            {"resourceType": "Domain", "identifier": {"id": UUID}, "community": {"name": "C"}},
            ["Community C"],
        ),
        (
            {
                "resourceType": "Mapping",
                "identifier": {"externalSystemId": "s", "externalEntityId": "e"},
                "asset": target("A"),
            },
            ["Asset C > D > A"],
        ),
        (
            {
                "resourceType": "Complex Relation",
                "identifier": {COLUMN_OF_TABLE: [target("A")]},
                "relations": {COLUMN_OF_TABLE: [target("B")]},
            },
            ["Asset C > D > A", "Asset C > D > B"],
        ),
    ],
)
def test_reference_keys_are_complete(command: dict[str, Any], keys: list[str]) -> None:
    """Every resource that a command needs is named, and neither types nor users are."""
    found = [f"{key.resource_type} {key.label}" for key in reference_keys(command)]
    assert keys == found


def test_asset_row_names_domain_and_community() -> None:
    """A row of the manifest holds the labels of the asset, its domain and its community."""
    assert AssetRow("C > D > A", "C > D", "C", "a.csv") == asset_row(asset("A"), "a.csv")


def test_asset_row_of_an_id_takes_the_domain_of_the_command() -> None:
    """An asset that is identified by ID belongs to the domain that its command names."""
    command = {"resourceType": "Asset", "identifier": {"id": UUID}}
    assert AssetRow(f"id {UUID.lower()}", "", "", "") == asset_row(command, "")
    command["domain"] = {"id": UUID}
    assert f"id {UUID.lower()}" == asset_row(command, "").domain
    assert ResourceKey("Asset", f"id {UUID.lower()}") == resource_key(command)
