"""Version, account and statuses."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import MISSING, Caller

INFO = "/rest/2.0/application/info"
STATUSES = "/rest/2.0/statuses"


@pytest.mark.parametrize(
    ("version", "major"), [("2022.05.3", 2022), ("2026.07.0-beta", 2026), ("next", 0)]
)
def test_the_version_is_told_as_it_is(version: str, major: int) -> None:
    """Whatever the version looks like, it is shown in full and as numbers where it has any."""
    with Sandbox(version=version) as tenant, Caller(tenant, auth=None) as caller:
        told = caller.get(INFO).json()["version"]

    assert (version, major) == (told["fullVersion"], told["major"])


def test_a_version_may_be_kept_secret() -> None:
    """A tenant may tell no version at all."""
    with Sandbox(version=None) as tenant, Caller(tenant, auth=None) as caller:
        assert caller.get(INFO).json()["version"] is None


def test_system_statuses_are_the_documented_ones(caller: Caller) -> None:
    """Missing from source has its documented id, and the id is found again by name."""
    assert "Missing from source" == caller.get(f"{STATUSES}/{MISSING}").json()["name"]
    assert MISSING == caller.get(f"{STATUSES}/name/Missing%20from%20source").json()["id"]


@pytest.mark.parametrize("path", [f"{STATUSES}/{MISSING[:-1]}9", f"{STATUSES}/name/Nowhere"])
def test_an_unknown_status_is_not_found(caller: Caller, path: str) -> None:
    """A status that does not exist answers 404 in the envelope."""
    answer = caller.get(path)

    assert (404, "notFound") == (answer.status_code, answer.json()["errorCode"])


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
def test_statuses_are_found_by_name(caller: Caller, query: Any, found: list[str]) -> None:
    """Only EXACT minds capitals, and ANYWHERE is the default."""
    listed = caller.get(STATUSES, **query).json()
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
def test_pages_go_by_offset(caller: Caller, query: Any, shown: int, total: int) -> None:
    """A limit of 0 is the default, and a count can be limited or skipped."""
    listed = caller.get(STATUSES, **query).json()

    assert (shown, total) == (len(listed["results"]), listed["total"])


@pytest.mark.parametrize("query", [{"limit": 1001}, {"offset": -1}, {"limit": "many"}])
def test_a_page_has_its_limits(caller: Caller, query: Any) -> None:
    """Figures out of range are refused."""
    assert 400 == caller.get(STATUSES, **query).status_code
