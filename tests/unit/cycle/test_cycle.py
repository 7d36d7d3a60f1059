"""Whole cycles: crashes, other programs, overlapping runs, restored databases, retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from collibra_tasks.cycle.record import close_cycle
from collibra_tasks.errors import (
    CollibraError,
    FinalizationRefusedError,
    JobError,
    NotSentError,
    OutcomeUnknownError,
    OverlapError,
)
from collibra_tasks.ledger.entry import Phase
from collibra_tasks.models import FlowRunInfo
from collibra_tasks.options import BatchOptions, CycleOptions, OnOverlap
from tests.support.memory_store import CrashError
from tests.support.sessions import World, numbered, tables

SMALL = CycleOptions(batches=BatchOptions(max_commands_per_batch=4))
SOURCE = numbered(12)
COMPLETE = {f"t{number}" for number in range(1, 13)}
WRITES = frozenset({"create", "update", "delete", "write_checkpoint", "write_manifest"})
MAX_STEPS = 60


def synchronize(world: World, commands: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    facts: dict[str, Any] = {"options": SMALL, "strategy": "REMOVE_RESOURCES"} | more
    job = world.synchronize(commands or SOURCE, **facts)
    world.clock.advance(60)
    return job


def fail(world: World, commands: list[dict[str, Any]] | None = None, **more: Any) -> CollibraError:
    facts: dict[str, Any] = {"options": SMALL, "strategy": "REMOVE_RESOURCES"} | more
    found = world.synchronize_or_error(commands or SOURCE, **facts)
    assert isinstance(found, CollibraError), found
    world.clock.advance(60)
    return found


def batch_count(world: World) -> int:
    return sum(job.kind == "batch" and not job.by_hand for job in world.sandbox.jobs)


def second_night(**sandbox_options: Any) -> World:
    """Return a world with one finalized cycle, so that Collibra's names are learned."""
    world = World(sandbox_options=sandbox_options)
    synchronize(world)
    return world


