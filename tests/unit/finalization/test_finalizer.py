"""Decision about one finalization: follow, wait, refuse or send.

The rows of the job list's tables are in ``test_look.py``.
"""

from __future__ import annotations

from functools import partial

import pytest

from collibra_tasks.errors import (
    FinalizationRefusedError,
    JobTimedOutError,
    OutcomeUnknownError,
    OverlapError,
)
from collibra_tasks.models import MISSING_FROM_SOURCE
from collibra_tasks.options import OnOverlap
from tests.support.clients import client_of
from tests.support.finalizations import FinalizationWorld, outcome_of
from tests.support.memory_store import CrashError, MemoryStore


@pytest.fixture
def world() -> FinalizationWorld:
    world = FinalizationWorld()
    world.teach()
    return world


def start_slow(world: FinalizationWorld, *batches: str, **more: object) -> None:
    """Send a finalization whose flow run ends before its job does."""
    world.sandbox.run_jobs_for(5000)
    with pytest.raises(JobTimedOutError):
        world.finalize(*batches, wait_seconds=10, **more)  # type: ignore[arg-type] # any argument
    world.sandbox.run_jobs_for(0)


def test_finalize_attach(world: FinalizationWorld) -> None:
    """A second flow run with the same evidence follows the running job."""
    batch = world.batch()
    start_slow(world, batch)
    assert world.finalize(batch, wait_seconds=9000).succeeded
    assert world.sent == 2


@pytest.mark.parametrize("on_overlap", [OnOverlap.FAIL, OnOverlap.SKIP])
def test_finalize_overlap(world: FinalizationWorld, on_overlap: OnOverlap) -> None:
    """With fail and skip, a second flow run does not follow a running job."""
    batch = world.batch()
    start_slow(world, batch)
    with pytest.raises(OverlapError) as found:
        world.finalize(batch, on_overlap=on_overlap)
    assert found.value.job_id == world.entry().job_id
    world.sandbox.finish_jobs()
    assert world.finalize(batch, on_overlap=on_overlap).succeeded
    assert world.finalize(world.batch(), on_overlap=on_overlap).succeeded
    assert world.sent == 3


@pytest.mark.parametrize("on_overlap", [OnOverlap.FAIL, OnOverlap.SKIP])
def test_finalize_overlap_with_killed_run(world: FinalizationWorld, on_overlap: OnOverlap) -> None:
    """The job of a killed flow run that ended in Collibra locks nothing."""
    start_slow(world, world.batch())
    world.sandbox.finish_jobs()
    world.clock.advance(1)
    assert world.finalize(world.batch(), on_overlap=on_overlap).succeeded


@pytest.mark.parametrize("on_overlap", [OnOverlap.FAIL, OnOverlap.SKIP])
def test_finalize_overlap_with_lost_intent(world: FinalizationWorld, on_overlap: OnOverlap) -> None:
    """After the writer's deadline an intent is an unknown outcome and no overlap."""
    batch = world.batch()
    world.sandbox.call_next(lambda: world.store.crash_before("update"))
    with pytest.raises(CrashError):
        world.finalize(batch)
    with pytest.raises(OverlapError):
        world.finalize(batch, on_overlap=on_overlap)
    world.clock.advance(300)
    assert world.finalize(batch, on_overlap=on_overlap).succeeded
    assert world.sent == 2


def test_finalize_retry_after_end(world: FinalizationWorld) -> None:
    """A retry with the same evidence returns the job of the first attempt."""
    batch, run = world.batch(), world.new_run()
    first = world.finalize(batch, run=run)
    assert world.finalize(batch, run=run).id == first.id
    assert world.sent == 2


@pytest.mark.parametrize("count", [60, 61, 100])
def test_finalize_retry_with_many_batches(world: FinalizationWorld, count: int) -> None:
    """A retry with more batches than one entry lists follows the job all the same."""
    batches = [world.batch(f"t{number}") for number in range(count)]
    first = world.finalize(*batches)
    assert world.finalize(*reversed(batches)).id == first.id
    with pytest.raises(FinalizationRefusedError):
        world.finalize(*batches[1:])
    assert world.sent == 2


def test_finalize_two_cycles_in_one_run(world: FinalizationWorld) -> None:
    """Two cycles with their own evidence in one flow run, retried between them, are two jobs."""
    run = world.new_run()
    one = world.batch()
    first = world.finalize(one, run=run)
    assert world.finalize(one, run=run).id == first.id
    two = world.batch()
    second = world.finalize(two, run=run)
    assert second.id != first.id
    assert world.finalize(one, run=run).id == first.id
    assert world.finalize(two, run=run).id == second.id
    assert world.sent == 3


def test_finalize_second_unverified_in_one_attempt(world: FinalizationWorld) -> None:
    """A loop in a caller's flow cannot finalize twice without evidence."""
    run = world.new_run()
    world.batch()
    world.finalize(run=run, attempt="one", allow_unverified_cycle=True)
    with pytest.raises(FinalizationRefusedError, match="a second finalization would find every"):
        world.finalize(run=run, attempt="one", allow_unverified_cycle=True)
    assert world.sent == 2


