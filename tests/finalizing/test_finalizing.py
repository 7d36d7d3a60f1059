"""Single turns of events that chance meets too seldom."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import (
    FinalizationRefusedError,
    JobTimedOutError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from collibra_tasks.finalizing import Order
from collibra_tasks.ledger import MOST_MANIFESTS, Entry, Phase, Resolution, Settlement
from collibra_tasks.models import FinalizationStrategy, Job, OnOverlap, Upload
from collibra_tasks.resolving import resolve
from tests.finalizing.world import LONGEST_WAY, Process, World

WITHOUT_EVIDENCE = Order(
    strategy=FinalizationStrategy.REMOVE_RESOURCES, allow_unverified_cycle=True
)


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


def say(
    world: World, resolution: Resolution, job_id: str | None = None, reason: str = "looked"
) -> None:
    said = Settlement(resolution=resolution, by="Ada", on=datetime.now(tz=UTC), reason=reason)
    transport = httpx.MockTransport(world.reach)
    with CollibraClient(world.connection(), transport=transport) as client:
        resolve(
            client,
            world.ledger,
            said,
            job_id=job_id,
            longest_request_seconds=LONGEST_WAY.total_seconds(),
        )


def say_not_sent(world: World) -> None:
    world.now += LONGEST_WAY + timedelta(seconds=2)
    say(world, Resolution.NOT_SENT)


def close_last(world: World, run: Process | None = None) -> None:
    """Write down that the last job has ended, as a run does that followed it."""
    job = (run or world.processes[-1]).job
    assert job is not None
    ended = Job(id=job.id, state="COMPLETED", result="SUCCESS")
    world.ledger.close(ended, flow_run_id=run.run.id if run else None)


def whole(name: str) -> Order:
    command = {"resourceType": "Community", "identifier": {"name": name}}
    upload = Upload(file_name="all.json", content=json.dumps([command]).encode())
    return Order(strategy=FinalizationStrategy.REMOVE_RESOURCES, whole=upload)


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
    say(world, Resolution.ENDED)
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


def test_not_sent_is_not_believed_too_early(world: World) -> None:
    """While the request may still be under way, nobody can say that it was not sent."""
    process = world.start((world.import_batch(),), OnOverlap.ATTACH)
    process.go_to("before the finalization")

    with pytest.raises(FinalizationRefusedError):
        say(world, Resolution.NOT_SENT)
    process.finish()
    assert process.job is not None


def test_a_job_goes_with_adopting_only(world: World) -> None:
    """Who names a job and says that nothing was sent, or that it ended, is asked again."""
    world.tenant.lose_next_answer(before_commit=True)
    finalize(world, world.import_batch())
    world.now += LONGEST_WAY

    for resolution in (Resolution.NOT_SENT, Resolution.ENDED, Resolution.LEAVE):
        with pytest.raises(FinalizationRefusedError):
            say(world, resolution, job_id="some-job")


def test_looking_changes_nothing(world: World) -> None:
    """To leave it as it is needs no name and no reason, and the record stays as it was."""
    world.tenant.lose_next_answer(before_commit=True)
    finalize(world, world.import_batch())
    before = world.ledger.latest()

    say(world, Resolution.LEAVE, reason="")

    assert before == world.ledger.latest()
    world.now += LONGEST_WAY * 2
    with pytest.raises(FinalizationRefusedError):
        say(world, Resolution.NOT_SENT, reason=" ")


def test_what_still_runs_has_not_ended(world: World) -> None:
    """Nobody settles as ended a job that the tenant says is at work."""
    batch = world.import_batch()
    world.tenant.run_jobs_for(3600)
    assert finalize(world, batch).job is not None

    with pytest.raises(FinalizationRefusedError):
        say(world, Resolution.ENDED)
    world.tenant.finish_jobs()
    say(world, Resolution.ENDED)

    entry = world.ledger.latest()
    assert entry is not None
    assert "COMPLETED, SUCCESS" == entry.outcome


def test_a_silent_tenant_is_not_taken_for_a_gone_job(world: World) -> None:
    """While the tenant gives no answer, nobody settles a job that was sent as ended."""
    batch = world.import_batch()
    world.tenant.run_jobs_for(3600)
    assert finalize(world, batch).job is not None
    world.tenant.lose_next_answer(on="job", times=2)

    with pytest.raises(FinalizationRefusedError):
        say(world, Resolution.ENDED)


def test_a_long_reason_fits_the_record(world: World) -> None:
    """However much is on record, a person's word is written down, cut short if it must be."""
    last = None
    for _ in range(MOST_MANIFESTS):
        intent = Entry(
            tenant=world.ledger.tenant,
            synchronization_id=world.ledger.synchronization_id,
            strategy="REMOVE_RESOURCES",
            number=last.number if last else 0,
            flow_run_name="synchronize-" + "ы" * 50,
            manifest=f"{uuid4().hex[:16]}/cycle-{uuid4().hex[:16]}.manifest",
            intended_on=world.now,
            batch_job_ids=tuple(str(uuid4()) for _ in range(500)),
            batch_name="Synchronization batch {}",
        )
        claimed = world.ledger.claim(intent, last or world.ledger.latest())
        assert claimed is not None
        last = claimed.sent(Job(id=str(uuid4()), name="Synchronization finalization nightly"))
        last = replace(last, failed=True, phase=Phase.ENDED)
    assert last is not None
    world.ledger.update(replace(last, phase=Phase.SENT))

    say(world, Resolution.ENDED, reason="я" * 500)

    entry = world.ledger.latest()
    assert entry is not None
    assert entry.settlement is not None
    assert entry.settlement.reason.startswith("я" * 50)


