"""Background jobs in both job APIs."""

from datetime import timedelta
from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import ApiClient, FakeClock, asset

V1 = "/rest/jobs/v1/jobs"
LEGACY = "/rest/2.0/jobs"


def many(tenant: Sandbox, clock: FakeClock, count: int) -> list[str]:
    ids = []
    for number in range(count):
        clock.advance(1)
        ids.append(tenant.add_foreign_job(name=f"Job {number}").id)
    return ids[::-1]


def states(client: ApiClient, job_id: str) -> tuple[str, str]:
    return client.legacy_job(job_id)["state"], client.job(job_id)["state"]


def test_job_advances_by_the_clock(client: ApiClient, clock: FakeClock) -> None:
    """A job waits, runs and ends over its seconds; then its effect is there."""
    client.tenant.run_jobs_for(100)
    job = client.batch(asset("a"))
    assert ("WAITING", "WAITING") == states(client, job)

    clock.advance(55)
    assert ("RUNNING", "RUNNING") == states(client, job)
    assert (55.0, 55) == (
        client.legacy_job(job)["progressPercentage"],
        client.job(job)["progressPercentage"],
    )
    assert "NOT_SET" == client.job(job)["result"]
    assert set() == client.tenant.asset_names()

    clock.advance(45)
    assert {"a"} == client.tenant.asset_names()
    assert ("COMPLETED", "COMPLETED") == states(client, job)


def test_time_can_be_passed(client: ApiClient) -> None:
    """pass_time advances the tenant's clock."""
    client.tenant.run_jobs_for(100)
    job = client.batch(asset("a"))
    client.tenant.pass_time(100)

    assert ("COMPLETED", "SUCCESS") == client.end_of(job)


def test_post_returns_a_waiting_job(client: ApiClient, clock: FakeClock) -> None:
    """The response to a POST shows the job waiting, even if jobs take no time."""
    job = client.finalize().json()

    assert ("Job", "WAITING", "NOT_SET") == (job["resourceType"], job["state"], job["result"])
    assert clock().timestamp() * 1000 == job["createdOn"]
    assert "endDate" not in job


def test_dates_have_two_forms(client: ApiClient, clock: FakeClock) -> None:
    """The legacy API writes epoch milliseconds, the Job API v1 ISO 8601."""
    clock.advance(0.25)
    job = client.batch(asset("a"))

    assert "2026-11-24T12:00:00.250Z" == client.job(job)["createdOn"]
    assert 1795521600250 == client.legacy_job(job)["createdOn"]
    assert 1795521600250 == client.legacy_job(job)["endDate"]


def test_each_api_has_its_own_words(client: ApiClient) -> None:
    """A broken job is ERROR in the legacy API and FAILED in v1, with the same user."""
    client.tenant.end_jobs_as("ERROR", "FAILURE")
    job = client.remove_missing()

    assert ("ERROR", "FAILED") == states(client, job)
    assert client.tenant.user_id == client.legacy_job(job)["userId"] == client.job(job)["user"]


@pytest.mark.parametrize("ending", ["finish", "cancel"])
def test_job_never_starts_after_its_end(client: ApiClient, clock: FakeClock, ending: str) -> None:
    """A job that ends while it waits has its dates in sequence."""
    client.tenant.run_jobs_for(100)
    job = client.batch(asset("a"))
    clock.advance(5)
    if ending == "finish":
        client.tenant.finish_jobs()
    else:
        client.http.post(f"{LEGACY}/{job}/canceled").raise_for_status()
    clock.advance(95)

    shown = client.legacy_job(job)
    assert shown["createdOn"] + 5000 == shown["startDate"] == shown["endDate"]


