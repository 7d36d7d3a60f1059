"""Receipts: outcome sentence, classification of errors, Markdown."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collibra_tasks.errors import (
    CollibraError,
    FinalizationRefusedError,
    JobFailedError,
    JobIncompleteError,
    JobTimedOutError,
    NotSentError,
    OutcomeUnknownError,
    SourceError,
)
from collibra_tasks.jobs.results import Results
from collibra_tasks.models import (
    AssetRow,
    Counters,
    FinalizationStrategy,
    ImportFailure,
    ImportSummary,
    Job,
)
from collibra_tasks.reporting.markdown import (
    MAX_SHOWN_FAILURES,
    MAX_SHOWN_MISSING,
    render_receipt,
)
from collibra_tasks.reporting.receipts import (
    Receipt,
    complete_receipt,
    describe_error,
    outcome_sentence,
    proves_nothing_sent,
)

STARTED = datetime(2026, 7, 1, 2, 3, 4, tzinfo=UTC)
FINALIZED = {"job_id": "1", "state": "COMPLETED", "result": "SUCCESS"}


def receipt_of(**changes: Any) -> Receipt:
    known: dict[str, Any] = {
        "environment": "tenant.collibra.com",
        "base_url": "https://tenant.collibra.com",
        "synchronization_id": "nightly",
        "strategy": FinalizationStrategy.REMOVE_RESOURCES,
    }
    return Receipt(**known | changes)


@pytest.mark.parametrize(
    ("known", "headline"),
    [
        (FINALIZED, "nightly: finalized"),
        ({}, "nightly: outcome unknown"),
        ({"not_sent": True}, "nightly: not finalized by this flow run, nothing was removed"),
        ({"job_id": "1"}, "nightly: state of the job unknown"),
        (
            {"job_id": "1", "state": "COMPLETED", "result": "ABORTED"},
            "nightly: COMPLETED with result ABORTED",
        ),
        ({"job_id": "1", "state": "DELETED"}, "nightly: DELETED with result none"),
    ],
)
def test_render_receipt_headline(known: dict[str, Any], headline: str) -> None:
    """The first line is the outcome, in Collibra's words where it is no success."""
    assert f"# {headline}" == render_receipt(receipt_of(**known)).splitlines()[0]


@pytest.mark.parametrize(
    ("strategy", "text"),
    [("REMOVE_RESOURCES", "**deleted**"), ("CHANGE_STATUS", "`5066`"), ("IGNORE", "not changed")],
)
def test_render_receipt_explains_strategy(strategy: str, text: str) -> None:
    """A reader sees what the strategy does to missing assets."""
    receipt = receipt_of(strategy=FinalizationStrategy(strategy), missing_asset_status_id="5066")

    assert text in render_receipt(receipt)


def test_render_receipt_lists_every_fact() -> None:
    """Environment, job, people, times, counts and batches are on the receipt."""
    job = Job(
        id="job-1",
        state="COMPLETED",
        result="SUCCESS",
        started_on=STARTED,
        ended_on=STARTED + timedelta(seconds=90.25),
    )
    summary = ImportSummary(counters={"ASSET": Counters(added=1, updated=2, removed=3, failed=4)})
    receipt = receipt_of(
        account="robot",
        requested_by="flow run ada",
        batch_job_ids=("b1", "b2"),
        plan_id="p1",
        asset_count=1_200,
        missing_count=3,
    )
    text = render_receipt(complete_receipt(receipt, job, Results(summary=summary)))

    for line in (
        "| Environment | [tenant.collibra.com](https://tenant.collibra.com) |",
        "| Synchronization | `nightly` |",
        "| Job | `job-1` |",
        "| State and result | COMPLETED, SUCCESS |",
        "| Requested by | flow run ada |",
        "| Account | robot |",
        "| Started | 2026-07-01 02:03:04 UTC |",
        "| Duration | 90.2 s |",
        "| Batches of this cycle | `b1`, `b2` |",
        "| Assets in this cycle | 1,200 |",
        "| Missing assets | 3 |",
        "| Plan | `p1` |",
        "| ASSET | 1 | 2 | 3 | 4 |",
    ):
        assert line in text.splitlines()


