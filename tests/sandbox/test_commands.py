"""What import commands do, and how they fail."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import DOMAIN, MISSING, Caller, asset, described

KEY = ("Warehouse", "Tables", "a")


def test_every_resource_type_is_taken(caller: Caller) -> None:
    """Community, Domain, Asset, Mapping and Complex Relation go through in one batch."""
    job = caller.batch(
        {"resourceType": "Community", "identifier": {"name": "Warehouse"}},
        {"resourceType": "Domain", "identifier": DOMAIN},
        asset("a"),
        {
            "resourceType": "Mapping",
            "identifier": {"externalSystemId": "dwh", "externalEntityId": "7"},
            "asset": {"name": "a", "domain": DOMAIN},
        },
        {"resourceType": "Complex Relation", "identifier": {"relations": {"x": []}}},
    )

    assert ("COMPLETED", "SUCCESS") == caller.ended(job)
    for resource_type in ("COMMUNITY", "DOMAIN", "ASSET", "MAPPING", "COMPLEX_RELATION"):
        assert {"added": 1} == caller.counters(job, resource_type)


@pytest.mark.parametrize(
    ("bad", "error_type"),
    [
        ("not an object", "VALIDATION"),
        ({"identifier": {"name": "x"}}, "VALIDATION"),
        ({"resourceType": "Planet", "identifier": {"name": "x"}}, "VALIDATION"),
        ({"resourceType": "Asset"}, "VALIDATION"),
        ({"resourceType": "Asset", "identifier": {"name": "x"}}, "VALIDATION"),
        ({"resourceType": "Mapping", "identifier": {"externalSystemId": "x"}}, "VALIDATION"),
        (asset("x", attributes={"Rows": [{"value": 3}]}), "VALIDATION"),
        (asset("x", attributes={"Rows": "3"}), "VALIDATION"),
        (asset("x", relations={"r": ["y"]}), "VALIDATION"),
        (asset("x", tags="tag"), "VALIDATION"),
        (asset("x") | {"name": "y"}, "VALIDATION"),
        (asset("x", status={"name": "Nowhere"}), "RUNTIME"),
        ({"resourceType": "Asset", "identifier": {"id": MISSING}}, "RUNTIME"),
    ],
)
def test_a_bad_command_is_skipped_and_told(caller: Caller, bad: Any, error_type: str) -> None:
    """One bad command leaves an error with its place in the input, and the rest goes on."""
    job = caller.batch(asset("a"), bad, asset("b"), continueOnError="true")
    (error,) = caller.errors(job)

    assert ("COMPLETED", "COMPLETED_WITH_ERROR") == caller.ended(job)
    assert {"a", "b"} == caller.tenant.asset_names()
    assert ([1], error_type) == (error["command"]["indices"], error["errorType"])
    assert error["errorMessage"]


def test_one_error_takes_everything_back(caller: Caller) -> None:
    """Without continueOnError nothing is committed and the job ends in failure."""
    job = caller.batch(asset("a"), {"resourceType": "Asset"}, continueOnError="false")

    assert ("ERROR", "FAILURE") == caller.ended(job)
    assert {} == caller.tenant.assets()
    assert 1 == len(caller.errors(job))


def test_too_many_errors_abort(caller: Caller) -> None:
    """At the hundredth failed command the import stops; what came before stays."""
    bad: list[Any] = [{"resourceType": "Asset", "identifier": {"name": str(n)}} for n in range(100)]
    job = caller.batch(asset("early"), *bad, asset("late"))

    assert ("COMPLETED", "ABORTED") == caller.ended(job)
    assert {"early"} == caller.tenant.asset_names()
    assert 100 == len(caller.errors(job))


def test_the_limit_for_errors_is_a_setting() -> None:
    """The number of failed commands before the stop can be set, as in Collibra's console."""
    with Sandbox(failures_before_abort=1) as tenant, Caller(tenant) as caller:
        assert ("COMPLETED", "ABORTED") == caller.ended(caller.batch({}))


