"""Collibra's own generated clients drive the sandbox, as they would drive a tenant."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import collibra_core  # type: ignore[import-untyped]
import collibra_importer  # type: ignore[import-untyped]
import pytest
from collibra_core.api.jobs_api import JobsApi  # type: ignore[import-untyped]
from collibra_importer.api.import_api import ImportApi  # type: ignore[import-untyped]
from collibra_importer.api.import_results_api import (  # type: ignore[import-untyped]
    ImportResultsApi,
)

from collibra_tasks import MISSING_FROM_SOURCE
from collibra_tasks.sandbox import Sandbox

DOMAIN = {"name": "Sales schema", "community": {"name": "Data Warehouse"}}


@pytest.fixture(autouse=True)
def _headers_as_urllib3_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def getheader(answer: Any, name: str, default: str | None = None) -> str | None:
        found: str | None = answer.urllib3_response.headers.get(name, default)
        return found

    monkeypatch.setattr(collibra_importer.rest.RESTResponse, "getheader", getheader)


def connected(module: Any, tenant: Sandbox) -> Iterator[Any]:
    configuration = module.Configuration()
    configuration.host = f"{tenant.url}/rest/2.0"
    configuration.username, configuration.password = tenant.username, tenant.password
    client = module.ApiClient(configuration)
    yield client
    client.rest_client.pool_manager.clear()


@pytest.fixture
def importer(tenant: Sandbox) -> Iterator[Any]:
    yield from connected(collibra_importer, tenant)


@pytest.fixture
def core(tenant: Sandbox) -> Iterator[Any]:
    yield from connected(collibra_core, tenant)


def tables_file(folder: Path, count: int) -> str:
    commands = [
        {
            "resourceType": "Asset",
            "identifier": {"name": f"table_{number}", "domain": DOMAIN},
            "type": {"name": "Table"},
        }
        for number in range(count)
    ]
    path = folder / f"{count}-tables.json"
    path.write_text(json.dumps(commands))
    return str(path)


def test_two_whole_cycles(importer: Any, core: Any, tmp_path: Path) -> None:
    """Two cycles go through, and the second's summary counts the asset that did not come back."""
    imports, results, jobs = ImportApi(importer), ImportResultsApi(importer), JobsApi(core)
    assert imports.exists("nightly") is False

    for tables, counted in ((3, {"added": 3, "updated": 0}), (2, {"added": 0, "updated": 0})):
        batch = imports.synchronize_batch_json_in_job(
            "nightly", file=tables_file(tmp_path, tables), file_name="tables.json"
        )
        assert ("COMPLETED", "SUCCESS") == ended(jobs, batch.id)
        assert counted == counters(results, batch.id, "ASSET")
        final = imports.synchronize_finalize_in_job(
            "nightly",
            finalization_strategy="CHANGE_STATUS",
            missing_asset_status_id=MISSING_FROM_SOURCE,
        )
        assert ("COMPLETED", "SUCCESS") == ended(jobs, final.id)

    assert {"added": 0, "updated": 1} == counters(results, final.id, "ASSET")
    assert imports.exists("nightly") is True
    found = imports.find_synchronization_infos()
    assert ["nightly"] == [info.synchronization_id for info in found.results]


def ended(jobs: Any, job_id: str) -> tuple[str, str]:
    job = jobs.get_job(job_id)
    return job.state, job.result


def counters(results: Any, job_id: str, resource_type: str) -> dict[str, int]:
    summary = results.get_import_job_summary(job_id)
    for kind in summary.resource_types:
        if kind.resource_type == resource_type:
            return {"added": kind.counters.added, "updated": kind.counters.updated}
    return {"added": 0, "updated": 0}
