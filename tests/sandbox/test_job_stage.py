"""Stage directions for jobs."""

import pytest

from tests.sandbox.caller import Caller, asset

V1 = "/rest/jobs/v1/jobs"
OLDER = "/rest/2.0/jobs"


@pytest.mark.parametrize(
    ("state", "older", "newer", "result"),
    [
        ("ERROR", "ERROR", "FAILED", "FAILURE"),
        ("FAILED", "ERROR", "FAILED", "FAILURE"),
        ("CANCELED", "CANCELED", "DELETED", "NOT_SET"),
        ("DELETED", "CANCELED", "DELETED", "NOT_SET"),
        ("COMPLETED", "COMPLETED", "COMPLETED", "SUCCESS"),
        ("EXPLODED", "EXPLODED", "EXPLODED", "NOT_SET"),
    ],
)
def test_a_job_ends_as_told(
    caller: Caller, state: str, older: str, newer: str, result: str
) -> None:
    """Any word will do; one that an API has is said in that API's own way."""
    caller.tenant.end_jobs_as(state, message="as told")
    job = caller.remove_missing()

    assert (older, result) == caller.ended(job)
    assert (newer, "as told") == (caller.job(job)["state"], caller.job(job)["message"])
    assert newer == caller.tenant.jobs[-1].state


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
    caller: Caller, state: str, result: str | None, left: set[str]
) -> None:
    """A finalization that is told to end badly removes nothing."""
    caller.batch(asset("a"))
    caller.finalize()
    caller.tenant.end_jobs_as(state, result)
    caller.remove_missing()

    assert left == caller.tenant.asset_names()


def test_only_the_next_job_of_its_kind_is_meant(caller: Caller) -> None:
    """A direction for finalizations passes batches by, and is over after one."""
    caller.tenant.end_jobs_as("FAILED")

    assert ("COMPLETED", "SUCCESS") == caller.ended(caller.batch(asset("a")))
    assert ("ERROR", "FAILURE") == caller.ended(caller.remove_missing())
    assert ("COMPLETED", "SUCCESS") == caller.ended(caller.remove_missing())


@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize("path", [V1, OLDER])
def test_a_new_job_hides_for_some_looks(caller: Caller, path: str, status: int) -> None:
    """A new job is neither found nor listed at first."""
    caller.tenant.hide_jobs(2, status=status)
    job = caller.batch(asset("a"))

    assert status == caller.get(f"{path}/{job}").status_code
    assert [] == caller.get(path).json()["results"]
    assert 200 == caller.get(f"{path}/{job}").status_code


def test_a_lost_job_is_gone(caller: Caller) -> None:
    """A lost job is 404 everywhere, though it had its effect."""
    job = caller.batch(asset("a"))
    caller.tenant.lose_job(job)
    results = f"/rest/2.0/import/results/{job}/summary"

    assert {404} == {caller.get(p).status_code for p in (f"{V1}/{job}", f"{OLDER}/{job}", results)}
    assert {"a"} == caller.tenant.asset_names()
    assert [job] == [known.id for known in caller.tenant.jobs]


def test_a_job_api_can_be_missing(caller: Caller) -> None:
    """Each of the two APIs can be taken away, and both come back."""
    job = caller.batch(asset("a"))

    def served() -> tuple[int, int]:
        return tuple(caller.get(f"{p}/{job}").status_code for p in (V1, OLDER))  # type: ignore[return-value]

    caller.tenant.without_job_api_v1()
    assert (404, 200) == served()
    caller.tenant.without_legacy_jobs()
    assert (404, 404) == served()
    caller.tenant.with_all_job_apis()
    assert (200, 200) == served()


def test_running_jobs_can_be_finished(caller: Caller) -> None:
    """finish_jobs ends what runs now, and no job that starts later."""
    caller.tenant.run_jobs_for(3600)
    early = caller.batch(asset("a"))
    caller.tenant.finish_jobs()
    late = caller.batch(asset("b"))

    assert ["COMPLETED", "WAITING"] == [caller.job(job)["state"] for job in (early, late)]
    assert {"a"} == caller.tenant.asset_names()


def test_kinds_of_jobs_are_checked(caller: Caller) -> None:
    """An unknown kind is a mistake that lists the known ones."""
    with pytest.raises(ValueError, match="finalize, batch, synchronize, import, any"):
        caller.tenant.end_jobs_as("FAILED", on="finalise")
