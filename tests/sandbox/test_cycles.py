"""What the stand-in tenant does with cycles, as Collibra documents it."""

import json
from typing import Any

import httpx
import pytest

from collibra_tasks.models import MISSING_FROM_SOURCE
from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import NO_TLS

DOMAIN = {"name": "Sales schema", "community": {"name": "Data Warehouse"}}
CANDIDATE = "00000000-0000-0000-0000-000000005008"
SYNCHRONIZE = "/rest/2.0/import/synchronize/nightly"


def ask(tenant: Sandbox, method: str, path: str, **request: Any) -> httpx.Response:
    auth = (tenant.username, tenant.password)
    return httpx.request(method, tenant.url + path, auth=auth, verify=NO_TLS, **request)


def send(tenant: Sandbox, *names: str, **parts: str) -> httpx.Response:
    commands = [
        {
            "resourceType": "Asset",
            "identifier": {"name": name, "domain": DOMAIN},
            "type": {"name": "Table"},
        }
        for name in names
    ]
    files = {"file": ("tables.json", json.dumps(commands))}
    return ask(tenant, "POST", f"{SYNCHRONIZE}/batch/json-job", files=files, data=parts)


def finalize(tenant: Sandbox, **parts: str) -> httpx.Response:
    files = {name: (None, value) for name, value in (parts or {"foo": "bar"}).items()}
    return ask(tenant, "POST", f"{SYNCHRONIZE}/finalize/job", files=files)


def mark(tenant: Sandbox) -> httpx.Response:
    return finalize(
        tenant, finalizationStrategy="CHANGE_STATUS", missingAssetStatusId=MISSING_FROM_SOURCE
    )


def statuses(tenant: Sandbox) -> dict[str, str]:
    return {asset.name: asset.status_id for asset in tenant.assets().values()}


def test_left_to_itself_it_deletes(tenant: Sandbox) -> None:
    """A finalization that names no strategy removes what did not come back."""
    send(tenant, "a", "b")
    finalize(tenant)
    send(tenant, "a")
    finalize(tenant)

    assert {"a"} == tenant.asset_names()


def test_marking_and_restoring(tenant: Sandbox) -> None:
    """An asset that comes back leaves the status again, for its type's default one."""
    send(tenant, "a", "b")
    mark(tenant)
    send(tenant, "a")
    mark(tenant)
    assert {"a": CANDIDATE, "b": MISSING_FROM_SOURCE} == statuses(tenant)

    send(tenant, "a", "b")
    mark(tenant)
    assert {"a": CANDIDATE, "b": CANDIDATE} == statuses(tenant)


def test_ignoring_leaves_and_does_not_restore(tenant: Sandbox) -> None:
    """IGNORE neither marks what is missing nor restores what came back."""
    send(tenant, "a", "b")
    mark(tenant)
    send(tenant, "a")
    mark(tenant)
    send(tenant, "a", "b")
    finalize(tenant, finalizationStrategy="IGNORE")

    assert MISSING_FROM_SOURCE == statuses(tenant)["b"]


def test_a_second_finalization_finds_everything_missing(tenant: Sandbox) -> None:
    """Finalizing twice closes an empty cycle: this is why nobody may do it by accident."""
    send(tenant, "a", "b")
    finalize(tenant, finalizationStrategy="REMOVE_RESOURCES")
    assert {"a", "b"} == tenant.asset_names()

    finalize(tenant, finalizationStrategy="REMOVE_RESOURCES")
    assert set() == tenant.asset_names()
    assert 2 == tenant.finalizations


def test_synchronizations_do_not_see_each_other(tenant: Sandbox) -> None:
    """What came under another ID is never missing under this one."""
    send(tenant, "a")
    finalize(tenant)
    files = {"finalizationStrategy": (None, "REMOVE_RESOURCES")}
    ask(tenant, "POST", "/rest/2.0/import/synchronize/other/finalize/job", files=files)

    assert {"a"} == tenant.asset_names()


def test_a_forgotten_synchronization_misses_nothing(tenant: Sandbox) -> None:
    """After forgetting, assets that do not come back stay for ever."""
    send(tenant, "a", "b")
    finalize(tenant)
    assert 204 == ask(tenant, "DELETE", SYNCHRONIZE).status_code
    send(tenant, "a")
    finalize(tenant)

    assert {"a", "b"} == tenant.asset_names()


