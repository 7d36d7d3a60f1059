"""A caller of the sandbox, as plain as HTTP allows."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx

from collibra_tasks.sandbox import Sandbox

DOMAIN = {"name": "Tables", "community": {"name": "Warehouse"}}
MISSING = "00000000-0000-0000-0000-000000005066"
CANDIDATE = "00000000-0000-0000-0000-000000005008"
NO_AUTH = httpx.Auth()
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading certificates for each client takes long


class FakeClock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Caller:
    """Sends requests to one tenant."""

    def __init__(self, tenant: Sandbox, **options: Any) -> None:
        self.tenant = tenant
        options = {"auth": (tenant.username, tenant.password)} | options
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

    def post_file(self, path: str, content: str | bytes, **parts: str) -> httpx.Response:
        return self.http.post(path, files={"file": ("input", content)}, data=parts)

    def finalize(self, synchronization_id: str = "nightly", **parts: str) -> httpx.Response:
        path = f"/rest/2.0/import/synchronize/{synchronization_id}/finalize/job"
        return self.http.post(path, files=fields(**(parts or {"finalizationStrategy": "IGNORE"})))

    def remove_missing(self) -> str:
        return job_id(self.finalize(finalizationStrategy="REMOVE_RESOURCES"))

    def older_job(self, job_id: str) -> Any:
        return self.get(f"/rest/2.0/jobs/{job_id}").json()

    def job(self, job_id: str) -> Any:
        return self.get(f"/rest/jobs/v1/jobs/{job_id}").json()

    def ended(self, job_id: str) -> tuple[str, str]:
        job = self.older_job(job_id)
        return job["state"], job["result"]

    def errors(self, job_id: str) -> Any:
        return self.get(f"/rest/2.0/import/results/{job_id}/errors").json()["results"]

    def counters(self, job_id: str, resource_type: str = "ASSET") -> dict[str, int]:
        summary = self.get(f"/rest/2.0/import/results/{job_id}/summary").json()
        kinds = {kind["resourceType"]: kind for kind in summary["resourceTypes"]}
        counted: dict[str, int] = kinds.get(resource_type, {}).get("counters", {})
        return {name: count for name, count in counted.items() if count}


def fields(**parts: str) -> dict[str, tuple[None, str]]:
    return {name: (None, value) for name, value in parts.items()}


def job_id(answer: httpx.Response) -> str:
    found: str = answer.raise_for_status().json()["id"]
    return found


def asset(name: str, **more: Any) -> dict[str, Any]:
    identifier = {"name": name, "domain": DOMAIN}
    return {"resourceType": "Asset", "identifier": identifier, "type": {"name": "Table"}, **more}


def described(name: str, *values: str) -> dict[str, Any]:
    return asset(name, attributes={"Description": [{"value": value} for value in values]})
