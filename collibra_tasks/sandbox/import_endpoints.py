"""``/rest/2.0/import``: plain imports, batches of a cycle, and whole cycles in one call."""

from __future__ import annotations

from dataclasses import dataclass, replace

from collibra_tasks.sandbox.commands import read_commands
from collibra_tasks.sandbox.executing import ADD_OR_IGNORE, REPLACE, Actions
from collibra_tasks.sandbox.finalize_endpoint import read_finalization, read_synchronization_id
from collibra_tasks.sandbox.finalizing import Finalization, finalize
from collibra_tasks.sandbox.form import Form, read_form
from collibra_tasks.sandbox.importing import Terms, run_import
from collibra_tasks.sandbox.inputs import READERS, Reader
from collibra_tasks.sandbox.kinds import BATCH, IMPORT, SYNCHRONIZE
from collibra_tasks.sandbox.messages import Answer, json_answer
from collibra_tasks.sandbox.older_job_endpoints import job_body
from collibra_tasks.sandbox.outcomes import (
    ABORTED,
    FAILURE,
    VALIDATION,
    FailedCommand,
    Outcome,
    failed,
)
from collibra_tasks.sandbox.refusals import RefusalError
from collibra_tasks.sandbox.state import Call, State
from collibra_tasks.sandbox.tables import InputError
from collibra_tasks.sandbox.version import CONTINUE_ON_ERROR_BY_DEFAULT

BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """What an import was asked to do.

    Attributes:
        file_to_delete: The uploaded file that goes with the job's end.
        finalization: What follows in the same job, where it is a whole cycle.
    """

    content: bytes
    reader: Reader
    terms: Terms
    synchronization_id: str | None = None
    file_to_delete: str | None = None
    finalization: Finalization | None = None


def import_resources(call: Call) -> Answer:
    """Import outside of any synchronization."""
    form = read_form(call.request)
    terms = _read_terms(call.state, form, simulation=form.flag("simulation"))
    if terms.simulation and terms.continue_on_error:
        raise RefusalError(BAD_REQUEST, "simulation does not go with continueOnError")
    return _start(call, IMPORT, "Import", _read_order(call, form, terms, None))


def synchronize_batch(call: Call) -> Answer:
    """Start or continue a cycle; a simulation is not one.

    Source: ``simulation`` is ignored by synchronization, *documented*.
    """
    synchronization_id = read_synchronization_id(call)
    form = read_form(call.request)
    order = _read_order(call, form, _read_terms(call.state, form), synchronization_id)
    call.state.synchronizations.open(synchronization_id)
    return _start(call, BATCH, "Synchronization batch", order)


def synchronize_all(call: Call) -> Answer:
    """Run a whole cycle in one job.

    Source: without a strategy missing assets are removed, *documented*. That an open cycle is
    carried on, and that a failed or aborted import is not finalized, is *assumed*.
    """
    synchronization_id = read_synchronization_id(call)
    form = read_form(call.request)
    finalization = read_finalization(form, call.state.version)
    terms = _read_terms(call.state, form)
    order = _read_order(call, form, terms, synchronization_id, finalization)
    call.state.synchronizations.open(synchronization_id)
    return _start(call, SYNCHRONIZE, "Synchronization", order)


def _start(call: Call, kind: str, name: str, order: ImportOrder) -> Answer:
    job = call.state.jobs.start(
        kind,
        name,
        user_id=call.user_id,
        now=call.now,
        synchronization_id=order.synchronization_id,
        work=lambda: _run(order, call.state),
    )
    return json_answer(job_body(job, call.now))


def _read_terms(state: State, form: Form, *, simulation: bool = False) -> Terms:
    by_default = state.version.since(CONTINUE_ON_ERROR_BY_DEFAULT)
    return Terms(
        continue_on_error=form.flag("continueOnError", default=by_default),
        failures_before_abort=state.failures_before_abort,
        simulation=simulation,
        actions=Actions(
            relations=form.choice("relationsAction", (ADD_OR_IGNORE, REPLACE), REPLACE),
            attributes=form.choice("attributesAction", (ADD_OR_IGNORE, REPLACE), REPLACE),
        ),
    )


def _read_order(
    call: Call,
    form: Form,
    terms: Terms,
    synchronization_id: str | None,
    finalization: Finalization | None = None,
) -> ImportOrder:
    file_id = form.uuid("fileId")
    return ImportOrder(
        content=_content(call.state, form, file_id),
        reader=READERS[call.arguments[-1]](form),
        terms=terms,
        synchronization_id=synchronization_id,
        file_to_delete=file_id if form.flag("deleteFile") else None,
        finalization=finalization,
    )


def _content(state: State, form: Form, file_id: str | None) -> bytes:
    """Return the input, uploaded before or with the request, but not both.

    Source: ``file`` and ``fileId`` exclude each other, *documented*; the status 400 is *assumed*.
    """
    part = form.parts.get("file")
    if file_id is not None and part is None:
        return state.files.find(file_id).content
    if file_id is None and part is not None:
        return part.content
    raise RefusalError(BAD_REQUEST, "give either file or fileId")


def _run(order: ImportOrder, state: State) -> Outcome:
    outcome = _import_and_finalize(order, state)
    if order.file_to_delete and (order.synchronization_id or outcome.succeeded):
        state.files.pop(order.file_to_delete, None)
    return outcome


def _import_and_finalize(order: ImportOrder, state: State) -> Outcome:
    try:
        commands = read_commands(order.reader(order.content))
    except InputError as error:
        return failed([FailedCommand(message=str(error), error_type=VALIDATION)])
    if order.synchronization_id is None:
        return run_import(commands, catalog=state.catalog, terms=order.terms)
    synchronization = state.synchronizations.open(order.synchronization_id)
    outcome = run_import(
        commands, catalog=state.catalog, terms=order.terms, synchronization=synchronization
    )
    if order.finalization is None or outcome.result in (FAILURE, ABORTED):
        return outcome
    return _joined(
        outcome,
        finalize(order.finalization, catalog=state.catalog, synchronization=synchronization),
    )


def _joined(imported: Outcome, finalized: Outcome) -> Outcome:
    return replace(
        imported if finalized.succeeded else finalized,
        errors=imported.errors + finalized.errors,
        tallies=imported.tallies + finalized.tallies,
    )
