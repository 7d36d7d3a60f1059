"""``/rest/2.0/import``: plain imports, batches, finalizations and synchronizations."""

from __future__ import annotations

import json
from dataclasses import dataclass

import httpx

from collibra_tasks.sandbox.commands import InputError, read_input
from collibra_tasks.sandbox.execution import ADD_OR_IGNORE, REPLACE, Rules
from collibra_tasks.sandbox.http import (
    Form,
    RequestRefusedError,
    json_response,
    page_response,
    read_form,
    read_uuid,
)
from collibra_tasks.sandbox.job_api import legacy_job_body
from collibra_tasks.sandbox.jobs import BATCH, FINALIZE, IMPORT, Job
from collibra_tasks.sandbox.results import VALIDATION, FailedCommand, Outcome, failed
from collibra_tasks.sandbox.settings import (
    CONTINUE_ON_ERROR_BY_DEFAULT,
    PARAMETER_MISSING_ASSET_STATUS_ID,
)
from collibra_tasks.sandbox.synchronizations import (
    CHANGE_STATUS,
    REMOVE_RESOURCES,
    STRATEGIES,
    Finalization,
    ImportOptions,
    finalize,
    run_import,
)
from collibra_tasks.sandbox.tenant import Call, State

MAX_ID_LENGTH = 50
ACTIONS = (ADD_OR_IGNORE, REPLACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """The person who starts a job.

    Attributes:
        by_hand: Whether the job is outside of the requests under test.
    """

    user_id: str
    by_hand: bool = False


def post_import(call: Call) -> httpx.Response:
    """Import outside of any synchronization.

    Source: ``simulation`` together with ``continueOnError`` is refused, *documented*.
    """
    form = read_form(call.request)
    options = read_options(form, call.state, simulation=form.flag("simulation"))
    if options.simulation and options.continue_on_error:
        raise RequestRefusedError(400, "simulation is not supported with continueOnError")
    content = _read_file(form)
    return _job_response(call, start_import(call.state, content, options, _starter(call)))


def post_batch(call: Call) -> httpx.Response:
    """Start or continue a cycle.

    Source: ``simulation`` is ignored by synchronization, *documented*.
    """
    synchronization_id = read_synchronization_id(call)
    form = read_form(call.request)
    options, content = read_options(form, call.state), _read_file(form)
    job = start_batch(call.state, synchronization_id, content, options, _starter(call))
    return _job_response(call, job)


def post_finalization(call: Call) -> httpx.Response:
    """Start the job that ends a cycle.

    Source: 200 with a job in the legacy form, *documented*. That an unknown synchronization ID
    is accepted, finds nothing missing and stays unknown is *assumed*.
    """
    synchronization_id = read_synchronization_id(call)
    finalization = read_finalization(read_form(call.request), call.state)
    job = start_finalization(call.state, synchronization_id, finalization, _starter(call))
    return _job_response(call, job)


def _starter(call: Call) -> Starter:
    return Starter(user_id=call.user_id)


def _job_response(call: Call, job: Job) -> httpx.Response:
    return json_response(legacy_job_body(job, call.now))


def start_import(state: State, content: bytes, options: ImportOptions, starter: Starter) -> Job:
    """Start the job of a plain import."""

    def work() -> Outcome:
        return _run(content, options, state, None)

    return state.start_job(IMPORT, user_id=starter.user_id, work=work, by_hand=starter.by_hand)


def start_batch(
    state: State, synchronization_id: str, content: bytes, options: ImportOptions, starter: Starter
) -> Job:
    """Start the job of a batch."""

    def work() -> Outcome:
        return _run(content, options, state, synchronization_id)

    state.synchronizations.open(synchronization_id)
    return state.start_job(
        BATCH,
        user_id=starter.user_id,
        work=work,
        synchronization_id=synchronization_id,
        by_hand=starter.by_hand,
    )


def start_finalization(
    state: State, synchronization_id: str, finalization: Finalization, starter: Starter
) -> Job:
    """Start the job of a finalization."""

    def work() -> Outcome:
        synchronization = state.synchronizations.tracked(synchronization_id)
        return finalize(finalization, catalog=state.catalog, synchronization=synchronization)

    return state.start_job(
        FINALIZE,
        user_id=starter.user_id,
        work=work,
        synchronization_id=synchronization_id,
        by_hand=starter.by_hand,
    )


def _run(
    content: bytes, options: ImportOptions, state: State, synchronization_id: str | None
) -> Outcome:
    try:
        commands = read_input(content)
    except InputError as error:
        return failed([FailedCommand(message=str(error), error_type=VALIDATION)])
    synchronization = None
    if synchronization_id is not None:
        synchronization = state.synchronizations.open(synchronization_id)
    return run_import(
        commands, catalog=state.catalog, options=options, synchronization=synchronization
    )


def read_synchronization_id(call: Call) -> str:
    """Return the ID, which has 1 to 50 characters after decoding."""
    synchronization_id = call.arguments[0]
    if not 1 <= len(synchronization_id) <= MAX_ID_LENGTH:
        raise RequestRefusedError(400, f"synchronizationId has 1 to {MAX_ID_LENGTH} characters")
    return synchronization_id


def read_options(form: Form, state: State, *, simulation: bool = False) -> ImportOptions:
    """Return the options of an import.

    Source: the action parameters, *documented*; ``attributesAction`` is newer than the published
    OpenAPI description, so older tenants ignore it, *assumed*.
    """
    settings = state.settings
    attributes = REPLACE
    if settings.attributes_action:
        attributes = form.choice("attributesAction", ACTIONS, REPLACE)
    by_default = settings.is_since(CONTINUE_ON_ERROR_BY_DEFAULT)
    return ImportOptions(
        continue_on_error=form.flag("continueOnError", default=by_default),
        failures_before_abort=settings.failures_before_abort,
        simulation=simulation,
        rules=Rules(
            relations=form.choice("relationsAction", ACTIONS, REPLACE),
            attributes=attributes,
            create_named_domains=settings.create_named_domains,
        ),
    )


def _read_file(form: Form) -> bytes:
    """Return the input; files that were uploaded before (``fileId``) are not imitated."""
    if "file" not in form.parts:
        raise RequestRefusedError(400, "file is missing")
    return form.parts["file"].content


def read_finalization(form: Form, state: State) -> Finalization:
    """Return the strategy for missing assets; the default removes them."""
    strategy = form.choice("finalizationStrategy", STRATEGIES, REMOVE_RESOURCES)
    status_id = _read_status_id(form, state)
    if strategy == CHANGE_STATUS and status_id is None:
        raise RequestRefusedError(400, "CHANGE_STATUS needs a status for missing assets")
    return Finalization(strategy=strategy, status_id=status_id)


def _read_status_id(form: Form, state: State) -> str | None:
    is_known = state.settings.is_since(PARAMETER_MISSING_ASSET_STATUS_ID)
    if is_known and "missingAssetStatusId" in form.parts:
        return form.uuid("missingAssetStatusId")
    return _read_finalization_parameters(form)


def _read_finalization_parameters(form: Form) -> str | None:
    """Return the status of the older parameter, whose part must be marked as JSON."""
    part = form.parts.get("finalizationParameters")
    if part is None:
        return None
    if (part.content_type or "").partition(";")[0].strip() != "application/json":
        raise RequestRefusedError(400, "finalizationParameters must be application/json")
    try:
        return read_uuid(str(json.loads(part.content)["STATUS_ID"]), "STATUS_ID")
    except (ValueError, LookupError, TypeError, RecursionError):
        raise RequestRefusedError(400, "finalizationParameters has no STATUS_ID") from None


def get_existence(call: Call) -> httpx.Response:
    """Return a bare boolean: whether the synchronization exists."""
    return json_response(call.arguments[0] in call.state.synchronizations)


def find_synchronizations(call: Call) -> httpx.Response:
    """Return the IDs of all synchronizations; the API shows neither times nor states."""
    ids = sorted(call.state.synchronizations)
    return page_response(call.request, [{"synchronizationId": one} for one in ids])


def evict_synchronization(call: Call) -> httpx.Response:
    """Clear the hash cache of a synchronization, which need not exist."""
    if call.arguments[0] in call.state.synchronizations:
        call.state.synchronizations[call.arguments[0]].evict()
    return httpx.Response(204)


def forget_synchronization(call: Call) -> httpx.Response:
    """Delete the tracking of a synchronization, which need not exist; its assets stay."""
    call.state.synchronizations.pop(call.arguments[0], None)
    return httpx.Response(204)
