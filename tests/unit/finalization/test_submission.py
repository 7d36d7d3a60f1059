"""The request of a finalization, and responses to it; ``test_response_matrix.py`` has them all."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    FinalizationRefusedError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from collibra_tasks.ledger.entry import Phase
from tests.support.finalizations import FinalizationWorld, outcome_of
from tests.support.memory_store import CrashError

GATEWAY_PAGE = "<html>Request blocked</html>"


@pytest.fixture
def world() -> FinalizationWorld:
    world = FinalizationWorld()
    world.teach()
    return world


def posts(world: FinalizationWorld) -> int:
    return len(world.sandbox.finalization_requests)


STATUSES = [400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 502, 503, 504]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [None, GATEWAY_PAGE])
def test_send_finalization_failure_after_commit(
    world: FinalizationWorld, status: int, body: str | None
) -> None:
    """A job that Collibra created is followed, whatever the response; nothing is sent again."""
    batch = world.batch()
    world.sandbox.fail_next(status, after_commit=True, body=body)
    job = world.finalize(batch)
    assert job.id == world.sandbox.jobs[-1].id
    assert (world.sent, posts(world)) == (2, 2)
    assert world.entry().phase == Phase.ENDED


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 422])
@pytest.mark.parametrize("body", [None, GATEWAY_PAGE])
def test_send_finalization_refusal_without_commit(
    world: FinalizationWorld, status: int, body: str | None
) -> None:
    """A refusal that created no job ends the run; the next run sends."""
    batch = world.batch()
    world.sandbox.fail_next(status, body=body)
    with pytest.raises(RefusedError):
        world.finalize(batch)
    assert world.entry().phase == Phase.WITHDRAWN
    assert world.finalize(batch).succeeded
    assert world.sent == 2


@pytest.mark.parametrize("status", [302, 408, 500, 502, 503, 504])
def test_send_finalization_fault_without_commit(world: FinalizationWorld, status: int) -> None:
    """A server fault without a new job stays unknown: a person decides."""
    batch = world.batch()
    world.sandbox.fail_next(status, body=GATEWAY_PAGE)
    with pytest.raises(OutcomeUnknownError, match="resolve-finalization"):
        world.finalize(batch)
    with pytest.raises(OutcomeUnknownError):
        world.finalize(batch)
    assert posts(world) == 2


UNREADABLE: list[Callable[[FinalizationWorld, bool], None]] = [
    lambda world, commit: world.sandbox.answer_html_next(after_commit=commit),
    lambda world, commit: world.sandbox.break_json_next(after_commit=commit),
    lambda world, commit: world.sandbox.nest_json_next(after_commit=commit),
    lambda world, commit: world.sandbox.lose_next_answer(before_commit=not commit),
]


@pytest.mark.parametrize("plan", UNREADABLE, ids=["html", "broken", "nested 200,000 deep", "lost"])
def test_send_finalization_unreadable_after_commit(
    world: FinalizationWorld, plan: Callable[[FinalizationWorld, bool], None]
) -> None:
    """The job of a response that is lost or unreadable is found in the job list."""
    batch = world.batch()
    plan(world, True)  # noqa: FBT003
    assert world.finalize(batch).succeeded
    assert posts(world) == 2


@pytest.mark.parametrize("plan", UNREADABLE, ids=["html", "broken", "nested 200,000 deep", "lost"])
def test_send_finalization_unreadable_without_commit(
    world: FinalizationWorld, plan: Callable[[FinalizationWorld, bool], None]
) -> None:
    """A response that is lost or unreadable and created no job is never repeated."""
    batch = world.batch()
    plan(world, False)  # noqa: FBT003
    for _ in range(3):
        with pytest.raises(OutcomeUnknownError):
            world.finalize(batch)
    assert (world.sent, posts(world)) == (1, 2)


def test_send_finalization_lost_in_new_environment() -> None:
    """Before a name was learned, a job found after a lost response is shown and not adopted."""
    world = FinalizationWorld()
    batch = world.batch()
    world.sandbox.lose_next_answer()
    with pytest.raises(OutcomeUnknownError) as found:
        world.finalize(batch)
    job_id = world.sandbox.jobs[-1].id
    assert job_id in str(found.value)
    world.resolve("adopt_job", job_id=job_id)
    assert world.finalize(batch).id == job_id
    assert world.sent == 1


def test_send_finalization_two_candidates(world: FinalizationWorld) -> None:
    """Two jobs with the name of this finalization are not distinguished by chance."""
    batch = world.batch()
    world.sandbox.call_next(lambda: world.sandbox.finalize_by_hand("nightly"))
    world.sandbox.lose_next_answer()
    with pytest.raises(OutcomeUnknownError, match="2 jobs may be this finalization"):
        world.finalize(batch)


def test_send_finalization_late_list(world: FinalizationWorld) -> None:
    """A job that appears in the list with the second read is followed."""
    batch = world.batch()
    world.sandbox.delay_job_listing(1)
    world.sandbox.fail_next(400, after_commit=True)
    assert world.finalize(batch).succeeded
    assert posts(world) == 2


def test_send_finalization_blind_list(world: FinalizationWorld) -> None:
    """A refusal whose effect cannot be checked stays unknown."""
    batch = world.batch()
    world.sandbox.fail_next(400)
    world.sandbox.call_next(lambda: world.sandbox.forbid("jobs"))
    with pytest.raises(OutcomeUnknownError, match="search was incomplete"):
        world.finalize(batch)
    assert world.entry().phase == Phase.INTENDED


def test_send_finalization_not_sent(world: FinalizationWorld) -> None:
    """A request that never reached Collibra is withdrawn, and the next run sends it."""
    batch = world.batch()

    def refuse() -> None:
        raise httpx.ConnectError("refused")

    world.sandbox.call_next(refuse)
    with pytest.raises(NotSentError):
        world.finalize(batch)
    assert world.entry().phase == Phase.WITHDRAWN
    assert world.finalize(batch).succeeded
    assert world.sent == 2


def test_send_finalization_busy(world: FinalizationWorld) -> None:
    """A 429 that created no job is repeated after the requested pause."""
    batch = world.batch()
    world.sandbox.be_busy(times=2, retry_after="7")
    assert world.finalize(batch).succeeded
    assert (world.sent, posts(world)) == (2, 4)
    assert world.clock.sleeps.count(7) == 2


def test_send_finalization_busy_then_commit(world: FinalizationWorld) -> None:
    """A second 429 that hides a commit ends with that job, not with a third request."""
    batch = world.batch()
    world.sandbox.be_busy()
    world.sandbox.be_busy(after_commit=True)
    assert world.finalize(batch).succeeded
    assert (world.sent, posts(world)) == (2, 3)


@pytest.mark.parametrize("retry_after", ["86400", "1e9", "601", "Fri, 01 Jan 2027 00:00:00 GMT"])
def test_send_finalization_busy_for_long(world: FinalizationWorld, retry_after: str) -> None:
    """A pause beyond the limit ends the run at once, with one request."""
    if retry_after == "1e9":
        retry_after = "1000000000"
    batch = world.batch()
    world.sandbox.be_busy(times=9, retry_after=retry_after)
    begun = world.clock.monotonic()
    with pytest.raises(BusyError) as found:
        world.finalize(batch)
    assert posts(world) == 2
    assert world.clock.monotonic() - begun < 60
    assert not found.value.safe_to_repeat
    assert world.entry().phase == Phase.WITHDRAWN


def test_send_finalization_busy_always(world: FinalizationWorld) -> None:
    """A Collibra that stays busy ends the run after the maximum wait."""
    batch = world.batch()
    world.sandbox.be_busy(times=1000, retry_after=None)
    begun = world.clock.monotonic()
    with pytest.raises(BusyError):
        world.finalize(batch)
    assert world.clock.monotonic() - begun <= world.timing.max_busy + 60


def test_send_finalization_expired_token(world: FinalizationWorld) -> None:
    """A 401 with Collibra's own error code is repeated once, with a new token."""
    batch = world.batch()
    world.sandbox.fail_next(401, code="unauthorized")
    assert world.finalize(batch).succeeded
    assert posts(world) == 3
    batch = world.batch()
    world.sandbox.fail_next(401, code="unauthorized", times=5)
    with pytest.raises(AccessDeniedError):
        world.finalize(batch)
    assert posts(world) == 5
    assert world.entry().phase == Phase.WITHDRAWN


