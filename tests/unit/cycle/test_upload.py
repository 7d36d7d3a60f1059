"""Upload of batches: failures, lost responses, resumed cycles and batches by others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collibra_tasks.errors import (
    BusyError,
    CollibraError,
    FinalizationRefusedError,
    JobIncompleteError,
    JobTimedOutError,
)
from collibra_tasks.options import BatchOptions, CycleOptions
from tests.support.sessions import World, numbered, tables

SMALL = CycleOptions(batches=BatchOptions(max_commands_per_batch=5))
COMPLETE = {f"t{number}" for number in range(1, 21)}


def jobs(world: World, kind: str = "batch") -> list[Any]:
    return [job for job in world.sandbox.jobs if job.kind == kind and not job.by_hand]


def synchronize(world: World, commands: list[dict[str, Any]] | None = None, **more: Any) -> None:
    facts: dict[str, Any] = {"options": SMALL, "strategy": "REMOVE_RESOURCES"} | more
    world.synchronize(commands or numbered(20), **facts)


def fail(world: World, commands: list[dict[str, Any]] | None = None, **more: Any) -> CollibraError:
    facts: dict[str, Any] = {"options": SMALL, "strategy": "REMOVE_RESOURCES"} | more
    found = world.synchronize_or_error(commands or numbered(20), **facts)
    assert isinstance(found, CollibraError), found
    world.clock.advance(60)
    return found


def failing(name: str) -> dict[str, Any]:
    (command,) = tables(name)
    return command | {"frobnicate": "a key that Collibra does not know"}


def test_upload_sends_every_command_once() -> None:
    """All commands arrive in batches of the chosen size, before one finalization."""
    world = World()

    synchronize(world)

    kinds = [job.kind for job in world.sandbox.jobs]
    assert kinds == ["batch"] * 4 + ["finalize"]
    assert world.sandbox.asset_names() == COMPLETE
    assert world.record.updates[-1] == (4, 4, 0, 20)


def test_upload_failed_batch() -> None:
    """A batch with a failed command stops the cycle; the error names the command's place."""
    world = World()
    world.synchronize(numbered(20), options=SMALL)
    commands = [*numbered(7), failing("odd"), *numbered(13, start=8)]

    error = fail(world, commands)

    assert isinstance(error, JobIncompleteError)
    assert "Batch 2" in str(error)
    assert "index 7" in str(error)
    assert "1 command failed; first: Data Warehouse > Sales schema > odd: " in str(error)
    assert world.sandbox.finalizations == 1
    assert COMPLETE <= world.sandbox.asset_names()


def test_upload_several_failed_commands() -> None:
    """The report lists each failed command with its place and identifier."""
    world = World(sandbox_options={"version": "2026.07.0"})
    commands = [*numbered(3), failing("odd 1"), failing("odd 2"), *numbered(3, start=4)]
    options = CycleOptions(batches=BatchOptions(continue_on_error=True))

    error = fail(world, commands, options=options)

    assert "2 commands failed; first: Data Warehouse > Sales schema > odd 1: " in str(error)
    rows = world.record.failed_commands
    assert [row["where"].rpartition(" ")[2] for row in rows] == ["3", "4"]
    assert ["odd" in row["identifier"] for row in rows] == [True, True]


def test_upload_failed_job_without_details() -> None:
    """A batch job that fails as a whole stops the cycle too."""
    world = World()
    world.sandbox.end_jobs_as("ERROR", on="batch", message="out of memory")

    error = fail(world)

    assert "out of memory" in str(error)
    assert world.sandbox.finalizations == 0


@pytest.mark.parametrize("result", ["COMPLETED_WITH_ERROR", "ABORTED", "FAILURE"])
def test_upload_completed_without_success(result: str) -> None:
    """COMPLETED alone is no success: nothing is finalized."""
    world = World()
    world.sandbox.end_jobs_as("COMPLETED", result, on="batch")

    assert isinstance(fail(world), JobIncompleteError)
    assert world.sandbox.finalizations == 0