def test_jobs_have_their_observed_names(client: ApiClient) -> None:
    """A batch has the observed name; a plain import's name holds no ID."""
    batch = client.job(client.batch(asset("a"), synchronization_id="okera1"))
    plain = client.job(client.import_plainly(asset("a")))

    assert ("Synchronization of batch for id: okera1", "IMPORT") == (batch["name"], batch["type"])
    assert ("Import", "IMPORT") == (plain["name"], plain["type"])


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("Synchronization of batch for id: {id}", "Synchronization of batch for id: {x}"),
        ("Finalize", "Finalize"),
        (None, None),
        ("x" * 4800 + "{id}", "x" * 4800 + "{x}"),
    ],
)
@pytest.mark.parametrize("kind", ["batch", "finalization"])
def test_job_names_are_settings(
    client: ApiClient, kind: str, template: str | None, name: str | None
) -> None:
    """A name may hold the ID, hold none, equal another, be very long or be absent."""
    client.tenant.configure(**{f"{kind}_job_name": template, f"{kind}_job_type": None})
    if kind == "batch":
        job = client.batch(asset("a"), synchronization_id="%7Bx%7D")
    else:
        job = client.finalize("%7Bx%7D").json()["id"]

    assert name == client.job(job).get("name")
    assert name == client.legacy_job(job).get("name")
    assert "type" not in client.job(job)


def test_job_name_may_change_while_running(client: ApiClient) -> None:
    """A changed name concerns later jobs only."""
    before = client.remove_missing()
    client.tenant.configure(finalization_job_name="Finalize {id}")
    after = client.remove_missing()

    assert "Synchronization finalization for id: nightly" == client.job(before)["name"]
    assert "Finalize nightly" == client.job(after)["name"]


@pytest.mark.parametrize("path", [V1, LEGACY])
def test_unknown_job_is_not_found(client: ApiClient, path: str) -> None:
    """Both APIs respond 404 for a job that does not exist."""
    assert 404 == client.get(f"{path}/{client.tenant.user_id}").status_code


def test_job_id_is_a_uuid(client: ApiClient) -> None:
    """The Job API v1 refuses an ID that is no UUID."""
    assert 400 == client.get(f"{V1}/latest").status_code


def test_pages_go_by_cursor(client: ApiClient, clock: FakeClock) -> None:
    """Pages are newest first, with ten jobs; a job that starts meanwhile shifts nothing."""
    ids = many(client.tenant, clock, 23)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        listed = client.get(V1, **cursor).json()
        seen += [job["id"] for job in listed["results"]]
        if "nextCursor" not in listed:
            break
        cursor = {"cursor": listed["nextCursor"]}
        client.tenant.add_foreign_job()

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
def test_list_refuses_unknown_values(client: ApiClient, query: Any) -> None:
    """Values that the Job API v1 does not list are refused."""
    client.tenant.add_foreign_job()

    assert 400 == client.get(V1, **query).status_code


def test_page_of_v1_has_at_most_50_jobs(client: ApiClient, clock: FakeClock) -> None:
    """A page of v1 holds fifty jobs, and one of the legacy API holds all."""
    many(client.tenant, clock, 51)

    assert 50 == len(client.get(V1, pageSize=50).json()["results"])
    assert 51 == client.get(LEGACY).json()["total"]


def test_lists_can_be_filtered(client: ApiClient) -> None:
    """Each API filters by its own names and words; a job without name fits no name."""
    tenant = client.tenant
    tenant.end_jobs_as("FAILED")
    broken = client.remove_missing()
    foreign = tenant.add_foreign_job(user_id=tenant.app_user_id, name="Ingest", type="SAMPLE").id
    tenant.add_foreign_job(name=None, type=None)
    filters: list[tuple[str, dict[str, Any], str]] = [
        (V1, {"state": ["FAILED", "RUNNING"]}, broken),
        (V1, {"result": "FAILURE"}, broken),
        (V1, {"type": "SAMPLE"}, foreign),
        (V1, {"user": tenant.app_user_id}, foreign),
        (V1, {"name": "ingest"}, foreign),
        (LEGACY, {"states": "ERROR"}, broken),
        (LEGACY, {"results": ["FAILURE", "ABORTED"]}, broken),
        (LEGACY, {"types": "SAMPLE"}, foreign),
        (LEGACY, {"createdBy": tenant.app_user_id}, foreign),
        (LEGACY, {"name": "Ing", "nameMatchMode": "START"}, foreign),
    ]
    for path, query, wanted in filters:
        assert [wanted] == [job["id"] for job in client.get(path, **query).json()["results"]]


