"""Plain imports and the form of imports."""

import json

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import ApiClient, asset, job_id

IMPORT = "/rest/2.0/import"


def test_plain_import_adds_assets(client: ApiClient) -> None:
    """A plain import has its own kind of job and creates no synchronization."""
    job = client.import_plainly(asset("a"))

    assert ("COMPLETED", "SUCCESS") == client.end_of(job)
    assert {"a"} == client.tenant.asset_names()
    assert ["import"] == [one.kind for one in client.tenant.jobs]
    assert [] == client.get(f"{IMPORT}/synchronize").json()["results"]


def test_simulation_changes_nothing(client: ApiClient) -> None:
    """A plain import can be simulated: errors are found and nothing is committed."""
    parts = {"simulation": "true", "continueOnError": "false"}
    good = client.import_plainly(asset("a"), **parts)
    bad = client.import_plainly(asset("a"), {}, **parts)

    assert ("COMPLETED", "SUCCESS") == client.end_of(good)
    assert ("ERROR", "FAILURE") == client.end_of(bad)
    assert set() == client.tenant.asset_names()


@pytest.mark.parametrize(
    ("version", "parts", "status"),
    [
        ("2026.07.0", {}, 400),
        ("2026.06.0", {}, 200),
        ("2026.06.0", {"continueOnError": "true"}, 400),
        ("2026.07.0", {"continueOnError": "false"}, 200),
    ],
)
def test_simulation_excludes_continue_on_error(
    version: str, parts: dict[str, str], status: int
) -> None:
    """A simulation that continues on error is refused, also where that is the default."""
    with ApiClient(Sandbox(version=version)) as client:
        response = client.post_file(f"{IMPORT}/json-job", "[]", simulation="true", **parts)

    assert status == response.status_code


@pytest.mark.parametrize("path", [f"{IMPORT}/json-job", f"{IMPORT}/synchronize/x/batch/json-job"])
def test_file_is_mandatory(client: ApiClient, path: str) -> None:
    """A form without the file is refused; IDs of uploaded files are not imitated."""
    for name in ("foo", "fileId"):
        response = client.http.post(path, files={name: (None, client.tenant.user_id)})
        assert 400 == response.status_code
    assert [] == client.tenant.jobs


@pytest.mark.parametrize(
    "path",
    [
        f"{IMPORT}/csv-job",
        f"{IMPORT}/excel-job",
        f"{IMPORT}/synchronize/x/batch/csv-job",
        f"{IMPORT}/synchronize/x/json-job",
        "/rest/2.0/files",
    ],
)
def test_unused_endpoints_are_absent(client: ApiClient, path: str) -> None:
    """Tables, whole cycles in one request and uploaded files are not imitated."""
    assert 404 == client.post_file(path, "[]").status_code


@pytest.mark.parametrize("text", ["True", "true", "TRUE"])
def test_booleans_may_have_capitals(text: str) -> None:
    """The official client writes True, which counts."""
    with ApiClient(Sandbox(version="2026.06.0")) as client:
        client.batch({}, asset("a"), continueOnError=text)

        assert {"a"} == client.tenant.asset_names()


def test_unknown_parts_are_ignored(client: ApiClient) -> None:
    """Parts that the API does not know do no harm."""
    content = json.dumps([asset("a")])
    job = job_id(client.post_file(f"{IMPORT}/json-job", content, fileName="x", foo="bar"))

    assert ("COMPLETED", "SUCCESS") == client.end_of(job)
