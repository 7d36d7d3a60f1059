"""Decisions of a person."""

from __future__ import annotations

import pytest

from collibra_tasks.errors import (
    AccessDeniedError,
    FinalizationRefusedError,
    JobTimedOutError,
    OutcomeUnknownError,
    UnexpectedAnswerError,
)
from collibra_tasks.ledger.entry import RESOLVED_WITHOUT_JOB, Phase, Resolution
from tests.support.finalizations import FinalizationWorld, outcome_of


@pytest.fixture
def world() -> FinalizationWorld:
    world = FinalizationWorld()
    world.teach()
    return world


def lose(world: FinalizationWorld, *, commit: bool = False) -> str:
    """Lose the response of a finalization; return its evidence."""
    batch = world.batch()
    world.sandbox.lose_next_answer(before_commit=not commit)
    if commit:  # a second candidate keeps the job from being adopted
        world.sandbox.call_next(lambda: world.sandbox.finalize_by_hand("nightly"))
    with pytest.raises(OutcomeUnknownError):
        world.finalize(batch)
    return batch


def test_resolve_adopt_job(world: FinalizationWorld) -> None:
    """The job that a person names is followed by the next run."""
    batch = lose(world, commit=True)
    job_id = world.sandbox.jobs[-1].id
    entry = world.resolve("adopt_job", job_id=job_id)
    assert (entry.phase, entry.job_id) == (Phase.SENT, job_id)
    assert entry.resolution is not None
    assert (entry.resolution.by, entry.resolution.resolution) == ("ada", Resolution.ADOPT_JOB)
    assert world.finalize(batch).id == job_id


def test_resolve_adopt_older_job(world: FinalizationWorld) -> None:
    """A person may name a job that is older by the clocks, with a warning."""
    early = world.clock.now()
    world.clock.advance(60)
    lose(world)
    job = world.sandbox.add_foreign_job(name="Close nightly", created_on=early)
    assert world.resolve("adopt_job", job_id=job.id).job_id == job.id
    assert "older than the request" in world.logged


def test_resolve_adopt_job_of_the_list_before(world: FinalizationWorld) -> None:
    """A job that was listed before the request is not its job: the next run would not send."""
    earlier = world.sandbox.add_foreign_job(name="Close nightly")
    lose(world)
    with pytest.raises(FinalizationRefusedError, match="before the request"):
        world.resolve("adopt_job", job_id=earlier.id)


@pytest.mark.parametrize(
    "case", ["missing", "unknown", "evidence", "earlier", "other", "forbidden"]
)
def test_resolve_adopt_wrong_job(world: FinalizationWorld, case: str) -> None:
    """A job that cannot be the finalization is not adopted."""
    earlier = str(world.entry().job_id)
    other = world.teach("weekly")
    batch = lose(world)
    forbidden = world.sandbox.add_foreign_job(name="x").id
    world.sandbox.forbid_job(forbidden)
    job_id = {
        "missing": None,
        "unknown": "00000000-0000-0000-0000-00000000dead",
        "evidence": batch,
        "earlier": earlier,
        "other": other,
        "forbidden": forbidden,
    }[case]
    with pytest.raises(FinalizationRefusedError, match="Not resolved"):
        world.resolve("adopt_job", job_id=job_id)
    assert world.entry().phase == Phase.INTENDED


def test_resolve_not_sent_after_deadline(world: FinalizationWorld) -> None:
    """An intent can be called unsent only when its request cannot be in flight any more."""
    batch = lose(world)
    with pytest.raises(FinalizationRefusedError, match="may still be in flight"):
        world.resolve("not_sent")
    deadline = world.entry().deadline_on
    assert deadline is not None
    world.clock.advance((deadline - world.clock.now()).total_seconds() - 1)
    with pytest.raises(FinalizationRefusedError, match="may still be in flight"):
        world.resolve("not_sent")
    world.clock.advance(1)
    assert world.resolve("not_sent").phase == Phase.WITHDRAWN
    assert world.finalize(batch).succeeded


