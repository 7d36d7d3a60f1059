"""Collibra's official generated clients drive the sandbox as they drive a tenant."""

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

from collibra_tasks.sandbox import Sandbox
from tests.support.api_client import MISSING, asset


@pytest.fixture(autouse=True)
def _headers_as_urllib3_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def getheader(response: Any, name: str, default: str | None = None) -> str | None:
        found: str | None = response.urllib3_response.headers.get(name, default)
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
def importer(served: Sandbox) -> Iterator[Any]:
    yield from connected(collibra_importer, served)


@pytest.fixture
def core(served: Sandbox) -> Iterator[Any]:
    yield from connected(collibra_core, served)


def tables_file(folder: Path, count: int) -> str:
    path = folder / f"{count}-tables.json"
    path.write_text(json.dumps([asset(f"table_{number}") for number in range(count)]))
    return str(path)


def test_official_clients_run_two_cycles(importer: Any, core: Any, tmp_path: Path) -> None:
    """Two cycles succeed, and the second summary counts the asset that did not come back."""
    imports, results, jobs = ImportApi(importer), ImportResultsApi(importer), JobsApi(core)
    assert imports.exists("nightly") is False

    for tables, counted in ((3, {"added": 3, "updated": 0}), (2, {"added": 0, "updated": 0})):
        batch = imports.synchronize_batch_json_in_job(
            "nightly", file=tables_file(tmp_path, tables), file_name="tables.json"
        )
        assert ("COMPLETED", "SUCCESS") == end_of(jobs, batch.id)
        assert counted == counters(results, batch.id, "ASSET")
        final = imports.synchronize_finalize_in_job(
            "nightly", finalization_strategy="CHANGE_STATUS", missing_asset_status_id=MISSING
        )
        assert ("COMPLETED", "SUCCESS") == end_of(jobs, final.id)

    assert {"added": 0, "updated": 1} == counters(results, final.id, "ASSET")
    assert imports.exists("nightly") is True
    found = imports.find_synchronization_infos()
    assert ["nightly"] == [info.synchronization_id for info in found.results]


def test_official_clients_list_errors(importer: Any, core: Any, tmp_path: Path) -> None:
    """A plain import with a bad command has an error with its position."""
    path = tmp_path / "bad.json"
    path.write_text(json.dumps([asset("a"), {"resourceType": "Asset"}]))
    job = ImportApi(importer).import_json_in_job(
        file=str(path), file_name="bad.json", continue_on_error=True
    )
    assert ("COMPLETED", "COMPLETED_WITH_ERROR") == end_of(JobsApi(core), job.id)

    (error,) = ImportResultsApi(importer).find_import_errors(job.id).results
    assert [1] == error.command.indices


def end_of(jobs: Any, job_id: str) -> tuple[str, str]:
    job = jobs.get_job(job_id)
    return job.state, job.result


def counters(results: Any, job_id: str, resource_type: str) -> dict[str, int]:
    summary = results.get_import_job_summary(job_id)
    for one in summary.resource_types:
        if one.resource_type == resource_type:
            return {"added": one.counters.added, "updated": one.counters.updated}
    return {"added": 0, "updated": 0}
