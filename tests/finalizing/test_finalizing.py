"""Single turns of events that chance meets too seldom."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import (
    BusyError,
    FinalizationRefusedError,
    JobTimedOutError,
    NotSentError,
    OutcomeUnknownError,
    OverlapError,
    RefusedError,
    may_repeat,
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


def let_all_arrive(world: World) -> None:
    """Let the time pass after which no request can be under way any more."""
    world.now += LONGEST_WAY + timedelta(seconds=2)


def say_not_sent(world: World) -> None:
    let_all_arrive(world)
    say(world, Resolution.NOT_SENT)


def close_last(world: World, run: Process | None = None) -> None:
    """Write down that the last job has ended, as a run does that followed it; then time passes."""
    job = (run or world.processes[-1]).job
    assert job is not None
    ended = Job(id=job.id, state="COMPLETED", result="SUCCESS")
    world.ledger.close(ended, flow_run_id=run.run.id if run else None)
    world.now += timedelta(seconds=1)


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
    """Who wakes up to a record that a person has settled sends nothing, now or when repeated."""
    late = world.start((world.import_batch(),), OnOverlap.ATTACH)
    late.go_to("after the claim")
    let_all_arrive(world)
    say(world, Resolution.ENDED)
    said = world.ledger.latest()
    late.finish()

    assert isinstance(late.error, FinalizationRefusedError)
    assert not may_repeat(late.error, write=True)
    assert said == world.ledger.latest()
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
    """While the request may still be under way, nobody can say that nothing comes any more."""
    process = world.start((world.import_batch(),), OnOverlap.ATTACH)
    process.go_to("before the finalization")

    for resolution in (Resolution.NOT_SENT, Resolution.ENDED):
        with pytest.raises(FinalizationRefusedError):
            say(world, resolution)
    process.finish()
    assert process.job is not None


def test_a_job_goes_with_adopting_only(world: World) -> None:
    """Who names a job and says that nothing was sent, or that it ended, is asked again."""
    world.tenant.lose_next_answer(before_commit=True)
    finalize(world, world.import_batch())
    let_all_arrive(world)

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
    let_all_arrive(world)
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
    let_all_arrive(world)
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


def test_a_batch_that_an_unseen_finalization_may_have_closed_is_old(world: World) -> None:
    """Where a person says that a lost one ended, what was sent while it was under way is used."""
    first = world.start((world.import_batch(),), OnOverlap.ATTACH)
    first.go_to("before the finalization")
    late = world.import_batch()
    first.kill(request_arrives=True)
    world.tenant.lose_job(world.tenant.jobs[-1].id)
    let_all_arrive(world)
    say(world, Resolution.ENDED)

    assert isinstance(finalize(world, late).error, FinalizationRefusedError)
    assert finalize(world, world.import_batch()).job is not None


def test_what_the_tenant_has_named_is_not_replaced(world: World) -> None:
    """Nobody adopts another job for a finalization whose job the tenant itself has named."""
    batch = world.import_batch()
    world.tenant.run_jobs_for(3600)
    assert finalize(world, batch).job is not None
    foreign = world.tenant.add_foreign_job(created_on=world.now + timedelta(seconds=1)).id

    with pytest.raises(FinalizationRefusedError):
        say(world, Resolution.ADOPT_JOB, job_id=foreign)


@pytest.mark.parametrize("on_overlap", [OnOverlap.SKIP, OnOverlap.FAIL])
def test_a_holder_that_is_gone_keeps_nobody_out(world: World, on_overlap: OnOverlap) -> None:
    """Who would leave the work to another run does so while that one may be at work, no longer."""
    lost = world.start((world.import_batch(),), OnOverlap.ATTACH)
    lost.go_to("before the finalization")
    lost.kill(request_arrives=False)
    world.processes.remove(lost)  # its host is gone, so nobody says that it is over

    beside = world.start((world.import_batch(),), on_overlap)
    beside.finish()
    let_all_arrive(world)
    later = world.start((world.import_batch(),), on_overlap)
    later.finish()

    assert isinstance(beside.error, OverlapError)
    assert isinstance(later.error, OutcomeUnknownError)


@pytest.mark.parametrize("on_overlap", [OnOverlap.SKIP, OnOverlap.FAIL])
def test_a_job_that_is_gone_is_left_to_nobody(world: World, on_overlap: OnOverlap) -> None:
    """Who would leave the work to another run is told, too, that its job is gone."""
    batch = world.import_batch()
    world.tenant.run_jobs_for(3600)
    first = world.start((batch,), OnOverlap.ATTACH)
    first.finish()
    assert first.job is not None
    world.tenant.lose_job(first.job.id)
    world.processes.remove(first)
    world.tenant.run_jobs_for(0)

    later = world.start((world.import_batch(),), on_overlap)
    later.finish()

    assert isinstance(later.error, OutcomeUnknownError)


@pytest.mark.parametrize("trouble", ["the tenant is away", "the batch is not kept any more"])
def test_a_retry_follows_its_job_through_trouble_with_batches(world: World, trouble: str) -> None:
    """A run that has sent finds its job again, whatever the tenant still says of its batches."""
    close_last(world)
    batch = world.import_batch()
    world.tenant.run_jobs_for(3600)
    first = world.start((batch,), OnOverlap.ATTACH)
    first.go_to("after the record")
    first.kill(request_arrives=False)
    if trouble == "the tenant is away":
        world.tenant.fail_next(503, on="job", times=9)
    else:
        world.tenant.lose_job(batch)

    retry = world.retry(first)
    retry.finish()

    assert retry.job is not None
    assert world.tenant.jobs[-1].id == retry.job.id


def test_a_retried_caller_finalizes_once(world: World) -> None:
    """A flow that calls this one, and is retried, gets the job of the first time, evidence or not.

    Prefect gives the called flow a run of its own each time.
    """
    close_last(world)
    called = replace(world.new_run(), root_id="caller", root_attempt=1)
    first = world.begin(called, WITHOUT_EVIDENCE)
    first.finish()
    close_last(world)
    again = world.begin(
        replace(world.new_run(), root_id="caller", root_attempt=2), WITHOUT_EVIDENCE
    )
    again.finish()

    assert first.job is not None
    assert again.job is not None
    assert first.job.id == again.job.id


def test_a_caller_may_close_one_cycle_after_another(world: World) -> None:
    """A flow that calls this one twice, and is not retried, closes two cycles."""
    close_last(world)
    jobs = []
    for _ in range(2):
        world.import_batch()
        called = replace(world.new_run(), root_id="caller", root_attempt=1)
        process = world.begin(called, WITHOUT_EVIDENCE)
        process.finish()
        close_last(world)
        assert process.job is not None
        jobs.append(process.job.id)

    assert 2 == len(set(jobs))


def test_a_request_that_was_refused_hides_nothing(world: World) -> None:
    """A run that followed another's job does so again when retried, whatever was refused since."""
    close_last(world)
    world.import_batch()
    first = world.begin(world.new_run(), WITHOUT_EVIDENCE)
    other = world.begin(world.new_run(), WITHOUT_EVIDENCE)
    first.finish()
    other.finish()
    close_last(world, first)
    world.now += timedelta(minutes=5)
    world.tenant.fail_next(400)
    world.begin(world.new_run(), WITHOUT_EVIDENCE).finish()

    retry = world.retry(other)
    retry.finish()

    assert retry.job is not None
    assert first.job is not None
    assert first.job.id == retry.job.id
    assert 2 == world.tenant.finalizations


def test_a_busy_tenant_makes_nobody_forget(world: World) -> None:
    """However often the tenant takes nothing, what was finalized before stays on record."""
    [done] = world.ledger.entries()
    world.tenant.be_busy(times=1000)
    for _ in range(2):
        busy = world.start((world.import_batch(),), OnOverlap.ATTACH)
        busy.finish()
        assert isinstance(busy.error, BusyError)

    assert done.claim in [entry.claim for entry in world.ledger.entries()]


def test_a_finalization_is_no_evidence(world: World) -> None:
    """The job that closed the last cycle can't be named as one that filled the next."""
    close_last(world)
    job = world.processes[0].job
    assert job is not None

    assert isinstance(finalize(world, job.id).error, FinalizationRefusedError)


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