def test_render_receipt_omits_unknown_facts() -> None:
    """An unknown fact has no line, and a missing summary is mentioned."""
    text = render_receipt(receipt_of())

    assert "| Job |" not in text
    assert "None" not in text
    assert "Duration" not in text
    assert "no summary" in render_receipt(receipt_of(job_id="1"))
    assert "lists no change" in render_receipt(receipt_of(job_id="1", summary=ImportSummary()))


def test_render_receipt_escapes_messages() -> None:
    """Bars, tags and line breaks in a message stay inside their cell, as text."""
    evil = "a|b <script>\r\n\n| c"
    failure = ImportFailure(message=evil, error_type="RUNTIME", identifier="x\ny")
    text = render_receipt(receipt_of(message=evil, failures=(failure,), notes=(evil,)))

    assert "| Message | a\\|b &lt;script> \\| c |" in text.splitlines()
    assert "| RUNTIME | x y | a\\|b &lt;script> \\| c |" in text.splitlines()
    assert "> a|b &lt;script> | c" in text.splitlines()
    assert "<script" not in text


@pytest.mark.parametrize("more", [0, 1, 12])
def test_render_receipt_cuts_long_error_lists(more: int) -> None:
    """The first errors are shown, and the number of the others is given."""
    failures = tuple(
        ImportFailure(message=f"error {number}.") for number in range(MAX_SHOWN_FAILURES + more)
    )
    text = render_receipt(receipt_of(failures=failures))

    assert f"error {MAX_SHOWN_FAILURES - 1}." in text
    assert f"error {MAX_SHOWN_FAILURES}." not in text
    assert (more > 0) == text.endswith(f"\n\nand {more} more")


def test_render_receipt_quotes_every_note() -> None:
    """Each note is a quotation of its own."""
    lines = render_receipt(receipt_of(notes=("Collibra was busy.", "Resumed."))).splitlines()

    assert {"> Collibra was busy.", "> Resumed."} <= set(lines)


def test_render_receipt_groups_missing_assets() -> None:
    """Missing assets are listed by domain, at most 100, with a link to the table of all."""
    rows = tuple(
        AssetRow(f"D{number % 2} > T{number}", f"D{number % 2}", "C", "a.csv")
        for number in range(MAX_SHOWN_MISSING + 1)
    )
    text = render_receipt(
        receipt_of(missing_rows=rows, missing_count=len(rows)), missing_table="http://ui/all"
    )

    assert "| D0 | D0 > T0 |" in text
    assert "| D1 | D1 > T1 |" in text
    assert "|  | D0 > T2 |" in text
    assert "and 1 more" in text
    assert "[Table of all missing assets](http://ui/all)" in text


def test_render_receipt_charts_cycles() -> None:
    """The numbers of assets of the last cycles are a line of blocks, the highest one full."""
    text = render_receipt(receipt_of(asset_count=80), earlier_counts=[0, 40])

    assert "`▁▄█` 0 to 80" in text
    assert "Assets per cycle" not in render_receipt(receipt_of(asset_count=80))


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (
            FINALIZED | {"asset_count": 40, "missing_count": 2, "new_count": 3},
            "Finalized nightly with REMOVE_RESOURCES: 40 assets, 3 new, 2 deleted. Job 1.",
        ),
        (
            FINALIZED | {"summary": ImportSummary(counters={"ASSET": Counters(removed=2)})},
            (
                "Finalized nightly with REMOVE_RESOURCES: 0 assets added, 0 updated, 2 removed, "
                "0 failed. Job 1."
            ),
        ),
        (FINALIZED, "Finalized nightly with REMOVE_RESOURCES. Job 1."),
        (
            {"not_sent": True, "notes": ("Other.", "The source is empty.")},
            "Nothing was finalized for nightly. The source is empty.",
        ),
        ({"job_id": "1"}, "Finalization of nightly: outcome unknown. Job 1."),
        (
            {"job_id": "1", "state": "ERROR", "failures": (ImportFailure(message="x"),)},
            "Finalization of nightly has state ERROR and result none, errors: 1. Job 1.",
        ),
    ],
)
def test_outcome_sentence_has_counts(known: dict[str, Any], sentence: str) -> None:
    """The state message of a flow run is one line with counts and the job."""
    assert sentence == outcome_sentence(receipt_of(**known))


