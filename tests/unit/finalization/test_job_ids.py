"""Job IDs as users write them, and names of jobs at their limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.finalization.submission import Evidence
from collibra_tasks.ledger.entry import Phase
from collibra_tasks.ledger.patterns import MAX_PATTERN_LENGTH
from tests.support.finalizations import FinalizationWorld, outcome_of

WRITTEN: dict[str, Callable[[str], str]] = {
    "spaces": lambda job_id: f"  {job_id}\n",
    "upper case": str.upper,
    "without hyphens": lambda job_id: job_id.replace("-", ""),
    "braces": lambda job_id: f"{{{job_id}}}",
}


@pytest.fixture
def world() -> FinalizationWorld:
    world = FinalizationWorld()
    world.teach()
    return world


@pytest.fixture(params=WRITTEN)
def write(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Return a function that writes a job ID in another form."""
    return WRITTEN[request.param]


def test_evidence_in_another_form(world: FinalizationWorld, write: Callable[[str], str]) -> None:
    """An ID in another form is the same evidence: it is used once, and a retry follows."""
    batch = world.batch()
    first = world.finalize(write(batch))
    assert first.succeeded
    assert world.finalize(batch).id == first.id
    assert world.finalize(write(batch), batch).id == first.id
    with pytest.raises(FinalizationRefusedError, match=f"cycle of batch job {batch}"):
        world.finalize(write(batch), world.batch())
    assert world.sent == 2


def test_evidence_replaced_in_another_form(
    world: FinalizationWorld, write: Callable[[str], str]
) -> None:
    """A replaced batch in another form is that batch."""
    failed = world.sandbox.add_foreign_job(
        name="Synchronization of batch for id: nightly", state="ERROR"
    )
    world.clock.advance(2)
    batch = world.batch()
    assert world.finalize(batch, replaced_batch_job_ids=(write(failed.id),)).succeeded


def test_evidence_listed_twice(world: FinalizationWorld) -> None:
    """An ID that is listed twice counts once."""
    one, two = world.batch(), world.batch()
    first = world.finalize(one, two, one)
    assert world.finalize(two, one).id == first.id
    assert Evidence(batch_job_ids=("b", "a", "b")).batch_job_ids == ("b", "a")


@pytest.mark.parametrize("parameter", ["batch_job_ids", "replaced_batch_job_ids"])
@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_evidence_empty(parameter: str, text: str) -> None:
    """An empty ID, as an empty form field leaves it, is refused and named."""
    with pytest.raises(FinalizationRefusedError, match=f"{parameter} holds an empty job ID"):
        Evidence(**{parameter: ("b1", text)})  # type: ignore[arg-type] # one of two parameters


def lose(world: FinalizationWorld) -> tuple[str, str]:
    """Lose a response beside two candidates; return them."""
    world.sandbox.call_next(lambda: world.sandbox.finalize_by_hand("nightly"))
    world.sandbox.lose_next_answer()
    batch = world.batch()
    outcome_of(lambda: world.finalize(batch))
    assert world.entry().phase == Phase.INTENDED
    world.clock.advance(300)
    return world.sandbox.jobs[-2].id, world.sandbox.jobs[-1].id


def test_resolve_adopt_job_in_another_form(
    world: FinalizationWorld, write: Callable[[str], str]
) -> None:
    """A person may write the ID of the job in another form."""
    _, job_id = lose(world)
    assert world.resolve("adopt_job", job_id=write(job_id)).job_id == job_id


def test_resolve_not_sent_in_another_form(
    world: FinalizationWorld, write: Callable[[str], str]
) -> None:
    """Excluded jobs may be in another form; empty ones are left out."""
    one, two = lose(world)
    entry = world.resolve("not_sent", job_id=" ", excluded=[write(one), write(two), two, ""])
    assert entry.phase == Phase.WITHDRAWN
    assert entry.resolution is not None
    assert entry.resolution.excluded_job_ids == (one, two)


def test_resolve_adopt_batch_of_another_synchronization(world: FinalizationWorld) -> None:
    """A batch that is named after another synchronization did not finalize this one."""
    lose(world)
    other = world.batch(synchronization_id="weekly")
    with pytest.raises(
        FinalizationRefusedError, match=f"job {other} is a batch of the synchronization 'weekly'"
    ):
        world.resolve("adopt_job", job_id=other)
    assert world.entry().phase == Phase.INTENDED


@pytest.mark.parametrize("length", [MAX_PATTERN_LENGTH, MAX_PATTERN_LENGTH + 1])
def test_finalize_job_name_at_the_limit(length: int) -> None:
    """A name up to the limit is learned; a longer one is logged, and a person decides."""
    world = FinalizationWorld()
    world.sandbox.configure(finalization_job_name="{id} " + "x" * (length - 3))
    world.teach()
    batch = world.batch()
    world.sandbox.lose_next_answer()
    outcome_of(lambda: world.finalize(batch))
    is_learned = length == MAX_PATTERN_LENGTH
    assert (world.entry().phase == Phase.ENDED) is is_learned
    assert ("it has 201 characters, at most 200 are possible" in world.logged) is not is_learned
