"""A whole cycle on a real Prefect server, against a tenant that breaks on cue."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.flow_engine import run_flow
from prefect.states import Pending

from collibra_tasks import (
    MISSING_FROM_SOURCE,
    CollibraCredentials,
    CycleOptions,
    OnGuard,
    Receipt,
    synchronize,
)
from collibra_tasks.errors import (
    FinalizationRefusedError,
    JobIncompleteError,
    OutcomeUnknownError,
    SourceError,
)
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.shelf import Progress, Shelf
from collibra_tasks.sources import SourceLike
from flows.synchronize_source import synchronize_source
from tests.conftest import DOMAIN, artifact
from tests.flows.cycles import Mirror, fail_batch, table, tables

pytestmark = pytest.mark.usefixtures("prefect_server")

Nightly = Callable[..., list[Receipt]]


@pytest.fixture
def nightly(credentials: CollibraCredentials) -> Nightly:
    """Synchronize ten at a time in a flow of one's own; return its receipts.

    With ``break_off`` the flow ends in an error after its first cycle.
    """

    def run(
        source: SourceLike, *, retries: int = 0, break_off: Callable[[], object] | None = None
    ) -> list[Receipt]:
        receipts: list[Receipt] = []

        @flow(retries=retries)
        def nightly() -> None:
            options = CycleOptions(max_commands_per_batch=10, wait_seconds=20)
            receipts.append(synchronize(credentials, "nightly", source, options=options))
            if break_off and len(receipts) == 1:
                break_off()
                message = "somebody trips over the cable"
                raise RuntimeError(message)

        nightly()
        return receipts

    return run


def run_by_schedule(scheduled: Flow[..., Any]) -> None:
    """Run a flow as a worker runs what a deployment's schedule has come up with."""
    schedule = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(hours=1)))
    with get_client(sync_client=True) as client:
        deployment_id = client.create_deployment(
            client.create_flow(scheduled), name="by schedule", schedules=[schedule]
        )
        of_it = DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment_id})
        run = client.read_flow_runs(deployment_filter=of_it)[0]
        client.set_flow_run_state(run.id, Pending(), force=True)
        client.delete_deployment(deployment_id)
        run_flow(scheduled, flow_run=client.read_flow_run(run.id))


def test_two_cycles_mark_what_did_not_come_back(mirror: Mirror, tenant: Sandbox) -> None:
    """What is gone from the source gets the status, as predicted; the receipt tells both."""
    mirror(20)
    receipt = mirror(18)

    assert receipt.succeeded
    marked = {one.name for one in tenant.assets().values() if one.status_id == MISSING_FROM_SOURCE}
    assert {"table_018", "table_019"} == marked
    assert 2 == tenant.finalizations
    assert any("Predicted: 2 of 20" in note for note in receipt.notes)
    assert not any("reports" in note for note in receipt.notes)
    names = {row["asset"] for row in json.loads(artifact("missing-nightly")["data"])}
    assert all(any(name in row for row in names) for name in marked)


def test_a_finished_cycle_is_done_with(mirror: Mirror) -> None:
    """What went missing once is not counted again, and nothing is said of an unfinished cycle."""
    mirror(20)
    mirror(18)

    receipt = mirror(18)

    [note] = receipt.notes
    assert "Predicted: 0 of 18" in note


def test_what_comes_back_is_restored(mirror: Mirror, tenant: Sandbox) -> None:
    """An asset that was marked as missing gets its status back with its return, as predicted."""
    for count in (20, 19, 20):
        receipt = mirror(count)

    assert not any("were predicted" in note for note in receipt.notes)
    assert not [one for one in tenant.assets().values() if one.status_id == MISSING_FROM_SOURCE]


def test_batches_go_in_order_and_within_the_limit(mirror: Mirror, tenant: Sandbox) -> None:
    """A large source goes out in several jobs, and all of them are evidence."""
    receipt = mirror(25, max_commands_per_batch=10)

    assert 3 == tenant.batches
    assert [job.id for job in tenant.jobs if job.kind == "batch"] == list(receipt.batch_job_ids)
    assert 100.0 == artifact("batches-nightly")["data"]


