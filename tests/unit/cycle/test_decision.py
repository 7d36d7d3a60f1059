"""Approval of a plan: shown first, approved once, with its number and a reason."""

from __future__ import annotations

from typing import Any

import pytest

from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.ports import ApprovalInput
from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.models import Job
from collibra_tasks.options import CycleOptions, OnGuard
from tests.support.sessions import World, numbered

ASK = CycleOptions(on_guard=OnGuard.ASK)


def accepting(count: int, reason: str = "a table was dropped", **more: Any) -> CycleOptions:
    return CycleOptions(accept_missing_count=count, accept_reason=reason, **more)


@pytest.fixture
def world() -> World:
    """Return a world with one finalized cycle of 20 assets."""
    found = World()
    found.synchronize(numbered(20))
    return found


def refuse(world: World, count: int, **more: Any) -> FinalizationRefusedError:
    found = world.synchronize_or_error(numbered(count), **more)
    assert isinstance(found, FinalizationRefusedError), found
    return found


def test_decide_plan_refuses_and_names_the_way_out(world: World) -> None:
    """A refusal names the plan, the number that approves it, and all reasons."""
    error = refuse(world, 10)

    plan = world.record.plans[-1]
    assert plan.plan_id in str(error)
    assert "accept_missing_count=10" in str(error)
    assert error.reasons == plan.reasons
    assert world.sandbox.finalizations == 1


def test_accept_missing_count_approves_the_plan_shown_last(world: World) -> None:
    """The number of the plan that was shown, with a reason, approves it; the receipt says so."""
    refuse(world, 10)

    job = world.synchronize(numbered(10), options=accepting(10))

    assert job.succeeded
    assert any("a table was dropped" in note for note in world.record.notes)


def test_accept_missing_count_never_shown(world: World) -> None:
    """A plan that no run has shown is not approved, even with the right number."""
    refuse(world, 10, options=accepting(10))

    assert any("was not shown before" in line for line in world.log)


@pytest.mark.parametrize("count", [0, 9, 11])
def test_accept_missing_count_other_number(world: World, count: int) -> None:
    """Another number refuses, with both numbers."""
    refuse(world, 10)

    error = refuse(world, 10, options=accepting(count))

    assert f"accepted {count} missing assets, but 10" in str(error)


@pytest.mark.parametrize("reason", ["", "  "])
def test_accept_missing_count_without_reason(world: World, reason: str) -> None:
    """An approval needs a reason."""
    refuse(world, 10)

    assert "reason" in str(refuse(world, 10, options=accepting(10, reason)))


def test_accept_missing_count_in_a_scheduled_run(world: World) -> None:
    """A run that a schedule created approves nothing, and the log says so."""
    refuse(world, 10)

    run = world.new_run(created_by_schedule=True)
    refuse(world, 10, run=run, options=accepting(10))

    assert any("a schedule created this run" in line for line in world.log)


def test_accept_missing_count_other_names(world: World) -> None:
    """The number approves the plan that was shown, not another loss of the same size."""
    refuse(world, 10)

    error = world.synchronize_or_error(numbered(10, start=11), options=accepting(10))

    assert isinstance(error, FinalizationRefusedError)
    assert world.sandbox.finalizations == 1


def test_accept_missing_count_of_an_earlier_plan(world: World) -> None:
    """Only the plan that was shown last is approved."""
    refuse(world, 10)
    refuse(world, 12)

    refuse(world, 10, options=accepting(10))


def test_accept_missing_count_left_in_the_parameters() -> None:
    """A number that stays in a deployment's parameters approves no second loss of that size."""
    world = World()
    world.synchronize(numbered(40))
    refuse(world, 30)
    world.synchronize(numbered(30), options=accepting(10))

    refuse(world, 20, options=accepting(10))

    assert world.sandbox.finalizations == 2


def test_accept_missing_count_used_up(world: World) -> None:
    """A number whose plan was finalized before is ignored, and the log says so."""
    refuse(world, 10)
    world.synchronize(numbered(10), options=accepting(10))

    refuse(world, 5, options=accepting(10))

    assert any("its approval is used up" in line for line in world.log)


@pytest.mark.parametrize("is_caller", [False, True], ids=["same run", "same caller"])
def test_accept_missing_count_retried(world: World, is_caller: bool) -> None:  # noqa: FBT001
    """A run that showed the plan itself approves nothing when it, or its caller, is retried."""
    run = world.new_run()
    refuse(world, 10, run=run, options=accepting(10))
    changes = {"root_id": run.root_id} if is_caller else {"id": run.id, "root_id": run.id}

    error = refuse(world, 10, run=world.new_run(attempt=2, **changes), options=accepting(10))

    assert "this flow run itself was the first to show plan" in str(error)
    assert "start a new flow run, not a retry" in str(error)
    assert world.synchronize(numbered(10), options=accepting(10)).succeeded


