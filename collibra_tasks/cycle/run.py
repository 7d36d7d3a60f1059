"""Run of a cycle, or of its plan, in a flow run: session, source, steps, progress and report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from collibra_tasks._prefect import run_step
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.cycle.approval import PrefectApproval
from collibra_tasks.cycle.cycle import Cycle
from collibra_tasks.cycle.log_lines import describe_guard, describe_plan, describe_source
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.planning import PlanPreview, make_plan
from collibra_tasks.cycle.record import close_cycle
from collibra_tasks.cycle.validation import validate_content
from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.last_finalization import close_finalization
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.tasks import open_session
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.plans import ShownPlans
from collibra_tasks.ledger.variable_store import ImportSlots
from collibra_tasks.models import FinalizationRequest
from collibra_tasks.options import CycleOptions
from collibra_tasks.reporting.following import follow_finalization, progress_key
from collibra_tasks.reporting.progress import ProgressArtifact, show_failed_commands
from collibra_tasks.reporting.run_report import RunReport
from collibra_tasks.sources.opening import SourceLike, open_source
from collibra_tasks.sources.source import SourceContent
from collibra_tasks.wording import count_of


def preview_cycle(
    session: Session,
    request: FinalizationRequest,
    source: SourceLike,
    options: CycleOptions,
    validate_on_tenant: bool,  # noqa: FBT001 - a parameter of the flow
) -> PlanPreview:
    """Return the plan of a cycle, checked by Collibra on request."""
    names = (session.environment.key, session.synchronization_id)
    plans = ShownPlans(session.ledger.store, *names, log=session.log)
    progress = _show_progress(session)
    with _read_source(source, options, session, progress) as content:
        preview = make_plan(
            session, request, content, options.limits, plans=plans, evicts=options.evict_before
        )
        plan = preview.plan
        _log_plan(session, plan)
        if validate_on_tenant:
            validate = partial(validate_content, session, preview.content)
            found = run_step(
                "validate in Collibra", partial(validate, wait_seconds=options.wait_seconds)
            )
            plan = plan.with_reasons(found.reasons, notes=found.notes)
        progress.finish("The plan is made. Nothing was sent that changes Collibra.")
    return replace(preview, plan=plan)


def run_cycle(
    credentials: CollibraCredentials,
    request: FinalizationRequest,
    source: SourceLike,
    options: CycleOptions,
    report: RunReport,
) -> None:
    """Run a cycle to the end of its finalization, and fill the report."""
    session = report.connect(
        open_session(credentials, request.synchronization_id, storage=options.storage)
    )
    progress = _show_progress(session)
    with _read_source(source, options, session, progress) as content:
        cycle = _create_cycle(session, request, options, report, progress)
        try:
            job = cycle.run(content)
        finally:
            report.batch_job_ids = cycle.batch_job_ids
            report.plan = cycle.plan
    report.job_id = job.id
    report.job = follow_finalization(session, job.id, progress, wait_seconds=options.wait_seconds)
    close_finalization(session, report.job)
    close_cycle(session)


def _show_progress(session: Session) -> ProgressArtifact:
    return ProgressArtifact(progress_key(session), count_previous=partial(_count_previous, session))


def _count_previous(session: Session) -> int | None:
    """Return the number of commands in the previous cycle; ``None`` if it is unknown."""
    with suppress(CollibraError):
        newest = session.ledger.newest()
        name = newest.manifest if newest else None
        manifest = session.storage.read_manifest(name) if name else None
        return manifest.asset_count + manifest.other_count if manifest else None
    return None


@contextmanager
def _read_source(
    source: SourceLike, options: CycleOptions, session: Session, progress: ProgressArtifact
) -> Iterator[SourceContent]:
    """Read and check a source, and show its counts."""
    with (
        open_source(source, options.source) as opened,
        opened.scan(log=session.log, watch=progress.show_reading) as content,
    ):
        session.log(describe_source(content.summary))
        progress.begin_upload(content.summary.command_count)
        yield content


def _create_cycle(
    session: Session,
    request: FinalizationRequest,
    options: CycleOptions,
    report: RunReport,
    progress: ProgressArtifact,
) -> Cycle:
    names = (session.environment.key, request.synchronization_id)
    return Cycle(
        session=session,
        request=request,
        options=options,
        approval=PrefectApproval(session.environment.key),
        progress=progress,
        reporter=_Reporter(session, report),
        slots=ImportSlots(session.environment.key, log=session.log),
        plans=ShownPlans(session.ledger.store, *names, log=session.log),
        steps=run_step,
    )


class _Reporter:
    """Receiver of the cycle's findings: receipt, log and artifacts."""

    def __init__(self, session: Session, report: RunReport) -> None:
        self._session, self._report = session, report
        self._names = (session.environment.key, session.synchronization_id)
        self._shown: str | None = None

    def note(self, text: str) -> None:
        self._report.note(text)

    def show_plan(self, plan: RemovalPlan) -> None:
        if plan.plan_id == self._shown:
            return
        self._shown = plan.plan_id
        _log_plan(self._session, plan)
        if plan.missing:
            PrefectApproval(self._names[0]).show_missing(
                plan, resource_name("missing", *self._names)
            )

    def show_failed_commands(self, rows: Sequence[dict[str, str]], batch_number: int) -> None:
        key = resource_name("failed-commands", *self._names)
        show_failed_commands(list(rows), key)
        failed = f"{count_of(len(rows), 'command')} failed"
        self._session.log(f"Batch {batch_number}: {failed}. Artifact: {key}")


def _log_plan(session: Session, plan: RemovalPlan) -> None:
    guard = f"Guard: {describe_guard(plan)}."
    for line in (describe_plan(plan), *plan.notes, guard):
        session.log(line)
