"""Flow that shows what a cycle would change, and sends nothing that changes Collibra."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from collibra_tasks import (
    MISSING_FROM_SOURCE,
    CollibraCredentials,
    CycleOptions,
    FinalizationStrategy,
    failed_state,
    plan_cycle,
)
from collibra_tasks._prefect import shorten_message
from collibra_tasks.cycle.forms import GuardLimits, SourceReading, StatusId, SynchronizationId
from collibra_tasks.cycle.plan_report import plan_sentence
from collibra_tasks.errors import CollibraError


@flow(
    name="plan-synchronization",
    flow_run_name="plan {synchronization_id}",
    retries=0,
)
def plan_synchronization(
    credentials: CollibraCredentials,
    synchronization_id: SynchronizationId,
    source: str | list[str],
    strategy: FinalizationStrategy = FinalizationStrategy.CHANGE_STATUS,
    missing_asset_status_id: StatusId = MISSING_FROM_SOURCE,
    template: str = "",
    max_missing_count: Annotated[int, Field(ge=0)] = 1_000,
    max_missing_percent: Annotated[float, Field(ge=0, le=100)] = 20.0,
    validate_on_tenant: bool = False,
    wait_seconds: Annotated[float, Field(ge=0)] = 3600,
    evict_before: bool = False,
    storage: str = "",
    reading: SourceReading = SourceReading(),  # noqa: B008 - a frozen value
    limits: GuardLimits = GuardLimits(),  # noqa: B008 - a frozen value
) -> State[Any]:
    """Plan a cycle: read the source, compare it with the previous cycle, and show the result.

    Nothing changes in Collibra. The plan lists new and missing assets, and the reasons for which
    synchronize-source would need an approval. Such a plan can be approved with its number.

    Args:
        credentials: Saved block with the URL and the credentials of the Collibra environment. None
            selected: the block that the deployment names.
        synchronization_id: ID of the synchronization, 1 to 50 characters.
        source: Path, pattern such as exports/*.json, URL, or list of them, as seen from the worker.
            Import commands as JSON or JSON lines, or CSV and Excel tables with a template.
        strategy: Action on missing assets in the planned cycle.
        missing_asset_status_id: UUID of the status for CHANGE_STATUS. Default: the packaged status
            "Missing from source".
        template: JSON array of import commands for CSV and Excel, with a placeholder for each
            column; or the path of a file that contains it.
        max_missing_count: Maximum number of assets that may go missing without approval.
        max_missing_percent: Maximum percentage of the previous cycle's assets that may go missing
            without approval, 0 to 100.
        validate_on_tenant: Check of the commands by Collibra, as a plain import with simulation.
        wait_seconds: Maximum wait for each of these simulated imports in seconds, 0 or more.
        evict_before: Value of the same field in the planned cycle.
        storage: Prefect storage block for the contents of cycles, as in the planned cycle.
        reading: Format of the source files.
        limits: Further limits on missing assets; approval_seconds has no effect on a plan.
    """
    try:
        plan = plan_cycle(
            credentials,
            synchronization_id,
            source,
            strategy=strategy,
            missing_asset_status_id=missing_asset_status_id,
            options=CycleOptions(
                source=reading.to_options(template),
                limits=limits.to_limits(max_missing_count, max_missing_percent),
                evict_before=evict_before,
                storage=storage,
                wait_seconds=wait_seconds,
            ),
            validate_on_tenant=validate_on_tenant,
        )
    except CollibraError as error:
        return failed_state(error)
    return Completed(message=shorten_message(plan_sentence(plan)), data=plan)
