"""Search of Collibra's job list."""

from __future__ import annotations

from datetime import timedelta

import pytest

from collibra_tasks.finalization.job_list import MAX_PAGES, read_job_list
from collibra_tasks.finalization.job_matching import JobClass
from collibra_tasks.finalization.job_search import JobSearch, find_new_jobs, search_jobs
from collibra_tasks.ledger.entry import History
from tests.support.finalizations import FinalizationWorld


@pytest.fixture
def world() -> FinalizationWorld:
    return FinalizationWorld()


def search(world: FinalizationWorld, **more: object) -> JobSearch:
    with world.session() as session:
        newest = session.ledger.newest()
        history = newest.to_history() if newest else History()
        return search_jobs(session, history, **more)  # type: ignore[arg-type] # any argument


def test_search_jobs_stops_at_last_finalization(world: FinalizationWorld) -> None:
    """Jobs before the last known finalization do not count."""
    world.teach()
    batch = world.batch()
    found = search(world)
    assert [each.job.id for each in found.jobs] == [batch]
    assert found.blind is None
    assert found.jobs[0].job_class == JobClass.BATCH_BY_OTHERS


def test_search_jobs_page_limit(world: FinalizationWorld) -> None:
    """A list of more than 20 pages is incomplete."""
    for _ in range(50 * MAX_PAGES + 1):
        world.sandbox.add_foreign_job()
    found = search(world)
    assert found.blind == "the job list has more than 20 pages"
    assert len(found.jobs) == 50 * MAX_PAGES


def test_search_jobs_lost_finalization(world: FinalizationWorld) -> None:
    """A list without the last known finalization is incomplete."""
    job_id = world.teach()
    world.sandbox.lose_job(job_id)
    assert search(world).blind == "the last known job is not in the job list"


def test_search_jobs_lost_old_finalization(world: FinalizationWorld) -> None:
    """A finalization that is older than 30 days may be missing."""
    job_id = world.teach()
    world.sandbox.lose_job(job_id)
    world.clock.advance(timedelta(days=31).total_seconds())
    assert search(world).blind is None


def test_search_jobs_lost_finalization_hides_earlier_cycles(world: FinalizationWorld) -> None:
    """Jobs of earlier cycles do not count although the last finalization is not in the list."""
    world.batch()
    world.sandbox.lose_job(world.teach())
    assert search(world).jobs == ()


def test_search_jobs_missing_listed_job(world: FinalizationWorld) -> None:
    """A list without a listed batch is incomplete."""
    batch = world.batch()
    world.sandbox.lose_job(batch)
    assert search(world, listed_ids=[batch]).blind is not None


def test_search_jobs_unreadable(world: FinalizationWorld) -> None:
    """A list that cannot be read is incomplete, and no error."""
    world.sandbox.fail_next(503, on="jobs", times=5)
    assert str(search(world).blind).startswith("the job list cannot be read")


def test_search_jobs_forbidden_without_filter(world: FinalizationWorld) -> None:
    """An account that may list only its own jobs searches those."""
    batch = world.batch()
    world.sandbox.fail_next(403, on="jobs")
    found = search(world)
    assert [each.job.id for each in found.jobs] == [batch]
    assert found.blind is None
    assert "user=" in str(world.sandbox.requests[-1].url)


def test_search_jobs_by_other_accounts(world: FinalizationWorld) -> None:
    """Jobs of other accounts are found where rights allow."""
    other = world.sandbox.add_account("eve")
    job = world.sandbox.finalize_by_hand("nightly", user_id=other.user_id)
    assert job.id in [each.job.id for each in search(world).jobs]


def test_search_jobs_other_synchronization(world: FinalizationWorld) -> None:
    """A finalization of another synchronization by this library is not ours."""
    world.sandbox.configure(finalization_job_name="Import")
    world.teach("weekly")
    (found,) = [each for each in search(world).jobs if each.job.name == "Import"]
    assert found.job_class == JobClass.NOT_OURS


def test_search_jobs_lost_batch_intent(world: FinalizationWorld) -> None:
    """A batch that appeared after a recorded batch intent is ours."""
    since = world.clock.now()
    world.batch()
    (found,) = search(world, lost_batches_since=since).jobs
    assert found.job_class == JobClass.KNOWN


def test_read_job_list_empty(world: FinalizationWorld) -> None:
    """An empty list is complete if no stop is needed."""
    with world.session() as session:
        assert read_job_list(session, is_stop=lambda _: False).blind is None
        assert read_job_list(session, is_stop=lambda _: False, needs_stop=True).blind is not None


def test_find_new_jobs_omits_known(world: FinalizationWorld) -> None:
    """Jobs before the request, and known ones, are no candidates."""
    world.teach()
    with world.session() as session:
        entry = session.ledger.newest()
        assert entry is not None
        assert find_new_jobs(session, entry).candidates == ()


def test_job_search_after() -> None:
    """An empty search holds no jobs after anything."""
    assert JobSearch().after(["x"], JobClass.DOUBTFUL) == []
    assert JobSearch().since_first(["x"], JobClass.DOUBTFUL) == []
