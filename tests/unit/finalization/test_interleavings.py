"""Crashes and stops of a finalization at each of its store operations and requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from collibra_tasks.errors import CollibraError, OutcomeUnknownError
from collibra_tasks.ledger.store import StoreUnavailableError
from collibra_tasks.models import Job
from tests.support.finalizations import FinalizationWorld, outcome_of
from tests.support.memory_store import CrashError, Moment
from tests.support.sessions import NIGHTLY

MAX_STEPS = 200

Act = Callable[[], object]


def at_step(world: FinalizationWorld, kind: str, number: int, act: Act) -> list[bool]:
    """Act once at a store operation (``store before``) or request (``request after``)."""
    port, moment = kind.split()
    happened: list[bool] = []
    steps = iter(range(MAX_STEPS))

    def count(*_: str) -> None:
        if not happened and next(steps) == number:
            happened.append(True)
            act()

    if port == "store":
        when: Moment = "before" if moment == "before" else "after"
        world.store.hooks[when] = count
    else:
        world.sandbox.call_next(count, on="any", times=MAX_STEPS, before_commit=moment == "before")
    return happened


def stop_acting(world: FinalizationWorld) -> None:
    world.store.clear_hooks()
    world.sandbox.reset_faults()


def worlds(
    kind: str, act: Callable[[FinalizationWorld], Act], *, taught: bool
) -> Iterator[tuple[FinalizationWorld, str, Job | CollibraError | CrashError]]:
    """Yield a world for each step of a finalization, after something happened there."""
    for number in range(MAX_STEPS):
        world = FinalizationWorld()
        if taught:
            world.teach()
        batch = world.batch()
        happened = at_step(world, kind, number, act(world))
        result = outcome_of(partial(world.finalize, batch, run=world.new_run()))
        stop_acting(world)
        if not happened:
            assert number > 5
            return
        yield world, batch, result


def crash(_: FinalizationWorld) -> Act:
    def end_process() -> None:
        raise CrashError("at a step")

    return end_process


def way_out(world: FinalizationWorld, error: BaseException) -> None:
    """Do what the documentation of an unknown outcome demands of a person."""
    assert isinstance(error, OutcomeUnknownError), error
    assert "resolve-finalization" in str(error)
    world.clock.advance(300)
    entry = world.entry()
    new = [
        job
        for job in world.sandbox.jobs
        if job.kind == "finalize"
        and job.synchronization_id == NIGHTLY
        and job.id not in entry.jobs_before
    ]
    if new:
        world.resolve("adopt_job", job_id=new[0].id)
    else:
        world.resolve("not_sent")


KINDS = ["store before", "store after", "request before", "request after"]


@pytest.mark.parametrize("taught", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_finalize_crash_at_each_step(kind: str, *, taught: bool) -> None:
    """After a crash anywhere, the cycle is finalized once, at the latest after a decision."""
    for world, batch, _ in worlds(kind, crash, taught=taught):
        result = outcome_of(partial(world.finalize, batch))
        if not isinstance(result, Job):
            way_out(world, result)
            result = world.finalize(batch)
        assert result.succeeded
        assert world.sent == 1 + taught
        assert world.finalize(world.batch()).succeeded


@pytest.mark.parametrize("kind", KINDS)
def test_finalize_crash_then_retry(kind: str) -> None:
    """A retry of the same flow run after a crash anywhere sends nothing twice."""
    for number in range(MAX_STEPS):
        world = FinalizationWorld()
        world.teach()
        batch, run = world.batch(), world.new_run()
        happened = at_step(world, kind, number, crash(world))
        outcome_of(partial(world.finalize, batch, run=run))
        stop_acting(world)
        if not happened:
            return
        result = outcome_of(partial(world.finalize, batch, run=run))
        if not isinstance(result, Job):
            way_out(world, result)
            result = world.finalize(batch, run=run)
        assert result.succeeded
        assert world.sent == 2
    pytest.fail("more steps than expected")


def other_run(world: FinalizationWorld) -> Act:
    """Return an action: the process stops, the lock expires, and another run finalizes."""

    def finalize_elsewhere() -> None:
        world.clock.advance(100)
        batch = next(job.id for job in reversed(world.sandbox.jobs) if job.kind == "batch")
        outcome_of(lambda: world.finalize(batch))

    return finalize_elsewhere


@pytest.mark.parametrize("kind", KINDS)
def test_finalize_stopped_at_each_step(kind: str) -> None:
    """A process that stops anywhere while another run takes over finalizes nothing twice."""
    for world, batch, _ in worlds(kind, other_run, taught=True):
        assert world.sent <= 2
        result = outcome_of(partial(world.finalize, batch))
        if not isinstance(result, Job):
            way_out(world, result)
            result = world.finalize(batch)
        assert result.succeeded
        assert world.sent == 2


def larger_cycle(world: FinalizationWorld) -> Act:
    """Return an action: the process stops, and another run finalizes a larger cycle."""

    def finalize_elsewhere() -> None:
        world.clock.advance(100)
        outcome_of(lambda: world.finalize(world.batch("t1", "t2", "t3")))

    return finalize_elsewhere


@pytest.mark.parametrize("kind", KINDS)
def test_finalize_older_cycle_at_each_step(kind: str) -> None:
    """A process that wakes up after a newer cycle was finalized does not finalize its older one."""
    for world, _, result in worlds(kind, larger_cycle, taught=True):
        ours = [job for job in world.sandbox.jobs if job.kind == "finalize"]
        batches = [job for job in world.sandbox.jobs if job.kind == "batch"]
        later = [job for job in ours if job.created_on > batches[-1].created_on]
        assert len(later) <= 1, result


def lost_store(world: FinalizationWorld) -> Act:
    """Return an action: the response of a store operation is lost."""

    def lose() -> None:
        raise StoreUnavailableError("the store is not reachable.")

    del world
    return lose


@pytest.mark.parametrize("kind", ["store before", "store after"])
def test_finalize_store_error_at_each_step(kind: str) -> None:
    """A store request that fails anywhere leads to no second finalization and no dead end."""
    for world, batch, _ in worlds(kind, lost_store, taught=True):
        result = outcome_of(partial(world.finalize, batch))
        if not isinstance(result, Job):
            way_out(world, result)
            result = world.finalize(batch)
        assert result.succeeded
        assert world.sent == 2
