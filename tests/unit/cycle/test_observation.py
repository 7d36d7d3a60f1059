"""Batches and finalizations by others, as the next cycle sees them."""

from __future__ import annotations

import pytest

from collibra_tasks.cycle.ports import ApprovalInput
from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.options import CycleOptions, OnGuard
from tests.support.sessions import NIGHTLY, World, numbered, tables

SOURCE = numbered(12)
THEIRS = tables("theirs 1", "theirs 2", "theirs 3", "theirs 4")


@pytest.fixture
def world() -> World:
    """Return a world with one finalized cycle."""
    found = World()
    found.synchronize(SOURCE)
    return found


def approve(world: World) -> None:
    """Run a cycle in which a person approves the plan."""
    world.prompt.responses.append(ApprovalInput(0, "their script runs once"))
    world.synchronize(SOURCE, options=CycleOptions(on_guard=OnGuard.ASK))


def refuse(world: World) -> str:
    found = world.synchronize_or_error(SOURCE, strategy="REMOVE_RESOURCES")
    assert isinstance(found, FinalizationRefusedError), found
    return str(found)


def test_reasons_batches_by_others_in_the_last_cycle(world: World) -> None:
    """A cycle without batches by others asks if the last one held some, once."""
    world.import_batch(THEIRS)
    approve(world)

    assert "the last cycle held 1 batches by others and this one holds none" in refuse(world)
    assert {"theirs 1", "theirs 2"} <= world.sandbox.asset_names()

    approve(world)
    world.synchronize(SOURCE)


def test_reasons_batches_by_others_in_a_failed_cycle(world: World) -> None:
    """After a failed finalization, the batches by others of its cycle still count."""
    world.import_batch(THEIRS)
    approve(world)
    world.sandbox.end_jobs_as("ERROR")
    world.prompt.responses.append(ApprovalInput(0, "their script runs once"))
    world.synchronize_or_error(SOURCE, options=CycleOptions(on_guard=OnGuard.ASK))

    assert "the last cycle held 1 batches by others" in refuse(world)


def test_reasons_batches_by_others_that_others_finalized(world: World) -> None:
    """Batches by others whose cycle others finalized are missing from the next cycle: it asks."""
    world.import_batch(THEIRS)
    world.import_batch(THEIRS)
    world.sandbox.finalize_by_hand(NIGHTLY, strategy="IGNORE")
    world.clock.advance(2)

    assert "the last cycle held 2 batches by others" in refuse(world)


@pytest.mark.parametrize("seconds", [1, 60])
def test_run_finalization_during_a_busy_pause(world: World, seconds: float) -> None:
    """A finalization that appears in the pause after a 429 is followed; none is sent after it."""
    world.sandbox.be_busy(retry_after="100")

    def close() -> None:
        world.sandbox.finalize_by_hand(NIGHTLY, strategy="IGNORE")

    world.sandbox.call_next(lambda: world.clock.call_later(20 + seconds, close))
    finalizations = world.sandbox.finalizations

    job = world.synchronize(SOURCE, strategy="REMOVE_RESOURCES")

    assert world.sandbox.jobs[-1].id == job.id
    assert world.sandbox.finalizations == finalizations  # none of ours took effect
    assert {f"t{number}" for number in range(1, 13)} <= world.sandbox.asset_names()
