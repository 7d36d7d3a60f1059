"""Import commands: effects and failures."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import (
    CONTAINS,
    DOMAIN,
    MISSING,
    NOWHERE,
    ApiClient,
    FakeClock,
    asset,
    containing,
    described,
    named,
)

KEY = ("Warehouse", "Tables", "a")
EXTERNAL = {"externalSystemId": "dwh", "externalEntityId": "7"}
ROLE = "00000000-0000-0000-0000-000000007088"


def mapping(**fields: Any) -> dict[str, Any]:
    return {"resourceType": "Mapping", "identifier": EXTERNAL, **fields}


def complex_relation(*targets: str, **fields: Any) -> dict[str, Any]:
    return {
        "resourceType": "Complex Relation",
        "identifier": EXTERNAL,
        "complexRelationType": {"name": "Field Mapping"},
        "relations": {ROLE: [named(target) for target in targets]},
        **fields,
    }


def test_batch_accepts_every_resource_type(client: ApiClient) -> None:
    """Community, Domain, Asset, Mapping and Complex Relation are imported by one batch."""
    job = client.batch(
        {"resourceType": "Community", "identifier": {"name": "Warehouse"}},
        {"resourceType": "Domain", "identifier": DOMAIN},
        asset("a"),
        mapping(asset=named("a")),
        complex_relation("a"),
    )

    assert ("COMPLETED", "SUCCESS") == client.end_of(job)
    for resource_type in ("COMMUNITY", "DOMAIN", "ASSET", "MAPPING", "COMPLEX_RELATION"):
        assert {"added": 1} == client.counters(job, resource_type)


BAD_COMMANDS = {
    "not an object": ("text", "VALIDATION"),
    "no resource type": ({"identifier": {"name": "x"}}, "VALIDATION"),
    "unknown resource type": (
        {"resourceType": "Planet", "identifier": {"name": "x"}},
        "VALIDATION",
    ),
    "no identifier": ({"resourceType": "Asset"}, "VALIDATION"),
    "no domain": ({"resourceType": "Asset", "identifier": {"name": "x"}}, "VALIDATION"),
    "domain without community": (
        asset("x") | {"identifier": {"name": "x", "domain": {"name": "Tables"}}},
        "VALIDATION",
    ),
    "half of an external identifier": (
        {"resourceType": "Mapping", "identifier": {"externalSystemId": "x"}},
        "VALIDATION",
    ),
    "ID and name together": (
        asset("x") | {"identifier": named("x") | {"id": MISSING}},
        "VALIDATION",
    ),
    "ID that is no UUID": ({"resourceType": "Asset", "identifier": {"id": "T1"}}, "VALIDATION"),
    "unknown ID": ({"resourceType": "Asset", "identifier": {"id": MISSING}}, "RUNTIME"),
    "unknown identifier key": (
        asset("x") | {"identifier": {"Name": "x", "domain": DOMAIN}},
        "VALIDATION",
    ),
    "unknown key in the domain": (
        asset("x") | {"identifier": {"name": "x", "domain": DOMAIN | {"kind": "y"}}},
        "VALIDATION",
    ),
    "blank name": (asset("   "), "VALIDATION"),
    "unknown command key": (asset("x", atributes={}), "VALIDATION"),
    "new asset without type": (
        {"resourceType": "Asset", "identifier": named("x")},
        "VALIDATION",
    ),
    "type as text": (asset("x", type="Table"), "VALIDATION"),
    "type with unknown key": (asset("x", type={"Name": "Table"}), "VALIDATION"),
    "attribute as text": (asset("x", attributes={"Rows": "3"}), "VALIDATION"),
    "attribute value without object": (asset("x", attributes={"Rows": ["3"]}), "VALIDATION"),
    "attribute with unknown key": (asset("x", attributes={"Rows": [{"val": "3"}]}), "VALIDATION"),
    "attribute with an object": (asset("x", attributes={"Rows": [{"value": {}}]}), "VALIDATION"),
    "relation target as text": (asset("x", relations={CONTAINS: ["y"]}), "VALIDATION"),
    "relation without direction": (asset("x", relations={"r": []}), "VALIDATION"),
    "relation with a wrong direction": (asset("x", relations={"r:UPWARDS": []}), "VALIDATION"),
    "relation to an unknown asset": (containing("x", "nowhere"), "RUNTIME"),
    "tags as text": (asset("x", tags="tag"), "VALIDATION"),
    "renamed by name": (asset("x") | {"name": "y"}, "VALIDATION"),
    "unknown status": (asset("x", status={"name": "Nowhere"}), "RUNTIME"),
    "mapping to an unknown asset": (mapping(asset=named("nowhere")), "RUNTIME"),
    "mapping to an unknown domain": (
        mapping(domain={"name": "x", "community": {"name": "y"}}),
        "RUNTIME",
    ),
    "mapping to nothing": (mapping(), "VALIDATION"),
    "mapping to two resources": (mapping(asset=named("a"), domain=DOMAIN), "VALIDATION"),
    "complex relation to an unknown asset": (complex_relation("nowhere"), "RUNTIME"),
    "complex relation without type": (
        {k: v for k, v in complex_relation("a").items() if k != "complexRelationType"},
        "VALIDATION",
    ),
    "domain that moves": (
        {"resourceType": "Domain", "identifier": DOMAIN, "community": {"name": "Lake"}},
        "VALIDATION",
    ),
}


@pytest.mark.parametrize(("bad", "error_type"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_bad_command_is_skipped(client: ApiClient, bad: Any, error_type: str) -> None:
    """One bad command leaves an error with its position, and the other commands are executed."""
    job = client.batch(asset("a"), bad, asset("b"), continueOnError="true")
    (error,) = client.errors(job)

    assert ("COMPLETED", "COMPLETED_WITH_ERROR") == client.end_of(job)
    assert {"a", "b"} == client.tenant.asset_names()
    assert ([1], error_type) == (error["command"]["indices"], error["errorType"])
    assert error["errorMessage"]


def test_one_error_rolls_everything_back(client: ApiClient) -> None:
    """Without continueOnError nothing is committed and the job ends as a failure."""
    job = client.batch(asset("a"), {"resourceType": "Asset"}, continueOnError="false")

    assert ("ERROR", "FAILURE") == client.end_of(job)
    assert {} == client.tenant.assets()
    assert 1 == len(client.errors(job))


@pytest.mark.parametrize(("version", "left"), [("2026.07.0", 1), ("2026.06.0", 0)])
def test_default_of_continue_on_error_depends_on_version(version: str, left: int) -> None:
    """From 2026.07 on the good commands of a batch stay; before, all are rolled back."""
    with ApiClient(Sandbox(version=version)) as client:
        job = client.batch(asset("a"), {"resourceType": "Asset"})

        assert left == len(client.tenant.assets())
        assert [[1]] == [error["command"]["indices"] for error in client.errors(job)]


def test_hundred_errors_abort(client: ApiClient) -> None:
    """The import stops at the hundredth failed command; earlier commands stay committed."""
    bad: list[Any] = [{"resourceType": "Asset", "identifier": {"name": str(n)}} for n in range(100)]
    job = client.batch(asset("early"), *bad, asset("late"))

    assert ("COMPLETED", "ABORTED") == client.end_of(job)
    assert {"early"} == client.tenant.asset_names()
    assert 100 == len(client.errors(job))


@pytest.mark.parametrize(("limit", "result"), [(2, "COMPLETED_WITH_ERROR"), (1, "ABORTED")])
def test_failures_before_abort_is_a_setting(limit: int, result: str) -> None:
    """The number of failed commands before the stop can be set, as in Collibra's console."""
    with ApiClient(Sandbox(failures_before_abort=limit)) as client:
        assert ("COMPLETED", result) == client.end_of(client.batch({}))


