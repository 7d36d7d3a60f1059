"""Each response to a finalization with each state of the job list: the list decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from collibra_tasks.errors import OutcomeUnknownError
from collibra_tasks.ledger.entry import Phase
from tests.support.finalizations import FinalizationWorld, outcome_of

GATEWAY_PAGE = "<html>Request blocked</html>"

Respond = Callable[[FinalizationWorld, bool], None]
"""Plan of a response; the second argument is whether Collibra creates the job."""


def lose(world: FinalizationWorld, commit: bool) -> None:  # noqa: FBT001 - see Respond
    world.sandbox.lose_next_answer(before_commit=not commit)


def break_json(world: FinalizationWorld, commit: bool) -> None:  # noqa: FBT001 - see Respond
    world.sandbox.break_json_next(after_commit=commit)


def status(number: int, *, code: str | None = None, body: str | None = None) -> Respond:
    """Return the plan of a response with a status."""

    def plan(world: FinalizationWorld, commit: bool) -> None:  # noqa: FBT001 - see Respond
        world.sandbox.fail_next(number, code=code, body=body, after_commit=commit)

    return plan


RESPONSES: dict[str, tuple[Respond, str, str]] = {
    # Response: its plan, the outcome without a new job, and the one with jobs that do not decide.
    "lost": (lose, "unknown", "unknown"),
    "400": (status(400), "refused", "unknown"),
    "401 of Collibra": (status(401, code="unauthorized"), "repeated", "repeated"),
    "401 of a gateway": (status(401, body=GATEWAY_PAGE), "refused", "unknown"),
    "403": (status(403), "refused", "unknown"),
    "404": (status(404), "refused", "unknown"),
    "409": (status(409), "refused", "unknown"),
    "429": (status(429), "repeated", "unknown"),
    "500": (status(500), "unknown", "unknown"),
    "503": (status(503), "unknown", "unknown"),
    "200 with broken JSON": (break_json, "unknown", "unknown"),
    "200 without an ID": (status(200, body='{"state": "WAITING"}'), "unknown", "unknown"),
}
LISTS: dict[str, Callable[[FinalizationWorld], object]] = {
    # Jobs that appear beside the request, which itself creates a job in those of COMMITTED.
    "no new job": lambda world: world.sandbox.add_foreign_job(name="Import"),
    "one that fits": lambda world: world.sandbox.add_foreign_job(name="Import"),
    "one doubtful": lambda world: world.sandbox.add_foreign_job(name="Close nightly"),
    "one named as a batch": lambda world: world.batch(),
    "one that fits and one doubtful": lambda world: world.sandbox.add_foreign_job(
        name="Close nightly"
    ),
    "two that fit": lambda world: world.sandbox.finalize_by_hand("nightly"),
    "blind": lambda world: world.sandbox.forbid("jobs"),
}
COMMITTED = {"one that fits", "one that fits and one doubtful", "two that fit"}


def expect(response: str, jobs: str) -> str:
    """Return the outcome that the rule demands."""
    if jobs == "one that fits":
        return "adopted"
    _, without_job, undecided = RESPONSES[response]
    return without_job if jobs == "no new job" else undecided


def outcome(world: FinalizationWorld, result: object, before: int) -> str:
    """Return the outcome of a finalization in one word, after checks of ledger and requests."""
    requests = len(world.sandbox.finalization_requests) - before
    phase = world.entry().phase
    if isinstance(result, OutcomeUnknownError):
        assert (phase, requests) == (Phase.INTENDED, 1)
        return "unknown"
    if isinstance(result, Exception):
        assert (phase, requests) == (Phase.WITHDRAWN, 1), result
        return "refused"
    assert phase == Phase.ENDED, result
    return "repeated" if requests > 1 else "adopted"


@pytest.mark.parametrize("jobs", LISTS)
@pytest.mark.parametrize("response", RESPONSES)
def test_send_finalization_each_response(response: str, jobs: str) -> None:
    """After a response other than success, the jobs that are new in the list decide."""
    world = FinalizationWorld()
    world.teach()
    batch, before = world.batch(), len(world.sandbox.finalization_requests)
    world.sandbox.call_next(partial(LISTS[jobs], world))
    RESPONSES[response][0](world, jobs in COMMITTED)

    result = outcome_of(lambda: world.finalize(batch))

    assert outcome(world, result, before) == expect(response, jobs), result
