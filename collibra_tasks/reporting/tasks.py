"""Prefect part of reporting: receipts as artifacts, state messages, events."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, Final

from prefect import runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import MissingContextError, Pause
from prefect.logging import get_run_logger
from prefect.settings import get_current_settings
from prefect.states import Completed, Failed

from collibra_tasks import _prefect
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.job_search import find_new_jobs
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.tasks import open_session
from collibra_tasks.ledger.entry import LedgerEntry
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.models import FinalizationStrategy
from collibra_tasks.reporting.collecting import collect_facts
from collibra_tasks.reporting.events import emit_synchronization_event
from collibra_tasks.reporting.inspection import render_inspection
from collibra_tasks.reporting.markdown import render_receipt
from collibra_tasks.reporting.receipts import (
    Receipt,
    describe_error,
    describe_reported,
    outcome_sentence,
)
from collibra_tasks.reporting.run_report import RunReport, classify_outcome, event_payload

MAX_CHARTED_CYCLES: Final = 20
_ASSET_COUNT = re.compile(r"^\| Assets in this cycle \| ([\d,]+) \|$", re.MULTILINE)

_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


def _find_requester() -> str | None:
    # A deployment may be deleted, or the Prefect API be down, while the flow run continues.
    names: list[str] = []
    with suppress(Exception):
        names += [f"flow run {name}" for name in [runtime.flow_run.get_name()] if name]
        names += [name for name in [runtime.deployment.get_name()] if name]
    return " of ".join(names) or None


@contextmanager
def publishing_receipt(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    strategy: FinalizationStrategy | str,
    missing_asset_status_id: str | None = None,
    batch_job_ids: Sequence[str] = (),
) -> Iterator[RunReport]:
    """Publish a receipt when a block ends, with or without an error.

    The error itself is raised unchanged. A flow run that is suspended has not ended and publishes
    nothing.

    Args:
        credentials: URL and credentials of the Collibra environment.
        synchronization_id: ID of the synchronization, 1 to 50 characters.
        strategy: Requested action on missing assets.
        missing_asset_status_id: Requested status for CHANGE_STATUS.
        batch_job_ids: IDs of the jobs that filled the cycle, as far as they are known.

    Yields:
        The report to fill; its ``receipt`` is set when the block has ended.

    Example:
        ```python
        with publishing_receipt(credentials, "nightly", strategy="IGNORE") as report:
            report.job_id = submit_finalization(credentials, "nightly", strategy="IGNORE").id
        ```
    """
    report = RunReport(
        strategy=FinalizationStrategy(strategy),
        missing_asset_status_id=missing_asset_status_id,
        batch_job_ids=batch_job_ids,
    )
    with report.resources:
        try:
            yield report
        except Pause:
            raise
        except BaseException as error:
            _publish(credentials, synchronization_id, report, error)
            raise
        else:
            _publish(credentials, synchronization_id, report, None)


def _publish(
    credentials: CollibraCredentials,
    synchronization_id: str,
    report: RunReport,
    error: BaseException | None,
) -> None:
    if error is not None:
        report.add_error(error)
    log = _find_logger()
    report.receipt = report.to_receipt(synchronization_id, credentials, _find_requester())
    try:
        if error is None or isinstance(error, Exception):
            # Prefect kills a cancelled flow run after 30 seconds, so that one does not wait.
            _prefect.wait_for_api(log.warning)
        publish = partial(complete_and_publish, credentials, report.receipt, report.session)
        report.receipt = _prefect.run_step("publish receipt", publish)
        for line in _describe_end(report.receipt):
            log.info(line)
    except Exception as failure:  # noqa: BLE001 - a report must not hide the outcome
        log.warning("Receipt of %s not published: %s", synchronization_id, failure)
    if kind := classify_outcome(report.receipt, error):
        emit_synchronization_event(
            kind, synchronization_id, report.receipt.environment, event_payload(report.receipt)
        )


def _describe_end(receipt: Receipt) -> Iterator[str]:
    """Yield the log lines about the finalization job and the receipt."""
    if receipt.job_id and receipt.state and not receipt.not_sent:
        words = " with ".join(word for word in (receipt.state, receipt.result) if word)
        duration = receipt.duration_seconds
        after = "" if duration is None else f" after {duration:,.1f} s"
        reported = f" {describe_reported(receipt)}" if receipt.succeeded else ""
        yield f"Finalization: job {receipt.job_id}, {words}{after}.{reported}"
    yield f"Receipt: {outcome_sentence(receipt)} Artifact: {receipt_key(receipt)}"


def _find_logger() -> _Log:
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger(__name__)


@task(cache_policy=NO_CACHE, task_run_name="publish receipt")
def publish_receipt(credentials: CollibraCredentials, receipt: Receipt) -> Receipt:
    """Complete a receipt with the records of Collibra and the ledger, and publish it.

    Errors of Collibra leave gaps in the receipt and are not raised.

    Args:
        credentials: URL and credentials of the Collibra environment.
        receipt: Receipt, as far as the flow run knows.

    Returns:
        The published receipt.
    """
    return complete_and_publish(credentials, receipt)


def complete_and_publish(
    credentials: CollibraCredentials, receipt: Receipt, session: Session | None = None
) -> Receipt:
    """Complete a receipt as `publish_receipt` does, with an open session if there is one."""
    with suppress(CollibraError), ExitStack() as stack:
        if session is None:
            name = receipt.synchronization_id
            session = stack.enter_context(open_session(credentials, name))
        receipt = collect_facts(receipt, session)
    key = receipt_key(receipt)
    create_markdown_artifact(
        render_receipt(
            receipt,
            missing_table=_missing_table_url(receipt),
            earlier_counts=_read_earlier_counts(key),
        ),
        key=key,
        description=_prefect.shorten_message(outcome_sentence(receipt)),
    )
    return receipt


def receipt_key(receipt: Receipt) -> str:
    """Return the artifact key of a receipt, stable per environment and synchronization."""
    return resource_name("receipt", receipt.environment, receipt.synchronization_id)


def _missing_table_url(receipt: Receipt) -> str:
    """Return the URL of the table that ``PrefectApproval.show_missing`` creates, or nothing."""
    url = get_current_settings().ui_url
    if not url or not receipt.missing_rows:
        return ""
    key = resource_name("missing", receipt.environment, receipt.synchronization_id)
    return f"{url}/artifacts/key/{key}"


def _read_earlier_counts(key: str) -> list[int]:
    """Return the numbers of assets on the latest receipts of a key, oldest first."""
    query = {
        "artifacts": {"key": {"any_": [key]}},
        "sort": "CREATED_DESC",
        "limit": MAX_CHARTED_CYCLES,
    }
    texts: list[str] = []
    with suppress(Exception), get_client(sync_client=True) as client:
        rows = client.request("POST", "/artifacts/filter", json=query).json()
        texts = [str(row["data"]) for row in reversed(rows) if ": finalized" in str(row["data"])]
    found = (_ASSET_COUNT.search(text) for text in texts)
    return [int(each[1].replace(",", "")) for each in found if each][1 - MAX_CHARTED_CYCLES :]


@task(cache_policy=NO_CACHE, task_run_name="inspect finalization")
def publish_inspection(
    credentials: CollibraCredentials, synchronization_id: str
) -> LedgerEntry | None:
    """Publish the newest ledger entry and the jobs that may belong to it; change nothing.

    Args:
        credentials: URL and credentials of the Collibra environment.
        synchronization_id: ID of the synchronization, 1 to 50 characters.

    Raises:
        CollibraError: If Collibra or the ledger cannot be read.
    """
    with open_session(credentials, synchronization_id) as session:
        entry = session.ledger.newest()
        is_unknown = entry is not None and entry.open and entry.job_id is None
        matches = find_new_jobs(session, entry) if entry and is_unknown else None
        key = resource_name("inspection", session.environment.key, synchronization_id)
    create_markdown_artifact(
        render_inspection(entry, matches),
        key=key,
        description=f"Newest finalization of {synchronization_id}",
    )
    return entry


def completed_state(receipt: Receipt) -> State[Receipt]:
    """Return the state of a flow run that ended well; the caller of the flow gets the receipt."""
    return Completed(message=_prefect.shorten_message(outcome_sentence(receipt)), data=receipt)


def skipped_state(receipt: Receipt) -> State[Receipt]:
    """Return the state of a flow run that left the finalization to another flow run."""
    message = _prefect.shorten_message(outcome_sentence(receipt))
    return Completed(name="Skipped", message=message, data=receipt)


def failed_state(error: CollibraError) -> State[Any]:
    """Return the state of a flow run that ended with an error; the caller gets the exception."""
    return Failed(message=_prefect.shorten_message(describe_error(error)), data=error)
