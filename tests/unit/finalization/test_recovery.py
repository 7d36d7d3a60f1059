"""Recovery of a finalization whose response was lost."""

from __future__ import annotations

import pytest

from collibra_tasks.errors import OutcomeUnknownError
from collibra_tasks.ledger.entry import Phase
from tests.support.finalizations import FinalizationWorld
from tests.support.memory_store import CrashError


@pytest.fixture
def world() -> FinalizationWorld:
    world = FinalizationWorld()
    world.teach()
    return world


def kill_after_request(world: FinalizationWorld, batch: str, **more: object) -> None:
    """Finalize in a process that is killed between the request and the record."""
    world.sandbox.call_next(lambda: world.store.crash_before("update"))
    with pytest.raises(CrashError):
        world.finalize(batch, **more)  # type: ignore[arg-type] # any argument


def kill_before_request(world: FinalizationWorld, batch: str, **more: object) -> None:
    """Finalize in a process that is killed between the intent and the request."""

    def crash() -> None:
        raise CrashError("before the request")

    world.sandbox.call_next(crash)
    with pytest.raises(CrashError):
        world.finalize(batch, **more)  # type: ignore[arg-type] # any argument


def test_recover_finalization_adopts(world: FinalizationWorld) -> None:
    """The one job with the learned name is adopted by the next run."""
    batch = world.batch()
    kill_after_request(world, batch)
    job_id = world.sandbox.jobs[-1].id
    assert world.finalize(batch).id == job_id
    assert world.sent == 2


def test_recover_finalization_waits_for_writer(world: FinalizationWorld) -> None:
    """Another run's intent is left to its writer until the writer's deadline."""
    batch = world.batch()
    kill_after_request(world, batch)
    deadline = world.entry().deadline_on
    assert deadline is not None
    world.finalize(batch)
    assert world.clock.now() >= deadline


def test_recover_finalization_of_ended_run(world: FinalizationWorld) -> None:
    """The intent of a flow run that has ended is recovered at once."""
    batch, run = world.batch(), world.new_run()
    kill_after_request(world, batch, run=run)
    world.ended_runs.add(run.id)
    begun = world.clock.monotonic()
    world.finalize(batch)
    assert world.clock.monotonic() - begun < 10


def test_recover_finalization_of_own_earlier_attempt(world: FinalizationWorld) -> None:
    """A retry recovers its own intent without waiting for the deadline."""
    batch, run = world.batch(), world.new_run()
    kill_after_request(world, batch, run=run)
    begun = world.clock.monotonic()
    assert world.finalize(batch, run=run).succeeded
    assert world.clock.monotonic() - begun < 10


def test_recover_finalization_without_job(world: FinalizationWorld) -> None:
    """An intent without a job stays unknown, names the ledger entry and is never sent again."""
    batch = world.batch()
    kill_before_request(world, batch)
    with pytest.raises(OutcomeUnknownError) as found:
        world.finalize(batch)
    with world.session() as session:
        assert session.ledger.name_of(2) in str(found.value)
    assert world.sent == 1


def test_recover_finalization_of_late_job(world: FinalizationWorld) -> None:
    """A job that enters the list some reads later is adopted."""
    batch, run = world.batch(), world.new_run()
    world.sandbox.delay_job_listing(3)
    kill_after_request(world, batch, run=run)
    world.ended_runs.add(run.id)
    assert world.finalize(batch).succeeded


def test_recover_finalization_of_silent_names() -> None:
    """A job whose name holds no ID is shown and never adopted by itself."""
    world = FinalizationWorld()
    world.sandbox.configure(finalization_job_name="Import")
    world.teach()
    batch = world.batch()
    kill_after_request(world, batch)
    with pytest.raises(OutcomeUnknownError, match=world.sandbox.jobs[-1].id):
        world.finalize(batch)


def test_recover_finalization_beside_other_jobs(world: FinalizationWorld) -> None:
    """Jobs of other programs do not keep the job from being adopted."""
    batch = world.batch()
    kill_after_request(world, batch)
    for name in ("Import", "Edge job", None):
        world.sandbox.add_foreign_job(name=name)
    world.teach("weekly")
    assert world.finalize(batch).succeeded
    assert world.sandbox.finalizations_of("nightly") == 2


def test_recover_finalization_unreadable_list_before(world: FinalizationWorld) -> None:
    """Without the list before the request, a candidate is shown and not adopted."""
    batch = world.batch()
    world.sandbox.call_next(lambda: world.store.crash_before("update"))
    world.sandbox.forbid("jobs")
    with pytest.raises(CrashError):
        world.finalize(batch)
    world.sandbox.allow("jobs")
    with pytest.raises(OutcomeUnknownError, match="could not be read before"):
        world.finalize(batch)


def test_recover_finalization_resolved_meanwhile(world: FinalizationWorld) -> None:
    """A person's decision during the wait ends it."""
    batch = world.batch()
    kill_before_request(world, batch)

    def decide() -> None:
        world.resolve("not_sent")

    world.clock.call_later(205, decide)
    world.clock.advance(190)
    assert world.finalize(batch).succeeded
    assert world.entry().phase == Phase.ENDED
    assert world.sent == 2