def test_resolve_not_sent_uses_deadline_of_writer(world: FinalizationWorld) -> None:
    """The writer's own timeout counts, not that of the person's connection."""
    batch = world.batch()
    world.sandbox.lose_next_answer(before_commit=True)
    outcome_of(lambda: world.finalize(batch, session_changes={"request_timeout_seconds": 1000.0}))
    world.clock.advance(2900)
    with pytest.raises(FinalizationRefusedError, match="in flight"):
        world.resolve("not_sent")


def test_resolve_not_sent_names_candidates(world: FinalizationWorld) -> None:
    """Each job that may be the finalization has to be named."""
    lose(world)
    one = world.sandbox.add_foreign_job(name="Close nightly")
    two = world.sandbox.add_foreign_job(name="nightly: closed")
    world.sandbox.add_foreign_job(name="Import")
    world.clock.advance(300)
    with pytest.raises(FinalizationRefusedError, match="2 jobs may be"):
        world.resolve("not_sent")
    with pytest.raises(FinalizationRefusedError, match=two.id):
        world.resolve("not_sent", excluded=[one.id])
    assert world.resolve("not_sent", excluded=[one.id, two.id]).phase == Phase.WITHDRAWN


def test_resolve_not_sent_later_jobs(world: FinalizationWorld) -> None:
    """Jobs that appeared more than an hour after the deadline need not be named."""
    lose(world)
    deadline = world.entry().deadline_on
    assert deadline is not None
    world.clock.advance((deadline - world.clock.now()).total_seconds() + 3_600)
    edge = world.batch()
    with pytest.raises(FinalizationRefusedError, match=edge):
        world.resolve("not_sent")
    world.batch()
    assert world.resolve("not_sent", excluded=[edge]).phase == Phase.WITHDRAWN


def test_resolve_not_sent_certain_job(world: FinalizationWorld) -> None:
    """A job with the name of this finalization is adopted, not denied."""
    lose(world)
    job_id = world.curl()
    world.clock.advance(300)
    with pytest.raises(FinalizationRefusedError, match=job_id):
        world.resolve("not_sent", excluded=[job_id])


def start_stalled(world: FinalizationWorld) -> str:
    batch = world.batch()
    world.sandbox.stall_jobs()
    with pytest.raises(JobTimedOutError):
        world.finalize(batch, wait_seconds=60)
    return str(world.entry().job_id)


def test_resolve_not_sent_after_sent(world: FinalizationWorld) -> None:
    """A finalization whose job is known was sent."""
    start_stalled(world)
    with pytest.raises(FinalizationRefusedError, match="was sent"):
        world.resolve("not_sent")


def test_resolve_ended_running(world: FinalizationWorld) -> None:
    """A job that runs has not ended; the error names set_aside."""
    start_stalled(world)
    with pytest.raises(FinalizationRefusedError, match="set_aside"):
        world.resolve("ended")


def test_resolve_ended_records_end(world: FinalizationWorld) -> None:
    """The end of a job that Collibra reports is recorded."""
    start_stalled(world)
    world.sandbox.finish_jobs()
    entry = world.resolve("ended")
    assert (entry.phase, entry.failed) == (Phase.ENDED, False)


def test_resolve_ended_without_job(world: FinalizationWorld) -> None:
    """A person may end an intent without a job after the deadline; the cycle counts as closed."""
    batch = lose(world)
    with pytest.raises(FinalizationRefusedError, match="in flight"):
        world.resolve("ended")
    world.clock.advance(300)
    assert world.resolve("ended").outcome == RESOLVED_WITHOUT_JOB
    with pytest.raises(FinalizationRefusedError, match="by ada"):
        world.finalize(batch)
    assert world.finalize(world.batch()).succeeded