def test_send_finalization_recorded_before_log(world: FinalizationWorld) -> None:
    """The job ID is on record before the first log line, which may end the process."""
    batch = world.batch()

    def end_process(text: str) -> None:
        if world.sent == 2:
            raise SystemExit(text)

    with pytest.raises(SystemExit):
        world.finalize(batch, session_changes={"log": end_process})
    entry = world.entry()
    assert (entry.phase, entry.job_id) == (Phase.SENT, world.sandbox.jobs[-1].id)
    assert world.finalize(batch).id == entry.job_id


def test_send_finalization_record_fails_once(world: FinalizationWorld) -> None:
    """A record that fails is written when the Prefect server is available again."""
    batch = world.batch()
    waited: list[bool] = []
    world.sandbox.call_next(lambda: world.store.fail_next("update"))
    job = world.finalize(batch, session_changes={"await_store": lambda: waited.append(True)})
    assert waited
    assert world.entry().job_id == job.id


def test_send_finalization_record_fails_for_good(world: FinalizationWorld) -> None:
    """A job that cannot be recorded is followed, and the next run finds it in the job list."""
    batch = world.batch()
    world.sandbox.call_next(lambda: world.store.fail_next("update", times=20))

    def fail() -> None:
        raise RuntimeError("the Prefect API is not available")

    outcome_of(lambda: world.finalize(batch, session_changes={"await_store": fail}))
    world.store.heal()
    assert world.finalize(batch).id == world.sandbox.jobs[-1].id
    assert posts(world) == 2


