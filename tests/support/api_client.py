"""A plain HTTP client of the sandbox, and builders of import commands."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx

from collibra_tasks.sandbox import Sandbox

DOMAIN = {"name": "Tables", "community": {"name": "Warehouse"}}
MISSING = "00000000-0000-0000-0000-000000005066"
CANDIDATE = "00000000-0000-0000-0000-000000005008"
NOWHERE = "00000000-0000-0000-0000-00000000dead"
CONTAINS = "00000000-0000-0000-0000-000000007042:TARGET"
NO_AUTH = httpx.Auth()
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading the certificates takes long


class FakeClock:
    """A clock that only moves when a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class ApiClient:
    """A client of one tenant, without a socket unless a test wants one."""

    def __init__(self, tenant: Sandbox, *, socket: bool = False, **options: Any) -> None:
        self.tenant = tenant
        options = {"auth": (tenant.username, tenant.password)} | options
        if not socket:
            options["transport"] = tenant.transport()
        self.http = httpx.Client(base_url=tenant.url, verify=NO_TLS, trust_env=False, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query)

    def batch(self, *commands: Any, synchronization_id: str = "nightly", **parts: str) -> str:
        path = f"/rest/2.0/import/synchronize/{synchronization_id}/batch/json-job"
        return job_id(self.post_file(path, json.dumps(commands), **parts))

    def import_plainly(self, *commands: Any, **parts: str) -> str:
        return job_id(self.post_file("/rest/2.0/import/json-job", json.dumps(commands), **parts))

    def post_file(self, path: str, content: str | bytes, **parts: str) -> httpx.Response:
        return self.http.post(path, files={"file": ("input", content)}, data=parts)

    def finalize(self, synchronization_id: str = "nightly", **parts: str) -> httpx.Response:
        path = f"/rest/2.0/import/synchronize/{synchronization_id}/finalize/job"
        return self.http.post(path, files=fields(**(parts or {"finalizationStrategy": "IGNORE"})))

    def remove_missing(self) -> str:
        return job_id(self.finalize(finalizationStrategy="REMOVE_RESOURCES"))

    def mark_missing(self, status: str = MISSING) -> str:
        parts = {"finalizationStrategy": "CHANGE_STATUS", "missingAssetStatusId": status}
        return job_id(self.finalize(**parts))

    def legacy_job(self, job_id: str) -> Any:
        return self.get(f"/rest/2.0/jobs/{job_id}").json()

    def job(self, job_id: str) -> Any:
        return self.get(f"/rest/jobs/v1/jobs/{job_id}").json()

    def listed(self) -> list[str]:
        return [job["id"] for job in self.get("/rest/jobs/v1/jobs", pageSize=50).json()["results"]]

    def end_of(self, job_id: str) -> tuple[str, str]:
        job = self.legacy_job(job_id)
        return job["state"], job["result"]

    def errors(self, job_id: str) -> Any:
        return self.get(f"/rest/2.0/import/results/{job_id}/errors").json()["results"]

    def counters(self, job_id: str, resource_type: str = "ASSET") -> dict[str, int]:
        summary = self.get(f"/rest/2.0/import/results/{job_id}/summary").json()
        types = {one["resourceType"]: one for one in summary["resourceTypes"]}
        counted: dict[str, int] = types.get(resource_type, {}).get("counters", {})
        return {name: count for name, count in counted.items() if count}


def fields(**parts: str) -> dict[str, tuple[None, str]]:
    return {name: (None, value) for name, value in parts.items()}


def job_id(response: httpx.Response) -> str:
    found: str = response.raise_for_status().json()["id"]
    return found


def asset(name: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Asset", "identifier": named(name), "type": {"name": "Table"}, **more}


def named(name: str) -> dict[str, Any]:
    return {"name": name, "domain": DOMAIN}


def described(name: str, *values: Any) -> dict[str, Any]:
    return asset(name, attributes={"Description": [{"value": value} for value in values]})


def containing(name: str, *targets: str, role: str = CONTAINS) -> dict[str, Any]:
    return asset(name, relations={role: [named(target) for target in targets]})