def test_a_failed_command_does_not_count_as_present(caller: Caller) -> None:
    """An asset whose command failed is missing at the end of its cycle."""
    caller.batch(asset("a"), asset("b"))
    caller.remove_missing()
    caller.batch(asset("a"), asset("b", status={"name": "Nowhere"}))
    caller.remove_missing()

    assert {"a"} == caller.tenant.asset_names()


def test_given_characteristics_replace_and_others_stay(caller: Caller) -> None:
    """A value that is given replaces its characteristic; one that is not named is untouched."""
    caller.batch(asset("a", attributes={"Note": [{"value": "x"}]}, tags=["t"]))
    caller.batch(described("a", "one"))
    caller.batch(described("a", "two"))

    found = caller.tenant.assets()[KEY]
    assert {"Note": ("x",), "Description": ("two",)} == found.attributes
    assert ("t",) == found.tags


@pytest.mark.parametrize(("action", "count"), [("ADD_OR_IGNORE", 2), ("REPLACE", 1)])
def test_relations_are_added_or_replaced(caller: Caller, action: str, count: int) -> None:
    """RelationsAction decides what becomes of the relations that are there."""
    for target in ("x", "y"):
        relations = {"r:SOURCE": [{"name": target, "domain": DOMAIN}]}
        caller.batch(asset("a", relations=relations), relationsAction=action)

    assert count == len(caller.tenant.assets()[KEY].relations["r:SOURCE"])


def test_neighbours_of_one_identifier_are_merged(caller: Caller) -> None:
    """Adjacent commands of one asset become one, whose values add up."""
    job = caller.batch(described("a", "one"), described("a", "two"))

    assert ("one", "two") == caller.tenant.assets()[KEY].attributes["Description"]
    assert {"added": 1} == caller.counters(job)


def test_a_later_duplicate_overrides(caller: Caller) -> None:
    """A command that comes again after another one replaces what the first one said."""
    caller.batch(described("a", "one"), asset("b"), described("a", "two"))

    assert ("two",) == caller.tenant.assets()[KEY].attributes["Description"]


def test_an_error_names_all_merged_places(caller: Caller) -> None:
    """The error of merged commands names each one's place in the input."""
    bad = asset("x", status={"name": "Nowhere"})

    assert [1, 2] == caller.errors(caller.batch(asset("a"), bad, bad))[0]["command"]["indices"]


def test_an_asset_is_known_by_its_id_and_its_mapping(caller: Caller) -> None:
    """An asset is found by id or by external id, and may then be renamed."""
    external = {"externalSystemId": "dwh", "externalEntityId": "7"}
    mapped = {"resourceType": "Asset", "identifier": external, "name": "a", "domain": DOMAIN}
    caller.batch(mapped)
    asset_id = caller.tenant.assets()[KEY].id
    caller.batch({"resourceType": "Asset", "identifier": {"id": asset_id}, "name": "b"})
    caller.batch(mapped | {"name": "c"})

    assert [(asset_id, "c")] == [(a.id, a.name) for a in caller.tenant.assets().values()]


def test_a_place_is_taken_once(caller: Caller) -> None:
    """An asset cannot be renamed to where another one stands."""
    caller.batch(asset("a"), asset("b"))
    asset_id = caller.tenant.assets()[KEY].id
    job = caller.batch({"resourceType": "Asset", "identifier": {"id": asset_id}, "name": "b"})

    assert "already exists" in caller.errors(job)[0]["errorMessage"]


def test_a_file_that_is_no_list_fails_the_job(caller: Caller) -> None:
    """What cannot be read as a list of commands is taken, and fails as a job."""
    path = "/rest/2.0/import/json-job"
    for content in ("{}", "no json"):
        assert ("ERROR", "FAILURE") == caller.ended(caller.post_file(path, content).json()["id"])


@pytest.mark.parametrize("identifier", [{"id": {}}, {"id": ["a"]}, {"id": 7}, {"id": "a"}])
def test_an_id_may_be_anything(caller: Caller, identifier: Any) -> None:
    """An id that is no known one, or no text at all, fails its command and nothing else."""
    job = caller.batch({"resourceType": "Asset", "identifier": identifier}, asset("b"))

    assert ("COMPLETED", "COMPLETED_WITH_ERROR") == caller.ended(job)
    assert {"b"} == caller.tenant.asset_names()