def test_upload_after_a_failed_batch() -> None:
    """A later run needs no permission about the failed batch; proven batches are not repeated."""
    world = World()
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=2)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world)

    synchronize(world)

    assert world.sandbox.asset_names() == COMPLETE
    assert world.sandbox.finalizations == 1


def test_upload_resumes_after_proven_batches() -> None:
    """Where jobs of unknown meaning are excluded, a new run sends only what is not proven."""
    world = World()
    synchronize(world)
    world.clock.advance(60)
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=2)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world)
    before = len(jobs(world))

    synchronize(world)

    assert len(jobs(world)) - before == 2
    assert world.sandbox.finalizations == 2


def test_upload_changed_source_reuses_nothing() -> None:
    """Batches of an earlier attempt count only for the same content."""
    world = World()
    synchronize(world)
    world.clock.advance(60)
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=2)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world)
    before = len(jobs(world))

    synchronize(world, numbered(21))

    assert len(jobs(world)) - before == 5
    assert world.sandbox.asset_names() == COMPLETE | {"t21"}


@pytest.mark.parametrize("before_commit", [True, False])
def test_upload_lost_response(before_commit: bool) -> None:  # noqa: FBT001
    """A batch whose response was lost is sent again; the cycle ends well and asks nothing."""
    world = World()
    synchronize(world)
    world.clock.advance(60)
    world.sandbox.lose_next_answer(on="batch", before_commit=before_commit)

    synchronize(world)
    synchronize(world)

    assert world.sandbox.asset_names() == COMPLETE
    assert world.sandbox.finalizations == 3


def test_upload_lost_response_of_a_running_batch() -> None:
    """The lost batch has ended before it is sent again: two jobs never import the same assets."""
    world = World()
    world.sandbox.run_jobs_for(300)
    world.sandbox.lose_next_answer(on="batch")

    synchronize(world)

    batches = jobs(world)
    assert len(batches) == 5
    assert (batches[1].created_on - batches[0].created_on).total_seconds() >= 300
    assert world.sandbox.asset_names() == COMPLETE


def test_upload_lost_response_again_and_again() -> None:
    """After several lost responses, the run ends and nothing is finalized."""
    world = World()
    world.sandbox.lose_next_answer(on="batch", times=3)

    fail(world)

    assert world.sandbox.finalizations == 0
    synchronize(world)
    assert world.sandbox.finalizations == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_upload_server_fault_after_commit(status: int) -> None:
    """A 5xx after Collibra took the batch is no refusal: it is sent again after its end."""
    world = World()
    world.sandbox.fail_next(status, on="batch", after_commit=True)

    synchronize(world)

    assert world.sandbox.asset_names() == COMPLETE


def test_upload_busy() -> None:
    """A 429 delays a batch by the requested pause."""
    world = World()
    world.sandbox.be_busy(on="batch", times=2, retry_after="7")
    start = world.clock.monotonic()

    synchronize(world)

    assert world.clock.monotonic() - start >= 14
    assert len(jobs(world)) == 4


def test_upload_busy_for_too_long() -> None:
    """A 429 that asks for more than the limit ends the run; the next run continues."""
    world = World()
    world.sandbox.be_busy(on="batch", retry_after="100000")

    assert isinstance(fail(world), BusyError)

    synchronize(world)
    assert world.sandbox.finalizations == 1


def test_upload_refused_batch() -> None:
    """A refused batch ends the run, and nothing is finalized."""
    world = World()
    world.sandbox.fail_next(400, on="batch")

    assert "400" in str(fail(world))
    assert world.sandbox.finalizations == 0


def test_upload_job_never_ends() -> None:
    """A batch that does not end in time ends the run; the next one waits for it."""
    world = World()
    world.sandbox.stall_jobs(on="batch")

    error = fail(world, options=CycleOptions(wait_seconds=600))

    assert isinstance(error, JobTimedOutError)
    world.sandbox.finish_jobs()
    synchronize(world)
    assert world.sandbox.asset_names() == COMPLETE