def test_finalize_unverified_resumed(world: FinalizationWorld) -> None:
    """A flow run that was killed and resumed follows its job, once per attempt."""
    run = world.new_run()
    world.batch()
    first = world.finalize(run=run, attempt="one", allow_unverified_cycle=True)
    attached: set[str] = set()
    changes = {"attached": attached}
    again = world.finalize(
        run=run, attempt="two", allow_unverified_cycle=True, session_changes=changes
    )
    assert again.id == first.id
    with pytest.raises(FinalizationRefusedError):
        world.finalize(run=run, attempt="two", allow_unverified_cycle=True, session_changes=changes)
    assert world.sent == 2


def test_finalize_other_parameters(world: FinalizationWorld) -> None:
    """A run that follows a job of other parameters logs that its own do not apply."""
    batch = world.batch()
    start_slow(world, batch)
    world.finalize(batch, strategy="IGNORE", wait_seconds=9000)
    assert f"was sent with CHANGE_STATUS {MISSING_FROM_SOURCE}, not with IGNORE" in world.logged
    with pytest.raises(OverlapError, match="not with REMOVE_RESOURCES"):
        world.finalize(batch, strategy="REMOVE_RESOURCES", on_overlap=OnOverlap.FAIL)


def test_finalize_first_use_with_old_batches(world: FinalizationWorld) -> None:
    """Batches that a script finalized before the first use of this library are no evidence."""
    world.teach("weekly")  # the environment's names are known
    batch = world.batch(synchronization_id="monthly")
    world.curl("monthly")
    with pytest.raises(FinalizationRefusedError, match=r"finalized before|not newer"):
        world.finalize(batch, synchronization_id="monthly")
    assert world.sandbox.finalizations_of("monthly") == 0


def test_finalize_first_use_in_new_environment() -> None:
    """Before a name was learned, a job after the batches is doubtful, and the run refuses."""
    world = FinalizationWorld()
    batch = world.batch()
    world.curl()
    with pytest.raises(FinalizationRefusedError, match="may be finalizations by others"):
        world.finalize(batch)
    assert world.finalize(batch, allow_unverified_cycle=True).succeeded


@pytest.mark.parametrize(
    "value", [None, 7, "note", [], {}, {"generation": "x"}, {"generation": 1, "a": 2}]
)
def test_finalize_unreadable_explanations(world: FinalizationWorld, value: object) -> None:
    """Marker, learned names and set-aside jobs that a person edited do not stop a run."""
    with world.session() as session:
        names = (session.markers.name, session.patterns.name, session.set_aside.name)
    for name in names:
        world.store.put(name, value)
    assert world.finalize(world.batch()).succeeded
    world.store.put(names[1], {"patterns": [{"name": 5}]})
    assert world.finalize(world.batch()).succeeded


@pytest.mark.parametrize(
    "value", ["note", {"format": 3}, {"format": 2}, {"format": 2, "phase": 1}, None]
)
def test_finalize_unreadable_ledger(world: FinalizationWorld, value: object) -> None:
    """A ledger entry that cannot be read is named, with the command that is the way out."""
    with world.session() as session:
        name, tag = session.ledger.name_of(1), session.ledger.tag
    world.store.put(name, value, [tag])
    batch = world.batch()
    with pytest.raises(FinalizationRefusedError, match=f"prefect variable unset {name}"):
        world.finalize(batch)
    assert world.finalize(world.batch(synchronization_id="weekly"), synchronization_id="weekly")
    world.store.remove(name)
    assert world.finalize(batch).succeeded
    assert world.sandbox.finalizations_of("nightly") == 2


def test_finalize_unreadable_older_entry(world: FinalizationWorld) -> None:
    """An older entry that cannot be read does not disturb."""
    with world.session() as session:
        name, tag = session.ledger.name_of(1), session.ledger.tag
    world.finalize(world.batch())
    world.store.put(name, "note", [tag])
    assert world.finalize(world.batch()).succeeded


def test_finalize_two_urls(world: FinalizationWorld) -> None:
    """Two URLs of one environment share the ledger: the evidence is used once."""
    batch = world.batch()
    first = world.finalize(batch)
    real = world.client
    for url in ("https://alias.example", "https://xn--bcher-kva.example", "https://127.0.0.1"):
        other = partial(client_of, world.sandbox, base_url=url)
        world.client = other  # type: ignore[method-assign, assignment] # another URL
        assert world.finalize(batch).id == first.id
    world.client = real  # type: ignore[method-assign] # the first URL
    assert world.sent == 2


def test_finalize_claim_with_pruned_number(world: FinalizationWorld) -> None:
    """A run that stood still while 25 cycles passed cannot reuse the number of a deleted entry."""
    batch = world.batch()

    def freeze(operation: str, name: str) -> None:
        if operation == "create" and name.endswith("-000002"):
            world.store.clear_hooks()
            for _ in range(25):
                world.finalize(world.batch())

    world.store.hooks["before"] = freeze
    with pytest.raises(FinalizationRefusedError, match=r"not newer|finalized before"):
        world.finalize(batch)
    assert world.sent == 26
    assert world.entry().number == 26