def test_several_batches_may_be_under_way(mirror: Mirror, tenant: Sandbox) -> None:
    """Told to send several at once, the flow still sends all of them."""
    assert mirror(30, max_commands_per_batch=4, max_concurrent_batches=3).succeeded

    assert 30 == len(tenant.assets())


def test_half_a_source_is_stopped_before_anything_is_sent(mirror: Mirror, tenant: Sandbox) -> None:
    """A cycle that misses too much is refused, and the tenant has not seen any of it."""
    mirror(20)
    jobs = len(tenant.jobs)

    with pytest.raises(FinalizationRefusedError, match="accept_missing_count=10"):
        mirror(10)

    assert jobs == len(tenant.jobs)


def test_a_large_removal_passes_with_its_number_and_a_reason(
    mirror: Mirror, tenant: Sandbox
) -> None:
    """Who repeats the number and says why may go on; the receipt keeps it."""
    mirror(20)
    for wrong in ({"accept_missing_count": 9, "accept_reason": "x"}, {"accept_missing_count": 10}):
        with pytest.raises(FinalizationRefusedError):
            mirror(10, **wrong)

    receipt = mirror(10, accept_missing_count=10, accept_reason="schema was dropped")

    assert any("schema was dropped" in note for note in receipt.notes)
    assert 2 == tenant.finalizations


def test_an_accepted_number_is_not_left_on_in_a_schedule(mirror: Mirror, tenant: Sandbox) -> None:
    """A number that was accepted beforehand is good for a run by hand only."""
    mirror(20)

    @flow
    def nightly() -> None:
        mirror(10, accept_missing_count=10, accept_reason="schema was dropped")

    with pytest.raises(FinalizationRefusedError):
        run_by_schedule(nightly)
    assert 1 == tenant.finalizations
    nightly()
    assert 2 == tenant.finalizations


def test_nobody_answering_in_time_refuses(
    credentials: CollibraCredentials, tenant: Sandbox, mirror: Mirror, export: Path
) -> None:
    """A question that nobody answers ends the run, and nothing was sent."""
    mirror(20)
    jobs = len(tenant.jobs)
    export.write_text(json.dumps(tables(10)))

    @flow
    def nightly() -> None:
        options = CycleOptions(on_guard=OnGuard.ASK, approval_seconds=1)
        synchronize(credentials, "nightly", str(export), options=options)

    with pytest.raises(FinalizationRefusedError):
        nightly()
    assert jobs == len(tenant.jobs)