def test_accept_missing_count_of_a_plan_that_was_shown_again(world: World) -> None:
    """A later run that shows the same plan does not replace the first one that showed it."""
    first = world.new_run()
    refuse(world, 10, run=first)
    second = world.new_run()
    refuse(world, 10, run=second)

    refuse(world, 10, run=first, options=accepting(10))
    assert world.synchronize(numbered(10), run=second, options=accepting(10)).succeeded


def test_accept_missing_count_of_a_changed_plan_with_ask(world: World) -> None:
    """A number for a plan that is another one now refuses, also where a person may be asked."""
    refuse(world, 10)

    error = refuse(world, 9, options=accepting(10, on_guard=OnGuard.ASK))

    assert "the plan has changed" in str(error)
    assert world.prompt.plans == []


def test_accept_missing_count_in_a_resumed_run(world: World) -> None:
    """A run that resumes after its question is decided by the response, not by its number."""
    run, options = world.new_run(), accepting(10, on_guard=OnGuard.ASK)
    world.prompt.responses = [None]
    refuse(world, 10, run=run, options=options)
    world.prompt.responses = [ApprovalInput(10, "dropped")]

    again = world.new_run(id=run.id, root_id=run.id)

    assert world.synchronize(numbered(10), run=again, options=options).succeeded
    assert len(world.prompt.plans) == 2


def test_accept_missing_count_without_a_loss(world: World) -> None:
    """A number that no plan needs changes nothing, and the log says so."""
    assert world.synchronize(numbered(19), options=accepting(7)).succeeded
    assert any("accept_missing_count=7 is ignored" in line for line in world.log)


def test_accept_missing_count_cannot_approve_an_empty_cycle(world: World) -> None:
    """A source without an asset is refused, whatever a person accepts."""
    community = [{"resourceType": "Community", "identifier": {"name": "Data Warehouse"}}]

    for options in (None, accepting(20), accepting(0)):
        error = world.synchronize_or_error(community, options=options)
        assert isinstance(error, FinalizationRefusedError)

    assert world.sandbox.finalizations == 1


def test_ask_approves_with_the_number(world: World) -> None:
    """With on_guard=ask, a person sees the plan and approves it with its number."""
    world.prompt.responses = [ApprovalInput(10, "dropped")]

    job = world.synchronize(numbered(10), options=ASK)

    assert job.succeeded
    assert [plan.number for plan in world.prompt.plans] == [10]
    assert any("dropped" in note for note in world.record.notes)


@pytest.mark.parametrize(
    "response",
    [None, ApprovalInput(9, "dropped"), ApprovalInput(0, "dropped"), ApprovalInput(10, " ")],
    ids=["no response", "other number", "zero", "no reason"],
)
def test_ask_refuses(world: World, response: ApprovalInput | None) -> None:
    """No response in time, another number and a missing reason refuse."""
    world.prompt.responses = [response]

    refuse(world, 10, options=ASK)

    assert world.sandbox.finalizations == 1


def test_ask_within_the_limits(world: World) -> None:
    """A plan within the limits is no question to a person."""
    world.synchronize(numbered(19), options=ASK)

    assert world.prompt.plans == []


def test_ask_holds_no_lock(world: World) -> None:
    """Another flow run finalizes while a person is asked; then the new plan is asked."""
    ask = world.prompt.ask
    jobs: list[Job] = []

    def finalize_meanwhile(plan: RemovalPlan, *, timeout_seconds: int) -> ApprovalInput | None:
        if not jobs:
            jobs.append(world.synchronize(numbered(19)))
        return ask(plan, timeout_seconds=timeout_seconds)

    world.prompt.ask = finalize_meanwhile  # type: ignore[method-assign]  # a person who waits
    world.prompt.responses = [ApprovalInput(10, "dropped"), ApprovalInput(9, "dropped")]

    assert world.synchronize(numbered(10), options=ASK).succeeded

    assert [plan.number for plan in world.prompt.plans] == [10, 9]
    assert len({plan.plan_id for plan in world.prompt.plans}) == 2


def test_ask_is_answered_once_per_plan(world: World) -> None:
    """A response for one plan approves no other plan of the same run or a later one."""
    world.prompt.responses = [ApprovalInput(10, "dropped")]
    world.synchronize(numbered(10), options=ASK)

    refuse(world, 5, options=ASK)

    assert world.sandbox.finalizations == 2


def test_ask_shows_a_plan_that_a_number_can_approve(world: World) -> None:
    """A plan that was shown as a question can be approved by its number in a later run."""
    world.prompt.responses = [None]
    refuse(world, 10, options=ASK)

    assert world.synchronize(numbered(10), options=accepting(10)).succeeded
