"""Ask a person, before anything is sent, whether what would go missing may go."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from prefect import runtime
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from pydantic import Field
from slugify import slugify

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.guards import RemovalVerdict
from collibra_tasks.manifest import Prediction
from collibra_tasks.models import OnGuard

SHOWN_NAMES = 1_000
NAMES_IN_FORM = 50


class Approval(RunInput):
    """What a person answers."""

    expected_number: int = Field(
        ge=0, description="How many assets may go missing: repeat the number. Any other refuses."
    )
    reason: str = Field(min_length=1, description="Why that is right; it is kept with the receipt.")


def pass_guard(
    verdict: RemovalVerdict,
    prediction: Prediction | None,
    synchronization_id: str,
    *,
    on_guard: OnGuard,
    accept_count: int | None,
    accept_reason: str,
    approval_seconds: int,
) -> str | None:
    """Go on if the guard agrees, or a person does; nothing was sent before.

    Args:
        verdict: What the guard says.
        prediction: What would go missing.
        synchronization_id: For titles.
        on_guard: Whether to fail or to ask, where the guard is against it.
        accept_count: The number of this very run's missing assets, where they are accepted.
        accept_reason: Why they are.
        approval_seconds: How long to wait for an answer.

    Returns:
        What the receipt should say of it.

    Raises:
        FinalizationRefusedError: If neither agrees.
    """
    if prediction is not None and prediction.missing_count:
        show_missing(prediction, synchronization_id)
    if verdict.allowed or verdict.confirmation is None:
        verdict.enforce()
        return verdict.remark
    reasons = "; ".join(verdict.reasons)
    if accept_count is not None:
        _refuse_schedule(verdict)
        return _accept(verdict, accept_count, accept_reason)
    if on_guard == OnGuard.FAIL:
        how = (
            f"if that is right, run once more with accept_missing_count={verdict.confirmation} and "
            "accept_reason"
        )
        raise FinalizationRefusedError(
            f"not sent, nothing changed in Collibra: {reasons}; {how}", reasons=verdict.reasons
        )
    answer = _ask(verdict, prediction, synchronization_id, approval_seconds)
    return _accept(verdict, answer.expected_number, answer.reason)


def _accept(verdict: RemovalVerdict, number: int, reason: str) -> str:
    reasons = "; ".join(verdict.reasons)
    if number != verdict.confirmation:
        message = (
            f"not sent, nothing changed in Collibra: {number} was accepted, and the guard counts "
            f"{verdict.confirmation} ({reasons})"
        )
        raise FinalizationRefusedError(message, reasons=verdict.reasons)
    if not reason.strip():
        message = (
            "not sent, nothing changed in Collibra: whoever overrides the guard says why "
            "(accept_reason, or Reason in the form)"
        )
        raise FinalizationRefusedError(message, reasons=verdict.reasons)
    return f"The guard was overridden: {reasons}. Accepted because: {reason.strip()}"


def _refuse_schedule(verdict: RemovalVerdict) -> None:
    """Refuse a number that was set beforehand where a schedule has started it all."""
    run_id = runtime.flow_run.get_root_flow_run_id()
    if run_id is None:
        return
    with get_client(sync_client=True) as client:
        if not client.read_flow_run(UUID(str(run_id))).auto_scheduled:
            return
    message = (
        "not sent, nothing changed in Collibra: accept_missing_count is for one run by hand, and "
        f"this one was started by its schedule ({'; '.join(verdict.reasons)})"
    )
    raise FinalizationRefusedError(message, reasons=verdict.reasons)


def _ask(
    verdict: RemovalVerdict,
    prediction: Prediction | None,
    synchronization_id: str,
    approval_seconds: int,
) -> Approval:
    get_run_logger().warning("Waiting for a person: %s", "; ".join(verdict.reasons))
    names = prediction.missing[:NAMES_IN_FORM] if prediction else ()
    more = (prediction.missing_count if prediction else 0) - len(names)
    described = "\n".join(
        [
            f"**{synchronization_id}**: {'; '.join(verdict.reasons)}.",
            "",
            *(f"- {name}" for name in names),
            *([f"- and {more:,} more, see the artifact"] if more > 0 else []),
            "",
            f"Repeat the number **{verdict.confirmation}** to let it pass; any other refuses.",
        ]
    )
    form = Approval.with_initial_data(description=described)
    # A suspended run needs no process: it survives a restart of everything.
    wait = suspend_flow_run if runtime.deployment.get_id() else pause_flow_run
    with suppress(FlowPauseTimeout):
        answer = wait(wait_for_input=form, timeout=approval_seconds, key="removal")
        if isinstance(answer, Approval):
            return answer
    message = "not sent, nothing changed in Collibra: nobody answered in time"
    raise FinalizationRefusedError(message, reasons=verdict.reasons)


def show_missing(prediction: Prediction, synchronization_id: str) -> None:
    """Leave the names of what would go missing as an artifact."""
    create_table_artifact(
        [{"asset": name} for name in prediction.missing[:SHOWN_NAMES]],
        key=f"missing-{slugify(synchronization_id)}",
        description=(
            f"{prediction.missing_count:,} of {prediction.population:,} assets of the last cycle "
            f"are not in this one; the first {SHOWN_NAMES:,}"
        ),
    )
