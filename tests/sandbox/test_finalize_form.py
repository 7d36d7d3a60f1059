"""The form of a finalization request."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import MISSING, ApiClient, asset, fields

FINALIZE = "/rest/2.0/import/synchronize/nightly/finalize/job"
CHANGE_STATUS = {"finalizationStrategy": (None, "CHANGE_STATUS")}
OLD_PARAMETER = f'{{"STATUS_ID": "{MISSING}"}}'


def two_cycles(client: ApiClient, files: Any) -> int:
    client.batch(asset("a"), asset("b"))
    client.finalize()
    client.batch(asset("a"))
    return client.http.post(FINALIZE, files=files).status_code


def status_of_b(client: ApiClient) -> str:
    return client.tenant.assets()["Warehouse", "Tables", "b"].status_id


@pytest.mark.parametrize(
    "files",
    [
        CHANGE_STATUS | {"missingAssetStatusId": (None, MISSING)},
        CHANGE_STATUS | {"missingAssetStatusId": ("value", MISSING)},
        CHANGE_STATUS | {"finalizationParameters": (None, OLD_PARAMETER, "application/json")},
        CHANGE_STATUS | {"finalizationParameters": ("p.json", OLD_PARAMETER, "application/json")},
        CHANGE_STATUS | {"missingAssetStatusId": (None, MISSING), "foo": (None, "bar")},
        CHANGE_STATUS | {"missingAssetStatusId": (None, MISSING), "simulation": (None, "true")},
    ],
)
def test_status_is_given_in_two_ways(client: ApiClient, files: Any) -> None:
    """Both parameters work, as fields and as files; unknown parts and simulation are ignored."""
    assert 200 == two_cycles(client, files)
    assert MISSING == status_of_b(client)


@pytest.mark.parametrize(
    "files",
    [
        CHANGE_STATUS | {"missingAssetStatusId": (None, "missing")},
        CHANGE_STATUS | {"finalizationParameters": (None, OLD_PARAMETER)},
        CHANGE_STATUS | {"finalizationParameters": (None, "{}", "application/json")},
        fields(finalizationStrategy="ignore"),
        fields(finalizationStrategy=""),
    ],
)
def test_bad_form_is_refused(client: ApiClient, files: Any) -> None:
    """A form that breaks the rules is refused at once, and no job starts."""
    assert 400 == two_cycles(client, files)
    assert 1 == client.tenant.finalizations


@pytest.mark.parametrize(
    ("version", "status"), [("2022.07.0", 400), ("2022.08.0", 200), (None, 200), ("next", 200)]
)
def test_old_tenants_know_only_the_old_parameter(version: str | None, status: int) -> None:
    """Before 2022.08 missingAssetStatusId is an unknown part."""
    with ApiClient(Sandbox(version=version)) as client:
        response = client.finalize(
            finalizationStrategy="CHANGE_STATUS", missingAssetStatusId=MISSING
        )

    assert status == response.status_code


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data; boundary=b", b"--b--\r\n", 400),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nvalue\r\n--b--\r\n", 400),
        ("multipart/form-data", b"--b--\r\n", 400),
        ("application/x-www-form-urlencoded", b"finalizationStrategy=IGNORE", 415),
        ("application/json", b"{}", 415),
    ],
)
def test_only_multipart_is_parsed(
    client: ApiClient, content_type: str, body: bytes, status: int
) -> None:
    """A form without parts, without a boundary or of another type is refused."""
    response = client.http.post(FINALIZE, content=body, headers={"Content-Type": content_type})

    assert status == response.status_code
    assert 0 == client.tenant.finalizations


@pytest.mark.parametrize(
    ("path", "synchronization_id"),
    [("a%20b", "a b"), ("a%2Fb", "a/b"), ("%C3%BC" * 50, "ü" * 50), ("exists", "exists")],
)
@pytest.mark.parametrize("name", ["client", "socket_client"])
def test_ids_are_decoded(
    request: pytest.FixtureRequest, name: str, path: str, synchronization_id: str
) -> None:
    """A synchronization ID may contain any character, up to 50 of them after decoding."""
    client: ApiClient = request.getfixturevalue(name)
    assert 200 == client.finalize(path).status_code
    assert 1 == client.tenant.finalizations_of(synchronization_id)
    assert synchronization_id == client.tenant.finalization_requests[0].synchronization_id


def test_id_has_at_most_50_characters(client: ApiClient) -> None:
    """51 characters are refused by requests that write, and not by those that read."""
    assert 400 == client.finalize("x" * 51).status_code
    exists = client.get(f"/rest/2.0/import/synchronize/exists/{'x' * 51}")
    assert exists.json() is False


def test_finalization_request_is_recorded(client: ApiClient) -> None:
    """The parts and headers of a finalization can be read afterwards."""
    client.finalize(finalizationStrategy="IGNORE", sendNotification="true")
    (request,) = client.tenant.finalization_requests

    assert "IGNORE" == request.parts["finalizationStrategy"].value
    assert b"true" == request.parts["sendNotification"].content
    assert request.headers["content-type"].startswith("multipart/form-data")
