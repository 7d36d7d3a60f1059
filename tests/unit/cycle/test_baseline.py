"""Baseline: first cycles, and records that are missing, lost or restored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from collibra_tasks.cycle.baseline import UNKNOWN_UPLOADS, Baseline
from collibra_tasks.errors import FinalizationRefusedError, JobIncompleteError
from collibra_tasks.ledger.entry import History
from collibra_tasks.ledger.manifest import Manifest
from collibra_tasks.models import AssetRow
from collibra_tasks.options import CycleOptions
from tests.support.memory_store import CrashError, MemoryStorage
from tests.support.sessions import World, numbered, tables


def refusal(world: World, count: int, **more: Any) -> str:
    found = world.synchronize_or_error(numbered(count), **more)
    assert isinstance(found, FinalizationRefusedError), found
    return str(found)


def approve(world: World, count: int, number: int) -> None:
    options = CycleOptions(accept_missing_count=number, accept_reason="checked in Collibra")
    world.synchronize(numbered(count), options=options)


def crash_during_upload(world: World, count: int) -> None:
    """Run a cycle whose process ends after its batch was sent."""
    run = world.new_run()
    world.storage.crash_before("write_checkpoint", skip=2)
    try:
        world.synchronize(numbered(count), run=run)
    except CrashError:
        world.ended_runs.add(run.id)
        world.clock.advance(120)
        return
    raise AssertionError("the process did not crash")


def test_load_baseline_first_cycle() -> None:
    """The first cycle asks nothing, and the plan says that nothing can be missing."""
    world = World()

    assert world.synchronize(numbered(20)).succeeded

    plan = world.record.plans[-1]
    assert plan.previous_count is None
    assert any("first cycle" in note for note in plan.notes)


def test_load_baseline_crashed_first_cycle() -> None:
    """A first cycle that was interrupted is still the first cycle."""
    world = World()
    crash_during_upload(world, 20)

    assert world.synchronize(numbered(20)).succeeded


def test_load_baseline_failed_first_cycle() -> None:
    """A first cycle whose batch failed asks nothing in the next run."""
    world = World()
    world.sandbox.end_jobs_as("ERROR", on="batch")
    assert isinstance(world.synchronize_or_error(numbered(20)), JobIncompleteError)

    assert world.synchronize(numbered(20)).succeeded


def test_load_baseline_collibra_knows_the_synchronization() -> None:
    """An empty ledger asks when Collibra holds assets of earlier imports."""
    world = World()
    world.import_batch(numbered(20))
    world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
    world.clock.advance(60)

    assert "Collibra knows this synchronization" in refusal(world, 5)
    assert world.sandbox.finalizations == 0

    approve(world, 5, 5)
    assert world.synchronize(numbered(5)).succeeded


def test_load_baseline_missing_manifest() -> None:
    """A manifest that was deleted asks, because missing assets are unknown."""
    world = World()
    world.synchronize(numbered(20))
    world.storage.manifests.clear()

    assert "manifest of the last finalized cycle cannot be read" in refusal(world, 3)

    approve(world, 3, 3)
    assert world.synchronize(numbered(3)).succeeded


def test_load_baseline_restored_ledger() -> None:
    """A ledger from before the last cycle asks, with both dates, and compares with that cycle."""
    world, _ = restored_world(20, 500)

    text = refusal(world, 20)

    assert "2026-01-01" in text
    assert "2026-01-02" in text
    assert "480 of 500" in text
    assert len(world.sandbox.asset_names()) == 500


def test_load_baseline_restored_ledger_with_a_recorded_foreign_finalization() -> None:
    """Our own finalization that the restored ledger shows as foreign does not end the suspicion."""
    world, _ = restored_world(20, 500)
    refusal(world, 20)

    world.clock.advance(86_400)
    text = refusal(world, 20)

    assert "480 of 500" in text
    assert "restored" in text


def test_load_baseline_restored_ledger_and_a_complete_source() -> None:
    """After a restore, a person approves once; later cycles ask nothing."""
    world, _ = restored_world(20, 50)
    refusal(world, 50)

    approve(world, 50, 0)

    assert world.synchronize(numbered(49)).succeeded


def test_load_baseline_emptied_ledger() -> None:
    """A ledger that was emptied asks, and compares with the manifests that are left."""
    world = World()
    empty = world.store.save()
    world.synchronize(numbered(500))
    world.clock.advance(86_400)
    empty()

    text = refusal(world, 20)

    assert "480 of 500" in text
    assert world.sandbox.finalizations == 1


def test_load_baseline_lost_checkpoint() -> None:
    """Uploads without a finalization whose record was lost ask."""
    world = World()
    world.synchronize(numbered(20))
    crash_during_upload(world, 30)
    world.storage.forget_checkpoint()

    assert "their record is lost" in refusal(world, 20)


def test_load_baseline_lost_checkpoint_of_a_first_cycle() -> None:
    """Uploads of a first cycle whose record was lost ask too."""
    world = World()
    crash_during_upload(world, 30)
    world.storage.forget_checkpoint()

    assert "their record is lost" in refusal(world, 3)


def test_load_baseline_lost_checkpoint_after_the_end() -> None:
    """A checkpoint of a finalized cycle is not needed any more."""
    world = World()
    world.synchronize(numbered(20))
    world.storage.forget_checkpoint()

    assert world.synchronize(numbered(20)).succeeded


def test_load_baseline_failed_finalization() -> None:
    """After a failed finalization, both cycles may still be open and are compared with."""
    world = World()
    world.synchronize(numbered(20))
    world.sandbox.end_jobs_as("ERROR")
    world.synchronize_or_error([*numbered(20), *tables("a", "b", "c", "d")])
    world.clock.advance(60)

    text = refusal(world, 10)

    assert "14 of 24" in text


def test_load_baseline_interrupted_upload_is_not_compared_with() -> None:
    """Assets of an upload that was not finalized are no assets of the last cycle."""
    world = World()
    world.synchronize(numbered(20))
    crash_during_upload(world, 40)

    assert world.synchronize(numbered(20)).succeeded
    # They are part of the cycle that was finalized now.
    assert "20 of 40" in refusal(world, 20)


def test_load_baseline_foreign_finalization_closes_an_interrupted_first_cycle() -> None:
    """A first upload that a person finalized is what the next source is compared with."""
    world = World()
    world.synchronize(numbered(5), synchronization_id="teaches-the-name")
    world.storage = MemoryStorage(world.clock)
    crash_during_upload(world, 30)
    world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
    world.clock.advance(60)

    assert "27 of 30" in refusal(world, 3)
    assert world.synchronize(numbered(30)).succeeded


def test_load_baseline_restored_ledger_and_a_cycle_from_elsewhere() -> None:
    """A finalization that closed another cycle does not end the suspicion either."""
    world, _ = restored_world(20, 500)
    refusal(world, 20)
    job_id = world.import_batch(numbered(500))
    world.finalize(job_id, strategy="IGNORE", allow_unverified_cycle=True)
    world.clock.advance(86_400)

    text = refusal(world, 20)

    assert "cannot be read" in text
    assert "restored" in text


def test_load_baseline_cycle_after_a_failed_finalization() -> None:
    """The cycle after a failed finalization may hold the assets of the failed one as well."""
    world = World()
    world.synchronize(numbered(20))
    world.sandbox.end_jobs_as("ERROR")
    world.synchronize_or_error([*numbered(20), *tables("a", "b", "c", "d")])
    world.clock.advance(60)

    world.synchronize(numbered(20))
    world.synchronize(numbered(20))

    assert [plan.previous_count for plan in world.record.plans[-2:]] == [24, 24]


def manifest_of(*names: str) -> Manifest:
    return Manifest.from_rows([AssetRow(name, "", "", "") for name in names])


def test_compared_with_uploads_of_an_unknown_upload_asks() -> None:
    """An unfinished upload whose manifest is lost is a reason to ask, if others may have closed."""
    baseline = Baseline(generation=0, history=History(), previous=None, uploads=None)

    assert (UNKNOWN_UPLOADS,) == baseline.compared_with_uploads(manifest_of("a")).reasons


def test_compared_with_uploads_counts_them_as_previous() -> None:
    """Uploads that do not all come back count as assets of the previous cycle."""
    baseline = Baseline(generation=0, history=History(), previous=None, uploads=manifest_of("a"))

    assert ["a"] == [
        row.asset for row in baseline.compared_with_uploads(manifest_of("b")).previous or ()
    ]
    assert baseline is baseline.compared_with_uploads(manifest_of("a", "b"))


def learn_the_name(world: World) -> None:
    """Run a cycle of another synchronization, which teaches the name of finalization jobs."""
    storage, world.storage = world.storage, MemoryStorage(world.clock)
    world.synchronize(numbered(5), synchronization_id="teaches-the-name")
    world.storage = storage
    world.clock.advance(60)


def restored_world(first: int, *later: int) -> tuple[World, Callable[[], None]]:
    """Return a world whose ledger was restored to the state after its first cycle.

    Args:
        first: Number of assets of the first cycle.
        later: Numbers of assets of the cycles that the restore loses, one per day.
    """
    world = World()
    world.synchronize(numbered(first))
    restore = world.store.save()
    world.clock.advance(86_400)
    for count in later:
        world.synchronize(numbered(count))
        world.clock.advance(86_400)
    restore()
    return world, restore


def taught_world() -> World:
    """Return a world that knows the name of finalization jobs, with no cycle of its own yet."""
    world = World()
    learn_the_name(world)
    return world


def finalize_by_hand(world: World) -> None:
    world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
    world.clock.advance(60)


def crash_in_approved_upload(world: World, count: int) -> None:
    """Approve a plan whose run ends after its batch was sent."""
    refusal(world, count)
    number = world.record.plans[-1].number
    run = world.new_run()
    world.storage.crash_before("write_checkpoint", skip=2)
    options = CycleOptions(accept_missing_count=number, accept_reason="checked in Collibra")
    try:
        world.synchronize(numbered(count), run=run, options=options)
    except CrashError:
        world.ended_runs.add(run.id)
        world.clock.advance(120)
        return
    raise AssertionError("the process did not crash")


def test_load_baseline_known_synchronization_after_an_approved_upload() -> None:
    """An approved upload that was not finalized approves no other source."""
    world = World()
    world.import_batch(numbered(500))
    world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
    world.clock.advance(60)
    crash_in_approved_upload(world, 400)

    assert "Collibra knows this synchronization" in refusal(world, 20)
    assert world.sandbox.finalizations == 0


def test_load_baseline_foreign_finalization_closes_an_approved_upload() -> None:
    """A source asks if Collibra knew more than the upload that others closed."""
    world = World()
    world.import_batch(numbered(500))
    finalize_by_hand(world)
    crash_in_approved_upload(world, 400)
    learn_the_name(world)
    finalize_by_hand(world)

    text = refusal(world, 390)

    assert "manifest of the last finalized cycle cannot be read" in text


def test_load_baseline_foreign_finalization_and_a_lost_manifest() -> None:
    """An upload that others closed and whose manifest is lost asks."""
    world = taught_world()
    world.synchronize(numbered(20))
    crash_during_upload(world, 500)
    checkpoint = world.storage.read_checkpoint()
    assert checkpoint is not None
    assert checkpoint.manifest is not None
    del world.storage.manifests[checkpoint.manifest]
    finalize_by_hand(world)

    assert "cannot be read" in refusal(world, 20)


def test_load_baseline_foreign_finalization_and_a_lost_checkpoint() -> None:
    """An upload that others closed and whose record is lost asks."""
    world = taught_world()
    world.synchronize(numbered(20))
    crash_during_upload(world, 500)
    world.storage.forget_checkpoint()
    world.storage.manifests = {
        name: kept for name, kept in world.storage.manifests.items() if kept[0].asset_count < 500
    }
    finalize_by_hand(world)

    assert "cannot be read" in refusal(world, 20)


def test_load_baseline_foreign_finalization_and_two_interrupted_uploads() -> None:
    """An upload that others closed is compared with until a finalization of ours."""
    world = taught_world()
    world.synchronize(numbered(20))
    crash_during_upload(world, 500)
    finalize_by_hand(world)
    crash_during_upload(world, 490)

    assert "480 of 500" in refusal(world, 20)


def test_load_baseline_foreign_finalization_recorded_elsewhere() -> None:
    """Without the storage, the marker on the Prefect server names what others closed."""
    world = taught_world()
    world.synchronize(numbered(20))
    crash_during_upload(world, 500)
    finalize_by_hand(world)
    storage, world.storage = world.storage, MemoryStorage(world.clock)
    found = world.synchronize_or_error(numbered(20))  # by a worker with another storage
    assert isinstance(found, FinalizationRefusedError)
    world.storage = storage

    text = refusal(world, 20)

    assert "480 of 500" in text
    assert "cannot be read" not in text


def test_load_baseline_restored_ledger_and_an_approved_upload() -> None:
    """An approval after a restore is used up by a finalization, not by an upload."""
    world, _ = restored_world(20, 500)
    crash_in_approved_upload(world, 490)

    text = refusal(world, 20)

    assert "480 of 500" in text
    assert "restored" in text


def test_load_baseline_restored_ledger_and_a_second_upload() -> None:
    """An approval after a restore survives a second upload, because the plan stays the same."""
    world, _ = restored_world(20, 50)
    refusal(world, 50)
    world.sandbox.call_next(
        lambda: world.sandbox.add_foreign_job(name="Cleanup: nightly"),
        on="batch",
        before_commit=False,
    )

    approve(world, 50, 0)

    assert world.sandbox.finalizations == 3


def test_load_baseline_lost_checkpoint_and_an_approved_upload() -> None:
    """An approval of unknown uploads is used up by a finalization, not by another upload."""
    world = World()
    world.synchronize(numbered(20))
    crash_during_upload(world, 30)
    world.storage.forget_checkpoint()
    crash_in_approved_upload(world, 20)

    assert "their record is lost" in refusal(world, 20)


def test_load_baseline_failed_finalization_and_a_lost_manifest() -> None:
    """The content of Collibra stays unknown through the cycle after a failed finalization."""
    world = World()
    world.synchronize(numbered(20))
    lost = list(world.storage.manifests)
    world.sandbox.end_jobs_as("ERROR")
    world.synchronize_or_error(numbered(24))
    world.clock.advance(60)
    for name in lost:
        del world.storage.manifests[name]
    refusal(world, 24)
    approve(world, 24, world.record.plans[-1].number)
    world.clock.advance(60)

    assert "cannot be read" in refusal(world, 24)


def test_load_baseline_restored_storage() -> None:
    """A storage from before the last cycle lacks that cycle's manifest, so the run asks."""
    world = World()
    world.synchronize(numbered(20))
    restore = world.storage.save()
    world.clock.advance(86_400)
    world.synchronize(numbered(500))
    world.clock.advance(86_400)
    restore()

    assert "manifest of the last finalized cycle cannot be read" in refusal(world, 20)


def test_load_baseline_storage_restored_from_the_middle_of_a_cycle() -> None:
    """A storage from the middle of the last cycle cannot hide what that cycle held."""
    world = World()
    world.synchronize(numbered(20))
    restores: list[Callable[[], None]] = []
    world.sandbox.call_next(
        lambda: restores.append(world.storage.save()), on="batch", before_commit=False
    )
    world.clock.advance(86_400)
    world.synchronize(numbered(500))
    world.clock.advance(86_400)
    restores[0]()

    assert "480 of 500" in refusal(world, 20)
    assert world.synchronize(numbered(500)).succeeded


def test_load_baseline_restored_ledger_and_storage() -> None:
    """After a restore of both, the cycles since then were closed by others, so the run asks."""
    world = World()
    world.synchronize(numbered(20))
    restores = [world.store.save(), world.storage.save()]
    world.clock.advance(86_400)
    world.synchronize(numbered(500))
    world.clock.advance(86_400)
    for restore in restores:
        restore()

    assert "the last cycle held 1 batches by others" in refusal(world, 20)