def test_send_finalization_crash_after_request(world: FinalizationWorld) -> None:
    """A process that ended between request and record leaves an intent; the job is adopted."""
    batch = world.batch()
    world.sandbox.call_next(lambda: world.store.crash_before("update"))
    with pytest.raises(CrashError):
        world.finalize(batch)
    assert world.entry().phase == Phase.INTENDED
    assert world.sent == 2
    assert world.finalize(batch).succeeded
    assert world.sent == 2


@pytest.mark.parametrize("letter", ["x", "é", "統", "\U0001f600", '"'])
def test_send_finalization_long_job_name(letter: str) -> None:
    """A job name of 4,800 characters does not keep the record from being written."""
    world = FinalizationWorld()
    world.sandbox.configure(finalization_job_name="{id} " + letter * 4800)
    for _ in range(3):
        job = world.finalize(world.batch())
        assert world.entry().job_id == job.id
        assert world.entry().phase == Phase.ENDED


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Thu, 01 Jan 99999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359"]
)
def test_send_finalization_broken_date(date: str) -> None:
    """A broken Date header does not disturb a finalization."""
    world = FinalizationWorld()
    world.sandbox.set_date_header(date)
    assert world.finalize(world.batch()).succeeded


def test_send_finalization_clock_ahead() -> None:
    """A Date header that is ahead of the jobs' clock does not hide the job of a lost response."""
    world = FinalizationWorld()
    world.sandbox.configure(clock_offset_seconds=3)
    world.teach()
    batch = world.batch()
    world.sandbox.lose_next_answer()
    assert world.finalize(batch).succeeded
    assert world.sent == 2


