"""The hash cache, and how it is cleared."""

import json

import pytest

from tests.sandbox.caller import MISSING, Caller, asset, described

KEY = ("Warehouse", "Tables", "a")
SYNCHRONIZE = "/rest/2.0/import/synchronize"


def test_an_edit_by_hand_stays_until_evicted(caller: Caller) -> None:
    """A command like the last one is not executed again, unless the cache was evicted."""
    caller.batch(described("a", "source"))
    caller.finalize()
    caller.tenant.edit_asset(KEY, attributes={"Description": ("by hand",)})
    caller.batch(described("a", "source"))
    caller.finalize()
    assert ("by hand",) == caller.tenant.assets()[KEY].attributes["Description"]

    assert 204 == caller.http.delete(f"{SYNCHRONIZE}/nightly/evict").status_code
    caller.batch(described("a", "source"))
    assert ("source",) == caller.tenant.assets()[KEY].attributes["Description"]


def test_a_removal_by_hand_is_not_repaired(caller: Caller) -> None:
    """Sending the same again does not bring back what a person removed."""
    caller.batch(asset("a"))
    caller.finalize()
    caller.tenant.remove_asset(KEY)
    caller.batch(asset("a"))

    assert set() == caller.tenant.asset_names()


def test_an_unchanged_command_counts_as_present(caller: Caller) -> None:
    """What is not executed because nothing changed is still there for the comparison."""
    for _ in range(3):
        job = caller.batch(asset("a"))
        caller.remove_missing()

    assert {"a"} == caller.tenant.asset_names("nightly")
    assert {} == caller.counters(job)


def test_a_removed_asset_comes_back(caller: Caller) -> None:
    """After a cycle without it, an asset's command is executed again."""
    caller.batch(asset("a"), asset("b"))
    caller.remove_missing()
    caller.batch(asset("b"))
    caller.remove_missing()
    caller.batch(asset("a"), asset("b"))

    assert {"a", "b"} == caller.tenant.asset_names()


def test_eviction_keeps_what_is_tracked(caller: Caller) -> None:
    """Assets are still found missing after an eviction."""
    caller.batch(asset("a"), asset("b"))
    caller.finalize()
    caller.http.delete(f"{SYNCHRONIZE}/nightly/evict")
    caller.batch(asset("a"))
    caller.remove_missing()

    assert {"a"} == caller.tenant.asset_names()


def test_restoring_needs_the_same_status(caller: Caller) -> None:
    """An asset that comes back stays marked when the cycle ends with another status."""
    obsolete = MISSING.replace("5066", "5011")
    for names, status in (("ab", MISSING), ("a", MISSING), ("ab", obsolete)):
        caller.batch(*map(asset, names))
        caller.finalize(finalizationStrategy="CHANGE_STATUS", missingAssetStatusId=status)

    assert MISSING == caller.tenant.assets()["Warehouse", "Tables", "b"].status_id


def test_only_assets_go_missing(caller: Caller) -> None:
    """Communities and domains stay when no cycle names them any more."""
    community = {"resourceType": "Community", "identifier": {"name": "Warehouse"}}
    caller.batch(community, asset("a"))
    caller.remove_missing()
    caller.remove_missing()

    assert {} == caller.tenant.assets()
    assert {"updated": 1} == caller.counters(caller.batch(community), "COMMUNITY")


def test_plain_imports_are_tracked_by_nobody(caller: Caller) -> None:
    """What came by a plain import is never missing."""
    caller.post_file("/rest/2.0/import/json-job", json.dumps([asset("a")]))
    caller.batch(asset("b"))
    caller.remove_missing()
    caller.remove_missing()

    assert {"a"} == caller.tenant.asset_names()


def test_synchronizations_are_listed(caller: Caller) -> None:
    """A synchronization exists from its first batch on, and is listed by its id alone."""
    assert caller.get(f"{SYNCHRONIZE}/exists/nightly").json() is False
    caller.batch(asset("a"))

    assert caller.get(f"{SYNCHRONIZE}/exists/nightly").json() is True
    assert [{"synchronizationId": "nightly"}] == caller.get(SYNCHRONIZE).json()["results"]


@pytest.mark.parametrize("path", ["nightly", "nightly/evict"])
def test_the_unknown_can_be_forgotten_and_evicted(caller: Caller, path: str) -> None:
    """Both answer 204 for a synchronization that is not known, and leave it so."""
    assert 204 == caller.http.delete(f"{SYNCHRONIZE}/{path}").status_code
    assert caller.get(f"{SYNCHRONIZE}/exists/nightly").json() is False


@pytest.mark.parametrize(("path", "known"), [("nightly", False), ("nightly/evict", True)])
def test_only_the_forgotten_exist_no_more(caller: Caller, path: str, *, known: bool) -> None:
    """An evicted synchronization goes on to exist, a forgotten one does not."""
    caller.batch(asset("a"))
    caller.http.delete(f"{SYNCHRONIZE}/{path}")

    assert known == caller.get(f"{SYNCHRONIZE}/exists/nightly").json()
    assert {"a"} == caller.tenant.asset_names()


def test_finalizing_the_unknown_changes_nothing(caller: Caller) -> None:
    """A finalization of an unknown synchronization is taken and leaves it unknown."""
    assert 200 == caller.finalize("nobody").status_code
    assert 1 == caller.tenant.finalizations_of("nobody")
    assert caller.get(f"{SYNCHRONIZE}/exists/nobody").json() is False


def test_a_batch_that_ends_late_belongs_to_the_next_cycle(caller: Caller) -> None:
    """A finalization does not wait for the batches before it."""
    caller.batch(asset("a"))
    caller.remove_missing()
    caller.tenant.run_jobs_for(60)
    caller.batch(asset("a"))
    caller.tenant.run_jobs_for(0)
    caller.remove_missing()

    assert set() == caller.tenant.asset_names()
