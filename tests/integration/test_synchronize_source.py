"""The flow synchronize-source from files to a receipt, on a real Prefect server."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from collibra_tasks.errors import FinalizationRefusedError, JobIncompleteError, OverlapError
from collibra_tasks.ledger.identity import normalize_environment
from collibra_tasks.models import MISSING_FROM_SOURCE
from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import (
    artifact_of,
    credentials_of,
    log_lines,
    newest_flow_run,
    table,
    tables,
    task_run_names,
    until,
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
    """The log tells the story of a flow run in 8 to 20 lines: assets, batches, job, receipt."""
    synchronize_tables(41)

    state = synchronize_tables(40, max_commands_per_batch=10)

    lines = log_lines(state.state_details.flow_run_id)
    log = "\n".join(lines)
    assert 8 <= len(lines) <= 20, log
    assert "40 assets" in state.message
    assert "Source: 1 file (" in log
    assert "40 commands, 40 assets." in log
    assert f"job {tenant.jobs[1].id}, 41 assets." in log
    assert "40 assets, 0 new, 1 missing." in log
    assert "Guard: allowed." in log
    for number, job in enumerate(tenant.jobs[2:6], start=1):
        assert f"Batch {number} of 4: 10 commands, job {job.id}, COMPLETED with SUCCESS" in log
    assert f"Finalization: CHANGE_STATUS, job {tenant.jobs[-1].id}" in log
    assert "Collibra reported 1 asset marked as missing." in log
    assert "Receipt: Finalized nightly with CHANGE_STATUS: 40 assets" in lines[-2]
    assert 100.0 == artifact_of(tenant, "progress")["data"]


@pytest.mark.parametrize(
    ("concurrency", "names"),
    [
        (1, ["upload batch 1 of 2", "upload batch 2 of 2"]),
        (
            2,
            [
                "upload batch 1 of 2",
                "upload batch 2 of 2",
                "wait for batch 1 of 2",
                "wait for batch 2 of 2",
            ],
        ),
    ],
)
def test_task_runs_are_a_timeline(
    synchronize_tables: Cycle, concurrency: int, names: list[str]
) -> None:
    """Each batch, the wait for the finalization and the receipt are task runs."""
    sending = {"max_concurrent_batches": concurrency}

    state = synchronize_tables(20, max_commands_per_batch=10, sending=sending)

    flow_run_id = state.state_details.flow_run_id
    expected = [*names, "wait for finalization", "publish receipt"]
    until(lambda: expected == task_run_names(flow_run_id), 30, lambda: task_run_names(flow_run_id))


def test_tags_of_a_flow_run(synchronize_tables: Cycle, tenant: Sandbox) -> None:
    """A flow run has the tags collibra, synchronization and environment, each once."""
    synchronize_tables(3)

    flow_run = newest_flow_run("synchronize-source")
    expected = sorted(["collibra", "nightly", normalize_environment(tenant.url)])
    assert expected == sorted(flow_run.tags)
    assert "synchronize nightly" == flow_run.name


def test_seven_failed_commands(synchronize_tables: Cycle, tenant: Sandbox, tmp_path: Path) -> None:
    """A job with seven failed commands says 7 and names the first asset; no traceback of ours."""
    failing = [table(f"odd {number}", frobnicate="unknown key") for number in range(7)]
    tenant.configure(version="2026.07.0")
    source = tmp_path / "odd.json"
    source.write_text(json.dumps([*tables(3), *failing]))

    state = synchronize_tables(0, source=str(source), sending={"continue_on_error": True})

    assert state.is_failed()
    first = "7 commands failed; first: Data Warehouse > Sales schema > odd 0: "
    assert f"Batch 1 of 1 was not imported completely: {first}" in state.message
    log = "\n".join(log_lines(state.state_details.flow_run_id))
    assert "Traceback" not in log
    assert "exception" not in state.message.lower()


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
    assert state.message.startswith("Batch 2 of 2 was not imported completely: 1 command failed; ")
    assert "table_010: Status No such status could not be found" in state.message
    assert "broken.json, index 10; job " in state.message
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
    end_at_next_read = partial(tenant.call_next, tenant.finish_jobs, on="job")
    tenant.call_next(end_at_next_read, on="job")

    state = synchronize_tables(19)

    assert state.is_completed(), state.message
    assert 2 == tenant.finalizations
    log = "\n".join(log_lines(state.state_details.flow_run_id))
    assert f"Waiting for job {job} until " in log


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
    secrets = (tenant.password, tenant.token, tenant.client_secret)
    assert_not_stored(secrets, prefect_home, caplog.text, repr(state))


@pytest.mark.parametrize("flow_name", ["synchronize", "plan", "finalize", "resolve", "check"])
@pytest.mark.parametrize("failure", ["page", "echo"])
def test_no_secret_is_stored_if_the_identity_provider_fails(
    tenant: Sandbox,
    short_timing: None,
    prefect_home: Path,
    caplog: pytest.LogCaptureFixture,
    flow_name: str,
    failure: str,
) -> None:
    """Each flow fails with one sentence about the identity provider, and stores no secret."""
    assert short_timing is None
    caplog.set_level("DEBUG")
    secret = "canary-client-secret-5711"
    with token_endpoint(secret if failure == "echo" else "<html>Sign in</html>") as url:
        credentials = credentials_of(tenant, "oauth").model_copy(
            update={"token_url": url, "client_secret": SecretStr(secret)}
        )

        state = run_flow(flow_name, credentials)

    assert state.is_failed()
    assert "access token" in state.message
    assert "exception" not in state.message.lower()
    assert [] == tenant.jobs
    assert_not_stored([secret], prefect_home, caplog.text, repr(state))


def run_flow(name: str, credentials: Any) -> Any:
    """Run one of the flows; return its final state."""
    from flows.check_tenant import check_tenant
    from flows.finalize_synchronization import finalize_synchronization
    from flows.plan_synchronization import plan_synchronization
    from flows.resolve_finalization import resolve_finalization
    from flows.synchronize_source import synchronize_source

    flows: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "synchronize": (synchronize_source, ("nightly", __file__)),
        "plan": (plan_synchronization, ("nightly", __file__)),
        "finalize": (finalize_synchronization, ("nightly",)),
        "resolve": (resolve_finalization, ("nightly",)),
        "check": (check_tenant, ("nightly",)),
    }
    flow, arguments = flows[name]
    return flow(credentials, *arguments, return_state=True)


@contextmanager
def token_endpoint(text: str) -> Iterator[str]:
    """Run an identity provider that refuses every request with a text; yield its URL."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.dumps({"error": "invalid_client", "error_description": text}).encode()
            content = text.encode() if text.startswith("<") else content
            self.send_response(200 if text.startswith("<") else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


def assert_not_stored(secrets: Sequence[str], prefect_home: Path, *texts: str) -> None:
    """Check that no secret is in some texts, or in a file of Prefect: database, logs, artifacts."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()
    EventsWorker.instance().wait_until_empty()
    files = [path.read_bytes() for path in prefect_home.rglob("*") if path.is_file()]
    assert len(files) > 1
    for secret in secrets:
        assert not any(secret in text for text in texts)
        assert not any(secret.encode() in content for content in files)
