"""Commands that Collibra can and cannot import."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collibra_tasks.sources.commands import check_command
from collibra_tasks.sources.identifiers import asset_row, reference_keys, resource_key
from collibra_tasks.sources.scanning import count_characteristics
from tests.support.source_files import COLUMN_OF_TABLE, DOMAIN_IDENTIFIER, asset, target

UUID = "0b8e5bb2-6c09-4bb4-9c3a-6a44ba3a5ba0"
BOTH = {"id": UUID, "name": "C"}
EXTERNAL = {"externalSystemId": "s", "externalEntityId": "e"}


def command(kind: str, identifier: Any, **fields: Any) -> dict[str, Any]:
    return {"resourceType": kind, "identifier": identifier, **fields}


LETTERS = "0B8E5BB2-6C09-4BB4-9C3A-6A44BA3A5BA0"


GOOD: list[dict[str, Any]] = [
    asset("T1", attributes={"Note": [{"value": 100}, {"value": None}], "Empty": []}),
    asset("T1", attributes={"Names": [{"values": ["a", 1, True]}]}),
    asset("T1", type={"publicId": "Table"}, status={"id": UUID}, tags=["pii"]),
    asset("T1", relations={f"{UUID}:SOURCE": [{"id": UUID}], "TableHasColumn:TARGET": []}),
    asset("T1", responsibilities={"Steward": [{"user": {"id": UUID}}]}),
    asset("T1", responsibilities={"Steward": [{"userGroup": {"name": "Stewards"}}]}),
    asset("T1", displayName=None, domain={"id": UUID}, tags=None, relations=None),
    command("Asset", {"id": UUID}),
    command("Asset", EXTERNAL),
    command("Asset", {"name": "T1", "domain": EXTERNAL}),
    command("Asset", {"name": "T1", "domain": {"name": "D", "community": {"id": UUID}}}),
    command("Community", {"name": "C"}, parent={"name": "P"}, description="text"),
    command("Domain", DOMAIN_IDENTIFIER, type={"name": "Glossary"}),
    command("Mapping", EXTERNAL, asset=target("A"), syncAction="ADD", lastSyncDate=1),
    command("Mapping", {"asset": target("A")}, externalEntityUrl="https://example.com"),
    command("Mapping", {"dgcId": UUID}),
    command("Complex Relation", EXTERNAL, relations={UUID: [target("A")]}),
    command("Complex Relation", {COLUMN_OF_TABLE: [target("A")]}),
    command("Complex Relation", {"relations": {COLUMN_OF_TABLE: [target("A")]}}),
]


@pytest.mark.parametrize("good", GOOD)
def test_check_command_accepts_what_collibra_documents(good: dict[str, Any]) -> None:
    """Every documented form passes, and so does what exporters send: numbers, null, public IDs."""
    unknown: set[str] = set()
    assert [] == check_command(good, unknown)
    assert set() == unknown


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([], "must be an object, not a list"),
        ({}, "the command has no resourceType"),
        ({"ressourceType": "Asset"}, "Write resourceType instead of 'ressourceType'"),
        ({"resourceType": "Table"}, "'Table', not one of Community, Domain, Asset"),
        ({"resourceType": ["Asset"]}, "not one of Community"),
        ({"resourceType": "Complex Relation"}, "Complex Relation command has no identifier"),
        ({"resourceType": "Asset", "Identifier": {}}, "Write identifier instead of 'Identifier'"),
        (command("Asset", None), "identifier: must be an object, not null"),
        (command("Asset", {}), "identifier: is empty"),
        (command("Asset", "T1"), "identifier: must be an object, not text"),
        (command("Asset", {"name": 7, "domain": DOMAIN_IDENTIFIER}), "not a number"),
        (command("Asset", {"name": "", "domain": DOMAIN_IDENTIFIER}), "identifier.name: is blank"),
        (command("Asset", {"name": "T1", "domain": "D"}), "domain: must be an object, not text"),
        (command("Asset", {"name": "T1", "domain": {"name": "D"}}), "needs a community"),
        (command("Asset", {"name": "T1"}), "a name needs a domain beside it"),
        (command("Asset", {"domain": DOMAIN_IDENTIFIER}), "has domain without a name"),
        (
            command("Asset", {"name": "T1", "domain": DOMAIN_IDENTIFIER | {"community": BOTH}}),
            "identifier.domain.community: mixes id, name",
        ),
        (command("Asset", {"id": True}), "True is not a UUID"),
        (command("Asset", {"id": UUID, **EXTERNAL}), "Use only one of: id, name with domain"),
        (command("Asset", {"externalEntityId": "e"}), "go together. Add externalSystemId"),
        (command("Asset", {"newKey": 1}), "identifies nothing"),
        (command("Domain", {"name": "D"}), "a name needs a community beside it"),
        (command("Community", {"id": "C"}), "'C' is not a UUID"),
        (command("Community", {"Name": "C"}), "Write 'name'"),
        (command("Mapping", {"dgcId": None}), "identifies nothing"),
        (command("Mapping", {"name": "m"}), "a mapping has no name"),
        (command("Mapping", {"asset": {"name": "A"}}), "asset: a name needs a domain"),
        (command("Mapping", EXTERNAL, syncAction="DELETE"), "not one of ADD, UPDATE, REMOVE"),
        (command("Complex Relation", {"name": "r"}), "a complex relation has no name"),
        (command("Complex Relation", {**EXTERNAL, COLUMN_OF_TABLE: []}), "mixes relations"),
        (command("Complex Relation", {"relations": {}}), "its relations name no target"),
        (command("Complex Relation", {"relations": {COLUMN_OF_TABLE: None}}), "name no target"),
        (command("Complex Relation", {COLUMN_OF_TABLE: []}), "its relations name no target"),
        (asset("T1", relation={}), "Write 'relations'"),
        (asset("T1", Attributes={}), "Write 'attributes'"),
        (asset("T1", statusId=UUID), "Write 'status'"),
        (asset("T1", tag=["pii"]), "Write 'tags'"),
        (asset("T1", tags=[1]), "tags: must be text, not a number"),
        (asset("T1", tags=[" "]), "tags: is blank"),
        (asset("T1", status="Accepted"), 'Write {"name": "Accepted"}'),
        (asset("T1", type={}), "type: is empty"),
        (asset("T1", type={"id": "Table"}), "type.id: 'Table' is not a UUID"),
        (asset("T1", attributes={"Note": {"value": "x"}}), "must be a list, not an object"),
        (asset("T1", attributes={"Note": [{}]}), "an entry has no value"),
        (asset("T1", attributes={"Note": [{"Value": "x"}]}), "an entry has no value"),
        (asset("T1", attributes={"Note": [{"value": ["x"]}]}), "must be text, not a list"),
        (asset("T1", attributes={"Note": [{"value": "x", "values": []}]}), "both value and values"),
        (asset("T1", attributes={" ": []}), "attribute type with a blank name"),
        (asset("T1", attributes={LETTERS: [], LETTERS.lower(): []}), "stands twice"),
        (
            asset("T1", relations={f"{LETTERS}:TARGET": [], f"{LETTERS.lower()}:TARGET": []}),
            "twice",
        ),
        (asset("T1", responsibilities={LETTERS: [], LETTERS.lower(): []}), "stands twice"),
        (asset("T1", relations=[]), "relations: must be an object, not a list"),
        (asset("T1", relations={UUID: []}), "has no direction. Add :SOURCE or :TARGET"),
        (asset("T1", relations={f"{UUID}:target": []}), "'target' instead of SOURCE or TARGET"),
        (asset("T1", relations={f"{UUID[1:]}:TARGET": []}), "does not begin with the UUID"),
        (asset("T1", relations={COLUMN_OF_TABLE: target("B")}), "must be a list, not an object"),
        (asset("T1", relations={COLUMN_OF_TABLE: ["B"]}), "must be an object, not text"),
        (asset("T1", relations={COLUMN_OF_TABLE: [{"name": "B"}]}), "a name needs a domain"),
        (asset("T1", responsibilities=[]), "responsibilities: must be an object"),
        (asset("T1", responsibilities={"Steward": [UUID]}), "must be an object, not text"),
        (asset("T1", responsibilities={"Steward": [{"user": UUID}]}), "must be an object"),
        (asset("T1", responsibilities={"Steward": [{"user": {"id": "me"}}]}), "is not a UUID"),
        (asset("T1", responsibilities={"Steward": [{"group": {}}]}), "needs a user or"),
        (asset("#N/A"), "an error value of a spreadsheet"),
        (asset("T1", displayName=["x"]), "displayName: must be text, not a list"),
    ],
)
def test_check_command_refuses_what_collibra_cannot_import(bad: Any, reason: str) -> None:
    """A command that can never be imported is refused, with the key and the reason."""
    reasons = check_command(bad)
    assert reasons
    assert any(reason in each for each in reasons), reasons


def test_check_command_passes_unknown_keys() -> None:
    """A key that resembles no known one may be new in Collibra; it is reported, not refused."""
    unknown: set[str] = set()
    assert [] == check_command(asset("T1", lifecycle={"stage": "draft"}), unknown)
    assert {"Asset.lifecycle"} == unknown


KEYS = ("id", "name", "domain", "community", "relations", "asset", *EXTERNAL, COLUMN_OF_TABLE)
VALUES: list[Any] = [None, "", "x", 1, [], {}, [None], [{}], {"name": None}, {"id": UUID}]


@settings(deadline=None)
@given(st.data())
def test_checked_commands_have_labels(data: st.DataObject) -> None:
    """A command that is not refused has a label and references, whatever was changed in it."""
    changed = deepcopy(data.draw(st.sampled_from(GOOD)))
    for _ in range(data.draw(st.integers(1, 3))):
        holder: Any = changed
        while inner := find_inner(holder):
            place = data.draw(st.integers(0, len(inner)))
            if place == len(inner):
                break
            holder = inner[place]
        key = data.draw(st.sampled_from((*holder, *KEYS))) if isinstance(holder, dict) else 0
        holder[key] = deepcopy(data.draw(st.sampled_from(VALUES)))
    if check_command(changed):
        return

    assert resource_key(changed).label
    assert all(key.label for key in reference_keys(changed))
    assert 0 <= count_characteristics(changed)
    if "Asset" == changed["resourceType"]:
        assert asset_row(changed, "").asset


def find_inner(value: Any) -> list[Any]:
    """Return the objects and lists with content in an object or a list."""
    values = value.values() if isinstance(value, dict) else value
    return [each for each in values if each and isinstance(each, dict | list)]