def test_failed_command_does_not_count_as_present(client: ApiClient) -> None:
    """An asset whose command failed is missing at the end of its cycle."""
    client.batch(asset("a"), asset("b"))
    client.remove_missing()
    client.batch(asset("a"), asset("b", status={"name": "Nowhere"}))
    client.remove_missing()

    assert {"a"} == client.tenant.asset_names()


def test_given_characteristics_replace_and_others_stay(client: ApiClient) -> None:
    """A given value replaces its characteristic; one that is not mentioned stays."""
    client.batch(asset("a", attributes={"Note": [{"value": "x"}]}, tags=["t"]))
    client.batch(described("a", "one"))
    client.batch(described("a", "two"))

    found = client.tenant.assets()[KEY]
    assert {"Note": ("x",), "Description": ("two",)} == found.attributes
    assert ("t",) == found.tags


def test_attribute_values_may_be_numbers_booleans_and_null(client: ApiClient) -> None:
    """Numbers and booleans become text, null is no value, an empty list clears the attribute."""
    client.batch(described("a", "old"), asset("b"))
    values = {
        "Rows": [{"value": 100}],
        "PII": [{"value": True}],
        "Score": [{"values": [0.5, "x"]}],
        "Description": [],
        "Nothing": [{"value": None}],
    }
    job = client.batch(asset("a", attributes=values))

    assert ("COMPLETED", "SUCCESS") == client.end_of(job)
    stored = {"Rows": ("100",), "PII": ("true",), "Score": ("0.5", "x")}
    assert stored == client.tenant.assets()[KEY].attributes