def test_lists_can_be_sorted(client: ApiClient, clock: FakeClock) -> None:
    """The Job API v1 sorts by a field, in descending sequence by default."""
    many(client.tenant, clock, 3)
    listed = client.get(V1, sortField="NAME", sortOrder="ASC").json()["results"]

    assert ["Job 0", "Job 1", "Job 2"] == [job["name"] for job in listed]


@pytest.mark.parametrize("path", [V1, LEGACY])
def test_visibility_of_other_users_jobs_is_a_setting(client: ApiClient, path: str) -> None:
    """An account sees the jobs of others in lists, or only its own; IDs work either way."""
    other = client.tenant.add_account("other")
    own = client.batch(asset("a"))
    foreign = client.tenant.add_foreign_job(other.user_id).id

    def listed(**options: Any) -> set[str]:
        found = client.http.get(path, **options).json()["results"]
        return {job["id"] for job in found}

    assert {own, foreign} == listed()
    client.tenant.configure(jobs_visible_to_others=False)
    assert {own} == listed()
    assert {foreign} == listed(auth=(other.username, other.password))
    assert 200 == client.get(f"{path}/{foreign}").status_code


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", f"{V1}/{{}}", 204), ("POST", f"{LEGACY}/{{}}/canceled", 202)],
)
def test_canceled_job_has_no_effect(
    client: ApiClient, clock: FakeClock, method: str, path: str, status: int
) -> None:
    """Both APIs stop a running job, which then ends in the words of each."""
    client.tenant.run_jobs_for(100)
    job = client.batch(asset("a"))
    clock.advance(50)
    assert status == client.http.request(method, path.format(job)).status_code
    assert ("CANCELING", "DELETED") == states(client, job)

    clock.advance(100)
    assert ("CANCELED", "DELETED") == states(client, job)
    assert set() == client.tenant.asset_names()


def test_deleting_an_ended_job_undoes_nothing(client: ApiClient) -> None:
    """A deleted job stays readable as DELETED, and its effect stays."""
    job = client.batch(asset("a"))
    assert "COMPLETED" == client.job(job)["state"]
    client.http.delete(f"{V1}/{job}", params={"message": "tidy"})

    deleted = client.job(job)
    assert ("DELETED", "SUCCESS", "tidy") == tuple(
        deleted[name] for name in ("state", "result", "message")
    )
    assert {"a"} == client.tenant.asset_names()


@pytest.mark.parametrize(("length", "status"), [(129, 400), (128, 204)])
def test_deletion_message_has_at_most_128_characters(
    client: ApiClient, length: int, status: int
) -> None:
    """A longer message for a deletion is refused."""
    job = client.tenant.add_foreign_job().id

    query = {"message": "x" * length}
    assert status == client.http.delete(f"{V1}/{job}", params=query).status_code


def test_only_own_jobs_are_canceled(client: ApiClient) -> None:
    """The job of another user is 403, and continues."""
    job = client.tenant.add_foreign_job(user_id=client.tenant.app_user_id).id
    response = client.http.delete(f"{V1}/{job}")

    assert (403, "forbiddenNotOwner") == (response.status_code, response.json()["errorCode"])
    assert 403 == client.http.post(f"{LEGACY}/{job}/canceled").status_code


def test_job_is_listed_by_its_date(client: ApiClient, clock: FakeClock) -> None:
    """A foreign job can have an earlier date, and is listed by it."""
    own = client.batch(asset("a"))
    old = client.tenant.add_foreign_job(created_on=clock() - timedelta(hours=1))

    assert [old.id, own] == [job.id for job in client.tenant.jobs]
    assert [own, old.id] == client.listed()
