"""Version, base URL and statuses."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import MISSING, ApiClient

INFO = "/rest/2.0/application/info"
STATUSES = "/rest/2.0/statuses"


@pytest.mark.parametrize(
    ("version", "major"), [("2022.05.3", 2022), ("2026.07.0-beta", 2026), ("next", 0)]
)
def test_version_is_reported_as_it_is(version: str, major: int) -> None:
    """Any version is reported as text, and as numbers if it begins with them."""
    with ApiClient(Sandbox(version=version)) as client:
        reported = client.get(INFO).json()["version"]

    assert (version, major) == (reported["fullVersion"], reported["major"])


def test_version_may_be_absent() -> None:
    """A tenant may report no version."""
    with ApiClient(Sandbox(version=None)) as client:
        assert client.get(INFO).json()["version"] is None


def test_version_may_change(client: ApiClient) -> None:
    """set_version changes the version of a running tenant."""
    client.tenant.set_version("2026.10.0")

    assert (2026, 10) == tuple(client.get(INFO).json()["version"][k] for k in ("major", "minor"))


def test_base_url_is_reported(client: ApiClient) -> None:
    """The reported base URL is the sandbox's own, unless it is set."""
    assert client.tenant.url == client.get(INFO).json()["baseUrl"]

    client.tenant.configure(reported_base_url="https://tenant.collibra.com")
    assert "https://tenant.collibra.com" == client.get(INFO).json()["baseUrl"]


def test_base_url_may_be_absent() -> None:
    """With reported_base_url=None the field is absent."""
    with ApiClient(Sandbox(reported_base_url=None)) as client:
        assert "baseUrl" not in client.get(INFO).json()


def test_unknown_setting_is_refused(tenant: Sandbox) -> None:
    """A misspelt setting raises a TypeError, at creation and later."""
    with pytest.raises(TypeError, match="batch_name"):
        Sandbox(batch_name="x")
    with pytest.raises(TypeError, match="batch_name"):
        tenant.configure(batch_name="x")


def test_status_has_its_documented_id(client: ApiClient) -> None:
    """Missing from source has its documented ID, and the ID is found by name."""
    assert "Missing from source" == client.get(f"{STATUSES}/{MISSING}").json()["name"]
    assert MISSING == client.get(f"{STATUSES}/name/Missing%20from%20source").json()["id"]


@pytest.mark.parametrize("path", [f"{STATUSES}/{MISSING[:-1]}9", f"{STATUSES}/name/Nowhere"])
def test_unknown_status_is_not_found(client: ApiClient, path: str) -> None:
    """An unknown status is 404 in the envelope."""
    response = client.get(path)

    assert (404, "notFound") == (response.status_code, response.json()["errorCode"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name": "Missing from source", "nameMatchMode": "EXACT"}, ["Missing from source"]),
        ({"name": "missing from source", "nameMatchMode": "EXACT"}, []),
        ({"name": "REVIEW"}, ["Under Review", "Reviewed"]),
        ({"name": "approv", "nameMatchMode": "START"}, ["Approval Pending", "Approved"]),
        (
            {"name": "ENDING", "nameMatchMode": "END"},
            ["Approval Pending", "Resolution Pending", "Pending"],
        ),
    ],
)
def test_statuses_are_found_by_name(client: ApiClient, query: Any, found: list[str]) -> None:
    """Only EXACT is case-sensitive, and ANYWHERE is the default."""
    listed = client.get(STATUSES, **query).json()
    names = [status["name"] for status in listed["results"]]

    assert found == names
    assert len(names) == listed["total"]


@pytest.mark.parametrize(
    ("query", "shown", "total"),
    [
        ({"limit": 0}, 23, 23),
        ({"limit": 2, "offset": 22}, 1, 23),
        ({"countLimit": 0}, 23, -1),
        ({"countLimit": 5}, 23, 5),
    ],
)
def test_pages_go_by_offset(client: ApiClient, query: Any, shown: int, total: int) -> None:
    """A limit of 0 is the default, and a count can be limited or skipped."""
    listed = client.get(STATUSES, **query).json()

    assert (shown, total) == (len(listed["results"]), listed["total"])


@pytest.mark.parametrize("query", [{"limit": 1001}, {"offset": -1}, {"limit": "many"}])
def test_page_parameters_have_limits(client: ApiClient, query: Any) -> None:
    """Values out of range are refused."""
    assert 400 == client.get(STATUSES, **query).status_code
