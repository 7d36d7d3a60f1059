"""A client of the tenant, as most tests want it."""

from typing import Any

from collibra_tasks.client import CollibraClient
from collibra_tasks.models import FinalizationStrategy, Job
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.settings import CollibraConnection


def client_of(tenant: Sandbox, auth_type: str = "basic", **changes: Any) -> CollibraClient:
    names = {
        name.removeprefix("COLLIBRA_").lower(): value
        for name, value in tenant.environment(auth_type).items()
    }
    return CollibraClient(
        CollibraConnection.model_validate(names | {"auth_type": auth_type} | changes)
    )


def finalize(client: CollibraClient) -> Job:
    return client.submit_finalization("nightly", strategy=FinalizationStrategy.IGNORE)
