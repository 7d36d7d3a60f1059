"""Jobs by others, and the ways out: one test for each case that a cycle can find.

Further cases are in ``test_cycle.py`` (finalizations by others, doubtful jobs, blind lists, crashes
and restores), ``test_baseline.py`` (empty ledger, lost and restored records) and ``test_upload.py``
(failed, lost and continued batches).
"""

from __future__ import annotations

from typing import Any

import pytest

from collibra_tasks.cycle.ports import ApprovalInput
from collibra_tasks.errors import CollibraError, FinalizationRefusedError, JobTimedOutError
from collibra_tasks.options import BatchOptions, CycleOptions, OnGuard
from tests.support.finalizations import FinalizationWorld
from tests.support.memory_store import CrashError, MemoryStorage, MemoryStore
from tests.support.sessions import World, numbered, tables

ASK = CycleOptions(on_guard=OnGuard.ASK)
SMALL = CycleOptions(batches=BatchOptions(max_commands_per_batch=5))


@pytest.fixture
def world() -> FinalizationWorld:
    """Return a world with one finalized cycle of 20 assets, in which names are learned."""
    found = FinalizationWorld()
    found.synchronize(numbered(20))
    found.clock.advance(60)
    return found


def fail(world: World, count: int = 20, **more: Any) -> CollibraError:
    found = world.synchronize_or_error(numbered(count), **more)
    assert isinstance(found, CollibraError), found
    world.clock.advance(60)
    return found


def approve(world: World, count: int, number: int, **more: Any) -> None:
    options = CycleOptions(accept_missing_count=number, accept_reason="checked in Collibra")
    world.synchronize(numbered(count), options=options, **more)
    world.clock.advance(60)


def crash_in_upload(world: World, count: int) -> None:
    """Run a cycle whose process ends between a batch request and the record of its job."""
    run = world.new_run()

    def stop() -> None:
        raise CrashError("killed")

    world.sandbox.call_next(stop, on="batch", before_commit=False)
    with pytest.raises(CrashError):
        world.synchronize(numbered(count), run=run)
    world.ended_runs.add(run.id)


def test_look_batches_by_others_in_the_last_cycle(world: FinalizationWorld) -> None:
    """Batches by others that were in the last cycle and are not in this one: the run asks."""
    for name in ("a", "b", "c"):
        world.import_batch(tables(name))
    assert "3 batches by others" in str(fail(world))
    approve(world, 20, 0)

    text = str(fail(world))

    assert "the last cycle held 3 batches by others and this one holds none" in text
    approve(world, 20, 0)
    assert world.synchronize(numbered(20)).succeeded


def test_look_batches_by_others_closed_by_others(world: FinalizationWorld) -> None:
    """A script's whole cycle since the last one: its assets would go missing, so the run asks."""
    world.import_batch(tables("before"))
    world.curl()
    for name in ("a", "b"):
        world.import_batch(tables(name))
    world.curl()

    assert "the last cycle held 2 batches by others" in str(fail(world))


def test_look_batches_by_others_after_a_failed_finalization(world: FinalizationWorld) -> None:
    """A failed finalization may have done nothing: the batches by others before it still count."""
    world.import_batch(tables("a"))
    fail(world)
    approve(world, 20, 0)
    fail(world)
    world.sandbox.end_jobs_as("ERROR")
    options = CycleOptions(accept_missing_count=0, accept_reason="known")
    fail(world, options=options)

    assert "the last cycle held 1 batches by others" in str(fail(world))


def test_look_batches_by_others_set_aside(world: FinalizationWorld) -> None:
    """Batches by others that a person set aside count neither in their cycle nor after it."""
    job_id = world.import_batch(tables("a"))
    world.resolve("set_aside", job_id=job_id)

    assert world.synchronize(numbered(20)).succeeded
    assert world.synchronize(numbered(20)).succeeded


