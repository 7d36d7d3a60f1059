"""Mirror a source into Collibra: one whole cycle."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from collibra_tasks import (
    MISSING_FROM_SOURCE,
    CollibraCredentials,
    CsvOptions,
    CycleOptions,
    FileFormat,
    FinalizationStrategy,
    OnCancel,
    OnGuard,
    OnOverlap,
    Receipt,
    RelationsAction,
    RemovalLimits,
    skipped,
    synchronize,
    tell_or_cancel_job,
)


@flow(
    flow_run_name="synchronize-{synchronization_id}",
    retries=0,
    on_cancellation=[tell_or_cancel_job],
)
def synchronize_source(
    credentials: CollibraCredentials,
    synchronization_id: Annotated[str, Field(min_length=1, max_length=50)],
    source: str | list[str],
    strategy: FinalizationStrategy = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: str = MISSING_FROM_SOURCE,
    file_format: FileFormat | None = None,
    template: str = "",
    csv: CsvOptions = CsvOptions(),  # noqa: B008 - a frozen value
    sheet: str = "",
    max_missing_count: Annotated[int, Field(ge=0)] = 1_000,
    max_missing_percent: Annotated[float, Field(ge=0, le=100)] = 20.0,
    min_population: Annotated[int, Field(ge=0)] = 10,
    on_guard: OnGuard = OnGuard.FAIL,
    accept_missing_count: Annotated[int, Field(ge=0)] | None = None,
    accept_reason: str = "",
    approval_seconds: Annotated[int, Field(ge=60)] = 86_400,
    max_commands_per_batch: Annotated[int, Field(ge=1, le=50_000)] = 10_000,
    max_concurrent_batches: Annotated[int, Field(ge=1, le=8)] = 1,
    continue_on_error: bool = False,
    relations_action: RelationsAction | None = None,
    evict_before: bool = False,
    one_call: bool = False,
    storage: str = "",
    wait_seconds: Annotated[float, Field(ge=0)] = 3600,
    on_overlap: OnOverlap = OnOverlap.ATTACH,
    on_cancel: OnCancel = OnCancel.LEAVE,  # noqa: ARG001 - read when the run is cancelled
) -> Receipt | State[Receipt]:
    """Mirror a source into Collibra: compare it with the last cycle, send it, then finalize.

    The whole source is read and compared with the last finalized cycle before anything is sent. If
    it is broken, empty, or misses more than the limits allow, nothing changes in Collibra. Unless
    every batch is imported as a whole, the cycle is not finalized and nothing is removed.

    Args:
        credentials: The tenant and the account.
        synchronization_id: The ID of this synchronization, 1 to 50 characters. Keep it: the assets
            of a cycle are compared with the cycle before under the same ID.
        source: A path, a glob such as exports/*.json, or a list of paths, as the worker sees them.
            Import commands as a JSON array or JSON lines, or tables with a template; gzip too.
        strategy: CHANGE_STATUS marks missing assets with the status below, and an asset that comes
            back is restored; REMOVE_RESOURCES deletes them; IGNORE leaves them as they are, and
            the next cycle, compared with this one, does not look at them again.
        missing_asset_status_id: For CHANGE_STATUS, the UUID of a status. Keep to one: assets that
            come back are restored only by the same.
        file_format: json, jsonl, csv or excel. Empty: by the file's ending (.json, .jsonl, .csv,
            .xlsx, each also with .gz).
        template: For CSV and Excel: a JSON array of import commands in which ${column} stands for
            a cell; the text itself, or the path of a file.
        csv: For CSV: how it is written. Collibra's separator is a semicolon.
        sheet: For Excel: the sheet; empty for the first.
        max_missing_count: The most assets that may go missing without anybody being asked.
        max_missing_percent: The largest share of the last cycle's assets that may, 0 to 100.
        min_population: The percentage is looked at only if the last cycle had at least so many
            assets; in a smaller one, one asset is a large share.
        on_guard: Beyond these limits: fail ends the run; ask shows the names and asks a person.
        accept_missing_count: For one run by hand: the number of missing assets that is right. Any
            other number refuses, and so does a scheduled run.
        accept_reason: Why it is right; kept with the receipt.
        approval_seconds: How long a person has to answer, in seconds; after that nothing is sent.
        max_commands_per_batch: How many import commands go in one request, 1 to 50,000.
        max_concurrent_batches: 1 to 8. Collibra nowhere says that more than one is safe.
        continue_on_error: Let a batch keep its good commands when others fail. The cycle is not
            finalized then, either.
        relations_action: What becomes of relations that an asset has already; empty leaves it to
            Collibra.
        evict_before: Let Collibra forget what it was sent before. Unchanged commands are skipped
            otherwise, and what was edited by hand stays edited. An asset that was renamed by hand
            is made anew, and the renamed one counts as missing; so REMOVE_RESOURCES needs
            accept_missing_count then.
        one_call: For a small source: send and finalize in one request, after the guard has agreed.
        storage: A saved block of Prefect that can be written to, such as s3-bucket/manifests, to
            remember what cycles held. Empty: a folder on the worker; then every run should be on
            the same one.
        wait_seconds: How long to follow each job, in seconds.
        on_overlap: While another run is in a cycle of this synchronization: attach waits for its
            end; skip and fail end at once.
        on_cancel: When this run is cancelled: leave lets the finalization go on; cancel_job asks
            Collibra to stop it.
    """
    receipt = synchronize(
        credentials,
        synchronization_id,
        source,
        strategy=strategy,
        missing_asset_status_id=missing_asset_status_id,
        options=CycleOptions(
            file_format=file_format,
            template=template,
            csv=csv,
            sheet=sheet,
            max_commands_per_batch=max_commands_per_batch,
            max_concurrent_batches=max_concurrent_batches,
            continue_on_error=continue_on_error,
            relations_action=relations_action,
            evict_before=evict_before,
            one_call=one_call,
            limits=RemovalLimits(
                max_missing_count=max_missing_count,
                max_missing_percent=max_missing_percent,
                min_population=min_population,
            ),
            on_guard=on_guard,
            approval_seconds=approval_seconds,
            accept_missing_count=accept_missing_count,
            accept_reason=accept_reason,
            storage=storage,
            wait_seconds=wait_seconds,
            on_overlap=on_overlap,
        ),
    )
    return skipped(receipt) if receipt.not_sent else receipt