@contextmanager
def crashing(world: World, step: int) -> Iterator[None]:
    """End the process before one of its writes, or after a request; nothing works after that."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps >= step:
            raise CrashError(f"step {step}")

    def count_write(operation: str, _: str) -> None:
        if operation in WRITES or steps >= step:
            count()

    world.store.hooks["before"] = world.storage.hooks["before"] = count_write
    for before_commit in (True, False):
        for kind in ("batch", "finalize"):
            world.sandbox.call_next(count, on=kind, times=100, before_commit=before_commit)
    try:
        yield
    finally:
        world.store.clear_hooks()
        world.storage.clear_hooks()
        world.sandbox.reset_faults()


def crash(world: World, step: int, run: FlowRunInfo, **more: Any) -> bool:
    """Run a cycle that crashes at a step; return whether it got so far."""
    try:
        with crashing(world, step):
            world.synchronize(SOURCE, run=run, options=SMALL, strategy="REMOVE_RESOURCES", **more)
    except CrashError:
        return True
    except OutcomeUnknownError:
        pass  # of an earlier crash
    return False


def raise_crash() -> None:
    raise CrashError("during a request")


def recover(world: World, commands: list[dict[str, Any]] | None = None, **more: Any) -> bool:
    """Run a cycle after a crash; return whether it ended well.

    A process that ended between the record of an intent and the response leaves an unknown outcome
    where no job can be identified; then nothing is sent, and a person decides.
    """
    sent = world.sandbox.finalizations
    try:
        synchronize(world, commands, **more)
    except OutcomeUnknownError:
        with world.session() as session:
            newest = session.ledger.newest()
        assert newest is not None
        assert newest.phase == Phase.INTENDED
        assert world.sandbox.finalizations == sent
        return False
    return True


@pytest.mark.parametrize("is_retry", [True, False], ids=["same run", "new run"])
def test_run_after_a_crash_at_every_step(is_retry: bool) -> None:  # noqa: FBT001
    """A crash at any step deletes nothing, and the cycle is finalized once by the next run."""
    step, unknown = 1, 0
    while True:
        world = second_night()
        run = world.new_run()
        crashed = crash(world, step, run)
        if not crashed:
            break
        sent = world.sandbox.finalizations
        if is_retry:
            again = world.new_run(id=run.id, root_id=run.id, attempt=2, started_on=run.started_on)
        else:
            world.ended_runs.add(run.id)
            world.clock.advance(120)
            again = world.new_run()

        is_finished = recover(world, run=again)

        assert world.sandbox.asset_names() == COMPLETE, f"step {step}"
        if is_finished:
            # A retry attaches to the job of its first attempt. A new run is a new cycle.
            expected = 2 if is_retry else sent + 1
            assert world.sandbox.finalizations == expected, f"step {step}"
        unknown += not is_finished
        step += 1
    assert 15 < step < MAX_STEPS
    assert 1 <= unknown <= 3


def test_run_after_two_crashes() -> None:
    """A run that crashes twice at different steps deletes nothing."""
    for first, second in [(8, 6), (12, 12), (16, 3), (20, 9)]:
        world = second_night()
        for step in (first, second):
            run = world.new_run()
            crash(world, step, run)
            world.ended_runs.add(run.id)
            world.clock.advance(120)

        recover(world)

        assert world.sandbox.asset_names() == COMPLETE


def test_run_crash_and_another_source() -> None:
    """After a crash, a new source sends everything itself, and only its own losses happen."""
    for step in (8, 12, 16, 20):
        world = second_night()
        run = world.new_run()
        crash(world, step, run)
        world.ended_runs.add(run.id)
        world.clock.advance(120)

        is_finished = recover(world, numbered(11))

        assert world.sandbox.asset_names() == COMPLETE - ({"t12"} if is_finished else set())


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_run_foreign_finalization_between_batches(moment: int) -> None:
    """A finalization by others during the upload voids it: all batches are sent again, once."""
    world = second_night()
    calls: list[int] = []

    def finalize() -> None:
        calls.append(1)
        if len(calls) == moment:
            world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
            world.clock.advance(2)

    world.sandbox.call_next(finalize, on="batch", times=3, before_commit=False)

    synchronize(world)

    assert world.sandbox.asset_names() == COMPLETE
    assert batch_count(world) == 3 + 6
    assert world.sandbox.finalizations == 2


def test_run_foreign_finalization_before_a_retry() -> None:
    """A finalization by others between two attempts voids the proven batches."""
    world = second_night()
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=2)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world)
    world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
    world.clock.advance(60)
    before = batch_count(world)

    synchronize(world)

    assert batch_count(world) - before == 3
    assert world.sandbox.asset_names() == COMPLETE


def test_run_foreign_finalization_again() -> None:
    """A finalization by others after the second upload too refuses."""
    world = second_night()

    def finalize() -> None:
        world.clock.advance(2)
        world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
        world.clock.advance(2)

    world.sandbox.call_next(finalize, on="batch", times=6, before_commit=False)

    error = fail(world)

    assert isinstance(error, FinalizationRefusedError)
    assert world.sandbox.finalizations == 1


def test_run_foreign_finalization_that_runs() -> None:
    """A running finalization by others is waited for, then the cycle starts after it."""
    world = second_night()
    world.sandbox.run_jobs_for(100)
    world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
    start = world.clock.monotonic()

    synchronize(world)

    assert world.clock.monotonic() - start > 100
    assert world.sandbox.asset_names() == COMPLETE


@pytest.mark.parametrize("on_overlap", [OnOverlap.SKIP, OnOverlap.FAIL])
def test_run_foreign_finalization_that_runs_without_attach(on_overlap: OnOverlap) -> None:
    """With skip and fail, the run ends while others finalize."""
    world = second_night()
    world.sandbox.run_jobs_for(100)
    job = world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")

    error = fail(world, options=CycleOptions(on_overlap=on_overlap))

    assert isinstance(error, OverlapError)
    assert error.job_id == job.id


def test_run_tiny_source_after_a_foreign_finalization() -> None:
    """A source that lost most of an unfinished upload asks, although others finalized it."""
    world = second_night()
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=6)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world, numbered(30))
    world.sandbox.finalize_by_hand("nightly", strategy="IGNORE")
    world.clock.advance(60)

    error = fail(world, SOURCE)

    assert "18 of 30" in str(error)


@pytest.mark.parametrize("name", ["Nightly cleanup of nightly", 'Job "nightly"', "nightly: import"])
def test_run_doubtful_job(name: str) -> None:
    """A job that names this synchronization in an unknown way: batches are sent again once."""
    world = second_night()
    world.sandbox.call_next(
        lambda: world.sandbox.add_foreign_job(name=name), on="batch", before_commit=False
    )

    synchronize(world)

    assert batch_count(world) == 3 + 6
    assert world.sandbox.finalizations == 2


@pytest.mark.parametrize("name", ["Import", "nightly-eu import", "my_nightly", None])
def test_run_job_of_another_program(name: str | None) -> None:
    """A job that has nothing to do with this synchronization changes nothing."""
    world = second_night()
    world.sandbox.call_next(
        lambda: world.sandbox.add_foreign_job(name=name), on="batch", before_commit=False
    )

    synchronize(world)

    assert batch_count(world) == 3 + 3


def test_run_doubtful_job_before_a_retry() -> None:
    """A doubtful job between two attempts: proven batches do not count."""
    world = second_night()
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=2)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world)
    world.sandbox.add_foreign_job(name="Cleanup: nightly")
    world.clock.advance(60)
    before = batch_count(world)

    synchronize(world)

    assert batch_count(world) - before == 3


def test_run_approved_plan_and_a_doubtful_job() -> None:
    """An approval survives a second upload, because the plan stays the same."""
    world = second_night()
    fail(world, numbered(6))
    options = CycleOptions(accept_missing_count=6, accept_reason="dropped")
    world.sandbox.call_next(
        lambda: world.sandbox.add_foreign_job(name="Cleanup: nightly"),
        on="batch",
        before_commit=False,
    )

    synchronize(world, [*numbered(6)], options=options)

    assert world.sandbox.asset_names() == {f"t{number}" for number in range(1, 7)}


def test_run_blind_list_after_a_failed_batch() -> None:
    """Without the job list, a restarted run sends all batches again."""
    world = second_night()
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=2)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world)
    world.sandbox.forbid("jobs")
    before = batch_count(world)

    synchronize(world)

    assert batch_count(world) - before == 3
    assert any("job search is incomplete" in line for line in world.log)


def test_run_blind_list_at_the_end() -> None:
    """A list that becomes unreadable during a restarted run: all batches are sent again, once."""
    world = second_night()
    world.sandbox.end_jobs_as("COMPLETED", "SUCCESS", on="batch", times=2)
    world.sandbox.end_jobs_as("ERROR", on="batch")
    fail(world)
    world.sandbox.call_next(lambda: world.sandbox.forbid("jobs"), on="batch")
    before = batch_count(world)

    synchronize(world)

    assert batch_count(world) - before == 1 + 3


@pytest.mark.parametrize("name", ["Synchronization of batch for id: {id}", "Batch job {id}"])
def test_run_waits_for_its_own_earlier_batch(name: str) -> None:
    """A batch that a crashed run left behind ends before the next one is sent."""
    world = second_night(batch_job_name=name)
    world.sandbox.run_jobs_for(400)
    run = world.new_run()
    world.sandbox.call_next(raise_crash, on="job")
    with pytest.raises(CrashError):
        world.synchronize(SOURCE, run=run, options=SMALL)
    world.ended_runs.add(run.id)
    left = next(job for job in world.sandbox.jobs if job.state in {"WAITING", "RUNNING"})

    synchronize(world)

    later = [job for job in world.sandbox.jobs if job.created_on > left.created_on]
    assert all((job.created_on - left.created_on).total_seconds() >= 400 for job in later)
    assert world.sandbox.asset_names() == COMPLETE


def test_run_waits_for_a_batch_by_others() -> None:
    """A running batch by others is waited for; then it is a reason to ask."""
    world = second_night()
    world.sandbox.run_jobs_for(100)
    world.sandbox.import_by_hand("nightly", tables("theirs"))
    start = world.clock.monotonic()

    error = fail(world)

    assert world.clock.monotonic() - start > 100
    assert "batches by others" in str(error)


def test_run_waits_for_another_run() -> None:
    """Two runs at once: the second waits, follows the same content and uploads nothing."""
    world = second_night()
    world.sandbox.run_jobs_for(30)
    late = world.new_run()
    world.clock.advance(1)
    first = world.new_run()
    jobs = [synchronize(world, run=first), synchronize(world, run=late)]

    assert jobs[0].id == jobs[1].id
    assert world.sandbox.finalizations == 2


def test_run_lock_is_held_during_the_upload() -> None:
    """A second run cannot enter the cycle of the first one."""
    world = second_night()
    errors: list[CollibraError] = []
    options = CycleOptions(on_overlap=OnOverlap.FAIL)
    world.sandbox.call_next(lambda: errors.append(fail(world, options=options)), on="batch")

    synchronize(world)

    assert isinstance(errors[0], OverlapError)
    assert world.sandbox.finalizations == 2


def test_run_lost_lock() -> None:
    """A run whose lock another run took over sends no further batch and no finalization."""
    world = second_night()

    def take_over() -> None:
        world.clock.advance(200)
        with world.session() as session, session.lock.acquire(timeout_seconds=0, purpose="test"):
            pass

    world.sandbox.call_next(take_over, on="batch", before_commit=False)

    assert isinstance(fail(world), OverlapError)
    assert batch_count(world) == 3 + 1
    assert world.sandbox.finalizations == 1


def test_run_restored_from_mid_cycle() -> None:
    """A database from the middle of a finalized cycle and a retried run: nothing is deleted."""
    world = second_night()
    run = world.new_run()
    restores: list[Callable[[], None]] = []
    world.sandbox.call_next(lambda: restores.append(world.store.save()), on="batch", times=2)
    synchronize(world, run=run)
    restores[-1]()
    world.ended_runs.add(run.id)
    world.clock.advance(120)

    found = world.synchronize_or_error(SOURCE, run=run, options=SMALL, strategy="REMOVE_RESOURCES")

    assert isinstance(found, FinalizationRefusedError)
    assert world.sandbox.asset_names() == COMPLETE


def test_run_restored_with_its_storage() -> None:
    """Database and storage from the middle of a finalized cycle: all batches are sent again."""
    world = second_night()
    restores: list[Callable[[], None]] = []

    def save() -> None:
        restores.extend([world.store.save(), world.storage.save()])

    world.sandbox.call_next(save, on="batch", before_commit=False)
    run = world.new_run()
    synchronize(world, run=run)
    for restore in restores:
        restore()
    world.ended_runs.add(run.id)
    world.clock.advance(120)
    before = batch_count(world)

    synchronize(world)

    assert batch_count(world) - before == 3
    assert world.sandbox.asset_names() == COMPLETE


def test_run_restored_from_before_the_last_cycle() -> None:
    """A database from before the last cycle, then a broken extract: nothing is deleted."""
    world = second_night()
    restore = world.store.save()
    synchronize(world, numbered(300))
    world.clock.advance(3_600)
    restore()

    for _ in range(3):
        assert "288 of 300" in str(fail(world))
        world.clock.advance(86_400)

    assert len(world.sandbox.asset_names()) == 300


def test_run_identical_source_on_the_next_night() -> None:
    """A source that did not change is uploaded and finalized every night."""
    world = second_night()

    synchronize(world)

    assert world.sandbox.finalizations == 2
    assert batch_count(world) == 6
    assert world.sandbox.asset_names() == COMPLETE


def test_run_retry_after_its_finalization() -> None:
    """A run that is retried after its finalization attaches to that job."""
    world = second_night()
    run = world.new_run()
    first = synchronize(world, run=run)
    again = world.new_run(id=run.id, root_id=run.id, attempt=2)

    assert synchronize(world, run=again).id == first.id
    assert world.sandbox.finalizations == 2
    assert batch_count(world) == 6


@pytest.mark.parametrize("is_retry", [True, False])
def test_run_after_a_failed_finalization(is_retry: bool) -> None:  # noqa: FBT001
    """After a failed finalization, a new run and a retry upload the cycle again."""
    world = second_night()
    world.sandbox.end_jobs_as("ERROR")
    run = world.new_run()
    error = fail(world, run=run)
    assert isinstance(error, JobError)
    again = world.new_run(id=run.id, root_id=run.id, attempt=2) if is_retry else None

    synchronize(world, run=again)

    assert batch_count(world) == 9
    assert world.sandbox.finalizations == 3
    assert world.sandbox.asset_names() == COMPLETE


def test_run_lost_finalization_response() -> None:
    """A finalization whose response was lost is found by its learned name, and sent once."""
    world = second_night()
    world.sandbox.lose_next_answer()

    synchronize(world)

    assert world.sandbox.finalizations == 2
    assert world.sandbox.asset_names() == COMPLETE


def test_run_lost_finalization_response_in_the_first_cycle() -> None:
    """Without a learned name the outcome is unknown, and later runs send nothing."""
    world = World()
    world.sandbox.lose_next_answer()

    assert isinstance(fail(world), OutcomeUnknownError)
    assert isinstance(fail(world), OutcomeUnknownError)
    assert world.sandbox.finalizations == 1


def test_run_finalization_not_sent() -> None:
    """A finalization that never left is repeated; proven batches are not sent again."""
    world = second_night()
    calls: list[int] = []
    real = world.client

    @contextmanager
    def flaky() -> Iterator[Any]:
        with real() as client:
            submit = client.submit_finalization

            def fail_once(*args: Any, **more: Any) -> Any:
                calls.append(1)
                if len(calls) == 1:
                    raise NotSentError("Not sent: the connection was refused.")
                return submit(*args, **more)

            client.submit_finalization = fail_once  # type: ignore[method-assign]  # no network
            yield client

    world.client = flaky  # type: ignore[method-assign]  # no network

    synchronize(world)

    assert world.sandbox.finalizations == 2
    assert batch_count(world) == 6


def test_run_busy_finalization() -> None:
    """A 429 to the finalization is followed by one finalization."""
    world = second_night()
    world.sandbox.be_busy(times=2, retry_after="5")

    synchronize(world)

    assert world.sandbox.finalizations == 2


def test_run_unknown_status() -> None:
    """A status that Collibra does not have refuses before anything is sent."""
    world = World()
    world.sandbox.fail_next(404, on="status")

    error = world.synchronize_or_error(SOURCE)

    assert isinstance(error, FinalizationRefusedError)
    assert world.sandbox.jobs == [] or batch_count(world) == 0


def test_close_cycle_leaves_the_next_cycle_open() -> None:
    """A run that closes its cycle late does not close the cycle that began meanwhile."""
    world = second_night()
    run = world.new_run()
    world.storage.crash_before("write_checkpoint", skip=3)
    with pytest.raises(CrashError):
        world.synchronize(SOURCE, run=run, options=SMALL)
    world.ended_runs.add(run.id)

    with world.session() as session:
        close_cycle(session)

    checkpoint = world.storage.read_checkpoint()
    assert checkpoint is not None
    assert not checkpoint.closed
    with world.session() as session:
        assert session.markers.read() is not None