@pytest.mark.parametrize(
    ("error", "job_id", "expected"),
    [
        (NotSentError("x"), None, True),
        (FinalizationRefusedError("x"), None, True),
        (SourceError("x"), None, True),
        (JobIncompleteError("x", job=Job(id="batch")), None, True),
        (JobIncompleteError("x", job=Job(id="1")), "1", False),
        (OutcomeUnknownError("x"), None, False),
        (JobTimedOutError("x", job_id="1"), None, False),
        (KeyboardInterrupt(), None, False),
        (None, None, False),
    ],
)
def test_proves_nothing_sent_by_error(
    error: BaseException | None, job_id: str | None, *, expected: bool
) -> None:
    """A receipt promises that nothing was finalized only after errors that prove it."""
    assert expected == proves_nothing_sent(error, job_id)


def test_describe_error_names_first_failed_command() -> None:
    """A failed job's message has the number of failed commands and the first one's asset."""
    failures = tuple(ImportFailure(message=f"bad {n}.", identifier=f"T{n}") for n in range(7))
    error = JobFailedError("Job 1 failed.", job=Job(id="1")).with_results(None, failures)

    assert "Job 1 failed. 7 commands failed; first: T0: bad 0." == describe_error(error)
    assert "Job 1 failed." == describe_error(JobFailedError("Job 1 failed.", job=Job(id="1")))


def _with_report(changed: int, **changes: Any) -> Receipt:
    counters = {"ASSET": Counters(removed=changed, updated=changed)}
    summary = ImportSummary(counters=counters)
    return receipt_of(**FINALIZED | {"asset_count": 9, "summary": summary} | changes)


@pytest.mark.parametrize("strategy", ["REMOVE_RESOURCES", "CHANGE_STATUS"])
@pytest.mark.parametrize(
    ("reported", "older", "differs"), [(1, 0, True), (2, 0, False), (3, 0, True), (3, 1, False)]
)
def test_outcome_sentence_warns_if_collibra_reports_another_number(
    reported: int,
    older: int,
    differs: bool,  # noqa: FBT001
    strategy: str,
) -> None:
    """More or fewer changed assets than planned are a sentence and a remark of the receipt."""
    receipt = _with_report(
        reported,
        missing_count=2,
        older_missing_count=older,
        strategy=FinalizationStrategy(strategy),
    )

    assert differs == ("but the plan expected 2" in outcome_sentence(receipt))
    assert differs == ("> Collibra reported" in render_receipt(receipt))
    assert f"as Collibra reported | {reported} |" in render_receipt(receipt)


def test_outcome_sentence_without_report_claims_no_difference() -> None:
    """Where Collibra has no counts, or assets are ignored, nothing is compared."""
    ignored = _with_report(0, missing_count=2, strategy=FinalizationStrategy.IGNORE)

    assert "expected" not in outcome_sentence(receipt_of(**FINALIZED, missing_count=2))
    assert "expected" not in outcome_sentence(ignored)


def test_outcome_sentence_singular() -> None:
    """One asset is not "1 assets"."""
    assert ": 1 asset." in outcome_sentence(receipt_of(**FINALIZED, asset_count=1))


def test_describe_error_of_stopped_flow_run_names_job() -> None:
    """The receipt of a stopped flow run names the job that continues."""
    assert "job 7 continues in Collibra" in describe_error(KeyboardInterrupt(), "7")
    assert "stopped (KeyboardInterrupt). Run the flow again" in describe_error(KeyboardInterrupt())


def test_describe_error_of_other_exceptions_has_type() -> None:
    """An unexpected exception is shown with its type, a Collibra error without."""
    assert "KeyError: 'x'" == describe_error(KeyError("x"))
    assert "Plain." == describe_error(CollibraError("Plain."))
