"""Inputs and records of real flow runs: tables, credentials, artifacts, logs and stored text."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collibra_tasks.ledger.identity import normalize_environment, resource_name
from collibra_tasks.options import Timing
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.settings import CollibraConnection
from tests.support.prefect_server import latest_artifact

DOMAIN = {"name": "Sales schema", "community": {"name": "Data Warehouse"}}
FLOW_TIMING = Timing(
    job_first_pause=0,
    job_max_pause=0.1,
    job_not_found_grace=2,
    busy_pause=0,
    ledger_poll=0.1,
    max_stall=8,
    list_grace=0,
    list_recheck=0,
    lock_poll=0.1,
    clock_resolution=0,
)


def table(name: str, **fields: Any) -> dict[str, Any]:
    """Return an import command about a table."""
    return {
        "resourceType": "Asset",
        "identifier": {"name": name, "domain": DOMAIN},
        "type": {"name": "Table"},
        **fields,
    }


def tables(count: int) -> list[dict[str, Any]]:
    """Return import commands about a number of tables."""
    return [table(f"table_{number:03}") for number in range(count)]


def write_tables(path: Path, count: int) -> str:
    """Write an export of a number of tables; return its path."""
    path.write_text(json.dumps(tables(count)))
    return str(path)


def import_tables(tenant: Sandbox, count: int, synchronization_id: str = "nightly") -> str:
    """Import a batch as another program does; return the ID of its job."""
    return tenant.import_by_hand(synchronization_id, tables(count)).id


def credentials_of(tenant: Sandbox, auth_type: str = "basic") -> Any:
    """Return the credentials of a sandbox as a block that is not saved."""
    from collibra_tasks import CollibraCredentials

    variables = tenant.environment(auth_type)
    fields = {key.removeprefix("COLLIBRA_").lower(): value for key, value in variables.items()}
    connection = CollibraConnection.model_validate(fields | {"auth_type": auth_type})
    return CollibraCredentials.from_settings(connection)


def save_credentials(tenant: Sandbox, name: str, **changes: Any) -> dict[str, Any]:
    """Save the credentials of a sandbox; return the parameter that names the block."""
    block = credentials_of(tenant).model_copy(update=changes).save(name, overwrite=True)
    return {"$ref": {"block_document_id": str(block)}}


def artifact_of(tenant: Sandbox, kind: str, synchronization_id: str = "nightly") -> Any:
    """Return the newest artifact of a kind of a synchronization."""
    key = resource_name(kind, normalize_environment(tenant.url), synchronization_id)
    return latest_artifact(key)


def newest_entry(tenant: Sandbox, synchronization_id: str = "nightly") -> Any:
    """Return the newest ledger entry of a synchronization."""
    from collibra_tasks.ledger.ledger import Ledger
    from collibra_tasks.ledger.variable_store import VariableStore

    environment = normalize_environment(tenant.url)
    return Ledger(VariableStore(), environment, synchronization_id).newest()


def newest_flow_run(flow_name: str) -> Any:
    """Return the flow run of a flow that was created last."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        named = FlowFilter(name=FlowFilterName(any_=[flow_name]))
        # Every flow run of a test process follows the previous one, so its start is the order.
        return client.read_flow_runs(
            flow_filter=named, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1
        )[0]


def log_lines(flow_run_id: Any) -> list[str]:
    """Return the log of a flow run as the Prefect UI shows it."""
    from prefect.client.orchestration import get_client
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()
    query = {"logs": {"flow_run_id": {"any_": [str(flow_run_id)]}}, "sort": "TIMESTAMP_ASC"}
    with get_client(sync_client=True) as client:
        rows = client.request("POST", "/logs/filter", json=query).json()
    return [row["message"] for row in rows]


def read_events(flow_run_id: Any) -> list[dict[str, Any]]:
    """Return our events of a flow run as the server stores them, oldest first."""
    from prefect.client.orchestration import get_client
    from prefect.events.worker import EventsWorker

    from collibra_tasks.reporting.events import EVENT_PREFIX

    EventsWorker.instance().wait_until_empty()
    query = {
        "filter": {
            "event": {"prefix": [f"{EVENT_PREFIX}."]},
            "related": {"id": [f"prefect.flow-run.{flow_run_id}"]},
            "order": "ASC",
        }
    }
    with get_client(sync_client=True) as client:
        events: list[dict[str, Any]] = client.request("POST", "/events/filter", json=query).json()[
            "events"
        ]
    return events


def task_run_names(flow_run_id: Any) -> list[str]:
    """Return the names of the task runs of a flow run, in the order of their starts."""
    from prefect.client.orchestration import get_client

    query = {"flow_runs": {"id": {"any_": [str(flow_run_id)]}}}
    with get_client(sync_client=True) as client:
        rows = client.request("POST", "/task_runs/filter", json=query).json()
    started = [row for row in rows if row["start_time"]]
    return [row["name"] for row in sorted(started, key=lambda row: row["start_time"])]


def until(
    condition: Callable[[], Any], seconds: float = 90, describe: Callable[[], object] = str
) -> None:
    """Poll until a condition holds; fail after a number of seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {describe()}"
        time.sleep(0.1)
