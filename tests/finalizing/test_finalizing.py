"""Single turns of events that chance meets too seldom."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import (
    FinalizationRefusedError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from collibra_tasks.ledger import Resolution, Settlement
from collibra_tasks.models import OnOverlap
from collibra_tasks.resolving import resolve
from tests.finalizing.world import Process, World


@pytest.fixture
def world() -> World:
    """Return a world in which one cycle was finalized."""
    world = World(jobs_name_synchronization=False)
    assert finalize(world, world.import_batch()).job is not None
    return world


def finalize(world: World, *batches: str) -> Process:
    process = world.start(batches, OnOverlap.ATTACH)
    process.finish()
    return process


def say_not_sent(world: World) -> None:
    said = Settlement(
        resolution=Resolution.NOT_SENT, by="Ada", on=datetime.now(tz=UTC), reason="looked"
    )
    transport = httpx.MockTransport(world.reach)
    with CollibraClient(world.connection(), transport=transport) as client:
        resolve(client, world.ledger, said)


def test_a_job_that_is_gone_is_not_sent_again(world: World) -> None:
    """A later run follows the recorded job even where the tenant does not know it any more."""
    world.tenant.run_jobs_for(3600)
    batch = world.import_batch()
    world.tenant.finish_jobs()
    first = finalize(world, batch)
    assert first.job is not None
    world.tenant.lose_job(first.job.id)

    second = finalize(world, batch)

    assert second.job is not None
    assert first.job.id == second.job.id
    assert 2 == world.tenant.finalizations


def test_a_refusal_by_the_tenant_forgets_nothing(world: World) -> None:
    """After a request that the tenant refused, the batches of the cycle before stay used up."""
    used = world.processes[0].order.batch_job_ids[0]
    world.tenant.fail_next(400)
    assert isinstance(finalize(world, world.import_batch()).error, RefusedError)

    assert isinstance(finalize(world, used).error, FinalizationRefusedError)
    assert 1 == world.tenant.finalizations


def test_of_two_that_look_at_the_same_time_one_sends(world: World) -> None:
    """Two runs that both find the way free end with the same job, and it was sent once."""
    batch = world.import_batch()
    runs = [world.start((batch,), OnOverlap.ATTACH) for _ in range(2)]
    for run in runs:
        run.go_to("before the claim")
    while not all(run.over for run in runs):
        for run in runs:
            run.step()

    first, second = (run.job for run in runs)
    assert first is not None
    assert second is not None
    assert first.id == second.id
    assert 2 == world.tenant.finalizations


def test_an_intent_that_was_settled_meanwhile_is_not_sent(world: World) -> None:
    """Whoever finds the record settled by a person, or taken by another, sends nothing."""
    late = world.start((world.import_batch(),), OnOverlap.ATTACH)
    late.go_to("after the claim")
    say_not_sent(world)
    late.finish()

    assert isinstance(late.error, NotSentError)
    assert 1 == world.tenant.finalizations


def test_a_writer_that_stalls_sends_nothing(world: World) -> None:
    """Whoever takes too long from the record to the request gives up: it may be settled by now."""
    process = world.start((world.import_batch(),), OnOverlap.ATTACH)
    process.go_to("after the claim")
    world.now += timedelta(minutes=5)
    process.finish()

    assert isinstance(process.error, NotSentError)
    assert 1 == world.tenant.finalizations


def test_a_person_opens_the_way_again(world: World) -> None:
    """A cycle of which a person says that nothing was sent is finalized by the next run."""
    batch = world.import_batch()
    world.tenant.lose_next_answer(before_commit=True)
    assert isinstance(finalize(world, batch).error, OutcomeUnknownError)
    say_not_sent(world)

    assert finalize(world, batch).job is not None
    assert 2 == world.tenant.finalizations
