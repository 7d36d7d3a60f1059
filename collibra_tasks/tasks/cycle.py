"""A whole cycle: read, compare, ask, send, be sure, and only then finalize."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import runtime, task
from prefect.concurrency.sync import concurrency
from prefect.events import emit_event
from slugify import slugify

from collibra_tasks import guards
from collibra_tasks.batching import write_options
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import (
    CollibraError,
    FinalizationRefusedError,
    JobError,
    OutcomeUnknownError,
    OverlapError,
)
from collibra_tasks.finalizing import job_of
from collibra_tasks.guards import RemovalLimits
from collibra_tasks.ledger import Entry, Past
from collibra_tasks.manifest import (
    Manifest,
    ManifestDraft,
    Prediction,
    merge_manifests,
    predict_missing,
)
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    FinalizationStrategy,
    Job,
    OnGuard,
    OnOverlap,
    RelationsAction,
    Upload,
)
from collibra_tasks.shelf import Progress, Shelf
from collibra_tasks.sources import (
    Batch,
    CsvOptions,
    FileFormat,
    Source,
    SourceLike,
    Survey,
    iter_batches,
    open_source,
)
from collibra_tasks.tasks.approval import pass_guard
from collibra_tasks.tasks.batches import BatchRun, ensure_tenant_limit
from collibra_tasks.tasks.finalization import (
    find_own,
    inspect_status,
    settle_last,
    submit_finalization,
)
from collibra_tasks.tasks.jobs import wait_for_job
from collibra_tasks.tasks.reporting import Report, reported
from collibra_tasks.tasks.retrying import READ
from collibra_tasks.wire.calls import finalization_call

if TYPE_CHECKING:
    from collibra_tasks.receipts import Receipt

LEASE_SECONDS = 60.0
"""How long a killed run keeps others from starting a cycle of the same synchronization."""
MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleOptions:
    """How a cycle is read, sent and judged; every field has a safe default.

    Attributes:
        file_format: ``json``, ``jsonl``, ``csv`` or ``excel``, where the names do not tell.
        template: For tables, the template: JSON text or the path of a file.
        csv: How CSV is written.
        sheet: The sheet of a workbook; empty for the first.
        max_commands_per_batch: 1 to 50,000.
        max_concurrent_batches: 1 to 8. More than one is nowhere documented as safe.
        continue_on_error: Whether a batch keeps its good commands when others fail; the cycle is
            not finalized then.
        relations_action: What becomes of relations that an asset has; ``None`` leaves it to the
            tenant.
        evict_before: Whether the tenant forgets what it was sent before, so that unchanged commands
            run again and heal what was edited by hand.
        one_call: Whether a small source is sent and finalized in one request.
        limits: How much may go missing without anybody being asked.
        on_guard: What happens beyond the limits.
        approval_seconds: How long a person has to answer.
        accept_missing_count: For one run by hand: the number of missing assets that is right.
        accept_reason: Why it is.
        storage: A block such as ``s3-bucket/manifests`` for what cycles held; empty for a folder in
            Prefect's home.
        wait_seconds: How long each job is followed, in seconds.
        on_overlap: While another run is in its cycle: ``attach`` waits for its end.
    """

    file_format: FileFormat | None = None
    template: str = ""
    csv: CsvOptions = field(default_factory=CsvOptions)
    sheet: str = ""
    max_commands_per_batch: int = 10_000
    max_concurrent_batches: int = 1
    continue_on_error: bool = False
    relations_action: RelationsAction | None = None
    evict_before: bool = False
    one_call: bool = False
    limits: RemovalLimits = field(default_factory=RemovalLimits)
    on_guard: OnGuard = OnGuard.FAIL
    approval_seconds: int = 86_400
    accept_missing_count: int | None = None
    accept_reason: str = ""
    storage: str = ""
    wait_seconds: float = 3600.0
    on_overlap: OnOverlap = OnOverlap.ATTACH


def synchronize(
    credentials: CollibraCredentials,
    synchronization_id: str,
    source: SourceLike,
    *,
    strategy: FinalizationStrategy = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: str | None = MISSING_FROM_SOURCE,
    options: CycleOptions | None = None,
) -> Receipt:
    """Mirror a source into Collibra: one whole cycle, for use inside a flow.

    Args:
        credentials: The tenant.
        synchronization_id: 1 to 50 characters.
        source: A path, a glob, several of those, or import commands from Python.
        strategy: What happens to assets that are no longer in the source.
        missing_asset_status_id: The status for CHANGE_STATUS.
        options: How the cycle is read, sent and judged.

    Returns:
        The receipt of its finalization.

    Raises:
        SourceError: If the source is not in order; nothing was sent.
        FinalizationRefusedError: If more would go missing than may; nothing was sent.
        JobIncompleteError: If a batch was not imported as a whole; nothing was finalized.
        CollibraError: Whatever else ``submit_finalization`` and ``wait_for_job`` raise.
    """
    asked = _Cycle(
        credentials=credentials,
        synchronization_id=synchronization_id,
        strategy=FinalizationStrategy(strategy),
        missing_asset_status_id=missing_asset_status_id,
        options=options or CycleOptions(),
    )
    with reported(
        credentials,
        synchronization_id,
        strategy=asked.strategy,
        missing_asset_status_id=missing_asset_status_id,
    ) as report:
        asked.run(source, report)
    return report.receipt


@task(**READ)
def survey_source(source: Source) -> tuple[Survey, Manifest]:
    """Read a source once, as a whole, and refuse it unless all of it is in order.

    Raises:
        SourceError: If anything is wrong; the sentence names file, place and reason.
    """
    draft = ManifestDraft()
    survey = source.survey(draft.add)
    return survey, draft.finish()


@task(**READ, task_run_name="evict-cache-{synchronization_id}")
def evict_cache(credentials: CollibraCredentials, synchronization_id: str) -> None:
    """Let the tenant forget what it was sent before: the next cycle's commands all run.

    Without it, a command that was sent once is skipped as long as it stays the same, whatever was
    edited by hand since.
    """
    with credentials.get_client() as client:
        if client.synchronization_exists(synchronization_id):
            client.evict_synchronization(synchronization_id)


@task(**READ, task_run_name="look-up-{synchronization_id}")
def is_known(credentials: CollibraCredentials, synchronization_id: str) -> bool:
    """Tell whether the tenant knows a synchronization: something was imported under its ID."""
    with credentials.get_client() as client:
        return client.synchronization_exists(synchronization_id)


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What a cycle starts from.

    Attributes:
        past: What was finalized before.
        unfinished: How far a cycle came that is still open.
        is_new: Whether the tenant knew nothing of this synchronization before these runs.
    """

    past: Past
    unfinished: Progress | None
    is_new: bool

    @property
    def own_progress(self) -> Progress | None:
        """The open cycle, if it is an earlier attempt of this run that began it."""
        ours = self.unfinished and self.unfinished.flow_run_id == runtime.flow_run.get_id()
        return self.unfinished if ours else None

    def progress(self, present: str | None) -> Progress:
        """Return where this run goes on from."""
        return Progress(
            flow_run_id=runtime.flow_run.get_id(),
            flow_run_name=runtime.flow_run.get_name(),
            sent=self.own_progress.sent if self.own_progress else (),
            past=self.past,
            manifest=present,
            began_new=self.is_new,
        )