def test_resolve_set_aside_never_ending(world: FinalizationWorld) -> None:
    """A finalization job that never ends is set aside, and the next cycle is finalized."""
    job_id = start_stalled(world)
    world.clock.advance(10)
    batch = world.batch()
    with pytest.raises(JobTimedOutError, match="set_aside"):
        world.finalize(batch, wait_seconds=60)
    entry = world.resolve("set_aside", job_id=job_id)
    assert (entry.phase, entry.failed) == (Phase.ENDED, True)
    assert entry.resolution is not None
    assert world.finalize(world.batch()).succeeded


def test_resolve_set_aside_unknown_state(world: FinalizationWorld) -> None:
    """A finalization job that ended in an undocumented state is set aside."""
    batch = world.batch()
    world.sandbox.end_jobs_as("VANISHED")
    with pytest.raises(UnexpectedAnswerError):
        world.finalize(batch)
    world.clock.advance(10)
    with pytest.raises(UnexpectedAnswerError, match="set_aside"):
        world.finalize(world.batch())
    world.resolve("set_aside", job_id=world.entry().job_id)
    assert world.finalize(world.batch()).succeeded


def test_resolve_set_aside_unreadable(world: FinalizationWorld) -> None:
    """A finalization job that a new account may not read is set aside."""
    job_id = start_stalled(world)
    world.sandbox.forbid_job(job_id)
    with pytest.raises(AccessDeniedError, match="set_aside"):
        world.finalize(world.batch())
    world.resolve("set_aside", job_id=job_id)
    assert world.finalize(world.batch()).succeeded


def test_resolve_set_aside_batch_on_record(world: FinalizationWorld) -> None:
    """A batch that is set aside is on record with person and reason."""
    world.resolve("set_aside", job_id="b1")
    with world.session() as session:
        assert session.set_aside.read() == {"b1": "ada: checked in Collibra"}


def test_resolve_set_aside_in_empty_ledger() -> None:
    """A job can be set aside before anything was finalized."""
    world = FinalizationWorld()
    assert world.resolve("set_aside", job_id="b1").resolution is not None
    with pytest.raises(FinalizationRefusedError, match="job_id"):
        world.resolve("set_aside")


def test_resolve_inspect(world: FinalizationWorld) -> None:
    """Inspection returns the entry, changes nothing and needs no lock."""
    with world.session() as session, session.lock.acquire(timeout_seconds=0, purpose="upload"):
        before = world.store.snapshot()
        assert world.resolve("inspect").phase == Phase.ENDED
        assert world.store.snapshot() == before


def test_resolve_nothing(world: FinalizationWorld) -> None:
    """Without an open finalization there is nothing to resolve."""
    with pytest.raises(FinalizationRefusedError, match=r"its last finalization is ended \(job "):
        world.resolve("ended")
    with pytest.raises(FinalizationRefusedError, match="no finalization is on record"):
        world.resolve("inspect", synchronization_id="weekly")


@pytest.mark.parametrize("resolution", ["adopt_job", "not_sent", "ended", "set_aside"])
@pytest.mark.parametrize("author", [{"by": " "}, {"reason": ""}])
def test_resolve_missing_author(
    world: FinalizationWorld, resolution: str, author: dict[str, str]
) -> None:
    """A decision without person or reason is refused."""
    lose(world)
    world.clock.advance(300)
    with pytest.raises(FinalizationRefusedError, match="resolved_by and reason"):
        world.resolve(resolution, job_id="j", **author)


def test_resolve_superfluous_job(world: FinalizationWorld) -> None:
    """A job ID that the decision does not use is refused, because the person means another one."""
    lose(world)
    world.clock.advance(300)
    with pytest.raises(FinalizationRefusedError, match="adopt_job"):
        world.resolve("not_sent", job_id="j")


def test_resolve_long_texts(world: FinalizationWorld) -> None:
    """A decision with long texts and many excluded jobs fits into the record."""
    lose(world)
    world.clock.advance(300)
    ids = [f"{number:036d}" for number in range(500)]
    entry = world.resolve("not_sent", by="統" * 9000, reason="統" * 9000, excluded=ids)
    assert entry.phase == Phase.WITHDRAWN
    assert world.entry().resolution is not None