@pytest.mark.parametrize(
    ("request_", "taken"),
    [
        ({"files": {"foo": (None, "bar")}}, 1),
        ({"data": {"finalizationStrategy": "IGNORE"}}, 0),
        ({"files": {"finalizationStrategy": (None, "DESTROY")}}, 0),
        ({"files": {"finalizationStrategy": (None, "CHANGE_STATUS")}}, 0),
    ],
)
def test_the_body_follows_the_rules(tenant: Sandbox, request_: dict[str, Any], taken: int) -> None:
    """At least one part, real multipart, a known strategy, and a status where one is needed."""
    answer = ask(tenant, "POST", f"{SYNCHRONIZE}/finalize/job", **request_)

    assert bool(taken) == answer.is_success
    assert taken == tenant.finalizations


def test_nobody_asks_without_showing_who_they_are(tenant: Sandbox) -> None:
    """Only the release is told to everybody."""
    assert 200 == httpx.get(f"{tenant.url}/rest/2.0/application/info", verify=NO_TLS).status_code
    assert 401 == httpx.get(f"{tenant.url}/rest/2.0/users/current", verify=NO_TLS).status_code


def test_no_scope_is_granted(tenant: Sandbox) -> None:
    """The token endpoint refuses any scope, as Collibra's does."""
    form = {
        "grant_type": "client_credentials",
        "client_id": tenant.client_id,
        "client_secret": tenant.client_secret,
    }
    address = f"{tenant.url}/rest/oauth/v2/token"

    assert 3600 == httpx.post(address, data=form, verify=NO_TLS).json()["expires_in"]
    refused = httpx.post(address, data=form | {"scope": "dgc"}, verify=NO_TLS)
    assert "invalid_scope" == refused.json()["error"]


def test_the_two_job_apis_use_their_own_words(tenant: Sandbox) -> None:
    """A broken job is ERROR with epoch dates in the older API, FAILED with ISO dates in v1."""
    tenant.end_jobs_as("ERROR", "FAILURE")
    job_id = finalize(tenant).json()["id"]
    older = ask(tenant, "GET", f"/rest/2.0/jobs/{job_id}").json()
    current = ask(tenant, "GET", f"/rest/jobs/v1/jobs/{job_id}").json()

    assert ("ERROR", "FAILED") == (older["state"], current["state"])
    assert isinstance(older["createdOn"], int)
    assert isinstance(current["createdOn"], str)
    assert tenant.user_id == older["userId"] == current["user"]


def test_results_wait_for_the_end(tenant: Sandbox) -> None:
    """A summary is refused while the job runs, and unknown for no job."""
    tenant.run_jobs_for(60)
    job_id = send(tenant, "a").json()["id"]
    summary = f"/rest/2.0/import/results/{job_id}/summary"
    assert 400 == ask(tenant, "GET", summary).status_code

    tenant.finish_jobs()
    assert 0 == ask(tenant, "GET", summary).json()["errorsCount"]
    assert 404 == ask(tenant, "GET", summary.replace(job_id, tenant.user_id)).status_code


@pytest.mark.parametrize(("version", "left"), [("2026.07.0", 1), ("2026.06.0", 0)])
def test_a_bad_command_counts_by_the_release(version: str, left: int) -> None:
    """From 2026.07 on the good commands of a batch stay; before, all is rolled back."""
    with Sandbox(version=version) as tenant:
        good = {
            "resourceType": "Asset",
            "identifier": {"name": "a", "domain": DOMAIN},
            "type": {"name": "Table"},
        }
        content = json.dumps([good, {"resourceType": "Asset"}])
        files = {"file": ("tables.json", content)}
        job_id = ask(tenant, "POST", f"{SYNCHRONIZE}/batch/json-job", files=files).json()["id"]
        errors = ask(tenant, "GET", f"/rest/2.0/import/results/{job_id}/errors").json()["results"]

        assert left == len(tenant.assets())
        assert [[1]] == [error["command"]["indices"] for error in errors]


def test_a_held_answer_shows_what_was_done(tenant: Sandbox) -> None:
    """A request can be held after the tenant acted, and its answer let go."""
    import threading

    hold = tenant.hold_next_answer()
    asking = threading.Thread(target=lambda: finalize(tenant))
    asking.start()
    assert hold.reached.wait(5)

    assert 1 == tenant.finalizations
    hold.release()
    asking.join(5)
    assert not asking.is_alive()