def test_look_batches_by_others_before_the_first_cycle() -> None:
    """Batches that others finalized before the first cycle do not count in the cycle after it."""
    world = FinalizationWorld()
    world.import_batch(numbered(20))
    world.curl()
    fail(world)
    approve(world, 20, 20)

    assert world.synchronize(numbered(20)).succeeded


def test_look_running_batch_by_others_never_ends(world: FinalizationWorld) -> None:
    """A batch by others that does not end in time refuses, and a person can set it aside."""
    world.sandbox.run_jobs_for(100_000)
    job = world.sandbox.import_by_hand("nightly", tables("a"))
    world.sandbox.run_jobs_for(1)

    error = fail(world, options=CycleOptions(wait_seconds=60))

    assert isinstance(error, JobTimedOutError)
    assert "resolution=set_aside" in str(error)
    world.resolve("set_aside", job_id=job.id)
    assert world.synchronize(numbered(20)).succeeded


def test_look_own_batch_never_ends(world: FinalizationWorld) -> None:
    """A batch of ours that never ends is waited for, until a person sets it aside."""
    world.sandbox.run_jobs_for(100_000)
    fail(world, options=CycleOptions(wait_seconds=60))
    world.sandbox.run_jobs_for(1)
    job = world.sandbox.jobs[-1]

    assert "resolution=set_aside" in str(fail(world, options=CycleOptions(wait_seconds=60)))

    world.resolve("set_aside", job_id=job.id)
    assert world.synchronize(numbered(20)).succeeded


def test_look_own_batch_in_unknown_state(world: FinalizationWorld) -> None:
    """A batch of ours whose state is unknown is named with the way out, and is sent again then."""
    world.sandbox.end_jobs_as("PAUSED", on="batch")
    error = fail(world)
    assert "resolution=set_aside" in str(error)
    assert "resolution=set_aside" in str(fail(world))

    world.resolve("set_aside", job_id=error.job_id)
    assert world.synchronize(numbered(20)).succeeded


def test_look_doubtful_job_that_runs(world: FinalizationWorld) -> None:
    """A job that may be a finalization by others closes the cycle at its end: it is waited for."""

    def start_import() -> None:
        world.sandbox.add_foreign_job(name="Close nightly", seconds=500)

    world.sandbox.call_next(start_import, on="batch", before_commit=False)
    started, batches = world.clock.now(), world.sandbox.batches

    assert world.synchronize(numbered(20)).succeeded
    assert world.sandbox.batches == batches + 2
    last = [job.created_on for job in world.sandbox.jobs if job.kind == "batch"][-1]
    assert (last - started).total_seconds() > 499


def test_look_killed_before_the_job_of_a_batch_was_recorded(world: FinalizationWorld) -> None:
    """A batch whose job was never recorded ends before the next run sends anything."""
    world.sandbox.run_jobs_for(400)
    crash_in_upload(world, 20)
    left = world.sandbox.jobs[-1]
    world.clock.advance(120)
    world.sandbox.run_jobs_for(1)

    assert world.synchronize(numbered(20)).succeeded

    later = [job for job in world.sandbox.jobs if job.created_on > left.created_on]
    assert all((job.created_on - left.created_on).total_seconds() >= 400 for job in later)


def test_look_lost_batch_of_an_earlier_cycle(world: FinalizationWorld) -> None:
    """A lost batch of an earlier cycle does not explain a batch by others of today."""
    crash_in_upload(world, 20)
    world.clock.advance(120)
    world.curl()
    world.import_batch(tables("theirs"))

    assert "1 batches by others" in str(fail(world))


def test_look_doubtful_job_after_the_second_upload(world: FinalizationWorld) -> None:
    """A doubtful job after the second upload is logged, and the cycle is finalized."""
    world.sandbox.call_next(
        lambda: world.sandbox.add_foreign_job(name="Cleanup: nightly"),
        on="batch",
        times=8,
        before_commit=False,
    )

    assert world.synchronize(numbered(20), options=SMALL).succeeded

    assert any("is finalized although unknown jobs" in line for line in world.log)
    assert [job.kind for job in world.sandbox.jobs if not job.by_hand].count("batch") == 1 + 8


