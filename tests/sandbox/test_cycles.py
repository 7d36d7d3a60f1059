"""Cycles and their finalization, and the hash cache."""

import pytest

from tests.support.api_client import (
    CANDIDATE,
    MISSING,
    NOWHERE,
    ApiClient,
    asset,
    described,
    fields,
)

KEY = ("Warehouse", "Tables", "a")
SYNCHRONIZE = "/rest/2.0/import/synchronize"


def statuses(client: ApiClient) -> dict[str, str]:
    return {asset.name: asset.status_id for asset in client.tenant.assets().values()}


def test_finalization_without_strategy_deletes(client: ApiClient) -> None:
    """A finalization that names no strategy removes the missing assets."""
    client.batch(asset("a"), asset("b"))
    client.finalize(foo="bar")
    client.batch(asset("a"))
    client.finalize(foo="bar")

    assert {"a"} == client.tenant.asset_names()


def test_change_status_marks_and_restores(client: ApiClient) -> None:
    """An asset that comes back leaves the status for the default status of its type."""
    client.batch(asset("a"), asset("b"))
    client.mark_missing()
    client.batch(asset("a"))
    client.mark_missing()
    assert {"a": CANDIDATE, "b": MISSING} == statuses(client)

    client.batch(asset("a"), asset("b"))
    client.mark_missing()
    assert {"a": CANDIDATE, "b": CANDIDATE} == statuses(client)


def test_ignore_neither_marks_nor_restores(client: ApiClient) -> None:
    """IGNORE neither marks what is missing nor restores what came back."""
    client.batch(asset("a"), asset("b"))
    client.mark_missing()
    client.batch(asset("a"))
    client.mark_missing()
    client.batch(asset("a"), asset("b"))
    client.finalize()

    assert MISSING == statuses(client)["b"]


def test_restoring_needs_the_same_status(client: ApiClient) -> None:
    """An asset that comes back stays marked if the cycle ends with another status."""
    obsolete = MISSING.replace("5066", "5011")
    for names, status in (("ab", MISSING), ("a", MISSING), ("ab", obsolete)):
        client.batch(*map(asset, names))
        client.mark_missing(status)

    assert MISSING == statuses(client)["b"]


def test_second_finalization_finds_everything_missing(client: ApiClient) -> None:
    """A second finalization ends an empty cycle, and removes everything."""
    client.batch(asset("a"), asset("b"))
    client.remove_missing()
    assert {"a", "b"} == client.tenant.asset_names()

    client.remove_missing()
    assert set() == client.tenant.asset_names()
    assert 2 == client.tenant.finalizations


def test_synchronizations_are_independent(client: ApiClient) -> None:
    """Assets of one synchronization are never missing in another."""
    client.batch(asset("a"))
    client.remove_missing()
    client.finalize("other", finalizationStrategy="REMOVE_RESOURCES")

    assert {"a"} == client.tenant.asset_names()


def test_forgotten_synchronization_misses_nothing(client: ApiClient) -> None:
    """After a deletion of the synchronization, assets that do not come back stay."""
    client.batch(asset("a"), asset("b"))
    client.remove_missing()
    assert 204 == client.http.delete(f"{SYNCHRONIZE}/nightly").status_code
    client.batch(asset("a"))
    client.remove_missing()

    assert {"a", "b"} == client.tenant.asset_names()


def test_edit_by_hand_stays_until_evicted(client: ApiClient) -> None:
    """An unchanged command is not executed again, unless the cache was evicted."""
    client.batch(described("a", "source"))
    client.finalize()
    client.tenant.edit_asset(KEY, attributes={"Description": ("by hand",)})
    client.batch(described("a", "source"))
    client.finalize()
    assert ("by hand",) == client.tenant.assets()[KEY].attributes["Description"]

    assert 204 == client.http.delete(f"{SYNCHRONIZE}/nightly/evict").status_code
    client.batch(described("a", "source"))
    assert ("source",) == client.tenant.assets()[KEY].attributes["Description"]


def test_removal_by_hand_is_not_repaired(client: ApiClient) -> None:
    """Unchanged commands do not restore an asset that a person removed."""
    client.batch(asset("a"))
    client.finalize()
    client.tenant.remove_asset(KEY)
    client.batch(asset("a"))

    assert set() == client.tenant.asset_names()


def test_unchanged_command_counts_as_present(client: ApiClient) -> None:
    """A command that is skipped as unchanged still counts for the comparison."""
    for _ in range(3):
        job = client.batch(asset("a"))
        client.remove_missing()

    assert {"a"} == client.tenant.asset_names("nightly")
    assert {} == client.counters(job)


def test_removed_asset_comes_back(client: ApiClient) -> None:
    """After a cycle without it, an asset's command is executed again."""
    client.batch(asset("a"), asset("b"))
    client.remove_missing()
    client.batch(asset("b"))
    client.remove_missing()
    client.batch(asset("a"), asset("b"))

    assert {"a", "b"} == client.tenant.asset_names()


