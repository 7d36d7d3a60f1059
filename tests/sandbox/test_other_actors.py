"""Other programs, and people with curl."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import MISSING, ApiClient, FakeClock, asset


@pytest.mark.parametrize(
    ("options", "state", "result"),
    [
        ({}, "COMPLETED", "SUCCESS"),
        ({"state": "RUNNING"}, "RUNNING", "NOT_SET"),
        ({"state": "WAITING"}, "WAITING", "NOT_SET"),
        ({"state": "FAILED"}, "FAILED", "FAILURE"),
        ({"state": "COMPLETED", "result": "ABORTED"}, "COMPLETED", "ABORTED"),
        ({"state": "EXPLODED"}, "EXPLODED", "NOT_SET"),
        ({"seconds": 60}, "WAITING", "NOT_SET"),
    ],
)
def test_foreign_job_has_any_state(
    client: ApiClient, options: dict[str, Any], state: str, result: str
) -> None:
    """A foreign job has the given state and result, at once and in the list."""
    job = client.tenant.add_foreign_job(**options)
    shown = client.job(job.id)

    assert (state, result) == (job.state, job.result) == (shown["state"], shown["result"])
    assert "foreign" == job.kind


@pytest.mark.parametrize(
    ("name", "job_type"),
    [
        ("Database Synchronisation of source", "DELTA_INGESTION"),
        ("Synchronization for edge-capability", None),
        (None, "IMPORT"),
    ],
)
def test_foreign_job_has_any_name_and_type(
    client: ApiClient, name: str | None, job_type: str | None
) -> None:
    """Jobs of catalog ingestion, of an Edge capability and without name can be listed."""
    client.tenant.add_foreign_job(name=name, type=job_type)
    (job,) = client.get("/rest/jobs/v1/jobs").json()["results"]

    assert (name, job_type) == (job.get("name"), job.get("type"))


def test_running_foreign_job_ends_with_the_others(client: ApiClient) -> None:
    """finish_jobs ends a foreign job too."""
    job = client.tenant.add_foreign_job(state="RUNNING").id
    client.tenant.finish_jobs()

    assert "COMPLETED" == client.job(job)["state"]


def test_finalization_by_hand_closes_the_cycle(client: ApiClient) -> None:
    """A finalization by hand removes missing assets and is not counted as a request."""
    other = client.tenant.add_account("operator")
    client.batch(asset("a"), asset("b"))
    client.remove_missing()
    client.batch(asset("a"))
    job = client.tenant.finalize_by_hand("nightly", user_id=other.user_id)

    assert {"a"} == client.tenant.asset_names()
    assert ("finalize", True, other.user_id) == (job.kind, job.by_hand, job.user_id)
    assert "Synchronization finalization for id: nightly" == job.name
    assert job.id in client.listed()
    assert (1, 1) == (client.tenant.finalizations, client.tenant.finalizations_of("nightly"))


@pytest.mark.parametrize(("strategy", "status"), [("IGNORE", None), ("CHANGE_STATUS", MISSING)])
def test_finalization_by_hand_has_a_strategy(
    client: ApiClient, strategy: str, status: str | None
) -> None:
    """The strategies of a finalization by hand are those of the API."""
    client.batch(asset("a"))
    client.remove_missing()
    client.tenant.finalize_by_hand("nightly", strategy=strategy, missing_asset_status_id=status)

    (found,) = client.tenant.assets().values()
    assert (MISSING == found.status_id) == (strategy == "CHANGE_STATUS")


def test_batch_by_hand_belongs_to_the_cycle(client: ApiClient) -> None:
    """A batch by hand counts for the cycle and has the name of other batches."""
    job = client.tenant.import_by_hand("nightly", [asset("a")])

    assert {"a"} == client.tenant.asset_names("nightly")
    assert "Synchronization of batch for id: nightly" == client.job(job.id)["name"]
    assert {"added": 1} == client.counters(job.id)
    assert 0 == client.tenant.batches


def test_plain_import_by_hand_belongs_to_no_cycle(client: ApiClient) -> None:
    """With batch=False the import is not tracked."""
    job = client.tenant.import_by_hand("nightly", [asset("a")], batch=False)

    assert ("import", None) == (job.kind, job.synchronization_id)
    assert {"a"} == client.tenant.asset_names()
    assert set() == client.tenant.asset_names("nightly")


@pytest.mark.parametrize(
    ("continues", "result"), [(None, "COMPLETED_WITH_ERROR"), (False, "FAILURE")]
)
def test_import_by_hand_may_fail(client: ApiClient, result: str, *, continues: bool | None) -> None:
    """Bad commands fail as in any import."""
    job = client.tenant.import_by_hand("nightly", [asset("a"), {}], continue_on_error=continues)

    assert result == job.result


def test_jobs_by_hand_take_their_time(clock: FakeClock) -> None:
    """Jobs by hand run as long as others, and act at their end."""
    tenant = Sandbox(clock=clock, job_seconds=60)
    job = tenant.import_by_hand("nightly", [asset("a")])
    assert "WAITING" == job.state
    assert set() == tenant.asset_names()

    clock.advance(60)
    assert {"a"} == tenant.asset_names()


def test_jobs_by_hand_end_at_once_by_the_real_clock() -> None:
    """With the default clock and duration the returned job has ended."""
    tenant = Sandbox()
    jobs = (
        tenant.import_by_hand("nightly", [asset("a")]),
        tenant.finalize_by_hand("nightly"),
        tenant.add_foreign_job(),
    )

    assert ["COMPLETED"] * 3 == [job.state for job in jobs]


def test_planned_ends_ignore_jobs_by_hand(client: ApiClient) -> None:
    """A planned end is left to the next job of a request."""
    client.tenant.end_jobs_as("FAILED")
    by_hand = client.tenant.finalize_by_hand("nightly")

    assert "COMPLETED" == by_hand.state
    assert ("ERROR", "FAILURE") == client.end_of(client.remove_missing())


def test_list_lags_for_jobs_by_hand(client: ApiClient) -> None:
    """A job by hand appears in the list as late as others."""
    client.tenant.delay_job_listing(1)
    job = client.tenant.finalize_by_hand("nightly").id

    assert [[], [job]] == [client.listed(), client.listed()]
