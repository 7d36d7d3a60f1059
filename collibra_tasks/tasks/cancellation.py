"""What becomes of the job in Collibra when its flow run is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.logging.loggers import flow_run_logger
from slugify import slugify

from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import CollibraError, NotFoundError
from collibra_tasks.ledger import Entry, Phase
from collibra_tasks.models import OnCancel
from collibra_tasks.tasks.finalization import ledger_of

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow


def tell_or_cancel_job(
    flow: Flow[..., Any],
    flow_run: FlowRun,
    state: State[Any],  # noqa: ARG001 - Prefect names what it gives
) -> None:
    """Say which job a cancelled run leaves behind, or ask the tenant to stop it.

    For a flow's ``on_cancellation``; the flow's parameters must be named as in
    ``finalize_synchronization``. Prefect calls it in a process of its own, so what was sent is read
    from the record. A job that another run had started is never stopped.
    """
    log = flow_run_logger(flow_run, flow)
    parameters = flow_run.parameters
    credentials = _load(parameters["credentials"])
    synchronization_id = str(parameters["synchronization_id"])
    entry = ledger_of(credentials, synchronization_id).latest()
    if entry is None or not entry.open or entry.flow_run_id != str(flow_run.id):
        log.info("Cancelled; no finalization of this run is under way")
        return
    told = _tell(credentials, entry, OnCancel(parameters.get("on_cancel") or OnCancel.LEAVE))
    log.warning(told)
    with get_client(sync_client=True) as client:
        client.create_artifact(
            ArtifactCreate(
                key=f"finalization-{slugify(synchronization_id)}",
                type="markdown",
                description=f"Finalization of {synchronization_id}: cancelled",
                data=f"# {synchronization_id}: the flow run was cancelled\n\n{told}",
                flow_run_id=flow_run.id,
            )
        )


def _load(given: Any) -> CollibraCredentials:  # noqa: ANN401 - a flow run keeps what it was given
    """Load the block that a flow run refers to."""
    if isinstance(given, dict) and "$ref" in given:
        return cast("CollibraCredentials", CollibraCredentials.load_from_ref(given["$ref"]))
    return CollibraCredentials.model_validate(given)


def _tell(credentials: CollibraCredentials, entry: Entry, on_cancel: OnCancel) -> str:
    if entry.phase == Phase.INTENDED or entry.job_id is None:
        return (
            "The flow run was cancelled while its finalization was being sent; whether it was "
            "taken is not known. The next run looks for its job; resolve-finalization settles it."
        )
    if on_cancel == OnCancel.LEAVE:
        return (
            f"The flow run was cancelled. Finalization job {entry.job_id} goes on in Collibra: "
            "half a removal would be worse. Run again to follow it; nothing is sent twice."
        )
    return _cancel(credentials, entry.job_id)


def _cancel(credentials: CollibraCredentials, job_id: str) -> str:
    asked = f"The flow run was cancelled, and Collibra was asked to stop job {job_id}"
    with credentials.get_client() as client:
        try:
            client.cancel_job(job_id, message="flow run cancelled in Prefect")
        except CollibraError as error:
            return f"The flow run was cancelled, and job {job_id} may go on: {error}."
        try:
            job = client.get_job(job_id)
        except NotFoundError:
            return f"{asked}; now it does not know it any more. Part of its work may be done."
        except CollibraError as error:
            return f"{asked}; what became of it is not known: {error}."
    words = f"{job.state}, {job.result or 'no result'}"
    return f"{asked}; it says: {words}. Part of its work may be done."