def test_eviction_does_not_stop_tracking(client: ApiClient) -> None:
    """Assets are still found missing after an eviction."""
    client.batch(asset("a"), asset("b"))
    client.finalize()
    client.http.delete(f"{SYNCHRONIZE}/nightly/evict")
    client.batch(asset("a"))
    client.remove_missing()

    assert {"a"} == client.tenant.asset_names()


def test_only_assets_go_missing(client: ApiClient) -> None:
    """Communities and domains stay when no cycle mentions them any more."""
    community = {"resourceType": "Community", "identifier": {"name": "Warehouse"}}
    client.batch(community, asset("a"))
    client.remove_missing()
    client.remove_missing()

    assert {} == client.tenant.assets()
    assert {"updated": 1} == client.counters(client.batch(community), "COMMUNITY")


def test_plain_imports_are_not_tracked(client: ApiClient) -> None:
    """Assets of a plain import are never missing."""
    client.import_plainly(asset("a"))
    client.batch(asset("b"))
    client.remove_missing()
    client.remove_missing()

    assert {"a"} == client.tenant.asset_names()


def test_synchronizations_are_listed(client: ApiClient) -> None:
    """A synchronization exists from its first batch on, and is listed by its ID."""
    assert client.get(f"{SYNCHRONIZE}/exists/nightly").json() is False
    client.batch(asset("a"))

    assert client.get(f"{SYNCHRONIZE}/exists/nightly").json() is True
    assert [{"synchronizationId": "nightly"}] == client.get(SYNCHRONIZE).json()["results"]


@pytest.mark.parametrize("path", ["nightly", "nightly/evict"])
def test_unknown_synchronization_can_be_deleted_and_evicted(client: ApiClient, path: str) -> None:
    """Both respond 204 for an unknown synchronization, and do not create it."""
    assert 204 == client.http.delete(f"{SYNCHRONIZE}/{path}").status_code
    assert client.get(f"{SYNCHRONIZE}/exists/nightly").json() is False


@pytest.mark.parametrize(("path", "exists"), [("nightly", False), ("nightly/evict", True)])
def test_evicted_synchronization_exists(client: ApiClient, path: str, *, exists: bool) -> None:
    """An evicted synchronization still exists, a deleted one does not."""
    client.batch(asset("a"))
    client.http.delete(f"{SYNCHRONIZE}/{path}")

    assert exists == client.get(f"{SYNCHRONIZE}/exists/nightly").json()
    assert {"a"} == client.tenant.asset_names()


def test_finalization_of_unknown_synchronization_changes_nothing(client: ApiClient) -> None:
    """A finalization of an unknown synchronization is accepted and does not create it."""
    assert 200 == client.finalize("unknown").status_code
    assert 1 == client.tenant.finalizations_of("unknown")
    assert client.get(f"{SYNCHRONIZE}/exists/unknown").json() is False


def test_batch_that_ends_late_belongs_to_the_next_cycle(client: ApiClient) -> None:
    """A finalization does not wait for earlier batches."""
    client.batch(asset("a"))
    client.remove_missing()
    client.tenant.run_jobs_for(60)
    client.batch(asset("a"))
    client.tenant.run_jobs_for(0)
    client.remove_missing()

    assert set() == client.tenant.asset_names()


def test_simulated_batch_is_real(client: ApiClient) -> None:
    """Synchronization ignores simulation."""
    client.batch(asset("a"), simulation="true")

    assert {"a"} == client.tenant.asset_names()


def test_unknown_status_fails_the_job(client: ApiClient) -> None:
    """A status that does not exist is accepted, fails as a job and leaves the cycle open."""
    client.batch(asset("a"))
    assert ("ERROR", "FAILURE") == client.end_of(client.mark_missing(NOWHERE))

    client.remove_missing()
    assert {"a"} == client.tenant.asset_names()


@pytest.mark.parametrize(
    ("request_", "accepted"),
    [
        ({"files": {"foo": (None, "bar")}}, 1),
        ({"data": {"finalizationStrategy": "IGNORE"}}, 0),
        ({"files": fields(finalizationStrategy="DESTROY")}, 0),
        ({"files": fields(finalizationStrategy="CHANGE_STATUS")}, 0),
    ],
)
def test_finalization_form_follows_the_rules(
    client: ApiClient, request_: dict[str, dict[str, str]], accepted: int
) -> None:
    """At least one part, multipart, a known strategy, and a status if one is needed."""
    response = client.http.post(f"{SYNCHRONIZE}/nightly/finalize/job", **request_)  # type: ignore[arg-type]

    assert bool(accepted) == response.is_success
    assert accepted == client.tenant.finalizations
