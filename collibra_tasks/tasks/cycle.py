"""A whole cycle: read, compare, ask, send, be sure, and only then finalize."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from prefect import runtime, task

from collibra_tasks import guards
from collibra_tasks.batching import write_options
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import (
    FinalizationRefusedError,
    JobError,
    OutcomeUnknownError,
    OverlapError,
)
from collibra_tasks.finalizing import job_of
from collibra_tasks.ledger import Entry
from collibra_tasks.manifest import Manifest, ManifestDraft, Prediction
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    FinalizationStrategy,
    Job,
    OnOverlap,
    Upload,
)
from collibra_tasks.shelf import Progress, Shelf
from collibra_tasks.sources import Batch, Source, SourceLike, Survey, iter_batches, open_source
from collibra_tasks.sources.phases import PHASES, phase_of
from collibra_tasks.tasks.approval import pass_guard
from collibra_tasks.tasks.batches import BatchRun
from collibra_tasks.tasks.comparing import compare
from collibra_tasks.tasks.finalization import (
    find_own,
    inspect_status,
    settle_last,
    submit_finalization,
)
from collibra_tasks.tasks.jobs import wait_for_job
from collibra_tasks.tasks.options import CycleOptions
from collibra_tasks.tasks.reporting import Report, reported
from collibra_tasks.tasks.retrying import READ
from collibra_tasks.tasks.start import Start, look_back
from collibra_tasks.tasks.turns import LONGEST_LEASE_SECONDS, CycleTurns, taking_slots
from collibra_tasks.wire.calls import finalization_call

if TYPE_CHECKING:
    from collibra_tasks.receipts import Receipt

MOST_AT_ONCE = 8


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
        The receipt of its finalization; with ``not_sent`` if the run was to skip what another one
        is at.

    Raises:
        SourceError: If the source is not in order; nothing was sent.
        FinalizationRefusedError: If more would go missing than may; nothing was sent.
        JobIncompleteError: If a batch was not imported as a whole; nothing was finalized.
        CollibraError: Whatever else ``submit_finalization`` and ``wait_for_job`` raise.
    """
    if runtime.flow_run.get_id() is None:
        message = "nothing was sent: synchronize is called inside a flow, which keeps its record"
        raise FinalizationRefusedError(message)
    asked = _Cycle(
        credentials=credentials,
        synchronization_id=synchronization_id,
        strategy=FinalizationStrategy(strategy),
        missing_asset_status_id=missing_asset_status_id,
        options=options or CycleOptions(),
    )
    try:
        with reported(
            credentials,
            synchronization_id,
            strategy=asked.strategy,
            missing_asset_status_id=missing_asset_status_id,
        ) as report:
            asked.run(source, report)
    except OverlapError:
        if asked.options.on_overlap != OnOverlap.SKIP:
            raise
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
        turns = CycleTurns(self.credentials, self.synchronization_id)
        waits = self.options.on_overlap == OnOverlap.ATTACH
        with self._opened(source) as opened:
            survey, manifest = survey_source(opened)
            with turns.taking(patience_seconds=self._patience_seconds if waits else 0):
                last = self._settle_last()  # the one that was in its cycle before us, perhaps
                start = look_back(self.credentials, self.synchronization_id, last, shelf, turns)
                prediction = start.predict(shelf, manifest)
                self._pass_guard(manifest, prediction, start, report)
                present = start.keep_present(shelf, manifest)
                self._make_ready(start, report)
                if self.options.one_call:
                    self._send_whole(opened, survey, present, report)
                else:
                    run = self._batch_run(opened, survey, start.progress(present), shelf, turns)
                    self._send_batches(run, self._split(opened, survey), report)
                turns.end()
                shelf.forget_manifests(but=[*start.past.manifests, *([present] if present else [])])
                self._compare(prediction, report)

    @property
    def _patience_seconds(self) -> float:
        return self.options.wait_seconds + LONGEST_LEASE_SECONDS

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
        options = self.options
        if not 1 <= options.max_concurrent_batches <= MOST_AT_ONCE:
            message = f"not sent: max_concurrent_batches must be from 1 to {MOST_AT_ONCE}"
            raise FinalizationRefusedError(message)
        if options.one_call and options.relations_action is not None:
            message = "not sent: Collibra documents no relations_action for one_call; leave one off"
            raise FinalizationRefusedError(message)

    def _opened(self, source: SourceLike) -> Source:
        return open_source(
            source,
            file_format=self.options.file_format,
            template=self.options.template or None,
            csv=self.options.csv,
            sheet=self.options.sheet or None,
        )

    def _pass_guard(
        self,
        manifest: Manifest,
        prediction: Prediction | None,
        start: Start,
        report: Report,
    ) -> None:
        verdict = guards.judge_removal(
            manifest,
            prediction,
            strategy=self.strategy,
            limits=self.options.limits,
            finalized_before=start.past.finalized,
            known_before=not start.is_new,
            evicts=self.options.evict_before,
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

    def _make_ready(self, start: Start, report: Report) -> None:
        if told := start.of_others:
            report.notes.append(told)
        if start.unfinished is not None:
            self._wait_until_over(start.unfinished)
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

    def _batch_run(
        self, opened: Source, survey: Survey, progress: Progress, shelf: Shelf, turns: CycleTurns
    ) -> BatchRun:
        return BatchRun(
            credentials=self.credentials,
            synchronization_id=self.synchronization_id,
            commands=survey.commands,
            shelf=shelf,
            turns=turns,
            start=progress,
            most_at_once=self.options.max_concurrent_batches,
            continue_on_error=self.options.continue_on_error,
            relations_action=self.options.relations_action,
            options=write_options(opened, survey),
            wait_seconds=self.options.wait_seconds,
            patience_seconds=self._patience_seconds,
        )

    def _send_batches(self, run: BatchRun, batches: Iterator[Batch], report: Report) -> None:
        try:
            run.send_all(batches)
        finally:
            report.batch_job_ids = [each.job_id for each in run.done]
        self._finalize(report, manifest=run.start.manifest, batch_job_ids=report.batch_job_ids)

    def _send_whole(
        self, opened: Source, survey: Survey, present: str | None, report: Report
    ) -> None:
        whole = self._whole(self._split(opened, survey), write_options(opened, survey))
        with taking_slots(self.credentials, 1, patience_seconds=self._patience_seconds):
            self._finalize(report, manifest=present, whole=whole)

    def _split(self, opened: Source, survey: Survey) -> Iterator[Batch]:
        most = self.options.max_commands_per_batch
        return iter_batches(opened, survey, max_commands_per_batch=most)

    def _whole(self, batches: Iterator[Batch], table: dict[str, str]) -> Upload:
        taken = list(islice(batches, len(PHASES) + 1))
        commands = sum(batch.commands for batch in taken)
        # Two batches of a phase are two for a reason: their size, or that the later one overrides.
        of_phases = len({phase_of(batch.resource_types[0]) for batch in taken}) == len(taken)
        one_file = len(taken) == 1 or (of_phases and {batch.format for batch in taken} == {"json"})
        if commands > self.options.max_commands_per_batch or not one_file:
            message = (
                "not sent: one_call is for a source that fits one file of "
                f"{self.options.max_commands_per_batch:,} commands and says everything once; "
                "leave one_call off"
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
        if prediction is None or report.job_id is None or self.options.one_call:
            return  # the counters of one call tell its import and its finalization together
        told = compare(
            self.credentials, self.synchronization_id, report.job_id, prediction, self.strategy
        )
        if told:
            report.notes.append(told)
