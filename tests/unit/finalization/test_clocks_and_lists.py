"""Finalizations with clocks that differ, and with a job list in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

import pytest

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.errors import FinalizationRefusedError, OutcomeUnknownError
from collibra_tasks.ledger.entry import Origin, Phase
from collibra_tasks.models import Job
from tests.support.finalizations import FinalizationWorld, outcome_of
from tests.support.memory_store import ManualClock, MemoryStore

HOUR, DAY = 3_600, 86_400


class ShiftedClock(ManualClock):
    """A clock that differs from another one by some seconds."""

    def __init__(self, base: ManualClock, seconds: float) -> None:
        super().__init__()
        self._base, self._shift = base, timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self._base.now() + self._shift


def shift_date_header(seconds: float) -> FinalizationWorld:
    """Return a world whose Date header differs from the clock of Collibra's jobs."""
    return FinalizationWorld(sandbox_options={"clock_offset_seconds": seconds})


def shift_server(seconds: float) -> FinalizationWorld:
    """Return a world whose Prefect server's clock differs from Collibra's."""
    world = FinalizationWorld()
    world.store = MemoryStore(ShiftedClock(world.clock, seconds))
    return world


CLOCKS: dict[str, Callable[[], FinalizationWorld]] = {
    "date 40 days ahead": lambda: shift_date_header(40 * DAY),
    "date 40 days behind": lambda: shift_date_header(-40 * DAY),
    "date an hour ahead": lambda: shift_date_header(HOUR),
    "date an hour behind": lambda: shift_date_header(-HOUR),
    "server an hour ahead": lambda: shift_server(HOUR),
    "server an hour behind": lambda: shift_server(-HOUR),
}


@pytest.fixture(params=CLOCKS)
def apart(request: pytest.FixtureRequest) -> FinalizationWorld:
    """Return a world with one finalized cycle and two clocks that differ."""
    world = CLOCKS[request.param]()
    world.teach()
    return world


def test_finalize_with_clocks_apart(apart: FinalizationWorld) -> None:
    """Cycles are finalized once each, and evidence is used once."""
    one = apart.batch()
    assert apart.finalize(one).succeeded
    assert "The job search is incomplete" not in apart.logged
    two = apart.batch()
    with pytest.raises(FinalizationRefusedError, match="cycle of batch job"):
        apart.finalize(one, two)
    assert apart.finalize(two).succeeded
    assert apart.sent == 3


def test_finalize_foreign_with_clocks_apart(apart: FinalizationWorld) -> None:
    """A finalization by others after the evidence voids it."""
    batch = apart.batch()
    apart.curl()
    with pytest.raises(FinalizationRefusedError, match="not newer"):
        apart.finalize(batch)
    assert apart.entry().origin == Origin.FOREIGN


def test_finalize_doubtful_with_clocks_apart(apart: FinalizationWorld) -> None:
    """A doubtful job after the evidence refuses; one before it does not."""
    apart.sandbox.add_foreign_job(name="Close nightly")
    apart.clock.advance(2)
    batch = apart.batch()
    assert apart.finalize(batch).succeeded
    batch = apart.batch()
    apart.sandbox.add_foreign_job(name="Close nightly")
    with pytest.raises(FinalizationRefusedError, match="may be finalizations"):
        apart.finalize(batch)


def test_finalize_lost_response_with_clocks_apart(apart: FinalizationWorld) -> None:
    """The job of a lost response is followed."""
    batch = apart.batch()
    apart.sandbox.lose_next_answer()
    assert apart.finalize(batch).id == apart.sandbox.jobs[-1].id
    assert apart.sent == 2


def test_finalize_lost_finalization_with_clocks_apart(apart: FinalizationWorld) -> None:
    """A list without the last finalization, which is 29 days old, is incomplete."""
    apart.sandbox.lose_job(str(apart.entry().job_id))
    apart.clock.advance(29 * DAY)
    assert apart.finalize(apart.batch()).succeeded
    assert "The job search is incomplete: the last known job" in apart.logged


def lose_twice(world: FinalizationWorld) -> tuple[str, str, str]:
    """Lose a response beside a doubtful job; return the batch and both candidates."""
    batch = world.batch()
    world.clock.advance(5 * HOUR)  # the newest job before the request is old
    world.sandbox.call_next(lambda: world.sandbox.add_foreign_job(name="Close nightly"))
    world.sandbox.lose_next_answer()
    with pytest.raises(OutcomeUnknownError):
        world.finalize(batch)
    world.clock.advance(300)
    return batch, world.sandbox.jobs[-2].id, world.sandbox.jobs[-1].id