def requests_of_one(records: int) -> int:
    world = FinalizationWorld()
    world.teach()
    for number in range(records):
        world.store.put(f"other-{number}", {"x": 1}, ["collibra", f"tag-{number}"])
    batch = world.batch()
    before = world.store.request_count
    world.finalize(batch)
    return world.store.request_count - before


def test_finalize_store_requests() -> None:
    """A finalization needs as many store requests with 10,000 records of others as with none."""
    assert requests_of_one(0) == requests_of_one(10_000) <= 30


def test_finalize_failed_job_is_named(world: FinalizationWorld) -> None:
    """A retry after a failed finalization follows the job and logs what to do."""
    batch, run = world.batch(), world.new_run()
    world.sandbox.end_jobs_as("FAILED")
    first = world.finalize(batch, run=run)
    assert not first.succeeded
    assert world.finalize(batch, run=run).id == first.id
    assert "Send all batches of the cycle again" in world.logged
    assert world.finalize(world.batch()).succeeded


def test_finalize_waits_for_earlier_cycle(world: FinalizationWorld) -> None:
    """A run with evidence of the next cycle waits for the end of the earlier finalization."""
    start_slow(world, world.batch())
    batch = world.batch()
    with pytest.raises(FinalizationRefusedError, match="not newer"):
        world.finalize(batch, wait_seconds=9000)
    assert world.finalize(world.batch()).succeeded


def test_finalize_lost_intent_of_others(world: FinalizationWorld) -> None:
    """An earlier request with an unknown outcome stops later runs until a person decides."""
    world.sandbox.lose_next_answer(before_commit=True)
    outcome_of(lambda: world.finalize(world.batch()))
    batch = world.batch()
    with pytest.raises(OutcomeUnknownError):
        world.finalize(batch)
    world.clock.advance(300)
    world.resolve("not_sent", excluded=[batch])
    assert world.finalize(world.batch()).succeeded
    assert world.sent == 2


def test_finalize_restored_server(world: FinalizationWorld) -> None:
    """After a restore of Prefect's database a finalized cycle is not finalized again."""
    restore = world.store.save()
    batch = world.batch()
    world.finalize(batch)
    restore()
    with pytest.raises(FinalizationRefusedError, match="not newer"):
        world.finalize(batch)
    assert world.sent == 2


def test_finalize_empty_home(world: FinalizationWorld) -> None:
    """Two containers without a shared server do not both finalize one cycle by evidence."""
    batch = world.batch()
    world.finalize(batch)
    world.store = MemoryStore(world.clock, is_shared=False)
    with pytest.raises(FinalizationRefusedError, match="may be finalizations by others"):
        world.finalize(batch)
    with pytest.raises(FinalizationRefusedError, match="no shared Prefect server"):
        world.finalize()
    assert world.sent == 2


def test_finalize_lost_entry_of_ours(world: FinalizationWorld) -> None:
    """A finalization whose ledger entry was deleted closed its cycle: its batches are void."""
    batch = world.batch()
    world.finalize(batch)
    newest = max(each for each in world.store.snapshot() if "ledger" in each)
    world.store.delete(newest)
    with pytest.raises(FinalizationRefusedError):
        world.finalize(batch)
    assert world.sent == 2
    assert world.finalize(world.batch()).succeeded


def test_finalize_set_aside_job_ends_later(world: FinalizationWorld) -> None:
    """A finalization that was set aside and ends after new batches has closed their cycle."""
    earlier = world.batch()
    world.sandbox.run_jobs_for(10**7)
    with pytest.raises(JobTimedOutError):
        world.finalize(earlier, wait_seconds=60)
    world.resolve("set_aside", job_id=world.entry().job_id)
    world.sandbox.run_jobs_for(0)
    batch = world.batch()
    world.sandbox.finish_jobs()
    world.clock.advance(2)
    with pytest.raises(FinalizationRefusedError):
        world.finalize(batch)
    assert world.sent == 2
    assert world.finalize(world.batch()).succeeded


@pytest.mark.parametrize("field", ["evidence", "replaced"])
@pytest.mark.parametrize("taught", [True, False])
def test_finalize_script_lists_its_finalization(field: str, *, taught: bool) -> None:
    """A script that lists all its job IDs, its finalization included, is refused."""
    world = FinalizationWorld()
    if taught:
        world.teach()
    batch, closing = world.batch(), world.curl()
    sent = world.sent
    listed = (batch, closing) if field == "evidence" else (batch,)
    replaced = (closing,) if field == "replaced" else ()
    with pytest.raises(FinalizationRefusedError):
        world.finalize(*listed, replaced_batch_job_ids=replaced)
    assert world.sent == sent


def test_finalize_next_night_after_killed_run(world: FinalizationWorld) -> None:
    """A job that ended while no run followed it is not the result of the next cycle."""
    start_slow(world, world.batch())
    world.clock.advance(86_400)
    world.batch("t1")
    job = world.finalize(allow_unverified_cycle=True)
    assert job.id == world.entry().job_id
    assert world.sent == 3
