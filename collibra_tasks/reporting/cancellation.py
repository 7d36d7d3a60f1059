"""Hook for cancelled flow runs: report the finalization job, or cancel it in Collibra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.logging.loggers import flow_run_logger

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import CollibraError, NotFoundError
from collibra_tasks.finalization.tasks import open_session
from collibra_tasks.ledger.entry import LedgerEntry, Phase
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.options import OnCancel

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow


def report_or_cancel_job(
    flow: Flow[..., Any],
    flow_run: FlowRun,
    state: State[Any],  # noqa: ARG001 - Prefect passes it by name
) -> None:
    """Report the job that a cancelled flow run leaves in Collibra, or cancel that job.

    Use it as ``on_cancellation`` of a flow with the parameters ``credentials``,
    ``synchronization_id`` and ``on_cancel``, of which the last may be in the group ``sending``.
    Prefect calls it in another process, so the job is read from the ledger. The job of another flow
    run is never cancelled.

    Args:
        flow: The flow.
        flow_run: The cancelled flow run.
        state: Its state.
    """
    log = flow_run_logger(flow_run, flow)
    credentials = _load_credentials(flow_run.parameters["credentials"])
    synchronization_id = str(flow_run.parameters["synchronization_id"])
    try:
        with open_session(credentials, synchronization_id) as session:
            entry = session.ledger.newest()
            if entry is None or not entry.open or entry.flow_run_id != str(flow_run.id):
                log.info("Cancelled. This flow run has no finalization in progress.")
                return
            message = _handle(session.client, entry, read_on_cancel(flow_run.parameters))
            key = resource_name("receipt", session.environment.key, synchronization_id)
    except CollibraError as error:
        log.warning("Cancelled. The finalization of this flow run could not be read: %s", error)
        return
    log.warning(message)
    _publish(flow_run, key, synchronization_id, message)


def read_on_cancel(parameters: dict[str, Any]) -> OnCancel:
    """Return the requested action on the job from the parameters of a flow run."""
    sending = parameters.get("sending")
    group = sending if isinstance(sending, dict) else {}
    return OnCancel(parameters.get("on_cancel") or group.get("on_cancel") or OnCancel.LEAVE)


def _load_credentials(value: Any) -> CollibraCredentials:  # noqa: ANN401 - a stored parameter
    if isinstance(value, dict) and "$ref" in value:
        # CollibraCredentials.load_from_ref takes the whole slug, type/name, for the name.
        return cast("CollibraCredentials", Block.load_from_ref(value["$ref"]))
    return CollibraCredentials.model_validate(value)


def _handle(client: CollibraClient, entry: LedgerEntry, on_cancel: OnCancel) -> str:
    if entry.phase == Phase.INTENDED or entry.job_id is None:
        return (
            "The flow run was cancelled during the finalization request, so the outcome of the "
            "request is unknown. The next flow run searches for its job; a person can resolve it "
            "with the deployment resolve-finalization."
        )
    if on_cancel == OnCancel.LEAVE:
        return (
            f"The flow run was cancelled. Finalization job {entry.job_id} continues in Collibra, "
            "because a stopped job may leave half of its changes. Run the flow again to follow "
            "it; the request is not sent a second time."
        )
    return cancel_job(client, entry.job_id)


def cancel_job(client: CollibraClient, job_id: str) -> str:
    """Cancel a job in Collibra, and return one message about the result."""
    try:
        client.cancel_job(job_id, message="flow run cancelled in Prefect")
    except CollibraError as error:
        return (
            f"The flow run was cancelled, but job {job_id} could not be cancelled and may continue "
            f"in Collibra: {error}"
        )
    requested = f"The flow run was cancelled, and Collibra was asked to stop job {job_id}."
    try:
        job = client.get_job(job_id)
    except NotFoundError:
        return f"{requested} The job no longer exists. Part of its changes may be done."
    except CollibraError as error:
        return f"{requested} Its state is unknown: {error}"
    words = f"{job.state}, {job.result or 'no result'}"
    return f"{requested} Its state is {words}. Part of its changes may be done."


def _publish(flow_run: FlowRun, key: str, synchronization_id: str, message: str) -> None:
    with get_client(sync_client=True) as client:
        client.create_artifact(
            ArtifactCreate(
                key=key,
                type="markdown",
                description=f"Finalization of {synchronization_id}: flow run cancelled",
                data=f"# {synchronization_id}: flow run cancelled\n\n{message}",
                flow_run_id=flow_run.id,
            )
        )
