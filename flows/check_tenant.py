"""Flow that checks connection, rights and setup, and writes nothing to Collibra."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from collibra_tasks import MISSING_FROM_SOURCE, CollibraCredentials, failed_state
from collibra_tasks._prefect import shorten_message, tag_flow_run
from collibra_tasks.check import check_connection, render_check
from collibra_tasks.cycle.forms import StatusId
from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.tasks import find_log
from collibra_tasks.ledger.identity import resource_name


def _name_flow_run() -> str:
    credentials = runtime.flow_run.get_parameters().get("credentials")
    host = urlsplit(getattr(credentials, "base_url", "")).netloc
    return f"check {host or 'tenant'}"


@flow(name="check-tenant", flow_run_name=_name_flow_run, retries=0)
def check_tenant(
    credentials: CollibraCredentials,
    synchronization_id: Annotated[str, Field(max_length=50)] = "",
    missing_asset_status_id: StatusId = MISSING_FROM_SOURCE,
) -> State[Any]:
    """Check the connection to Collibra, the rights of the account, and the setup.

    Nothing changes in Collibra. The artifact has one line per check, with the next step for each
    check that failed. The flow run fails if one check failed.

    Args:
        credentials: Saved block with the URL and the credentials of the Collibra environment. None
            selected: the block that the deployment names.
        synchronization_id: ID of a synchronization that must exist. Empty: none is checked.
        missing_asset_status_id: UUID of a status that must exist. Default: the packaged status
            "Missing from source". Empty: none is checked.
    """
    check = check_connection(
        credentials, synchronization_id=synchronization_id, status_id=missing_asset_status_id
    )
    tag_flow_run(runtime.flow_run.get_id(), (synchronization_id, check.environment))
    log = find_log()
    for row in check.rows:
        log(str(row))
    create_markdown_artifact(
        render_check(check),
        key=resource_name("check", check.environment),
        description=shorten_message(check.sentence),
    )
    if not check.ok:
        return failed_state(CollibraError(check.sentence))
    return Completed(message=shorten_message(check.sentence), data=check.rows)
