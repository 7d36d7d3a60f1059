"""The flow synchronize-source from files to a receipt, on a real Prefect server."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks.errors import FinalizationRefusedError, JobIncompleteError, OverlapError
from collibra_tasks.models import MISSING_FROM_SOURCE
from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import (
    artifact_of,
    credentials_of,
    log_lines,
    newest_flow_run,
    table,
    tables,
    write_tables,
)

Cycle = Callable[..., Any]
TEMPLATE = json.dumps([table("${table}", attributes={"Note": [{"value": "${note}"}]})])


def test_two_cycles_mark_missing_assets(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A missing asset gets the status; message, receipt and table of missing assets say so."""
    synchronize_tables(20)

    state = synchronize_tables(19)

    job = tenant.jobs[-1].id
    assert state.is_completed()
    assert "Finalized nightly with CHANGE_STATUS: 19 assets, 0 new, 1 marked" in state.message
    assert job in state.message
    marked = [
        each.name for each in tenant.assets().values() if each.status_id == MISSING_FROM_SOURCE
    ]
    assert ["table_019"] == marked
    receipt = artifact_of(tenant, "receipt")
    assert "nightly: finalized" in receipt["data"]
    assert job in receipt["data"]
    assert "table_019" in artifact_of(tenant, "missing")["data"]
    assert (20, 19, 1) == (
        state.result().previous_count,
        state.result().asset_count,
        state.result().missing_count,
    )


