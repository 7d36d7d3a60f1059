"""May this cycle be finalized: the verdicts alone."""

from datetime import UTC, datetime

import pytest

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.guards import (
    Verdict,
    judge_evidence,
    judge_newness,
    judge_ownership,
    judge_synchronization,
    judge_unverified,
)
from collibra_tasks.ledger import Entry, Past
from collibra_tasks.models import FinalizationStrategy, Job

GOOD = Job(id="good", state="COMPLETED", result="SUCCESS")


def test_nothing_against_it_lets_it_pass() -> None:
    """A verdict without reasons allows, and stops nobody."""
    Verdict().enforce()

    assert Verdict().allowed


def test_a_refusal_tells_every_reason() -> None:
    """Who is refused reads all reasons at once, in one sentence."""
    with pytest.raises(FinalizationRefusedError) as caught:
        Verdict(("one", "two")).enforce()

    assert ("one", "two") == caught.value.reasons
    assert "one; two" in str(caught.value)


@pytest.mark.parametrize("exists", [True, False])
def test_an_unknown_synchronization_is_refused_by_name(
    exists: bool,  # noqa: FBT001 - a case
) -> None:
    """A synchronization that the tenant does not know is refused, and its ID shown."""
    verdict = judge_synchronization("nightyl", exists=exists)

    assert exists == verdict.allowed
    assert exists or "nightyl" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("RUNNING", None),
        ("WAITING", "NOT_SET"),
        (None, None),
        ("COMPLETED", "COMPLETED_WITH_ERROR"),
        ("COMPLETED", "ABORTED"),
        ("COMPLETED", None),
        ("FAILED", "FAILURE"),
        ("ERROR", "FAILURE"),
        ("CANCELED", "NOT_SET"),
        ("DELETED", "SUCCESS"),
    ],
)
def test_a_batch_that_did_not_succeed_proves_nothing(state: str | None, result: str | None) -> None:
    """One batch that has not ended well is enough to refuse, and it is named."""
    verdict = judge_evidence([GOOD, Job(id="bad", state=state, result=result)])

    assert not verdict.allowed
    assert ["bad" in reason for reason in verdict.reasons] == [True]


def test_good_batches_prove_a_cycle() -> None:
    """Batches that all succeeded speak for the cycle."""
    assert judge_evidence([GOOD, GOOD]).allowed


CLOSED = Past(
    finalized=True,
    finalized_on=datetime(2026, 11, 1, 3, tzinfo=UTC),
    batch_job_ids=("used",),
)


@pytest.mark.parametrize(
    ("job_id", "created_on", "allowed"),
    [
        ("new", datetime(2026, 11, 1, 4, tzinfo=UTC), True),
        ("new", datetime(2026, 11, 1, 3, tzinfo=UTC), False),
        ("new", datetime(2026, 11, 1, 2, tzinfo=UTC), False),
        ("new", None, False),
        ("used", datetime(2026, 11, 1, 4, tzinfo=UTC), False),
    ],
)
def test_a_batch_serves_one_finalization(
    job_id: str,
    created_on: datetime | None,
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    """A batch of a closed cycle, or one that is not surely newer, can't speak for this one."""
    verdict = judge_newness([Job(id=job_id, created_on=created_on)], CLOSED)

    assert allowed == verdict.allowed
    assert allowed or job_id in verdict.reasons[0]


def test_before_any_finalization_every_batch_is_new() -> None:
    """Where nothing was finalized yet, a batch needs no date to speak for the cycle."""
    assert judge_newness([Job(id="new", created_on=None)], Past()).allowed


def test_batches_of_another_synchronization_prove_nothing() -> None:
    """A job that another synchronization's record names can't have filled this cycle."""
    daily = Entry(
        tenant="https://tenant.test",
        synchronization_id="daily",
        strategy="IGNORE",
        batch_job_ids=("theirs",),
    )

    assert not judge_ownership(["ours", "theirs"], "nightly", [daily]).allowed
    assert judge_ownership(["ours"], "nightly", [daily]).allowed
    assert judge_ownership(["theirs"], "daily", [daily]).allowed


@pytest.mark.parametrize(
    ("strategy", "before", "allowed"),
    [
        ("REMOVE_RESOURCES", False, False),
        ("REMOVE_RESOURCES", True, False),
        ("CHANGE_STATUS", False, True),
        ("CHANGE_STATUS", True, False),
        ("IGNORE", False, True),
        ("IGNORE", True, True),
    ],
)
def test_an_unproven_cycle_is_refused_where_it_would_harm(
    strategy: str,
    before: bool,  # noqa: FBT001 - a case
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    """Without a batch nothing is deleted, and nothing is marked a second time, unless told to."""
    asked = FinalizationStrategy(strategy)
    verdict = judge_unverified(asked, allowed=False, finalized_before=before)

    assert allowed == verdict.allowed
    assert allowed or "allow_unverified_cycle" in verdict.reasons[0]
    assert judge_unverified(asked, allowed=True, finalized_before=before).allowed
