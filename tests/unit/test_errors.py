"""Promises of the errors: they survive a process, and they state what may be repeated."""

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
    may_retry,
)
from collibra_tasks.models import ImportFailure, ImportSummary, Job

JOB = Job(id="1", state="COMPLETED", result="ABORTED")
RESULTS = (ImportSummary(errors_count=1), [ImportFailure(message="No such type.")])
NEVER, READS, ALWAYS = (False, False), (False, True), (True, True)
FINAL_BUSY = BusyError("Busy.", status_code=429, retry_after_seconds=86_400)
FINAL_BUSY.transient = False
CASES: list[tuple[CollibraError, tuple[bool, bool]]] = [
    (CollibraError("Plain.", job_id="1"), NEVER),
    (NotSentError("Away."), ALWAYS),
    (NotSentError("Expired.", transient=False), NEVER),
    (OutcomeUnknownError("Lost.", job_id="1"), READS),
    (RefusedError("No.", status_code=400, error_code="bad", user_message="No."), NEVER),
    (AccessDeniedError("No.", status_code=403), NEVER),
    (NotFoundError("None.", status_code=404, job_id="1"), NEVER),
    (BusyError("Busy.", status_code=429, retry_after_seconds=3), ALWAYS),
    (FINAL_BUSY, NEVER),
    (TenantFaultError("Broken.", status_code=503), READS),
    (UnexpectedAnswerError("HTML."), READS),
    (UnexpectedAnswerError("A word.", transient=False, job_id="1"), NEVER),
    (JobError("Ended.", job=JOB), NEVER),
    (JobFailedError("Failed.", job=JOB).with_results(*RESULTS), NEVER),
    (JobIncompleteError("Incomplete.", job=JOB), NEVER),
    (JobAbortedError("Aborted.", job=JOB), NEVER),
    (JobCanceledError("Canceled.", job=JOB), NEVER),
    (JobTimedOutError("Late.", job_id="1"), NEVER),
    (FinalizationRefusedError("No.", reasons=["one", "two"]), NEVER),
    (OverlapError("Another flow run.", job_id="1"), NEVER),
    (SourceError("No list.", faults=["a.json, command 1: no type"]), NEVER),
]


def family(kind: type[CollibraError]) -> Iterator[type[CollibraError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def test_cases_cover_every_error() -> None:
    """Every error of the library keeps the promises below."""
    ours = {kind for kind in family(CollibraError) if kind.__module__ == "collibra_tasks.errors"}

    assert ours == {type(error) for error, _ in CASES}


@pytest.mark.parametrize("error", [error for error, _ in CASES], ids=repr)
def test_error_survives_pickle_and_copy(error: CollibraError) -> None:
    """An error arrives in another process with all of its attributes."""
    for arrived in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert type(error) is type(arrived)
        assert str(error) == str(arrived)
        assert vars(error) == vars(arrived)


@pytest.mark.parametrize(("error", "expected"), CASES)
def test_may_retry_of_each_error(error: CollibraError, expected: tuple[bool, bool]) -> None:
    """A write is repeated only after NotSentError and BusyError, a read where it may help."""
    assert expected == (may_retry(error, write=True), may_retry(error, write=False))


@pytest.mark.parametrize("error", [ValueError("?"), TimeoutError("?"), KeyboardInterrupt()])
def test_may_retry_of_other_exceptions_is_false(error: BaseException) -> None:
    """An exception from outside of the library is never a reason to repeat."""
    assert not may_retry(error, write=True)
    assert not may_retry(error, write=False)


def test_refusal_without_reasons_has_its_message() -> None:
    """A refusal has at least one reason, and a source error at least one fault."""
    assert ("No.",) == FinalizationRefusedError("No.").reasons
    assert ("No.",) == SourceError("No.").faults