BROKEN: dict[str, str] = {
    "no JSON": '[{"resourceType": "Asset", "identifier": {"na',
    "no list": '{"resourceType": "Asset"}',
    "no identifier": '[{"resourceType": "Asset"}]',
    "nothing": "",
    "an empty list": "[]",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_source_sends_nothing(
    credentials: CollibraCredentials, tenant: Sandbox, export: Path, case: str
) -> None:
    """A source that is not in order is refused as a whole, naming the file."""
    export.write_text(BROKEN[case])

    with pytest.raises(SourceError, match=r"export\.json"):
        synchronize_source(credentials, "nightly", str(export))

    assert [] == tenant.jobs


@pytest.mark.parametrize("strategy", ["CHANGE_STATUS", "IGNORE"])
def test_a_source_without_assets_is_refused(
    credentials: CollibraCredentials, tenant: Sandbox, export: Path, strategy: str
) -> None:
    """A cycle without any asset is not sent: all of the last cycle would be missing."""
    export.write_text(
        json.dumps([{"resourceType": "Community", "identifier": {"name": "Data Warehouse"}}])
    )

    asked: dict[str, Any] = {"strategy": strategy}
    with pytest.raises(FinalizationRefusedError):
        synchronize_source(credentials, "nightly", str(export), **asked)

    assert [] == tenant.jobs


@pytest.mark.parametrize("end", [("COMPLETED", "COMPLETED_WITH_ERROR"), ("ERROR", "FAILURE")])
def test_a_batch_that_failed_keeps_the_cycle_open(
    mirror: Mirror, tenant: Sandbox, end: tuple[str, str]
) -> None:
    """Unless every batch is imported as a whole, nothing is finalized, and a table tells why."""
    tenant.end_jobs_as(*end, on="batch", errors=["no such type"])

    with pytest.raises(JobIncompleteError) as caught:
        mirror(20, max_commands_per_batch=10, continue_on_error=True)

    assert 0 == tenant.finalizations
    assert ["no such type"] == [failure.message for failure in caught.value.failures]
    rows = json.loads(artifact("failed-commands-nightly")["data"])
    assert "export.json" in rows[0]["where"]
    assert "table_000" in rows[0]["identifier"]


@pytest.mark.parametrize("before_commit", [True, False])
def test_a_batch_whose_answer_is_lost_is_sent_again(
    mirror: Mirror,
    tenant: Sandbox,
    before_commit: bool,  # noqa: FBT001 - a case
) -> None:
    """A lost answer to a batch costs a pause, and the cycle is complete."""
    tenant.lose_next_answer(on="batch", before_commit=before_commit)

    assert mirror(20).succeeded
    assert 1 == tenant.finalizations


def test_a_lost_finalization_is_followed(mirror: Mirror, tenant: Sandbox) -> None:
    """The flow that sends batches loses nothing of the promise of the one that finalizes."""
    mirror(20)
    tenant.lose_next_answer()

    assert mirror(19).succeeded
    assert 2 == tenant.finalizations


def test_a_restart_sends_only_what_is_not_proven(nightly: Nightly, tenant: Sandbox) -> None:
    """A retried run goes on after the batches whose jobs it knows to be done."""
    fail_batch(tenant, 3)

    [receipt] = nightly(tables(30), retries=1)

    assert receipt.succeeded
    assert 2 + 1 + 1 == tenant.batches
    assert 1 == tenant.finalizations


def test_a_restart_that_dies_at_once_forgets_nothing(
    nightly: Nightly, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a run is broken off, what is proven done is not sent again."""
    fail_batch(tenant, 3)
    write = Shelf.write_progress

    def write_and_die(shelf: Shelf, progress: Progress) -> None:
        write(shelf, progress)
        if runtime.flow_run.get_run_count() == 2:
            message = "the power is gone"
            raise RuntimeError(message)

    monkeypatch.setattr(Shelf, "write_progress", write_and_die)

    [receipt] = nightly(tables(30), retries=2)

    assert receipt.succeeded
    assert 2 + 1 + 1 == tenant.batches


@pytest.mark.parametrize("later", [(), (19,)], ids=["at once", "past a later cycle"])
def test_a_retry_after_the_finalization_follows_it(
    nightly: Nightly, mirror: Mirror, tenant: Sandbox, later: tuple[int, ...]
) -> None:
    """A run that breaks after its finalization returns its own receipt when it is retried."""
    first, again = nightly(tables(10), retries=1, break_off=lambda: [*map(mirror, later)])

    assert first.job_id == again.job_id
    assert 1 + len(later) == tenant.batches == tenant.finalizations


def test_nothing_is_sent_while_the_last_finalization_is_unknown(
    mirror: Mirror, tenant: Sandbox
) -> None:
    """Batches of a new cycle wait until it is known whether the last one was closed."""
    tenant.lose_next_answer(before_commit=True)
    with pytest.raises(OutcomeUnknownError):
        mirror(20)
    batches = tenant.batches

    with pytest.raises(OutcomeUnknownError):
        mirror(20)
    assert batches == tenant.batches


def test_an_edit_by_hand_is_healed_by_an_evicted_cache(mirror: Mirror, tenant: Sandbox) -> None:
    """Unchanged commands heal nothing by themselves; with evict_before they do."""
    mirror(20)
    key = next(key for key in tenant.assets() if key[2] == "table_000")
    tenant.edit_asset(key, type="Column")

    mirror(20)
    assert "Column" == tenant.assets()[key].type
    mirror(20, evict_before=True)
    assert "Table" == tenant.assets()[key].type


def test_what_was_renamed_by_hand_is_not_deleted_unasked(mirror: Mirror, tenant: Sandbox) -> None:
    """With the cache evicted, a renamed asset counts as missing, so deleting has to be accepted."""
    mirror(20)
    asked = {"evict_before": True, "strategy": "REMOVE_RESOURCES"}
    key = next(key for key in tenant.assets() if key[2] == "table_000")
    tenant.edit_asset(key, name="renamed by hand")

    with pytest.raises(FinalizationRefusedError, match="accept_missing_count=0"):
        mirror(20, **asked)
    assert "renamed by hand" in tenant.asset_names()

    assert mirror(20, **asked, accept_missing_count=0, accept_reason="nothing is kept").succeeded


def test_a_small_source_may_go_in_one_call(mirror: Mirror, tenant: Sandbox) -> None:
    """One request sends and finalizes with the strategy said, once the guard has agreed."""
    mirror(20, one_call=True)
    mirror(19, one_call=True, strategy="REMOVE_RESOURCES")

    assert 19 == len(tenant.assets())
    assert 0 == tenant.batches
    with pytest.raises(FinalizationRefusedError):
        mirror(9, one_call=True)
    for changes in ({"max_commands_per_batch": 10}, {"relations_action": "ADD_OR_IGNORE"}):
        with pytest.raises(FinalizationRefusedError):
            mirror(20, one_call=True, **changes)
    assert 2 == tenant.finalizations


def test_one_call_never_merges_what_batches_would_override(
    credentials: CollibraCredentials, tenant: Sandbox, export: Path
) -> None:
    """A source that says something about an asset twice is not sent in one call."""
    community = {"resourceType": "Community", "identifier": {"name": "Data Warehouse"}}
    export.write_text(json.dumps([table("one"), community, table("one") | {"attributes": {}}]))

    asked: dict[str, Any] = {"one_call": True}
    with pytest.raises(FinalizationRefusedError):
        synchronize_source(credentials, "nightly", str(export), **asked)
    assert [] == tenant.jobs


def test_a_disagreement_is_told(mirror: Mirror, tenant: Sandbox) -> None:
    """Where Collibra dealt with other numbers than predicted, the receipt says so."""
    mirror(20)
    tenant.remove_asset(next(key for key in tenant.assets() if key[2] == "table_019"))

    receipt = mirror(19)

    assert any("were predicted" in note for note in receipt.notes)


def test_many_files_and_forms_are_one_cycle(
    credentials: CollibraCredentials, tenant: Sandbox, tmp_path: Path
) -> None:
    """A glob of packed files is one cycle."""
    for number in range(3):
        packed = gzip.compress(json.dumps(tables(5, first=5 * number)).encode())
        (tmp_path / f"part-{number}.json.gz").write_bytes(packed)

    synchronize_source(credentials, "nightly", f"{tmp_path}/part-*.json.gz", wait_seconds=20)

    assert 15 == len(tenant.assets())


TEMPLATE = json.dumps(
    [
        {
            "resourceType": "Asset",
            "identifier": {"name": "${name}", "domain": DOMAIN},
            "type": {"name": "Table"},
        }
    ]
)


def test_a_table_goes_with_its_template(
    credentials: CollibraCredentials, tenant: Sandbox, tmp_path: Path
) -> None:
    """CSV is sent by rows, with its template."""
    source = tmp_path / "tables.csv"
    source.write_text("name;owner\n" + "".join(f"table_{n};Ada\n" for n in range(12)))

    asked: dict[str, Any] = {"template": TEMPLATE, "max_commands_per_batch": 5, "wait_seconds": 20}
    receipt: Receipt = synchronize_source(credentials, "nightly", str(source), **asked)

    assert receipt.succeeded
    assert 3 == tenant.batches
    assert 12 == len(tenant.assets())


def test_outside_of_a_flow_nothing_is_sent(
    credentials: CollibraCredentials, tenant: Sandbox
) -> None:
    """Called outside of a flow, where nothing would be recorded, a cycle is refused at once."""
    with pytest.raises(FinalizationRefusedError):
        synchronize(credentials, "nightly", tables(3))
    assert [] == tenant.jobs


def test_commands_may_come_from_python(nightly: Nightly, tenant: Sandbox) -> None:
    """A library user's own extractor is a source as well, inside a flow of their own."""
    [receipt] = nightly(one for one in tables(12))

    assert receipt.succeeded
    assert 12 == len(tenant.assets())