def test_look_blind_list(world: FinalizationWorld) -> None:
    """A job list that cannot be read is a remark on the receipt, and nothing refuses."""
    world.sandbox.forbid("jobs")
    notes: list[str] = []

    assert world.synchronize(numbered(20), session_changes={"notes": notes}).succeeded

    assert len(notes) == 1
    assert "The job search is incomplete: the job list cannot be read" in notes[0]


def test_look_two_homes_without_a_shared_server(world: FinalizationWorld) -> None:
    """A second container with an empty home asks, since Collibra knows the synchronization."""
    first = world.store, world.storage
    world.store, world.storage = MemoryStore(world.clock, is_shared=False), MemoryStorage()

    assert "Collibra knows this synchronization" in str(fail(world, 20))

    approve(world, 20, 20)
    world.store, world.storage = first
    assert "batches by others and this one holds none" in str(fail(world))
    assert world.sandbox.finalizations == 2


def test_look_tiny_source_after_a_first_cycle_that_a_person_closed() -> None:
    """A tiny source asks if an unfinished first upload may be closed, before a name is learned."""
    world = FinalizationWorld()
    crash_in_upload(world, 30)
    world.clock.advance(120)
    world.curl()

    assert "27 of 30" in str(fail(world, 3))
    assert world.synchronize(numbered(30)).succeeded


def test_look_two_synchronizations_in_one_flow_run(world: FinalizationWorld) -> None:
    """The response for one synchronization approves nothing of another one in the same run."""
    storages = {"nightly": world.storage, "weekly": MemoryStorage(world.clock)}
    world.storage = storages["weekly"]
    world.synchronize(numbered(20), synchronization_id="weekly")
    run = world.new_run()
    world.prompt.responses = [ApprovalInput(10, "dropped")]
    for synchronization_id, storage in storages.items():
        world.storage = storage
        found = world.synchronize_or_error(
            numbered(10), run=run, options=ASK, synchronization_id=synchronization_id
        )

    assert isinstance(found, FinalizationRefusedError)
    first, second = (plan.plan_id for plan in world.prompt.plans)
    assert first != second
    assert world.sandbox.finalizations == 3


def test_look_source_that_changes_while_a_run_is_suspended(world: FinalizationWorld) -> None:
    """A resumed run whose source names other missing assets asks again about those."""
    run = world.new_run()
    world.synchronize_or_error(numbered(10), run=run, options=ASK)
    again = world.new_run(id=run.id, root_id=run.id)
    world.prompt.responses = [None]

    found = world.synchronize_or_error(numbered(10, start=11), run=again, options=ASK)

    assert isinstance(found, FinalizationRefusedError)
    assert len({plan.plan_id for plan in world.prompt.plans}) == 2
    assert world.sandbox.finalizations == 1


@pytest.mark.parametrize("strategy", ["IGNORE", "CHANGE_STATUS"])
def test_look_assets_that_earlier_cycles_left(world: FinalizationWorld, strategy: str) -> None:
    """REMOVE_RESOURCES counts assets that earlier cycles ignored or marked, and asks first."""
    world.synchronize(numbered(18), strategy=strategy)

    error = fail(world, 17, strategy="REMOVE_RESOURCES")

    assert "2 assets that earlier cycles ignored or marked" in str(error)
    assert "no approved plan has shown 2 of them" in str(error)
    plan = world.record.plans[-1]
    assert (plan.missing_count, plan.older_missing_count, plan.number) == (1, 2, 3)
    assert len(world.sandbox.asset_names()) == 20


def test_look_assets_that_an_approved_plan_has_shown(world: FinalizationWorld) -> None:
    """Assets that an approved plan has shown are counted and not asked about again."""
    fail(world, 10)
    approve(world, 10, 10)

    assert world.synchronize(numbered(10), strategy="REMOVE_RESOURCES").succeeded

    plan = world.record.plans[-1]
    assert (plan.older_missing_count, plan.unshown_count, plan.number) == (10, 0, 10)
    assert any("approved plans have shown them" in note for note in plan.notes)


