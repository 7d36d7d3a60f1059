"""Flow that checks connection, rights and setup, and writes nothing to Collibra."""

from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from collibra_tasks import MISSING_FROM_SOURCE, CollibraCredentials, failed_state
from collibra_tasks.check import check_connection, render_check
from collibra_tasks.cycle.forms import StatusId
from collibra_tasks.errors import CollibraError
from collibra_tasks.ledger.identity import resource_name


@flow(name="check-tenant", flow_run_name="check tenant", retries=0)
def check_tenant(
    credentials: CollibraCredentials,
    synchronization_id: Annotated[str, Field(max_length=50)] = "",
    missing_asset_status_id: StatusId = MISSING_FROM_SOURCE,
) -> State[Any]:
    """Check the connection to Collibra, the rights of the account, and the setup.

    Nothing changes in Collibra. The artifact has one line per check, with the next step for each
    check that failed. The flow run fails if one check failed.

    Args:
        credentials: Saved block with the URL and the credentials of the Collibra environment.
        synchronization_id: ID of a synchronization that must exist. Empty: none is checked.
        missing_asset_status_id: UUID of a status that must exist. Default: the packaged status
            "Missing from source". Empty: none is checked.
    """
    check = check_connection(
        credentials, synchronization_id=synchronization_id, status_id=missing_asset_status_id
    )
    create_markdown_artifact(
        render_check(check),
        key=resource_name("check", check.environment),
        description=check.sentence[:1_000],
    )
    if not check.ok:
        return failed_state(CollibraError(check.sentence))
    return Completed(message=check.sentence, data=check.rows)
