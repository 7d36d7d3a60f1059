"""Job list before ``finalize_synchronization`` sends: one test for each row of two tables.

The first table gives each job a class, the second one gives each finding a consequence. The rows of
``synchronize_source`` are in ``tests/unit/cycle/test_look.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from collibra_tasks.errors import FinalizationRefusedError, JobTimedOutError, OverlapError
from collibra_tasks.finalization.job_list import MAX_PAGES
from collibra_tasks.finalization.recovery import adopt_job
from collibra_tasks.ledger.entry import Origin, Phase
from collibra_tasks.ledger.marker import CycleMarker
from collibra_tasks.options import BatchOptions, CycleOptions, OnOverlap
from tests.support.finalizations import FinalizationWorld, outcome_of
from tests.support.memory_store import CrashError, MemoryStore
from tests.support.sessions import numbered

BATCH = "Synchronization of batch for id: nightly"
SMALL = CycleOptions(batches=BatchOptions(max_commands_per_batch=5))
STRATEGIES = ["CHANGE_STATUS", "IGNORE", "REMOVE_RESOURCES"]
UPGRADE = "2026.10.0"

Act = Callable[[FinalizationWorld], object]


@pytest.fixture
def world() -> FinalizationWorld:
    """Return a world with one finalized cycle of a script, in which names are learned."""
    world = FinalizationWorld()
    world.teach()
    return world


@pytest.fixture
def own_world() -> FinalizationWorld:
    """Return a world with one finalized cycle of synchronize_source."""
    world = FinalizationWorld()
    world.synchronize(numbered(20))
    return world


def refuse(world: FinalizationWorld, *batches: str, **more: object) -> FinalizationRefusedError:
    """Finalize, check that nothing was sent, and return the refusal."""
    sent = world.sent
    with pytest.raises(FinalizationRefusedError) as found:
        world.finalize(*batches, **more)  # type: ignore[arg-type] # any argument
    assert world.sent == sent
    return found.value


def add_job(world: FinalizationWorld, name: str | None, **more: object) -> str:
    """Add an ended job by others; return its ID."""
    job = world.sandbox.add_foreign_job(name=name, **more)  # type: ignore[arg-type] # any argument
    world.clock.advance(2)
    return job.id


def curl_for(world: FinalizationWorld, seconds: float) -> str:
    """Finalize by hand with a job that runs for some seconds."""
    world.sandbox.run_jobs_for(seconds)
    job_id = world.curl()
    world.sandbox.run_jobs_for(0)
    return job_id


def crash_in_upload(world: FinalizationWorld, commands: int, *, batch: int, sent: bool) -> None:
    """Run a cycle whose process ends at a batch request, before or after Collibra takes it."""
    run, requests = world.new_run(), iter(range(1, 100))

    def stop() -> None:
        if next(requests) == batch:
            raise CrashError("killed")

    world.sandbox.call_next(stop, on="batch", times=batch, before_commit=not sent)
    with pytest.raises(CrashError):
        world.synchronize(numbered(commands), options=SMALL, run=run)
    world.ended_runs.add(run.id)
    world.clock.advance(120)


def lose_response(world: FinalizationWorld, *, commit: bool = True) -> None:
    """Finalize a cycle; the response is lost."""
    batch = world.batch()
    world.sandbox.lose_next_answer(before_commit=not commit)
    outcome_of(functools.partial(world.finalize, batch))


# The first table: the class of a job.


def record_foreign(world: FinalizationWorld) -> None:
    world.curl()
    refuse(world)


@pytest.mark.parametrize(
    ("finalize", "origin"),
    [
        (lambda world: world.teach(), Origin.OURS),
        (lose_response, Origin.OURS),
        (record_foreign, Origin.FOREIGN),
    ],
    ids=["sent", "adopted", "recorded as foreign"],
)
def test_look_known_finalization(world: FinalizationWorld, finalize: Act, origin: Origin) -> None:
    """A finalization on record is known, also if a person adopts an older job after it."""
    early = world.clock.now()
    world.clock.advance(10)
    finalize(world)
    assert (world.entry().phase, world.entry().origin) == (Phase.ENDED, origin)
    lose_response(world, commit=False)
    older = add_job(world, "Synchronization finalization for id: nightly", created_on=early)
    number = world.resolve("adopt_job", job_id=older).number

    assert world.finalize(world.batch()).succeeded
    assert world.entry().number == number + 1


def replace_checkpoint(world: FinalizationWorld) -> None:
    crash_in_upload(world, 20, batch=3, sent=False)
    crash_in_upload(world, 19, batch=1, sent=False)


@pytest.mark.parametrize(
    ("upload", "names"),
    [
        (
            lambda world: crash_in_upload(world, 20, batch=3, sent=False),
            {"batch_job_name": "Load of {id}"},
        ),
        (replace_checkpoint, {"batch_job_name": "Load of {id}"}),
        (
            lambda world: crash_in_upload(world, 20, batch=2, sent=True),
            {"finalization_job_name": BATCH.replace("nightly", "{id}")},
        ),
    ],
    ids=["checkpoint", "replaced checkpoint", "after a recorded intent"],
)
def test_look_known_batch_of_ours(upload: Act, names: dict[str, str]) -> None:
    """A batch of ours is known, whatever its name; only the unfinished upload refuses."""
    world = FinalizationWorld(sandbox_options=names)
    world.synchronize(numbered(20))
    earlier = len(world.sandbox.jobs)
    upload(world)
    first, *later = world.sandbox.jobs[earlier:]
    assert later

    (reason,) = refuse(world, first.id).reasons

    assert "Run synchronize_source" in reason


def test_look_known_listed_batch(world: FinalizationWorld) -> None:
    """A listed job is known: it is judged as evidence and not recorded as a finalization."""
    batch, closing = world.batch(), world.curl()

    assert "has the name of a finalization" in str(refuse(world, batch, closing))
    assert world.entry().origin == Origin.OURS


def test_look_known_replaced_batch(world: FinalizationWorld) -> None:
    """A replaced batch that failed is known, whatever its name."""
    batch = world.batch()
    failed = add_job(world, "Load of nightly", state="ERROR")
    assert "may be finalizations by others" in str(refuse(world, batch))

    assert world.finalize(batch, replaced_batch_job_ids=(failed,)).succeeded


def test_look_batch_by_others(world: FinalizationWorld) -> None:
    """A job with the exact batch name of this ID is a batch by others, whatever its type."""
    batch = world.batch()
    failed = add_job(world, BATCH, type="DELTA_INGESTION", state="ERROR")

    assert f"batch job {failed} of this synchronization ended as" in str(refuse(world, batch))
    world.curl()
    refuse(world, batch)
    assert world.entry().other_batches == 1  # the next cycle of synchronize_source asks


def validate(world: FinalizationWorld) -> None:
    job_id = add_job(world, "Import of nightly")
    with world.session() as session:
        session.ledger.explain_validation(job_id)


def finalize_other_by_pattern(world: FinalizationWorld) -> None:
    world.sandbox.set_version(UPGRADE)  # no name was learned for it
    world.curl("weekly")


def finalize_other_by_ledger(world: FinalizationWorld) -> None:
    world.sandbox.configure(finalization_job_name="nightly: {id}")
    world.teach("weekly")


def upgrade_and_add(world: FinalizationWorld, name: str, **more: object) -> str:
    world.sandbox.set_version(UPGRADE)
    return add_job(world, name, **more)


@pytest.mark.parametrize(
    "act",
    [
        lambda world: upgrade_and_add(world, BATCH + "-eu", state="ERROR"),
        lambda world: upgrade_and_add(world, "nightly", type="DELTA_INGESTION"),
        validate,
        finalize_other_by_ledger,
        finalize_other_by_pattern,
        lambda world: add_job(world, "Import"),
        lambda world: add_job(world, "Import of nightly-eu"),
        lambda world: add_job(world, None),
    ],
    ids=[
        "batch of another ID",
        "type of no import",
        "validation of ours",
        "finalization of another ID by its ledger",
        "finalization of another ID by its name",
        "the rest",
        "another ID that begins with this one",
        "no name",
    ],
)
def test_look_not_ours(world: FinalizationWorld, act: Act) -> None:
    """A job of another kind or of another ID does not disturb."""
    batch = world.batch()
    act(world)

    assert world.finalize(batch).succeeded
    assert world.entry().number == 2


def test_look_foreign_finalization(world: FinalizationWorld) -> None:
    """A job that fits a learned name with this ID in it is a finalization by others."""
    world.sandbox.set_version(UPGRADE)  # names of earlier versions still count
    foreign = world.curl()
    refuse(world)

    assert (world.entry().origin, world.entry().job_id) == (Origin.FOREIGN, foreign)


@pytest.mark.parametrize(
    ("act", "finalization_job_name"),
    [
        (lambda world: add_job(world, "Close 'nightly'"), "Finalization of {id}"),
        (lambda world: add_job(world, "Finalization"), "Finalization"),
        (lambda world: upgrade_and_add(world, "Import"), "Finalization of {id}"),
    ],
    ids=["name with this ID", "learned name without an ID", "no name learned for this version"],
)
def test_look_doubtful(act: Callable[[FinalizationWorld], str], finalization_job_name: str) -> None:
    """A job that may be a finalization by others is doubtful."""
    world = FinalizationWorld(sandbox_options={"finalization_job_name": finalization_job_name})
    world.teach()
    batch = world.batch()
    job_id = act(world)

    assert f"may be finalizations by others: {job_id}" in str(refuse(world, batch))


def lose_last_finalization(world: FinalizationWorld) -> str:
    world.sandbox.lose_job(str(world.entry().job_id))
    return world.batch()


def exceed_page_limit(world: FinalizationWorld) -> str:
    batch = world.batch()
    for _ in range(50 * MAX_PAGES):
        world.sandbox.add_foreign_job()
    return batch


def hide_evidence(world: FinalizationWorld) -> str:
    world.sandbox.delay_job_listing(1_000)
    return world.batch()


def hide_own_batch(world: FinalizationWorld) -> str:
    world.sandbox.delay_job_listing(1_000)
    crash_in_upload(world, 20, batch=2, sent=False)
    world.sandbox.delay_job_listing(0)
    return world.batch()


def forbid_list(world: FinalizationWorld) -> str:
    world.sandbox.forbid("jobs")
    return world.batch()


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (forbid_list, "the job list cannot be read"),
        (exceed_page_limit, "the job list has more than 20 pages"),
        (lose_last_finalization, "the last known job is not in the job list"),
        (hide_evidence, "a batch of this cycle is not in the job list"),
        (hide_own_batch, "a batch of this cycle is not in the job list"),
    ],
    ids=["unreadable", "page limit", "last finalization", "listed ID", "later job of ours"],
)
def test_look_blind_list(
    own_world: FinalizationWorld, act: Callable[[FinalizationWorld], str], cause: str
) -> None:
    """An incomplete job list refuses nothing; log and receipt contain the cause."""
    batch, notes = act(own_world), list[str]()

    job = own_world.finalize(batch, allow_unverified_cycle=True, session_changes={"notes": notes})

    assert job.succeeded
    assert f"The job search is incomplete: {cause}" in notes[0]
    assert notes[0] in own_world.log


# The second table: the consequence of a finding.


def test_look_foreign_after_evidence(world: FinalizationWorld) -> None:
    """A finalization by others after the evidence is recorded, and the evidence is void."""
    batch, foreign = world.batch(), world.curl()

    assert "not newer than the last finalization" in str(refuse(world, batch))

    entry = world.entry()
    assert (entry.origin, entry.job_id, entry.phase) == (Origin.FOREIGN, foreign, Phase.ENDED)
    assert world.finalize(world.batch()).succeeded


def test_look_foreign_that_ended_after_evidence(world: FinalizationWorld) -> None:
    """A finalization by others that was created before the evidence counts by its end."""
    curl_for(world, 60)
    batch = world.batch()
    world.clock.advance(120)

    assert "not newer than the last finalization" in str(refuse(world, batch))


def test_look_foreign_of_which_the_older_ended_last(world: FinalizationWorld) -> None:
    """Of several finalizations by others, the last end counts, and all of them are recorded."""
    curl_for(world, 60)
    newest = curl_for(world, 1)
    batch = world.batch()
    world.clock.advance(120)

    assert "not newer than the last finalization" in str(refuse(world, batch))
    assert world.entry().job_id == newest
    assert world.finalize(world.batch()).succeeded
    assert world.entry().number == 3


def test_look_foreign_beside_one_that_was_set_aside(world: FinalizationWorld) -> None:
    """A finalization that was set aside and ended last voids evidence beside a newer one."""
    earlier, aside = world.batch(), curl_for(world, 600)
    with pytest.raises(JobTimedOutError):
        world.finalize(earlier, wait_seconds=60)
    world.resolve("set_aside", job_id=aside)
    refuse(world, earlier)
    world.curl()
    batch = world.batch()
    world.clock.advance(1_200)

    assert "not newer than the last finalization" in str(refuse(world, batch))
    assert world.finalize(world.batch()).succeeded


def test_look_foreign_before_evidence(world: FinalizationWorld) -> None:
    """A finalization by others before the evidence is recorded, and the cycle is finalized."""
    world.curl()

    assert world.finalize(world.batch()).succeeded
    assert world.entry().number == 3


def test_look_foreign_running(world: FinalizationWorld) -> None:
    """A running finalization by others is waited for, and the evidence is void then."""
    batch = world.batch()
    world.sandbox.run_jobs_for(100)
    foreign = world.curl()

    assert "not newer than the last finalization" in str(refuse(world, batch))
    assert f"Waiting for job {foreign}" in world.logged


@pytest.mark.parametrize("on_overlap", [OnOverlap.FAIL, OnOverlap.SKIP])
def test_look_foreign_running_without_wait(world: FinalizationWorld, on_overlap: OnOverlap) -> None:
    """With fail and skip, a running finalization by others ends the run."""
    batch = world.batch()
    world.sandbox.run_jobs_for(5000)
    foreign = world.curl()
    with pytest.raises(OverlapError) as found:
        world.finalize(batch, on_overlap=on_overlap)
    assert found.value.job_id == foreign
    assert world.sent == 1


def test_look_foreign_never_ends(world: FinalizationWorld) -> None:
    """A finalization by others that never ends can be set aside; batches before it are void."""
    batch = world.batch()
    world.sandbox.run_jobs_for(10**7)
    foreign = world.curl()
    world.sandbox.run_jobs_for(0)
    with pytest.raises(JobTimedOutError):
        world.finalize(batch, wait_seconds=60)
    world.resolve("set_aside", job_id=foreign)
    refuse(world, batch)
    assert world.finalize(world.batch()).succeeded


def test_look_doubtful_after_evidence(world: FinalizationWorld) -> None:
    """A doubtful job after the evidence refuses unless the caller vouches for the cycle."""
    batch, doubtful = world.batch(), add_job(world, "Close nightly")

    assert doubtful in str(refuse(world, batch))
    assert world.finalize(batch, allow_unverified_cycle=True).succeeded


def test_look_doubtful_after_unlisted_batch(world: FinalizationWorld) -> None:
    """Without listed evidence, the newest batch of this name takes its place."""
    world.batch()
    doubtful = add_job(world, "Close nightly")

    assert doubtful in str(refuse(world))


@pytest.mark.parametrize("name", ["Import", "Synchronization finalization for id: {id}"])
def test_look_other_synchronization_before_its_record(name: str) -> None:
    """A finalization that another flow run records seconds later is not doubtful.

    No name of finalization jobs is learned, so only the record tells whose job it is.
    """
    world = FinalizationWorld(sandbox_options={"finalization_job_name": name})
    batch, other = world.batch(), world.batch(synchronization_id="weekly")

    def kill() -> None:
        raise CrashError("killed")

    world.sandbox.call_next(kill, before_commit=False)
    outcome_of(lambda: world.finalize(other, synchronization_id="weekly"))

    def record() -> None:
        entry, job_id = world.entry("weekly"), world.sandbox.jobs[-1].id
        with world.session(synchronization_id="weekly") as session:
            adopt_job(session, entry, session.client.get_job(job_id))

    world.clock.call_later(5, record)
    assert world.finalize(batch).succeeded


def test_look_doubtful_before_evidence(world: FinalizationWorld) -> None:
    """A doubtful job before the newest evidence does not matter."""
    first = world.batch()
    add_job(world, "Close nightly")

    assert world.finalize(first, world.batch()).succeeded


def upload_slowly(world: FinalizationWorld) -> None:
    world.sandbox.run_jobs_for(1_000)
    crash_in_upload(world, 20, batch=1, sent=True)
    world.sandbox.run_jobs_for(0)


@pytest.mark.parametrize(
    "start",
    [lambda world: add_job(world, BATCH, seconds=1_000), upload_slowly],
    ids=["by others", "of ours"],
)
def test_look_running_batch(own_world: FinalizationWorld, start: Act) -> None:
    """A running batch of anyone is waited for, and refuses if it does not end in time."""
    start(own_world)
    running, batch = own_world.sandbox.jobs[-1], own_world.batch()
    finalize = functools.partial(own_world.finalize, batch, allow_unverified_cycle=True)

    with pytest.raises(JobTimedOutError, match="resolution=set_aside"):
        finalize(wait_seconds=60)

    assert own_world.sent == 1
    assert finalize(wait_seconds=1_000).succeeded
    assert f"Job {running.id} ended as COMPLETED" in own_world.logged


def test_look_running_batch_set_aside(world: FinalizationWorld) -> None:
    """A batch that never ends can be set aside."""
    batch, running = world.batch(), add_job(world, BATCH, state="RUNNING")
    with pytest.raises(JobTimedOutError):
        world.finalize(batch, wait_seconds=60)

    world.resolve("set_aside", job_id=running)

    assert world.finalize(batch).succeeded


@pytest.mark.parametrize("result", ["COMPLETED_WITH_ERROR", "FAILURE", "ABORTED"])
def test_look_failed_batch(world: FinalizationWorld, result: str) -> None:
    """A failed batch refuses until it is listed as replaced."""
    failed = add_job(world, BATCH, state="COMPLETED", result=result)
    batch = world.batch()

    assert f"{failed} of this synchronization" in str(refuse(world, batch))
    assert world.finalize(batch, replaced_batch_job_ids=(failed,)).succeeded


def test_look_failed_batch_in_a_cycle_that_is_vouched_for(world: FinalizationWorld) -> None:
    """With allow_unverified_cycle a failed batch does not refuse."""
    add_job(world, BATCH, state="ERROR")

    assert world.finalize(world.batch(), allow_unverified_cycle=True).succeeded


def test_look_batches_by_others_are_no_evidence(world: FinalizationWorld) -> None:
    """A batch by others is evidence only if it is listed."""
    batch = world.batch()

    assert "needs evidence" in str(refuse(world, strategy="REMOVE_RESOURCES"))
    assert world.finalize(batch, strategy="REMOVE_RESOURCES").succeeded


def put_marker(world: FinalizationWorld) -> None:
    with world.session() as session:
        session.markers.write(
            CycleMarker(generation=world.entry().number, flow_run_name="blue-owl", batch_count=2)
        )


def test_look_open_checkpoint(world: FinalizationWorld) -> None:
    """A cycle that synchronize_source began is not closed with some of its batches."""
    put_marker(world)
    batch = world.batch()

    text = str(refuse(world, batch))

    assert "blue-owl uploaded 2 batches" in text
    assert "Run synchronize_source" in text
    assert world.finalize(batch, allow_unverified_cycle=True).succeeded
    assert world.finalize(world.batch()).succeeded  # the marker is of an earlier generation


def test_look_open_checkpoint_after_withdrawal(world: FinalizationWorld) -> None:
    """A cycle whose finalization Collibra refused is still open."""
    put_marker(world)
    batch = world.batch()
    world.sandbox.fail_next(400)
    outcome_of(lambda: world.finalize(batch, allow_unverified_cycle=True))
    assert world.entry().phase == Phase.WITHDRAWN

    assert "blue-owl" in str(refuse(world, batch))


def test_look_open_checkpoint_without_its_marker(own_world: FinalizationWorld) -> None:
    """A checkpoint in the storage refuses although a restored Prefect server lost its marker."""
    restore = own_world.store.save()
    crash_in_upload(own_world, 20, batch=2, sent=False)
    restore()
    batch = own_world.batch()

    assert "Run synchronize_source" in str(refuse(own_world, batch))
    assert own_world.finalize(batch, allow_unverified_cycle=True).succeeded


@pytest.mark.parametrize("proof", ["nothing", "evidence", "allow_unverified_cycle"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "unshared"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_look_empty_ledger(strategy: str, proof: str, *, shared: bool) -> None:
    """In an empty ledger an act without proof needs a shared server, and removes nothing."""
    world = FinalizationWorld()
    world.store = MemoryStore(world.clock, is_shared=shared)
    batch = world.batch()
    batches = (batch,) if proof == "evidence" else ()
    allowed = proof == "allow_unverified_cycle"
    if proof == "nothing" and not (shared and strategy != "REMOVE_RESOURCES"):
        assert "allow_unverified_cycle" in str(refuse(world, strategy=strategy))
        return

    job = world.finalize(*batches, strategy=strategy, allow_unverified_cycle=allowed)

    assert job.succeeded
    assert ("cannot be checked" in world.logged) is (proof != "evidence")


def find_finalization(world: FinalizationWorld) -> None:
    """Make a finalization by others the only one; names are learned elsewhere."""
    world.teach("weekly")
    world.batch()
    world.curl()


@pytest.mark.parametrize(
    "before",
    [FinalizationWorld.teach, find_finalization],
    ids=["on record", "found"],
)
def test_look_empty_cycle(before: Act) -> None:
    """Without a batch since the last finalization, an act needs proof unless it is harmless."""
    world = FinalizationWorld()
    before(world)

    assert "no successful batch was found" in str(refuse(world))
    assert "needs evidence" in str(refuse(world, strategy="REMOVE_RESOURCES"))
    assert world.finalize(strategy="IGNORE").succeeded
    assert world.finalize(allow_unverified_cycle=True).succeeded
    world.batch()
    assert world.finalize().succeeded


def test_look_empty_cycle_after_lost_job(world: FinalizationWorld) -> None:
    """Batches of the last cycle are no new batches although its finalization is not listed."""
    world.sandbox.lose_job(str(world.entry().job_id))

    assert "no successful batch was found" in str(refuse(world))


def test_look_empty_cycle_after_a_late_end(world: FinalizationWorld) -> None:
    """A batch before the end of a finalization by others is no new batch."""
    curl_for(world, 60)
    world.batch()
    world.clock.advance(120)

    assert "no successful batch was found" in str(refuse(world))


def test_look_ledger_older_than_storage(own_world: FinalizationWorld) -> None:
    """A ledger that is older than the manifest storage is logged."""
    restore, notes = own_world.store.save(), list[str]()
    own_world.synchronize(numbered(20))
    restore()

    assert own_world.finalize(own_world.batch(), session_changes={"notes": notes}).succeeded
    assert any("the ledger is older than the manifest storage" in note for note in notes)


def test_look_missing_manifest(own_world: FinalizationWorld) -> None:
    """A missing manifest of the last cycle is logged."""
    own_world.storage.manifests.clear()
    notes: list[str] = []

    assert own_world.finalize(own_world.batch(), session_changes={"notes": notes}).succeeded
    assert any("of the last cycle is not in the storage" in note for note in notes)


# Evidence.


def test_look_evidence_that_failed(world: FinalizationWorld) -> None:
    """Evidence is COMPLETED with SUCCESS, also where the caller vouches for the cycle."""
    failed = add_job(world, BATCH, state="COMPLETED", result="COMPLETED_WITH_ERROR")

    assert "Send the batch again" in str(refuse(world, failed, allow_unverified_cycle=True))


def test_look_evidence_of_another_synchronization(world: FinalizationWorld) -> None:
    """A batch named after another synchronization is no evidence."""
    other = world.batch(synchronization_id="weekly")

    assert "'weekly'" in str(refuse(world, other, allow_unverified_cycle=True))


def test_look_evidence_older_than_the_last_finalization(world: FinalizationWorld) -> None:
    """A batch that is older than the end of the last finalization is no evidence."""
    batch = world.batch()
    world.batch()
    world.finalize()

    assert "not newer than the last finalization" in str(refuse(world, batch))


def test_look_evidence_used_twice(world: FinalizationWorld) -> None:
    """A batch fills one cycle."""
    one = world.batch()
    world.finalize(one)
    two = world.batch()

    assert "cycle of batch job" in str(refuse(world, one, two))
    assert world.finalize(two).succeeded


def test_look_evidence_is_a_finalization(world: FinalizationWorld) -> None:
    """A finalization is no evidence, whatever synchronization it belongs to."""
    own = str(world.entry().job_id)
    for job_id in (own, world.teach("weekly")):
        refuse(world, job_id)
