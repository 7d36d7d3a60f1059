"""Faults of jobs."""

import pytest

from tests.support.api_client import ApiClient, FakeClock, asset

V1 = "/rest/jobs/v1/jobs"
LEGACY = "/rest/2.0/jobs"


@pytest.mark.parametrize(
    ("state", "legacy", "v1", "result"),
    [
        ("ERROR", "ERROR", "FAILED", "FAILURE"),
        ("FAILED", "ERROR", "FAILED", "FAILURE"),
        ("CANCELED", "CANCELED", "DELETED", "NOT_SET"),
        ("DELETED", "CANCELED", "DELETED", "NOT_SET"),
        ("COMPLETED", "COMPLETED", "COMPLETED", "SUCCESS"),
        ("EXPLODED", "EXPLODED", "EXPLODED", "NOT_SET"),
    ],
)
def test_end_of_jobs_can_be_planned(
    client: ApiClient, state: str, legacy: str, v1: str, result: str
) -> None:
    """Any word is possible; a word of one API is translated by the other."""
    client.tenant.end_jobs_as(state, message="planned")
    job = client.remove_missing()

    assert (legacy, result) == client.end_of(job)
    assert (v1, "planned") == (client.job(job)["state"], client.job(job)["message"])
    assert v1 == client.tenant.jobs[-1].state


@pytest.mark.parametrize(
    ("state", "result", "left"),
    [
        ("COMPLETED", "SUCCESS", set()),
        ("COMPLETED", "COMPLETED_WITH_ERROR", set()),
        ("COMPLETED", "ABORTED", {"a"}),
        ("FAILED", "FAILURE", {"a"}),
        ("EXPLODED", None, {"a"}),
    ],
)
def test_only_a_good_end_takes_effect(
    client: ApiClient, state: str, result: str | None, left: set[str]
) -> None:
    """A finalization that is planned to end badly removes nothing."""
    client.batch(asset("a"))
    client.finalize()
    client.tenant.end_jobs_as(state, result)
    client.remove_missing()

    assert left == client.tenant.asset_names()


def test_plan_concerns_the_next_job_of_its_kind(client: ApiClient) -> None:
    """A plan for finalizations ignores batches, and is used up by one job."""
    client.tenant.end_jobs_as("FAILED")

    assert ("COMPLETED", "SUCCESS") == client.end_of(client.batch(asset("a")))
    assert ("ERROR", "FAILURE") == client.end_of(client.remove_missing())
    assert ("COMPLETED", "SUCCESS") == client.end_of(client.remove_missing())


def test_job_can_run_for_ever(client: ApiClient, clock: FakeClock) -> None:
    """A stalled job keeps its state at any time, until it is finished."""
    client.tenant.stall_jobs()
    job = client.remove_missing()
    clock.advance(10**8)
    assert ("RUNNING", "RUNNING") == (client.legacy_job(job)["state"], client.job(job)["state"])

    client.tenant.finish_jobs()
    assert ("COMPLETED", "SUCCESS") == client.end_of(job)


def test_stalled_job_can_be_canceled(client: ApiClient) -> None:
    """A job that runs for ever ends when it is canceled, without effect."""
    client.tenant.stall_jobs(on="batch", state="WAITING")
    job = client.batch(asset("a"))
    assert "WAITING" == client.job(job)["state"]
    client.http.delete(f"{V1}/{job}")

    assert "DELETED" == client.job(job)["state"]
    assert set() == client.tenant.asset_names()


@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize("path", [V1, LEGACY])
def test_new_job_can_be_hidden(client: ApiClient, path: str, status: int) -> None:
    """A new job is neither found nor listed at first."""
    client.tenant.hide_jobs(2, status=status)
    job = client.batch(asset("a"))

    assert status == client.get(f"{path}/{job}").status_code
    assert [] == client.get(path).json()["results"]
    assert 200 == client.get(f"{path}/{job}").status_code


@pytest.mark.parametrize("path", [V1, LEGACY])
def test_job_list_can_lag(client: ApiClient, path: str) -> None:
    """A new job appears in lists after a number of list requests, and by its ID at once."""
    client.tenant.delay_job_listing(2)
    job = client.batch(asset("a"))
    assert 200 == client.get(f"{path}/{job}").status_code
    counts = [len(client.get(path).json()["results"]) for _ in range(3)]

    assert [0, 0, 1] == counts


def test_lost_job_is_gone(client: ApiClient) -> None:
    """A lost job is 404 everywhere, and its effect stays."""
    job = client.batch(asset("a"))
    client.tenant.lose_job(job)
    results = f"/rest/2.0/import/results/{job}/summary"

    paths = (f"{V1}/{job}", f"{LEGACY}/{job}", results)
    assert {404} == {client.get(path).status_code for path in paths}
    assert {"a"} == client.tenant.asset_names()
    assert [job] == [known.id for known in client.tenant.jobs]
    assert [] == client.listed()


def test_one_job_can_be_forbidden(client: ApiClient) -> None:
    """A forbidden job is 403 with its results, though lists contain it; others stay readable."""
    job, other = client.batch(asset("a")), client.batch(asset("b"))
    client.tenant.forbid_job(job)
    results = f"/rest/2.0/import/results/{job}/summary"

    paths = (f"{V1}/{job}", f"{LEGACY}/{job}", results)
    assert {403} == {client.get(path).status_code for path in paths}
    assert 200 == client.get(f"{V1}/{other}").status_code
    assert {job, other} == set(client.listed())

    client.tenant.forbid_job(job, forbidden=False)
    assert 200 == client.get(f"{V1}/{job}").status_code


def test_job_api_can_be_absent(client: ApiClient) -> None:
    """Each of the two APIs can be removed, and both can be restored."""
    job = client.batch(asset("a"))

    def served() -> list[int]:
        return [client.get(f"{path}/{job}").status_code for path in (V1, LEGACY)]

    client.tenant.without_job_api_v1()
    assert [404, 200] == served()
    client.tenant.without_legacy_jobs()
    assert [404, 404] == served()
    client.tenant.with_all_job_apis()
    assert [200, 200] == served()


def test_running_jobs_can_be_finished(client: ApiClient) -> None:
    """finish_jobs ends the jobs that run now, and no later one."""
    client.tenant.run_jobs_for(3600)
    early = client.batch(asset("a"))
    client.tenant.finish_jobs()
    late = client.batch(asset("b"))

    assert ["COMPLETED", "WAITING"] == [client.job(job)["state"] for job in (early, late)]
    assert {"a"} == client.tenant.asset_names()


def test_unknown_kind_is_refused(client: ApiClient) -> None:
    """An unknown kind of job raises an error that lists the known ones."""
    with pytest.raises(ValueError, match="finalize, batch, import, any"):
        client.tenant.end_jobs_as("FAILED", on="finalise")
    with pytest.raises(ValueError, match="finalize, batch, import, any"):
        client.tenant.stall_jobs(on="job")
