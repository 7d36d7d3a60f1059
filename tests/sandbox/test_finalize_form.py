"""What a finalization may ask, and how the request is written."""

from typing import Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.sandbox.caller import MISSING, Caller, asset, fields

FINALIZE = "/rest/2.0/import/synchronize/nightly/finalize/job"
CHANGE_STATUS = {"finalizationStrategy": (None, "CHANGE_STATUS")}
OLD_PARAMETER = f'{{"STATUS_ID": "{MISSING}"}}'


def two_cycles(caller: Caller, files: Any) -> int:
    caller.batch(asset("a"), asset("b"))
    caller.finalize()
    caller.batch(asset("a"))
    return caller.http.post(FINALIZE, files=files).status_code


def status_of_b(caller: Caller) -> str:
    return caller.tenant.assets()["Warehouse", "Tables", "b"].status_id


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
def test_the_status_is_told_in_either_way(caller: Caller, files: Any) -> None:
    """Both parameters work, as fields and as files; unknown parts and simulation are ignored."""
    assert 200 == two_cycles(caller, files)
    assert MISSING == status_of_b(caller)


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
def test_a_bad_form_is_refused(caller: Caller, files: Any) -> None:
    """What breaks the rules is refused at once, and nothing is taken."""
    assert 400 == two_cycles(caller, files)
    assert 1 == caller.tenant.finalizations


@pytest.mark.parametrize(
    ("version", "status"), [("2022.07.0", 400), ("2022.08.0", 200), (None, 200), ("next", 200)]
)
def test_old_tenants_know_only_the_old_parameter(version: str | None, status: int) -> None:
    """Before 2022.08 missingAssetStatusId is just another unknown part."""
    with Sandbox(version=version) as tenant, Caller(tenant) as caller:
        answer = caller.finalize(finalizationStrategy="CHANGE_STATUS", missingAssetStatusId=MISSING)

    assert status == answer.status_code


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
def test_only_real_multipart_is_read(
    caller: Caller, content_type: str, body: bytes, status: int
) -> None:
    """A form without parts, without a boundary or of another type is refused."""
    answer = caller.http.post(FINALIZE, content=body, headers={"Content-Type": content_type})

    assert status == answer.status_code
    assert 0 == caller.tenant.finalizations


def test_an_unknown_status_fails_the_job(caller: Caller) -> None:
    """A status that does not exist is taken, fails as a job and leaves the cycle open."""
    nowhere = MISSING[:-1] + "9"
    caller.batch(asset("a"))
    job = caller.finalize(finalizationStrategy="CHANGE_STATUS", missingAssetStatusId=nowhere)
    assert ("ERROR", "FAILURE") == caller.ended(job.json()["id"])

    caller.remove_missing()
    assert {"a"} == caller.tenant.asset_names()


@pytest.mark.parametrize(
    ("written", "synchronization_id"),
    [("a%20b", "a b"), ("a%2Fb", "a/b"), ("%C3%BC" * 50, "ü" * 50), ("exists", "exists")],
)
def test_ids_are_decoded(caller: Caller, written: str, synchronization_id: str) -> None:
    """A synchronization id may hold anything, up to 50 characters once it is decoded."""
    assert 200 == caller.finalize(written).status_code
    assert 1 == caller.tenant.finalizations_of(synchronization_id)
    assert synchronization_id == caller.tenant.finalization_requests[0].synchronization_id


def test_an_id_can_be_too_long(caller: Caller) -> None:
    """51 characters are refused by what writes, and not by what reads."""
    assert 400 == caller.finalize("x" * 51).status_code
    exists = caller.get(f"/rest/2.0/import/synchronize/exists/{'x' * 51}")
    assert exists.json() is False


def test_the_request_is_kept_as_it_came(caller: Caller) -> None:
    """What a finalization said can be read afterwards, part by part."""
    caller.finalize(finalizationStrategy="IGNORE", sendNotification="true")
    (request,) = caller.tenant.finalization_requests

    assert "IGNORE" == request.parts["finalizationStrategy"].value
    assert b"true" == request.parts["sendNotification"].content
    assert request.headers["content-type"].startswith("multipart/form-data")
