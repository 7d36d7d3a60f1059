"""Background jobs through both APIs."""

from datetime import timedelta
from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import Caller, FakeClock, asset

V1 = "/rest/jobs/v1/jobs"
OLDER = "/rest/2.0/jobs"


def many(tenant: Sandbox, clock: FakeClock, count: int) -> list[str]:
    ids = []
    for number in range(count):
        clock.advance(1)
        ids.append(tenant.add_foreign_job(name=f"Job {number}").id)
    return ids[::-1]


def states(caller: Caller, job_id: str) -> tuple[str, str]:
    return caller.older_job(job_id)["state"], caller.job(job_id)["state"]


def test_a_job_moves_by_the_tenants_clock(caller: Caller, clock: FakeClock) -> None:
    """A job waits, runs and ends over its seconds; then its effect is there."""
    caller.tenant.run_jobs_for(100)
    job = caller.batch(asset("a"))
    assert ("WAITING", "WAITING") == states(caller, job)

    clock.advance(55)
    assert ("RUNNING", "RUNNING") == states(caller, job)
    assert (55.0, 55) == (
        caller.older_job(job)["progressPercentage"],
        caller.job(job)["progressPercentage"],
    )
    assert "NOT_SET" == caller.job(job)["result"]
    assert set() == caller.tenant.asset_names()

    clock.advance(45)
    assert {"a"} == caller.tenant.asset_names()
    assert ("COMPLETED", "COMPLETED") == states(caller, job)


def test_a_post_answers_with_a_waiting_job(caller: Caller, clock: FakeClock) -> None:
    """Even where jobs take no time, the answer to a POST shows the job waiting."""
    job = caller.finalize().json()

    assert ("Job", "WAITING", "NOT_SET") == (job["resourceType"], job["state"], job["result"])
    assert clock().timestamp() * 1000 == job["createdOn"]
    assert "endDate" not in job


def test_dates_are_written_in_two_ways(caller: Caller, clock: FakeClock) -> None:
    """The older API writes epoch milliseconds, the Job API v1 ISO 8601."""
    clock.advance(0.25)
    job = caller.batch(asset("a"))

    assert "2026-11-24T12:00:00.250Z" == caller.job(job)["createdOn"]
    assert 1795521600250 == caller.older_job(job)["createdOn"]
    assert 1795521600250 == caller.older_job(job)["endDate"]


@pytest.mark.parametrize("ending", ["finish", "cancel"])
def test_a_job_never_starts_after_its_end(caller: Caller, clock: FakeClock, ending: str) -> None:
    """A job that is ended while it waits has dates in their order."""
    caller.tenant.run_jobs_for(100)
    job = caller.batch(asset("a"))
    clock.advance(5)
    if ending == "finish":
        caller.tenant.finish_jobs()
    else:
        caller.http.post(f"{OLDER}/{job}/canceled").raise_for_status()
    clock.advance(95)

    shown = caller.older_job(job)
    assert shown["createdOn"] + 5000 == shown["startDate"] == shown["endDate"]


def test_names_tell_nothing_unless_asked_to(caller: Caller) -> None:
    """A job's name holds the synchronization id only where the tenant is built so."""
    assert "nightly" not in caller.job(caller.batch(asset("a")))["name"]
    with Sandbox(jobs_name_synchronization=True) as tenant, Caller(tenant) as other:
        assert "nightly" in other.job(other.batch(asset("a")))["name"]


@pytest.mark.parametrize("path", [V1, OLDER])
def test_an_unknown_job_is_not_found(caller: Caller, path: str) -> None:
    """Both APIs answer 404 for a job that does not exist."""
    assert 404 == caller.get(f"{path}/{caller.tenant.user_id}").status_code


def test_a_job_id_is_a_uuid(caller: Caller) -> None:
    """The Job API v1 refuses what is no UUID."""
    assert 400 == caller.get(f"{V1}/latest").status_code


def test_pages_go_by_cursor(caller: Caller, clock: FakeClock) -> None:
    """Newest first, ten to a page; a job that starts meanwhile shifts nothing."""
    ids = many(caller.tenant, clock, 23)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        listed = caller.get(V1, **cursor).json()
        seen += [job["id"] for job in listed["results"]]
        if "nextCursor" not in listed:
            break
        cursor = {"cursor": listed["nextCursor"]}
        caller.tenant.add_foreign_job()

    assert ids == seen


@pytest.mark.parametrize(
    "query",
    [
        {"pageSize": 0},
        {"pageSize": 51},
        {"cursor": "elsewhere"},
        {"state": "ERROR"},
        {"result": "GOOD"},
        {"sortField": "CREATED_ON"},
        {"nameMatchMode": "REGEX", "name": "x"},
    ],
)
def test_a_list_has_its_rules(caller: Caller, query: Any) -> None:
    """What the Job API v1 does not list is refused."""
    caller.tenant.add_foreign_job()

    assert 400 == caller.get(V1, **query).status_code