@dataclass(frozen=True, kw_only=True)
class _Cycle:
    credentials: CollibraCredentials
    synchronization_id: str
    strategy: FinalizationStrategy
    missing_asset_status_id: str | None
    options: CycleOptions

    def run(self, source: SourceLike, report: Report) -> None:
        self._check_request()
        shelf = Shelf(
            self.credentials.base_url, self.synchronization_id, self.options.storage or None
        )
        self._settle_last()
        if own := find_own(self.credentials, self.synchronization_id):
            report.batch_job_ids = own.batch_job_ids
            self._follow(job_of(own), report)
            return
        inspect_status(self.credentials, self.strategy, self.missing_asset_status_id)
        with self._opened(source) as opened:
            survey, manifest = survey_source(opened)
            with self._alone():
                start = self._look_back(shelf)
                prediction = self._predict(shelf, manifest, start.past)
                self._pass_guard(manifest, prediction, start, report)
                self._make_ready(start, report)
                present = _keep_present(shelf, manifest, start.unfinished)
                if self.options.one_call:
                    self._send_whole(opened, survey, present, report)
                else:
                    self._send_batches(opened, survey, start.progress(present), shelf, report)
                self._compare(prediction, report)

    def _settle_last(self) -> Entry | None:
        return settle_last(
            self.credentials, self.synchronization_id, wait_seconds=self.options.wait_seconds
        )

    def _check_request(self) -> None:
        finalization_call(
            self.synchronization_id,
            strategy=self.strategy,
            missing_asset_status_id=self.missing_asset_status_id,
        )
        if not 1 <= self.options.max_concurrent_batches <= MOST_AT_ONCE:
            message = f"not sent: max_concurrent_batches must be from 1 to {MOST_AT_ONCE}"
            raise FinalizationRefusedError(message)

    def _opened(self, source: SourceLike) -> Source:
        return open_source(
            source,
            file_format=self.options.file_format,
            template=_template(self.options.template),
            csv=self.options.csv,
            sheet=self.options.sheet or None,
        )

    def _look_back(self, shelf: Shelf) -> _Start:
        last = self._settle_last()  # the one that was in its cycle before us, perhaps
        past = last.leaves() if last else Past()
        before = shelf.read_progress()
        unfinished = before if before and before.past == past else None
        began_new = unfinished is not None and unfinished.began_new
        is_new = not past.finalized and (
            began_new or not is_known(self.credentials, self.synchronization_id)
        )
        return _Start(past=past, unfinished=unfinished, is_new=is_new)

    def _predict(self, shelf: Shelf, manifest: Manifest, past: Past) -> Prediction | None:
        kept = [held for held in map(shelf.read_manifest, past.manifests) if held is not None]
        if not kept or len(kept) < len(past.manifests):
            return None
        return predict_missing(merge_manifests(kept), manifest)

    def _pass_guard(
        self,
        manifest: Manifest,
        prediction: Prediction | None,
        start: _Start,
        report: Report,
    ) -> None:
        verdict = guards.judge_removal(
            manifest,
            prediction,
            strategy=self.strategy,
            limits=self.options.limits,
            finalized_before=start.past.finalized,
            known_before=not start.is_new,
        )
        remark = pass_guard(
            verdict,
            prediction,
            self.synchronization_id,
            on_guard=self.options.on_guard,
            accept_count=self.options.accept_missing_count,
            accept_reason=self.options.accept_reason,
            approval_seconds=self.options.approval_seconds,
        )
        if remark:
            report.notes.append(remark)
        if prediction is not None:
            report.notes.append(
                f"Predicted: {prediction.missing_count:,} of {prediction.population:,} assets of "
                f"the last cycle are missing, {prediction.new_count:,} are new"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other runs from filling the same cycle, across workers."""
        name = f"collibra-cycle-{slugify(self.credentials.base_url.partition('://')[2])}"
        name += f"-{slugify(self.synchronization_id)}"
        ensure_tenant_limit(name, 1)
        waits = self.options.on_overlap == OnOverlap.ATTACH
        lock = concurrency(
            name,
            strict=True,
            timeout_seconds=self.options.wait_seconds + LEASE_SECONDS if waits else 1.0,
            lease_duration=LEASE_SECONDS,
            raise_on_lease_renewal_failure=False,  # the record keeps the promise, not this lock
        )
        with ExitStack() as stack:
            try:
                stack.enter_context(lock)
            except TimeoutError:
                message = f"not sent: another run fills a cycle of {self.synchronization_id!r}"
                raise OverlapError(message) from None
            yield

    def _make_ready(self, start: _Start, report: Report) -> None:
        before = start.unfinished
        if before is not None and before.done and start.own_progress is None:
            report.notes.append(
                f"Flow run {before.flow_run_name or '?'} began a cycle and did not finish it; what "
                f"its {len(before.done)} batches brought counts as present in this one"
            )
        if before is not None:
            self._wait_until_over(before)
        if self.options.evict_before and not (start.own_progress and start.own_progress.done):
            evict_cache(self.credentials, self.synchronization_id)

    def _wait_until_over(self, before: Progress) -> None:
        """Let the batches end that an earlier run left at work: two jobs hinder each other."""
        done = {each.job_id for each in before.done}
        for batch in before.sent:
            if batch.job_id not in done:
                with suppress(JobError, OutcomeUnknownError):
                    wait_for_job(
                        self.credentials, batch.job_id, wait_seconds=self.options.wait_seconds
                    )

    def _send_batches(
        self,
        opened: Source,
        survey: Survey,
        progress: Progress,
        shelf: Shelf,
        report: Report,
    ) -> None:
        run = BatchRun(
            credentials=self.credentials,
            synchronization_id=self.synchronization_id,
            commands=survey.commands,
            shelf=shelf,
            start=progress,
            most_at_once=self.options.max_concurrent_batches,
            continue_on_error=self.options.continue_on_error,
            relations_action=self.options.relations_action,
            options=write_options(opened, survey),
            wait_seconds=self.options.wait_seconds,
        )
        try:
            run.send_all(self._split(opened, survey))
        finally:
            report.batch_job_ids = [each.job_id for each in run.done]
        self._finalize(report, manifest=progress.manifest, batch_job_ids=report.batch_job_ids)

    def _send_whole(
        self, opened: Source, survey: Survey, present: str | None, report: Report
    ) -> None:
        whole = self._whole(self._split(opened, survey), write_options(opened, survey))
        self._finalize(report, manifest=present, whole=whole)

    def _split(self, opened: Source, survey: Survey) -> Iterator[Batch]:
        most = self.options.max_commands_per_batch
        return iter_batches(opened, survey, max_commands_per_batch=most)

    def _whole(self, batches: Iterator[Batch], table: dict[str, str]) -> Upload:
        taken = list(islice(batches, 4))
        commands = sum(batch.commands for batch in taken)
        one_file = len(taken) == 1 or {batch.format for batch in taken} == {"json"}
        if commands > self.options.max_commands_per_batch or not one_file or next(batches, None):
            message = (
                "not sent: one_call is for a source that fits one file of "
                f"{self.options.max_commands_per_batch:,} commands; leave one_call off"
            )
            raise FinalizationRefusedError(message)
        content = taken[0].content
        if len(taken) > 1:
            content = b"[" + b",".join(batch.content[1:-1] for batch in taken) + b"]"
        return Upload(
            file_name=taken[0].file_name,
            content=content,
            file_format=taken[0].format,
            options=table,
        )

    def _finalize(
        self,
        report: Report,
        *,
        batch_job_ids: Sequence[str] = (),
        manifest: str | None = None,
        whole: Upload | None = None,
    ) -> None:
        job = submit_finalization(
            self.credentials,
            self.synchronization_id,
            strategy=self.strategy,
            missing_asset_status_id=self.missing_asset_status_id,
            batch_job_ids=batch_job_ids,
            manifest=manifest,
            whole=whole,
        )
        self._follow(job, report)

    def _follow(self, job: Job, report: Report) -> None:
        report.job_id = job.id
        wait_for_job(self.credentials, job.id, wait_seconds=self.options.wait_seconds)

    def _compare(self, prediction: Prediction | None, report: Report) -> None:
        """Say so where the tenant did more, or less, than was predicted."""
        if prediction is None or self.strategy == FinalizationStrategy.IGNORE:
            return
        if self.options.one_call:
            return  # its counters tell the import and the finalization together
        reported_count = self._reported(str(report.job_id))
        if reported_count is None or reported_count == prediction.missing_count:
            return
        told = (
            f"Collibra reports {reported_count:,} assets as dealt with, and "
            f"{prediction.missing_count:,} were predicted"
        )
        report.notes.append(told)
        emit_event(
            event="collibra.finalization.differs-from-prediction",
            resource={
                "prefect.resource.id": f"collibra.synchronization.{self.synchronization_id}",
                "prefect.resource.name": self.synchronization_id,
            },
            payload={
                "predicted": prediction.missing_count,
                "reported": reported_count,
                "job_id": report.job_id,
                "message": told,
            },
        )

    def _reported(self, job_id: str) -> int | None:
        with self.credentials.get_client() as client:
            try:
                counters = client.get_summary(job_id).counters.get("ASSET")
            except CollibraError:
                return None
        if counters is None:
            return 0
        removes = self.strategy == FinalizationStrategy.REMOVE_RESOURCES
        return counters.removed if removes else counters.updated


def _keep_present(shelf: Shelf, manifest: Manifest, before: Progress | None) -> str | None:
    """Keep what is present once a cycle is sent: it, and what was sent before it in vain."""
    if before is None:
        return shelf.write_manifest(manifest)
    held = shelf.read_manifest(before.manifest) if before.manifest else None
    return shelf.write_manifest(merge_manifests([manifest, held])) if held else None


def _template(template: str) -> str | Path | None:
    return template or None