@pytest.mark.parametrize("type_", [{"name": "Table"}, {"publicId": "Table"}, {"id": MISSING}])
def test_type_is_known_by_name_public_id_or_id(client: ApiClient, type_: dict[str, str]) -> None:
    """A type may be named in three ways; its existence is not checked."""
    client.batch(asset("a", type=type_))

    assert next(iter(type_.values())) == client.tenant.assets()[KEY].type


@pytest.mark.parametrize(
    ("action", "targets"),
    [
        ({}, ("y",)),
        ({"relationsAction": "REPLACE"}, ("y",)),
        ({"relationsAction": "ADD_OR_IGNORE"}, ("x", "y")),
    ],
)
@pytest.mark.parametrize("path", ["batch", "import_plainly"])
def test_relations_action_adds_or_replaces(
    client: ApiClient, path: str, action: dict[str, str], targets: tuple[str, ...]
) -> None:
    """The default replaces the relations of a mentioned type, in batches and plain imports."""
    client.batch(asset("x"), asset("y"), containing("a", "x"))
    getattr(client, path)(containing("a", "y"), **action)

    assert {CONTAINS: targets} == client.tenant.assets()[KEY].relations


def test_relations_of_other_types_stay(client: ApiClient) -> None:
    """REPLACE concerns the mentioned relation types only; an empty list deletes a type."""
    client.batch(asset("x"), containing("a", "x"), containing("a", "x", role="other:TARGET"))
    client.batch(containing("a", role="other:TARGET"))

    assert {CONTAINS: ("x",)} == client.tenant.assets()[KEY].relations


def test_relation_is_stored_at_both_ends(client: ApiClient) -> None:
    """A relation is seen from its other end, and ends with either asset."""
    client.batch(asset("x"), containing("a", "x"))
    other = ("Warehouse", "Tables", "x")
    opposite = CONTAINS.replace("TARGET", "SOURCE")
    assert {opposite: ("a",)} == client.tenant.assets()[other].relations

    client.tenant.remove_asset(other)
    assert {} == client.tenant.assets()[KEY].relations


def test_relations_of_a_failed_batch_are_rolled_back(client: ApiClient) -> None:
    """A batch that fails leaves the relations of both ends as they were before."""
    client.batch(asset("x"), asset("y"), containing("a", "x"), containing("b", "x"))
    before = client.tenant.assets()

    failed = client.batch(
        containing("a", "y"), containing("b"), containing("c", "x"), "x", continueOnError="false"
    )

    assert ("ERROR", "FAILURE") == client.end_of(failed)
    assert before == client.tenant.assets()