def test_resolve_not_sent_with_clocks_apart(apart: FinalizationWorld) -> None:
    """Every job that may be the finalization has to be named."""
    _, one, two = lose_twice(apart)
    cases: list[tuple[list[str], str]] = [([], one), ([one], two), ([two], one)]
    for excluded, missing in cases:
        with pytest.raises(FinalizationRefusedError, match=missing):
            apart.resolve("not_sent", excluded=excluded)
    assert apart.resolve("not_sent", excluded=[one, two]).phase == Phase.WITHDRAWN


def test_resolve_adopt_job_with_clocks_apart(apart: FinalizationWorld) -> None:
    """The job that a person names is followed, whatever the clocks show."""
    batch, _, job_id = lose_twice(apart)
    apart.resolve("adopt_job", job_id=job_id)
    assert apart.finalize(batch).id == job_id
    assert apart.finalize(apart.batch()).succeeded


Pages = Callable[..., Iterator[list[Job]]]
ORDERS: dict[str, Callable[[list[Job]], list[Job]]] = {
    "oldest first": lambda jobs: jobs[::-1],
    "shuffled 1": lambda jobs: Random(1).sample(jobs, len(jobs)),  # noqa: S311 - an order
    "shuffled 2": lambda jobs: Random(2).sample(jobs, len(jobs)),  # noqa: S311 - an order
    "running first": lambda jobs: sorted(jobs, key=lambda job: job.ended),
}


def reorder(pages: Pages, order: Callable[[list[Job]], list[Job]]) -> Pages:
    """Return a reader of the job list in another order, in pages of ten jobs."""

    def read(client: CollibraClient, **filters: str) -> Iterator[list[Job]]:
        jobs = order([job for page in pages(client, **filters) for job in page])
        yield from (jobs[start : start + 10] for start in range(0, len(jobs), 10))

    return read


def add_others(world: FinalizationWorld) -> None:
    for _ in range(5):
        world.sandbox.add_foreign_job()
        world.clock.advance(1)


@pytest.fixture(params=ORDERS)
def unsorted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FinalizationWorld:
    """Return a world with five finalized cycles, and a job list in another order."""
    world = FinalizationWorld()
    for _ in range(5):
        add_others(world)
        world.teach()
    world.sandbox.add_foreign_job(name="Edge job", state="RUNNING")
    read = reorder(CollibraClient.iter_job_pages, ORDERS[request.param])
    monkeypatch.setattr(CollibraClient, "iter_job_pages", read)
    return world


def test_finalize_with_unsorted_list(unsorted: FinalizationWorld) -> None:
    """A complete cycle is finalized, and jobs before the last finalization do not count."""
    add_others(unsorted)
    assert unsorted.finalize(unsorted.batch()).succeeded
    assert unsorted.entry().number == 6
    assert "The job search is incomplete" not in unsorted.logged


def test_finalize_foreign_with_unsorted_list(unsorted: FinalizationWorld) -> None:
    """A finalization by others after the evidence is found, wherever it is listed."""
    batch = unsorted.batch()
    unsorted.curl()
    add_others(unsorted)
    with pytest.raises(FinalizationRefusedError, match="not newer"):
        unsorted.finalize(batch)
    assert unsorted.finalize(unsorted.batch()).succeeded


@pytest.mark.parametrize("is_after", [True, False], ids=["after", "before"])
def test_finalize_doubtful_with_unsorted_list(
    unsorted: FinalizationWorld, *, is_after: bool
) -> None:
    """A doubtful job counts by its creation, not by its place in the list."""
    batches = [unsorted.batch()]
    add_others(unsorted)
    unsorted.sandbox.add_foreign_job(name="Close nightly")
    unsorted.clock.advance(2)
    if not is_after:
        batches.append(unsorted.batch())
    result = outcome_of(lambda: unsorted.finalize(*batches))
    assert isinstance(result, FinalizationRefusedError) is is_after, result


@pytest.mark.parametrize("commit", [True, False])
def test_finalize_refusal_with_unsorted_list(unsorted: FinalizationWorld, *, commit: bool) -> None:
    """After a refusal, a new job is found wherever it is listed, and no old one is taken."""
    batch = unsorted.batch()
    add_others(unsorted)
    unsorted.sandbox.fail_next(400, after_commit=commit)
    result = outcome_of(lambda: unsorted.finalize(batch))
    assert isinstance(result, Job) is commit, result
    assert unsorted.entry().phase == (Phase.ENDED if commit else Phase.WITHDRAWN)


@pytest.mark.parametrize("requests", [0, 1, 2])
def test_send_finalization_busy_whose_job_is_listed_late(requests: int) -> None:
    """The job of a 429 is followed if the list shows it at the latest after the pause."""
    world = FinalizationWorld()
    world.teach()
    batch = world.batch()
    world.sandbox.delay_job_listing(requests)
    world.sandbox.be_busy(after_commit=True)
    assert world.finalize(batch).id == world.sandbox.jobs[-1].id
    assert world.sent == 2
    assert len(world.sandbox.finalization_requests) == 2