def test_the_largest_page_is_fifty(caller: Caller, clock: FakeClock) -> None:
    """Fifty jobs fit on a page of v1, and all of them on one of the older API."""
    many(caller.tenant, clock, 51)

    assert 50 == len(caller.get(V1, pageSize=50).json()["results"])
    assert 51 == caller.get(OLDER).json()["total"]


def test_lists_can_be_narrowed(caller: Caller) -> None:
    """Each API filters by its own names and words."""
    tenant = caller.tenant
    tenant.end_jobs_as("FAILED")
    broken = caller.remove_missing()
    foreign = tenant.add_foreign_job(user_id=tenant.app_user_id, name="Ingest", type="SAMPLE").id
    narrow: list[tuple[str, dict[str, Any], str]] = [
        (V1, {"state": ["FAILED", "RUNNING"]}, broken),
        (V1, {"result": "FAILURE"}, broken),
        (V1, {"type": "SAMPLE"}, foreign),
        (V1, {"user": tenant.app_user_id}, foreign),
        (V1, {"name": "ingest"}, foreign),
        (OLDER, {"states": "ERROR"}, broken),
        (OLDER, {"results": ["FAILURE", "ABORTED"]}, broken),
        (OLDER, {"types": "SAMPLE"}, foreign),
        (OLDER, {"createdBy": tenant.app_user_id}, foreign),
        (OLDER, {"name": "Ing", "nameMatchMode": "START"}, foreign),
    ]
    for path, query, wanted in narrow:
        assert [wanted] == [job["id"] for job in caller.get(path, **query).json()["results"]]


def test_lists_can_be_sorted(caller: Caller, clock: FakeClock) -> None:
    """v1 sorts by a field, downwards unless told otherwise."""
    many(caller.tenant, clock, 3)
    listed = caller.get(V1, sortField="NAME", sortOrder="ASC").json()["results"]

    assert ["Job 0", "Job 1", "Job 2"] == [job["name"] for job in listed]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", f"{V1}/{{}}", 204), ("POST", f"{OLDER}/{{}}/canceled", 202)],
)
def test_a_canceled_job_has_no_effect(
    caller: Caller, clock: FakeClock, method: str, path: str, status: int
) -> None:
    """Either API stops a running job, which then ends in the words of each."""
    caller.tenant.run_jobs_for(100)
    job = caller.batch(asset("a"))
    clock.advance(50)
    assert status == caller.http.request(method, path.format(job)).status_code
    assert ("CANCELING", "DELETED") == states(caller, job)

    clock.advance(100)
    assert ("CANCELED", "DELETED") == states(caller, job)
    assert set() == caller.tenant.asset_names()


def test_deleting_an_ended_job_undoes_nothing(caller: Caller) -> None:
    """A deleted job stays readable as DELETED, and what it did stays done."""
    job = caller.batch(asset("a"))
    assert "COMPLETED" == caller.job(job)["state"]
    caller.http.delete(f"{V1}/{job}", params={"message": "tidy"})

    deleted = caller.job(job)
    assert ("DELETED", "SUCCESS", "tidy") == tuple(
        deleted[name] for name in ("state", "result", "message")
    )
    assert {"a"} == caller.tenant.asset_names()


def test_a_reason_has_128_characters_at_most(caller: Caller) -> None:
    """A longer message for a deletion is refused."""
    job = caller.tenant.add_foreign_job().id

    for length, status in ((129, 400), (128, 204)):
        query = {"message": "x" * length}
        assert status == caller.http.delete(f"{V1}/{job}", params=query).status_code


def test_only_own_jobs_are_canceled(caller: Caller) -> None:
    """Somebody else's job answers 403 and goes on."""
    job = caller.tenant.add_foreign_job(user_id=caller.tenant.app_user_id).id
    answer = caller.http.delete(f"{V1}/{job}")

    assert (403, "forbiddenNotOwner") == (answer.status_code, answer.json()["errorCode"])
    assert 403 == caller.http.post(f"{OLDER}/{job}/canceled").status_code


def test_an_earlier_job_stands_where_it_belongs(caller: Caller, clock: FakeClock) -> None:
    """A foreign job can be dated back, and is listed by its date."""
    own = caller.batch(asset("a"))
    old = caller.tenant.add_foreign_job(created_on=clock() - timedelta(hours=1))

    assert [old.id, own] == [job.id for job in caller.tenant.jobs]
    assert [own, old.id] == [job["id"] for job in caller.get(V1).json()["results"]]
