"""Leave a receipt, however a run ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from prefect import runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound, Pause
from prefect.states import Completed
from slugify import slugify

from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import (
    CollibraError,
    FinalizationRefusedError,
    JobIncompleteError,
    NotSentError,
    RefusedError,
    SourceError,
)
from collibra_tasks.models import FinalizationStrategy
from collibra_tasks.receipts import Receipt, complete_receipt, render_receipt
from collibra_tasks.results import fetch_results
from collibra_tasks.tasks.finalization import ledger_of, may_have_sent


@task(cache_policy=NO_CACHE, task_run_name="publish-receipt-{synchronization_id}")
def publish_receipt(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    strategy: FinalizationStrategy,
    missing_asset_status_id: str | None = None,
    batch_job_ids: Sequence[str] = (),
    job_id: str | None = None,
    not_sent: bool = False,
    notes: Sequence[str] = (),
) -> Receipt:
    """Write down what became of a finalization, and leave it as an artifact in the UI.

    Trouble with reading from the tenant leaves gaps in the receipt; it raises nothing.

    Args:
        credentials: The tenant.
        synchronization_id: What was finalized.
        strategy: What was asked for.
        missing_asset_status_id: The status that was asked for.
        batch_job_ids: The jobs that filled the cycle.
        job_id: The finalization job, where it is known.
        not_sent: Whether it is certain that nothing was finalized.
        notes: What else a person should read; the error, if there was one.

    Returns:
        The receipt.
    """
    strategy = FinalizationStrategy(strategy)
    sent_status = strategy == FinalizationStrategy.CHANGE_STATUS
    receipt = Receipt(
        tenant=credentials.base_url,
        synchronization_id=synchronization_id,
        strategy=strategy,
        missing_asset_status_id=missing_asset_status_id if sent_status else None,
        batch_job_ids=tuple(batch_job_ids),
        requested_by=_requester(),
        job_id=job_id,
        not_sent=not_sent,
        notes=tuple(notes),
    )
    with credentials.get_client() as client, suppress(CollibraError):
        account = client.get_account()
        receipt = replace(receipt, account=account.name if account else None)
        if job_id is not None:
            job = client.get_job(job_id)
            receipt = complete_receipt(receipt, job, fetch_results(client, job_id))
            if job.ended:
                ledger_of(credentials, synchronization_id).close(
                    job, flow_run_id=runtime.flow_run.get_id()
                )
    create_markdown_artifact(
        render_receipt(receipt),
        key=f"finalization-{slugify(synchronization_id)}",
        description=f"Finalization of {synchronization_id}",
    )
    return receipt


def _requester() -> str | None:
    name = runtime.flow_run.get_name()
    deployment = None
    with suppress(ObjectNotFound):  # it may be deleted while its run goes on
        deployment = runtime.deployment.get_name()
    return " of ".join(filter(None, (name and f"flow run {name}", deployment))) or None


@dataclass
class Report:
    """What a flow learns on its way, and the receipt that comes of it."""

    batch_job_ids: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    job_id: str | None = None
    receipt: Receipt = field(init=False)


@contextmanager
def reported(
    credentials: CollibraCredentials,
    synchronization_id: str,
    *,
    strategy: FinalizationStrategy,
    missing_asset_status_id: str | None = None,
    batch_job_ids: Sequence[str] = (),
) -> Iterator[Report]:
    """Publish a receipt at the end of a block, however the block ends.

    A run that is suspended has not ended, and leaves none.

    Args:
        credentials: The tenant.
        synchronization_id: What is finalized.
        strategy: What is asked for.
        missing_asset_status_id: The status that is asked for.
        batch_job_ids: The jobs that filled the cycle, as far as they are known already.
    """
    report = Report(batch_job_ids=batch_job_ids)
    not_sent = suspended = False
    try:
        yield report
    except Pause:
        suspended = True
        raise
    except BaseException as error:
        not_sent = _nothing_sent(error, report) and not may_have_sent(
            credentials, synchronization_id
        )
        report.notes.append(_tell(error, report))
        raise
    finally:
        if not suspended:
            report.receipt = publish_receipt(
                credentials,
                synchronization_id,
                strategy=strategy,
                missing_asset_status_id=missing_asset_status_id,
                batch_job_ids=report.batch_job_ids,
                job_id=report.job_id,
                not_sent=not_sent,
                notes=report.notes,
            )


def _nothing_sent(error: BaseException, report: Report) -> bool:
    kinds = (NotSentError, RefusedError, FinalizationRefusedError, SourceError, JobIncompleteError)
    return isinstance(error, kinds) and report.job_id is None


def _tell(error: BaseException, report: Report) -> str:
    if isinstance(error, Exception):
        return str(error)
    note = f"the flow run was stopped ({type(error).__name__})"
    if report.job_id is not None:
        note += (
            f"; finalization job {report.job_id} goes on in Collibra unless it is cancelled there; "
            "run again to follow it, nothing is sent twice"
        )
    return note


def skipped(receipt: Receipt) -> State[Receipt]:
    """Return the state of a run that left the work to another run."""
    return Completed(name="Skipped", message=" ".join(receipt.notes), data=receipt)
