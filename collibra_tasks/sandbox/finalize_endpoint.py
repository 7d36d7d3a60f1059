"""``/rest/2.0/import/synchronize/{id}/finalize/job``: the end of a cycle."""

from __future__ import annotations

import json

from collibra_tasks.sandbox.finalizing import (
    CHANGE_STATUS,
    REMOVE_RESOURCES,
    STRATEGIES,
    Finalization,
    finalize,
)
from collibra_tasks.sandbox.form import Form, read_form, read_uuid
from collibra_tasks.sandbox.kinds import FINALIZE
from collibra_tasks.sandbox.messages import Answer, json_answer
from collibra_tasks.sandbox.older_job_endpoints import job_body
from collibra_tasks.sandbox.outcomes import Outcome
from collibra_tasks.sandbox.refusals import RefusalError
from collibra_tasks.sandbox.state import Call, State
from collibra_tasks.sandbox.version import PARAMETER_MISSING_ASSET_STATUS_ID, Version

BAD_REQUEST = 400
LONGEST_ID = 50


def finalize_cycle(call: Call) -> Answer:
    """Start the job that ends a cycle.

    Source: 200 with a job in the older shape, *documented*. That an unknown synchronization id
    is taken all the same, finds nothing missing and stays unknown is *assumed*.
    """
    synchronization_id = read_synchronization_id(call)
    order = read_finalization(read_form(call.request), call.state.version)
    job = call.state.jobs.start(
        FINALIZE,
        "Synchronization finalization",
        user_id=call.user_id,
        now=call.now,
        synchronization_id=synchronization_id,
        work=lambda: _finalize(order, synchronization_id, call.state),
    )
    return json_answer(job_body(job, call.now))


def _finalize(order: Finalization, synchronization_id: str, state: State) -> Outcome:
    synchronization = state.synchronizations.tracked(synchronization_id)
    return finalize(order, catalog=state.catalog, synchronization=synchronization)


def read_synchronization_id(call: Call) -> str:
    """Return the id, which is 1 to 50 characters long once it is decoded."""
    synchronization_id = call.arguments[0]
    if not 1 <= len(synchronization_id) <= LONGEST_ID:
        raise RefusalError(BAD_REQUEST, f"synchronizationId takes 1 to {LONGEST_ID} characters")
    return synchronization_id


def read_finalization(form: Form, version: Version) -> Finalization:
    """Read what is to become of missing assets; said nothing, they are removed."""
    strategy = form.choice("finalizationStrategy", STRATEGIES, REMOVE_RESOURCES)
    status_id = _read_status_id(form, version)
    if strategy == CHANGE_STATUS and status_id is None:
        raise RefusalError(BAD_REQUEST, "CHANGE_STATUS needs a status for missing assets")
    return Finalization(strategy=strategy, status_id=status_id)


def _read_status_id(form: Form, version: Version) -> str | None:
    if version.since(PARAMETER_MISSING_ASSET_STATUS_ID) and "missingAssetStatusId" in form.parts:
        return form.uuid("missingAssetStatusId")
    return _read_finalization_parameters(form)


def _read_finalization_parameters(form: Form) -> str | None:
    """Read the older parameter, which has to say that it is JSON."""
    part = form.parts.get("finalizationParameters")
    if part is None:
        return None
    if (part.content_type or "").partition(";")[0].strip() != "application/json":
        raise RefusalError(BAD_REQUEST, "finalizationParameters must be application/json")
    try:
        return read_uuid(str(json.loads(part.content)["STATUS_ID"]), "STATUS_ID")
    except (ValueError, LookupError, TypeError):
        raise RefusalError(BAD_REQUEST, "finalizationParameters has no STATUS_ID") from None