@pytest.mark.parametrize(("parent", "result"), [("Top", "SUCCESS"), ("Lost", "FAILURE")])
def test_community_needs_its_parent(clock: FakeClock, parent: str, result: str) -> None:
    """A parent that does not exist fails its community, as in Collibra."""
    tenant = Sandbox(clock=clock, create_named_domains=False)
    commands = [
        {"resourceType": "Community", "identifier": {"name": "Top"}},
        {"resourceType": "Community", "identifier": {"name": "Sub"}, "parent": {"name": parent}},
    ]

    with ApiClient(tenant) as client:
        assert result == client.end_of(client.batch(*commands, continueOnError="false"))[1]


def test_relation_target_must_come_before(client: ApiClient) -> None:
    """A target created earlier in the same job is found, and a later one is not."""
    early = client.batch(asset("x"), containing("a", "x"))
    late = client.batch(containing("b", "y"), asset("y"))

    assert ("COMPLETED", "SUCCESS") == client.end_of(early)
    assert ("COMPLETED", "COMPLETED_WITH_ERROR") == client.end_of(late)
    assert {"a", "x", "y"} == client.tenant.asset_names()


def test_asset_may_be_related_to_itself(client: ApiClient) -> None:
    """The target may be the asset of the same command."""
    assert ("COMPLETED", "SUCCESS") == client.end_of(client.batch(containing("a", "a")))


def test_target_is_found_by_id_and_by_mapping(client: ApiClient) -> None:
    """A relation's target may be identified in each of the three ways."""
    client.batch(asset("x"), mapping(asset=named("x")))
    target = client.tenant.assets()["Warehouse", "Tables", "x"].id
    targets = [{"id": target}, EXTERNAL, named("x")]
    job = client.batch(asset("a", relations={CONTAINS: targets}))

    assert {"added": 1} == client.counters(job, "RELATION")
    assert {CONTAINS: ("x",)} == client.tenant.assets()[KEY].relations


@pytest.mark.parametrize(("setting", "values"), [(True, ("one", "two")), (False, ("two",))])
def test_attributes_action_is_a_setting(values: tuple[str, ...], *, setting: bool) -> None:
    """A tenant that knows attributesAction adds values; an older one ignores the parameter."""
    with ApiClient(Sandbox(attributes_action=setting)) as client:
        client.batch(described("a", "one"))
        client.batch(described("a", "two"), attributesAction="ADD_OR_IGNORE")

        assert values == client.tenant.assets()[KEY].attributes["Description"]


@pytest.mark.parametrize(
    ("parts", "setting", "status"),
    [
        ({"relationsAction": "MERGE"}, False, 400),
        ({"attributesAction": "MERGE"}, True, 400),
        ({"attributesAction": "MERGE"}, False, 200),
    ],
)
def test_actions_are_one_of_two_words(parts: dict[str, str], status: int, *, setting: bool) -> None:
    """An unknown word is refused, unless the parameter is ignored."""
    with ApiClient(Sandbox(attributes_action=setting)) as client:
        response = client.post_file("/rest/2.0/import/json-job", "[]", **parts)

    assert status == response.status_code


def test_adjacent_commands_of_one_identifier_are_merged(client: ApiClient) -> None:
    """Adjacent commands of one asset become one, whose values add up."""
    job = client.batch(described("a", "one"), described("a", "two"))

    assert ("one", "two") == client.tenant.assets()[KEY].attributes["Description"]
    assert {"added": 1} == client.counters(job)


def test_later_duplicate_overrides(client: ApiClient) -> None:
    """A second command that is not adjacent replaces the values of the first."""
    client.batch(described("a", "one"), asset("b"), described("a", "two"))

    assert {"a", "b"} == client.tenant.asset_names()
    assert ("two",) == client.tenant.assets()[KEY].attributes["Description"]


def test_scattered_relations_keep_only_the_last(client: ApiClient) -> None:
    """Commands of one asset that are not adjacent leave the relations of the last one."""
    client.batch(asset("x"), asset("y"))
    client.batch(containing("a", "x"), asset("b"), containing("a", "y"))

    assert {CONTAINS: ("y",)} == client.tenant.assets()[KEY].relations