def test_upload_vanished_batch_job() -> None:
    """A proven batch that Collibra does not know any more is sent again."""
    world = World()
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch")
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world)
    world.sandbox.lose_job(jobs(world)[0].id)

    synchronize(world)

    assert world.sandbox.asset_names() == COMPLETE


def test_upload_concurrency() -> None:
    """Up to the chosen number of batches run at the same time, and no more."""
    world = World()
    world.sandbox.run_jobs_for(100)
    options = CycleOptions(batches=BatchOptions(max_commands_per_batch=5, max_concurrent_batches=2))

    synchronize(world, options=options)

    starts = [(job.created_on - world.clock.now()).total_seconds() for job in jobs(world)]
    assert starts[1] - starts[0] < 100
    assert starts[2] - starts[0] >= 100
    assert starts[3] - starts[1] >= 100


def test_upload_concurrency_with_a_failed_batch() -> None:
    """When one of several running batches fails, the others are followed to their ends."""
    world = World()
    world.sandbox.run_jobs_for(100)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    options = CycleOptions(batches=BatchOptions(max_commands_per_batch=5, max_concurrent_batches=3))

    fail(world, options=options)

    assert len(jobs(world)) == 3
    assert {job.state for job in jobs(world)} == {"FAILED", "COMPLETED"}
    synchronize(world)
    assert world.sandbox.asset_names() == COMPLETE


def test_upload_batches_by_others_before() -> None:
    """Batches by others since the last finalization ask: their assets are not in the plan."""
    world = World()
    synchronize(world)
    world.clock.advance(60)
    world.import_batch(tables("theirs"))

    error = fail(world)

    assert isinstance(error, FinalizationRefusedError)
    assert "1 batches by others" in str(error)
    assert world.sandbox.finalizations == 1


def test_upload_batches_by_others_meanwhile() -> None:
    """Batches by others that arrive during the upload ask before the finalization is sent."""
    world = World()
    synchronize(world)
    world.clock.advance(60)
    theirs = tables("theirs")
    world.sandbox.call_next(lambda: world.sandbox.import_by_hand("nightly", theirs), on="batch")

    error = fail(world)

    assert "batches by others" in str(error)
    assert world.sandbox.finalizations == 1


def test_upload_batches_by_others_set_aside() -> None:
    """A person who approves the plan allows the batches by others."""
    world = World()
    synchronize(world)
    world.clock.advance(60)
    world.import_batch(tables("theirs"))
    fail(world)
    options = CycleOptions(accept_missing_count=0, accept_reason="known", batches=SMALL.batches)

    synchronize(world, options=options)

    assert world.sandbox.finalizations == 2


def test_upload_records_each_batch_before_it_is_sent() -> None:
    """The checkpoint names every batch before Collibra can know it."""
    world = World()
    seen: list[int] = []

    def look() -> None:
        checkpoint = world.storage.read_checkpoint()
        assert checkpoint is not None
        seen.append(len(checkpoint.batches))

    world.sandbox.call_next(look, on="batch", times=4)

    synchronize(world)

    assert seen == [1, 2, 3, 4]


def test_upload_storage_not_writable() -> None:
    """Nothing is sent when the progress cannot be recorded."""
    world = World()
    world.storage.fail_next("write_checkpoint", skip=1, times=10)

    assert isinstance(fail(world), FinalizationRefusedError)
    assert jobs(world) == []


def test_upload_content_is_json_commands() -> None:
    """Collibra receives a JSON array of commands."""
    world = World()

    synchronize(world)

    (first, *_) = [r for r in world.sandbox.requests if "json-job" in str(r.url)]
    assert b'"resourceType"' in first.content
    assert json.dumps("t1").encode() in first.content
