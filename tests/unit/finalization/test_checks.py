"""Checks before a finalization."""

from __future__ import annotations

from datetime import timedelta

import pytest

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.finalization import checks
from collibra_tasks.ledger.entry import History
from collibra_tasks.ledger.evidence import short_digests
from collibra_tasks.models import FinalizationStrategy, Job
from tests.support.memory_store import START

GOOD = Job(id="b1", state="COMPLETED", result="SUCCESS", created_on=START)
BEFORE = History(finalized=True, number=1, finalized_on=START - timedelta(hours=1), job_id="f1")


def test_raise_if_refused_lists_every_reason() -> None:
    """A refusal names every reason at once, and that nothing was sent."""
    check = checks.Check(("first",)) + checks.Check(("second",))
    with pytest.raises(
        FinalizationRefusedError, match=r"nothing was sent: first; second\."
    ) as found:
        check.raise_if_refused()
    assert found.value.reasons == ("first", "second")


def test_raise_if_refused_without_reasons() -> None:
    """A check without a reason does nothing."""
    checks.Check().raise_if_refused()


def test_check_synchronization_exists_unknown() -> None:
    """A misspelt synchronization ID is refused, because nothing was imported under it."""
    assert checks.check_synchronization_exists("nightly", exists=True).allowed
    assert "'nightyl'" in checks.check_synchronization_exists("nightyl", exists=False).reasons[0]


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("COMPLETED", "COMPLETED_WITH_ERROR"),
        ("COMPLETED", "FAILURE"),
        ("COMPLETED", "ABORTED"),
        ("COMPLETED", None),
        ("FAILED", "FAILURE"),
        ("CANCELED", "NOT_SET"),
        ("RUNNING", "NOT_SET"),
        ("WAITING", None),
    ],
)
def test_check_batches_succeeded_other_ends(state: str, result: str | None) -> None:
    """A batch that did not end COMPLETED with SUCCESS is no evidence."""
    check = checks.check_batches_succeeded([GOOD, Job(id="b2", state=state, result=result)])
    assert len(check.reasons) == 1
    assert "b2" in check.reasons[0]


def test_check_batches_are_new_newer() -> None:
    """A batch that is newer than the end of the last finalization is evidence."""
    assert checks.check_batches_are_new([GOOD], BEFORE).allowed
    assert checks.check_batches_are_new([GOOD], History()).allowed


def test_check_batches_are_new_edge() -> None:
    """A batch that was created at the very end of the last finalization is refused."""
    history = History(finalized=True, finalized_on=START)
    assert not checks.check_batches_are_new([GOOD], history).allowed
    later = Job(id="b1", created_on=START + timedelta(milliseconds=1))
    assert checks.check_batches_are_new([later], history).allowed


@pytest.mark.parametrize(
    "history",
    [
        History(finalized=True, job_id="b1"),
        History(finalized=True, evidence=short_digests(["b1"])),
        History(finalized=True, finalized_on=START + timedelta(seconds=1)),
    ],
)
def test_check_batches_are_new_used(history: History) -> None:
    """A batch of a finalized cycle is refused, and the reason names the way out."""
    check = checks.check_batches_are_new([GOOD], history)
    assert "b1" in check.reasons[0]
    assert "allow_unverified_cycle" in check.reasons[0]


def test_check_batches_are_new_without_creation_time() -> None:
    """A batch whose creation Collibra does not report is refused after a finalization."""
    assert not checks.check_batches_are_new([Job(id="b1")], BEFORE).allowed


def test_check_batches_are_new_voided() -> None:
    """Batches that a finalization by others closed are void."""
    check = checks.check_batches_are_new([GOOD], BEFORE, voided_by="f9")
    assert "f9" in check.reasons[0]


def test_check_batches_belong_to_another() -> None:
    """A batch named after another synchronization is refused."""
    other = Job(id="b1", name="Synchronization of batch for id: weekly")
    assert "'weekly'" in checks.check_batches_belong_to([other], "nightly", {}).reasons[0]
    own = Job(id="b1", name="Synchronization of batch for id: nightly")
    assert checks.check_batches_belong_to([own], "nightly", {}).allowed


def test_check_batches_belong_to_finalization() -> None:
    """A finalization of any synchronization is no evidence."""
    assert (
        "'weekly'" in checks.check_batches_belong_to([GOOD], "nightly", {"b1": "weekly"}).reasons[0]
    )


CHANGE, REMOVE, IGNORE = (
    FinalizationStrategy.CHANGE_STATUS,
    FinalizationStrategy.REMOVE_RESOURCES,
    FinalizationStrategy.IGNORE,
)


@pytest.mark.parametrize(
    ("cycle", "history", "allowed"),
    [
        (checks.UnverifiedCycle(strategy=CHANGE), History(), True),
        (checks.UnverifiedCycle(strategy=CHANGE, store_is_shared=False), History(), False),
        (checks.UnverifiedCycle(strategy=CHANGE), BEFORE, False),
        (checks.UnverifiedCycle(strategy=CHANGE, has_new_batch=True), BEFORE, True),
        (checks.UnverifiedCycle(strategy=REMOVE, has_new_batch=True), BEFORE, False),
        (checks.UnverifiedCycle(strategy=REMOVE), History(), False),
        (checks.UnverifiedCycle(strategy=REMOVE, allowed=True), BEFORE, True),
        (
            checks.UnverifiedCycle(strategy=CHANGE, allowed=True, store_is_shared=False),
            BEFORE,
            True,
        ),
        (checks.UnverifiedCycle(strategy=IGNORE), BEFORE, True),
    ],
)
def test_check_unverified_cycle(
    cycle: checks.UnverifiedCycle, history: History, *, allowed: bool
) -> None:
    """A cycle without evidence is refused where an empty cycle would do harm."""
    assert checks.check_unverified_cycle(cycle, history).allowed is allowed


def test_check_other_batches_failed() -> None:
    """A failed batch is refused unless it was replaced or the caller vouches for the cycle."""
    failed = Job(id="b2", state="FAILED", result="FAILURE")
    check = checks.check_other_batches([failed], [], replaced=(), allowed=False)
    assert "replaced_batch_job_ids" in check.reasons[0]
    assert checks.check_other_batches([failed], [], replaced=("b2",), allowed=False).allowed
    assert checks.check_other_batches([failed], [], replaced=(), allowed=True).allowed


def test_check_other_batches_running() -> None:
    """A running batch is refused even if the caller vouches for the cycle."""
    running = Job(id="b2", state="RUNNING")
    assert not checks.check_other_batches([], [running], replaced=(), allowed=True).allowed


def test_check_no_open_checkpoint() -> None:
    """A cycle that synchronize_source began is finished by synchronize_source."""
    assert checks.check_no_open_checkpoint(0, None, allowed=False).allowed
    assert checks.check_no_open_checkpoint(2, "run", allowed=True).allowed
    check = checks.check_no_open_checkpoint(2, "blue-owl", allowed=False)
    assert "blue-owl" in check.reasons[0]
    assert "synchronize_source" in check.reasons[0]


def test_check_no_doubtful_job() -> None:
    """A job that may have closed the cycle is refused unless the caller vouches for the cycle."""
    doubtful = [Job(id="x1", name="Nightly"), Job(id="x2")]
    check = checks.check_no_doubtful_job(doubtful, allowed=False)
    assert "x1 (Nightly), x2 (no name)" in check.reasons[0]
    assert checks.check_no_doubtful_job(doubtful, allowed=True).allowed
    assert checks.check_no_doubtful_job([], allowed=False).allowed