def test_log_of_a_cycle(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """The log of a flow run contains the numbers of assets, the batches and the job ID."""
    state = synchronize_tables(25, max_commands_per_batch=10)

    log = "\n".join(log_lines(state.state_details.flow_run_id))
    assert 3 == tenant.batches
    assert "Source: files 1, commands 25, assets 25." in log
    assert all(job.id in log for job in tenant.jobs)
    assert "Batch 3" in log
    assert 100.0 == artifact_of(tenant, "progress")["data"]


def test_csv_with_template(synchronize_tables: Cycle, tenant: Sandbox, tmp_path: Path) -> None:
    """A CSV table with a template is imported row by row."""
    source = tmp_path / "export.csv"
    source.write_text("table;note\norders;äöü\ncustomers;second\n", encoding="utf-8")

    state = synchronize_tables(0, source=str(source), template=TEMPLATE)

    assert state.is_completed(), state.message
    assert "2 assets" in state.message
    assert {"orders", "customers"} == tenant.asset_names()


def test_guard_refusal_sends_nothing(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A flow run with too many missing assets fails with the reasons, before anything is sent."""
    synchronize_tables(20)
    jobs = len(tenant.jobs)

    state = synchronize_tables(10)

    assert state.is_failed()
    assert state.message.startswith("Not finalized, nothing was sent: ")
    assert "accept_missing_count=10" in state.message
    assert "exception" not in state.message.lower()
    assert jobs == len(tenant.jobs)
    assert "10" in artifact_of(tenant, "receipt")["description"]


def test_accepted_plan_is_finalized(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A second run that repeats the number of the shown plan finalizes; the receipt has why."""
    synchronize_tables(20)
    synchronize_tables(10)

    state = synchronize_tables(10, accept_missing_count=10, accept_reason="schema was dropped")

    assert state.is_completed(), state.message
    assert 2 == tenant.finalizations
    assert "schema was dropped" in artifact_of(tenant, "receipt")["data"]


def test_failed_batch_names_the_command(
    synchronize_tables: Cycle, tenant: Sandbox, tmp_path: Path
) -> None:
    """A failed batch ends the flow run; the message has its number and first failed command."""
    broken = tables(12)
    broken[10] |= {"status": {"name": "No such status"}}
    source = tmp_path / "broken.json"
    source.write_text(json.dumps(broken))

    state = synchronize_tables(0, source=str(source), max_commands_per_batch=10)

    assert state.is_failed()
    assert state.message.startswith("Batch 2 ")
    assert "broken.json, index 10: Status No such status could not be found" in state.message
    assert "table_010" in artifact_of(tenant, "failed-commands")["data"]
    assert 0 == tenant.finalizations
    with pytest.raises(JobIncompleteError):
        state.result()


def test_broken_source_fails_in_one_sentence(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A missing file is one clear message, and nothing is sent."""
    state = synchronize_tables(1, source="/nowhere/export.json")

    assert state.is_failed()
    assert "/nowhere/export.json" in state.message
    assert "Traceback" not in state.message
    assert [] == tenant.jobs


@pytest.mark.parametrize("on_overlap", ["skip", "fail"])
def test_overlap_with_a_held_lock(
    synchronize_tables: Cycle, credentials: Any, tenant: Sandbox, on_overlap: str
) -> None:
    """While another flow run holds the lock, skip ends well, fail fails, and both send nothing."""
    from collibra_tasks.finalization.tasks import open_session

    with (
        open_session(credentials, "nightly") as other,
        other.lock.acquire(timeout_seconds=0, purpose="upload"),
    ):
        state = synchronize_tables(3, on_overlap=on_overlap)

    assert (on_overlap == "skip") == state.is_completed(), state.message
    assert on_overlap == "skip" or isinstance(state.result(raise_on_failure=False), OverlapError)
    assert state.name == ("Skipped" if on_overlap == "skip" else "Failed")
    assert [] == tenant.jobs


def test_attach_waits_for_the_running_job(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A flow run waits for the job of an earlier one, and then finalizes its own cycle."""
    tenant.stall_jobs()
    assert synchronize_tables(20, wait_seconds=0).is_failed()
    job = tenant.jobs[-1].id
    tenant.call_next(tenant.finish_jobs, on="job")

    state = synchronize_tables(19)

    assert state.is_completed(), state.message
    assert 2 == tenant.finalizations
    log = "\n".join(log_lines(state.state_details.flow_run_id))
    assert f"Waiting for job {job}, at most 20 seconds" in log


def test_caller_gets_the_typed_error(
    synchronize_tables: Cycle, credentials: Any, tenant: Sandbox, tmp_path: Path
) -> None:
    """A flow that calls the flow gets the library's own exception with its reasons."""
    from prefect import flow

    from flows.synchronize_source import synchronize_source

    synchronize_tables(20)
    source = write_tables(tmp_path / "export.json", 5)
    caught: list[FinalizationRefusedError] = []

    @flow
    def caller() -> None:
        try:
            synchronize_source(credentials, "nightly", source)
        except FinalizationRefusedError as error:
            caught.append(error)

    caller()

    assert caught[0].reasons
    assert 1 == tenant.finalizations


def test_call_outside_of_a_flow_is_refused(credentials: Any, tenant: Sandbox) -> None:
    """Outside of a flow no receipt can be kept, so nothing is sent."""
    from collibra_tasks import synchronize

    with pytest.raises(FinalizationRefusedError, match="Call it inside a flow"):
        synchronize(credentials, "nightly", tables(3))
    assert [] == tenant.jobs


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_async_caller_is_refused(credentials: Any, tenant: Sandbox) -> None:
    """An async def flow gets a clear error before anything is sent."""
    from prefect import flow

    from collibra_tasks import synchronize

    @flow
    async def caller() -> None:
        synchronize(credentials, "nightly", tables(3))

    with pytest.raises(FinalizationRefusedError, match="Use a def flow"):
        asyncio.run(caller())
    gc.collect()  # Prefect's client leaves a socket open, which must not disturb another test
    assert [] == tenant.jobs


def test_retried_flow_attaches(credentials: Any, tenant: Sandbox) -> None:
    """A retried flow that has finalized sends nothing again and gets the same job."""
    from prefect import flow

    from collibra_tasks import synchronize

    jobs: list[str | None] = []

    @flow(retries=1)
    def caller() -> None:
        jobs.append(synchronize(credentials, "nightly", tables(3)).job_id)
        if len(jobs) == 1:
            raise RuntimeError("power failure")

    caller()

    assert [tenant.jobs[-1].id] * 2 == jobs
    assert (1, 1) == (tenant.batches, tenant.finalizations)


@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
def test_no_secret_is_stored(
    tenant: Sandbox,
    short_timing: None,
    prefect_home: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    auth_type: str,
) -> None:
    """No password, token or secret is in a log, state, artifact, parameter or file of Prefect."""
    from flows.synchronize_source import synchronize_source

    assert short_timing is None
    caplog.set_level("DEBUG")
    source = write_tables(tmp_path / "export.json", 3)
    tenant.lose_next_answer(before_commit=True)

    state: Any = synchronize_source(
        credentials_of(tenant, auth_type), "nightly", source, return_state=True
    )

    assert state.is_failed()
    assert "unknown" in state.message
    flow_run = newest_flow_run("synchronize-source")
    stored = [caplog.text, repr(state), str(flow_run), *log_lines(flow_run.id)]
    files = [path.read_bytes() for path in prefect_home.rglob("*") if path.is_file()]
    for secret in (tenant.password, tenant.token, tenant.client_secret):
        assert not any(secret in text for text in stored)
        assert not any(secret.encode() in content for content in files)
