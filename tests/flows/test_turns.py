"""Cycles of one synchronization follow one another, and imports wait until a tenant has room."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

from collibra_tasks import MISSING_FROM_SOURCE, CollibraCredentials, Receipt
from collibra_tasks.errors import FinalizationRefusedError, OverlapError
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.tasks.turns import CycleTurns, ensure_limit, limit_name
from flows.synchronize_source import synchronize_source
from tests.flows.cycles import Mirror, tables

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_a_lower_limit_is_respected(
    mirror: Mirror, credentials: CollibraCredentials, tenant: Sandbox
) -> None:
    """Where the tenant's concurrency limit is lower than asked for, fewer batches go at once."""
    ensure_limit(limit_name(credentials), 2)

    assert mirror(20, max_commands_per_batch=5, max_concurrent_batches=4).succeeded
    assert 4 == tenant.batches


def test_a_limit_of_zero_stops_all_flows(
    mirror: Mirror, credentials: CollibraCredentials, tenant: Sandbox
) -> None:
    """Where somebody has set the tenant's concurrency limit to 0, a run says so and ends."""
    ensure_limit(limit_name(credentials), 0)

    with pytest.raises(FinalizationRefusedError):
        mirror(20)
    assert 0 == tenant.batches


def test_two_cycles_at_once_follow_one_another(
    credentials: CollibraCredentials, tenant: Sandbox, export: Path
) -> None:
    """Two runs of one synchronization never mix their cycles, and nothing goes missing."""
    export.write_text(json.dumps(tables(20)))

    asked: dict[str, Any] = {"max_commands_per_batch": 5, "wait_seconds": 60}

    def run() -> bool:
        receipt: Receipt = synchronize_source(credentials, "nightly", str(export), **asked)
        return receipt.succeeded

    contexts = [copy_context() for _ in range(2)]  # they know the tests' own Prefect server
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda context: context.run(run), contexts))

    assert [True, True] == ended
    assert (8, 2) == (tenant.batches, tenant.finalizations)
    assert not [one for one in tenant.assets().values() if one.status_id == MISSING_FROM_SOURCE]


def leave_taken(words: str) -> None:
    """Leave a slot taken that nobody holds, as a restart of the Prefect server does."""
    with get_client(sync_client=True) as client:
        for limit in client.read_global_concurrency_limits():
            if words in limit.name:
                taken = GlobalConcurrencyLimitUpdate(active_slots=1)
                client.update_global_concurrency_limit(limit.name, taken)


def test_a_turn_that_nobody_holds_is_taken_over(
    mirror: Mirror, credentials: CollibraCredentials, tenant: Sandbox
) -> None:
    """A slot that stayed taken while Prefect's server restarted keeps nobody out for long."""
    mirror(20)
    leave_taken(CycleTurns(credentials, "nightly").name)
    leave_taken(limit_name(credentials))

    assert mirror(20, max_commands_per_batch=5, max_concurrent_batches=8, wait_seconds=5).succeeded
    assert 2 == tenant.finalizations


def test_a_run_waits_its_turn_or_leaves(
    mirror: Mirror, credentials: CollibraCredentials, tenant: Sandbox
) -> None:
    """Beside a run that fills a cycle another one sends nothing: it skips, or fails, as told."""
    told: list[Receipt] = []

    @flow
    def holder() -> None:
        with CycleTurns(credentials, "nightly").taking(patience_seconds=0):
            told.append(mirror(20, on_overlap="skip"))
            with pytest.raises(OverlapError):
                mirror(20, on_overlap="fail")

    holder()

    assert [True] == [receipt.not_sent for receipt in told]
    assert [] == tenant.jobs


def test_communities_and_domains_are_never_imported_together(
    credentials: CollibraCredentials, tenant: Sandbox, export: Path
) -> None:
    """However many batches may be under way, those with communities or domains go alone."""
    export.write_text(
        json.dumps(
            [{"resourceType": "Community", "identifier": {"name": str(n)}} for n in range(4)]
            + tables(4)
        )
    )
    tenant.run_jobs_for(1)

    asked: dict[str, Any] = {"max_commands_per_batch": 2, "max_concurrent_batches": 3}
    synchronize_source(credentials, "nightly", str(export), wait_seconds=30, **asked)

    begun = [job.created_on for job in tenant.jobs[:4]]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(begun)]
    assert [True, True, False] == [pause >= 1 for pause in pauses]
