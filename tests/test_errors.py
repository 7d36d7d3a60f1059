"""The errors: they travel, and they say what may be repeated."""

import copy
import pickle
from collections.abc import Iterator

import pytest

from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    FinalizationRefusedError,
    JobAbortedError,
    JobCanceledError,
    JobError,
    JobFailedError,
    JobIncompleteError,
    JobTimedOutError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    OverlapError,
    RefusedError,
    SourceError,
    TenantFaultError,
    UnexpectedAnswerError,
    may_repeat,
)
from collibra_tasks.models import ImportFailure, ImportSummary, Job

JOB = Job(id="1", state="COMPLETED", result="ABORTED")
RESULTS = (ImportSummary(errors_count=1), [ImportFailure(message="no such type")])
NEVER, READS, ALWAYS = (False, False), (False, True), (True, True)
CASES: list[tuple[CollibraError, tuple[bool, bool]]] = [
    (CollibraError("plain", job_id="1"), NEVER),
    (NotSentError("away"), ALWAYS),
    (OutcomeUnknownError("lost", job_id="1"), READS),
    (RefusedError("no", status_code=400, error_code="bad", user_message="No."), NEVER),
    (AccessDeniedError("no", status_code=403), NEVER),
    (NotFoundError("none", status_code=404, job_id="1"), NEVER),
    (BusyError("busy", status_code=429, retry_after_seconds=3), ALWAYS),
    (TenantFaultError("broke", status_code=503), READS),
    (UnexpectedAnswerError("a page"), READS),
    (UnexpectedAnswerError("a word", transient=False, job_id="1"), NEVER),
    (JobError("ended", job=JOB), NEVER),
    (JobFailedError("failed", job=JOB).with_results(*RESULTS), NEVER),
    (JobIncompleteError("part", job=JOB), NEVER),
    (JobAbortedError("stopped", job=JOB), NEVER),
    (JobCanceledError("canceled", job=JOB), NEVER),
    (JobTimedOutError("late", job_id="1"), NEVER),
    (FinalizationRefusedError("no", reasons=["one", "two"]), NEVER),
    (OverlapError("another run is at it", job_id="1"), NEVER),
    (SourceError("no list"), NEVER),
]


def family(kind: type[CollibraError]) -> Iterator[type[CollibraError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def test_no_error_is_left_out_here() -> None:
    """Every error of the library is held to the promises below."""
    ours = {kind for kind in family(CollibraError) if kind.__module__ == "collibra_tasks.errors"}

    assert ours == {type(error) for error, _ in CASES}


@pytest.mark.parametrize("error", [error for error, _ in CASES], ids=repr)
def test_an_error_survives_a_process(error: CollibraError) -> None:
    """An error arrives in another process with everything that it knew."""
    for arrived in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert type(error) is type(arrived)
        assert str(error) == str(arrived)
        assert vars(error) == vars(arrived)


@pytest.mark.parametrize(("error", "repeats"), CASES)
def test_only_what_surely_did_not_happen_is_written_again(
    error: CollibraError, repeats: tuple[bool, bool]
) -> None:
    """A write is repeated only after NotSentError and BusyError, a read where it may help."""
    assert repeats == (may_repeat(error, write=True), may_repeat(error, write=False))


@pytest.mark.parametrize("error", [ValueError("?"), TimeoutError("?"), KeyboardInterrupt()])
def test_a_foreign_error_is_never_repeated(error: BaseException) -> None:
    """Of what did not come from this library nobody knows whether it may be repeated."""
    assert not may_repeat(error, write=True)
    assert not may_repeat(error, write=False)


def test_a_refusal_has_a_reason_in_any_case() -> None:
    """A refusal without a list of reasons has its sentence as the only one."""
    assert ("no",) == FinalizationRefusedError("no").reasons