def test_look_assets_beside_those_that_an_approved_plan_has_shown(
    world: FinalizationWorld,
) -> None:
    """Older missing assets that no approved plan has shown ask, with both numbers."""
    fail(world, 12)
    approve(world, 12, 8)
    world.synchronize(numbered(11))
    world.clock.advance(60)

    error = fail(world, 11, strategy="REMOVE_RESOURCES")

    assert "9 assets that earlier cycles ignored or marked" in str(error)
    assert "no approved plan has shown 1 of them" in str(error)


def test_look_assets_that_came_back_after_an_approved_plan(world: FinalizationWorld) -> None:
    """An asset that came back after an approved plan has to be shown again."""
    fail(world, 10)
    approve(world, 10, 10)
    world.synchronize(numbered(20))
    world.synchronize(numbered(18))
    world.clock.advance(60)

    error = fail(world, 18, strategy="REMOVE_RESOURCES")

    assert "no approved plan has shown 2 of them" in str(error)


def test_look_lost_manifest_of_shown_assets(world: FinalizationWorld) -> None:
    """If the manifest of shown assets is lost, the run asks about all of them."""
    fail(world, 10)
    approve(world, 10, 10)
    with world.session() as session:
        newest = session.ledger.newest()
    assert newest is not None
    assert newest.shown_manifest is not None
    del world.storage.manifests[newest.shown_manifest]

    assert "shown 10 of them" in str(fail(world, 10, strategy="REMOVE_RESOURCES"))


def test_look_ignore_counts_and_does_not_refuse(world: FinalizationWorld) -> None:
    """Under IGNORE every loss is counted, and none refuses."""
    assert world.synchronize(numbered(2), strategy="IGNORE").succeeded

    plan = world.record.plans[-1]
    assert (plan.missing_count, plan.allowed) == (18, True)


def test_look_strategy_that_changes_after_the_plan_was_shown(world: FinalizationWorld) -> None:
    """A plan that was shown for CHANGE_STATUS approves no removal."""
    fail(world, 10)

    options = CycleOptions(accept_missing_count=10, accept_reason="dropped")
    error = fail(world, 10, options=options, strategy="REMOVE_RESOURCES")

    assert "the plan has changed" in str(error)
    assert world.sandbox.finalizations == 1


def test_look_ledger_that_moves_on_after_the_plan_was_shown(world: FinalizationWorld) -> None:
    """A plan that was shown before another finalization is another plan after it."""
    fail(world, 10)
    world.synchronize(numbered(20))
    world.clock.advance(60)

    options = CycleOptions(accept_missing_count=10, accept_reason="dropped")
    assert "the plan has changed" in str(fail(world, 10, options=options))


def test_look_batch_by_others_long_after_a_lost_batch(world: FinalizationWorld) -> None:
    """A batch by others that appears when our lost request cannot be in flight is theirs."""
    crash_in_upload(world, 20)
    world.clock.advance(3_600)
    world.import_batch(tables("theirs"))

    assert "1 batches by others" in str(fail(world))


def test_look_batches_by_others_older_than_thirty_days(world: FinalizationWorld) -> None:
    """The list is read through the last known finalization, also if that is long ago."""
    world.clock.advance(86_400)
    world.import_batch(tables("theirs"))
    world.clock.advance(45 * 86_400)

    assert "1 batches by others" in str(fail(world))


def test_look_set_aside_batch_before_a_finalization_by_others(world: FinalizationWorld) -> None:
    """A set-aside batch does not count in a cycle that others closed."""
    job_id = world.import_batch(tables("a"))
    world.resolve("set_aside", job_id=job_id)
    world.curl()

    assert world.synchronize(numbered(20)).succeeded