def test_error_names_all_merged_positions(client: ApiClient) -> None:
    """The error of merged commands lists the position of each in the input."""
    bad = asset("x", status={"name": "Nowhere"})

    assert [1, 2] == client.errors(client.batch(asset("a"), bad, bad))[0]["command"]["indices"]


def test_asset_is_identified_by_id_and_by_mapping(client: ApiClient) -> None:
    """An asset found by ID or external identifier may be renamed."""
    mapped = asset("a") | {"identifier": EXTERNAL, "name": "a", "domain": DOMAIN}
    client.batch(mapped)
    asset_id = client.tenant.assets()[KEY].id
    client.batch({"resourceType": "Asset", "identifier": {"id": asset_id}, "name": "b"})
    client.batch(mapped | {"name": "c"})

    assert [(asset_id, "c")] == [(a.id, a.name) for a in client.tenant.assets().values()]


def test_asset_cannot_take_the_name_of_another(client: ApiClient) -> None:
    """Renaming to the name of another asset of the domain fails."""
    client.batch(asset("a"), asset("b"))
    asset_id = client.tenant.assets()[KEY].id
    job = client.batch({"resourceType": "Asset", "identifier": {"id": asset_id}, "name": "b"})

    assert "already exists" in client.errors(job)[0]["errorMessage"]


def test_named_domains_may_be_required() -> None:
    """With create_named_domains=False a domain and its community must exist, as in Collibra."""
    community = {"resourceType": "Community", "identifier": {"name": "Warehouse"}}
    domain = {"resourceType": "Domain", "identifier": DOMAIN}
    with ApiClient(Sandbox(create_named_domains=False)) as client:
        for commands, count in (
            ([asset("a")], 1),
            ([domain], 1),
            ([community, domain, asset("a")], 0),
        ):
            assert count == len(client.errors(client.batch(*commands)))


@pytest.mark.parametrize("content", ["{}", "no json", "[NaN]", "[" * 200_000])
def test_file_that_is_no_list_fails_the_job(client: ApiClient, content: str) -> None:
    """A file that is not a JSON list is accepted, and fails as a job."""
    job = client.post_file("/rest/2.0/import/json-job", content).json()["id"]

    assert ("ERROR", "FAILURE") == client.end_of(job)


@pytest.mark.parametrize("value", [{}, ["a"], 7, "a", NOWHERE])
def test_id_may_be_any_value(client: ApiClient, value: Any) -> None:
    """An ID that is unknown, or not even text, fails its command and nothing else."""
    job = client.batch({"resourceType": "Asset", "identifier": {"id": value}}, asset("b"))

    assert ("COMPLETED", "COMPLETED_WITH_ERROR") == client.end_of(job)
    assert {"b"} == client.tenant.asset_names()


def test_optional_fields_of_the_api_are_accepted(client: ApiClient) -> None:
    """The fields of the published API description are accepted for every resource type."""
    owner = {"Owner": [{"user": {"id": MISSING}}, {"userGroup": {"id": MISSING}}]}
    community = {"name": "Warehouse"}
    job = client.batch(
        {
            "resourceType": "Community",
            "identifier": community,
            "name": "Warehouse",
            "description": "",
            "language": "en",
            "parent": {"name": "Company"},
            "responsibilities": owner,
        },
        {
            "resourceType": "Domain",
            "identifier": DOMAIN,
            "name": "Tables",
            "description": "x",
            "community": community,
            "type": {"publicId": "PhysicalDataDictionary"},
            "responsibilities": owner,
        },
        asset("a", displayName="A", responsibilities=owner, status={"name": "Accepted"}),
        mapping(asset=named("a"), extEntityUrl="https://x.invalid", lastSyncDate=1)
        | {"syncAction": "ADD", "description": "x"},
        complex_relation("a", attributes={"Rule": [{"value": "x"}]}),
    )

    assert [] == client.errors(job)
    assert "A" == client.tenant.assets()[KEY].display_name