def test_send_finalization_frozen_before_request(world: FinalizationWorld) -> None:
    """A process that stood still between intent and request sends nothing."""
    batch = world.batch()

    def freeze(operation: str, _name: str) -> None:
        if operation == "create" and world.newest_is_intent():
            world.store.clear_hooks()
            world.clock.advance(21)

    world.store.hooks["after"] = freeze
    with pytest.raises(NotSentError, match="20 seconds passed"):
        world.finalize(batch)
    assert world.sent == 1
    assert world.entry().phase == Phase.WITHDRAWN


def test_send_finalization_frozen_while_resolved(world: FinalizationWorld) -> None:
    """A process that stood still while a person decided sends nothing."""
    batch = world.batch()

    def freeze(operation: str, _name: str) -> None:
        if operation == "create" and world.newest_is_intent():
            world.store.clear_hooks()
            world.clock.advance(600)
            world.resolve("not_sent")

    world.store.hooks["after"] = freeze
    with pytest.raises((FinalizationRefusedError, NotSentError)):
        world.finalize(batch)
    assert world.sent == 1
    assert world.finalize(batch).succeeded


def test_send_finalization_after_a_person_adopted_a_job(world: FinalizationWorld) -> None:
    """A process whose flow run counted as ended sends nothing after a decision by a person."""
    batch, run = world.batch(), world.new_run()
    before = world.sent

    def freeze(operation: str, _name: str) -> None:
        if operation == "create" and world.newest_is_intent():
            world.store.clear_hooks()
            world.ended_runs.add(run.id)
            world.resolve("adopt_job", job_id=world.curl())

    world.store.hooks["after"] = freeze
    with pytest.raises(FinalizationRefusedError, match="resolved by a person"):
        world.finalize(batch, run=run)

    assert before == world.sent


def test_send_finalization_frozen_while_taken_over(world: FinalizationWorld) -> None:
    """A process that wakes up after another flow run finalized sends nothing."""
    batch, done = world.batch(), []

    def freeze(operation: str, _name: str) -> None:
        if operation == "create" and world.newest_is_intent():
            world.store.clear_hooks()
            world.clock.advance(600)
            world.resolve("not_sent")
            done.append(world.finalize(batch))

    world.store.hooks["after"] = freeze
    assert world.finalize(batch).id == done[0].id
    assert world.sent == 2


def test_send_finalization_unreadable_store_before_request(world: FinalizationWorld) -> None:
    """A ledger that cannot be read directly before the request keeps it from being sent."""
    batch = world.batch()

    def break_store(operation: str, _name: str) -> None:
        if operation == "create" and world.newest_is_intent():
            world.store.clear_hooks()
            world.store.fail_next("find", skip=2)

    world.store.hooks["after"] = break_store
    with pytest.raises(NotSentError, match="could not be read"):
        world.finalize(batch)
    assert world.sent == 1
    assert world.finalize(batch).succeeded


def test_send_finalization_unknown_synchronization() -> None:
    """A synchronization that Collibra does not know is refused before anything is written."""
    world = FinalizationWorld()
    with pytest.raises(FinalizationRefusedError, match="Check the spelling"):
        world.finalize("no-such-job")
    assert world.newest() is None


def test_send_finalization_missing_status(world: FinalizationWorld) -> None:
    """A status that Collibra does not have is refused before anything is sent."""
    world.sandbox.fail_next(404, on="status")
    with pytest.raises(FinalizationRefusedError, match="missing_asset_status_id"):
        world.finalize(world.batch())


def test_send_finalization_unreachable_before_request(world: FinalizationWorld) -> None:
    """A lost response before the request is a run that sent nothing."""
    world.sandbox.lose_next_answer(on="status")
    with pytest.raises(NotSentError, match="nothing was sent"):
        world.finalize(world.batch())


def test_send_finalization_unknown_batch(world: FinalizationWorld) -> None:
    """A batch job that Collibra does not know is no evidence."""
    with pytest.raises(FinalizationRefusedError, match="batch_job_ids"):
        world.finalize("00000000-0000-0000-0000-00000000dead")
    assert not issubclass(NotFoundError, FinalizationRefusedError)