@pytest.mark.parametrize("newcomer", [False, True], ids=["retry", "run that waited"])
def test_what_a_person_says_has_ended_is_not_sent_again(world: World, *, newcomer: bool) -> None:
    """A finalization that was settled as ended, without a job, is nobody's to send again."""
    close_last(world)
    world.import_batch()
    first = world.begin(world.new_run(), WITHOUT_EVIDENCE)
    first.go_to("before the finalization")
    other = world.begin(world.new_run(), WITHOUT_EVIDENCE) if newcomer else None
    first.kill(request_arrives=True)
    say(world, Resolution.ENDED)

    again = other or world.begin(replace(first.run, attempt=2), WITHOUT_EVIDENCE)
    again.finish()

    assert isinstance(again.error, FinalizationRefusedError)
    assert 2 == world.tenant.finalizations


def test_a_job_that_a_person_has_given_up_is_not_followed(world: World) -> None:
    """A retry of a run whose job is gone ends with what was settled, and is not unknown again."""
    first = finalize(world, world.import_batch())
    assert first.job is not None
    world.tenant.lose_job(first.job.id)
    say(world, Resolution.ENDED)

    retry = world.retry(first)
    retry.finish()

    assert isinstance(retry.error, FinalizationRefusedError)
    assert 2 == world.tenant.finalizations


def test_a_run_ends_its_own_finalization_before_its_next_cycle(world: World) -> None:
    """A run that stopped following its finalization waits for it before it fills a new cycle."""
    batch = world.import_batch()
    world.tenant.run_jobs_for(3600)
    first = finalize(world, batch)
    transport = httpx.MockTransport(world.reach)
    with CollibraClient(world.connection(), transport=transport) as client:
        finalizer = replace(world.finalizer(first), client=client, ledger=world.ledger)
        with pytest.raises(JobTimedOutError):
            replace(finalizer, wait_seconds=0).settle_last()
        world.tenant.finish_jobs()
        last = finalizer.settle_last()

    assert last is not None
    assert not last.open


def test_old_and_new_batches_together_are_refused(world: World) -> None:
    """A run of which another has closed a part does not end as if all of it were closed."""
    early = world.new_run()
    first, taken = world.import_batch(), world.import_batch()
    assert finalize(world, taken).job is not None
    second = world.import_batch()

    both = world.begin(
        early,
        Order(strategy=FinalizationStrategy.REMOVE_RESOURCES, batch_job_ids=(first, second)),
    )
    both.finish()

    assert isinstance(both.error, FinalizationRefusedError)
    assert 2 == world.tenant.finalizations


def test_a_whole_cycle_is_sent_beside_another(world: World) -> None:
    """A run that brings its cycle along never takes another run's job for its own."""
    runs = [world.begin(world.new_run(), whole(name)) for name in ("yesterday", "today")]
    for run in runs:
        run.finish()

    first, second = (run.job for run in runs)
    assert first is not None
    assert second is not None
    assert first.id != second.id


def test_a_retried_run_with_new_batches_closes_their_cycle(world: World) -> None:
    """What an earlier attempt closed says nothing of batches that came later."""
    first = finalize(world, world.import_batch())
    assert finalize(world, world.import_batch()).job is not None
    again = Order(
        strategy=FinalizationStrategy.REMOVE_RESOURCES, batch_job_ids=(world.import_batch(),)
    )
    retry = world.begin(replace(first.run, attempt=2), again)
    retry.finish()

    assert first.job is not None
    assert retry.job is not None
    assert first.job.id != retry.job.id
    assert 4 == world.tenant.finalizations


@pytest.mark.parametrize("failures", [1, 2])
def test_a_job_that_could_not_be_recorded_is_recorded_later(world: World, failures: int) -> None:
    """A record that could not be written in time is made good when the run has its job's end."""
    process = world.start((world.import_batch(),), OnOverlap.ATTACH)
    process.go_to("after the finalization")
    process.go_to("before the record")
    world.store_away_for = failures
    process.finish()
    entry = world.ledger.latest()
    assert entry is not None
    assert (Phase.SENT if failures == 1 else Phase.INTENDED) == entry.phase

    close_last(world, process)

    entry = world.ledger.latest()
    assert entry is not None
    assert process.job is not None
    assert (Phase.ENDED, process.job.id) == (entry.phase, entry.job_id)
