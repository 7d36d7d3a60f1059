"""Thirty nights beside other programs: no false alarm, and no batch without need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from collibra_tasks.errors import CollibraError, JobError
from collibra_tasks.options import CycleOptions, OnGuard
from tests.support.other_programs import SILENT, WITH_ID, add_jobs_of_others
from tests.support.sessions import World, tables

NIGHTS = 30
FAILED_BATCH, FAILED_FINALIZATION, UPGRADE = 11, 17, 22
DOMAINS = ("Sales", "Stock", "Staff")
DOMAIN_SIZE = 40
OPTIONS = CycleOptions(on_guard=OnGuard.ASK)


def source(night: int) -> list[dict[str, Any]]:
    """Return 40 tables per domain; each night one of them goes, and in every fourth night two."""
    first = night + night // 4
    return [
        command
        for domain in DOMAINS
        for command in tables(
            *(f"{domain} {number:03d}" for number in range(first, first + DOMAIN_SIZE)),
            domain=domain,
        )
    ]


def run_night(
    world: World, night: int, strategy: str, synchronization_id: str
) -> CollibraError | None:
    sandbox = world.sandbox
    add_jobs_of_others(world, synchronization_id)
    if night == FAILED_BATCH:
        sandbox.end_jobs_as("ERROR", on="batch")
    if night == FAILED_FINALIZATION:
        sandbox.end_jobs_as("ERROR")
    if night == UPGRADE:
        sandbox.set_version("2026.10.0")
    if night % 5 == 4:
        sandbox.call_next(
            lambda: sandbox.add_foreign_job(name="Import"), on="batch", before_commit=False
        )
    found = world.synchronize_or_error(
        source(night),
        strategy=strategy,
        options=OPTIONS,
        synchronization_id=synchronization_id,
        run=world.new_run(created_by_schedule=True),
    )
    world.clock.advance(86_000)
    return found if isinstance(found, CollibraError) else None


@pytest.mark.parametrize("strategy", ["CHANGE_STATUS", "REMOVE_RESOURCES", "IGNORE"])
@pytest.mark.parametrize(
    ("synchronization_id", "finalization_job_name"),
    [("glossary", WITH_ID), ("glossary", SILENT)],
)
def test_synchronize_thirty_nights(
    strategy: str, synchronization_id: str, finalization_job_name: str
) -> None:
    """No run refuses or asks, and batches are sent twice only where a job cannot be explained."""
    settings: Mapping[str, Any] = {"finalization_job_name": finalization_job_name}
    world = World(sandbox_options=settings)
    failed: dict[int, CollibraError] = {}
    twice: set[int] = set()
    for night in range(NIGHTS):
        before = _own_batches(world)
        if (error := run_night(world, night, strategy, synchronization_id)) is not None:
            failed[night] = error
        if _own_batches(world) - before > 1:
            twice.add(night)

    assert {night: type(error) for night, error in failed.items()}.keys() == {
        FAILED_BATCH,
        FAILED_FINALIZATION,
    }
    assert all(isinstance(error, JobError) for error in failed.values())
    assert world.prompt.plans == []
    unexplained = {night for night in range(NIGHTS) if night % 5 == 4}
    allowed = {0, UPGRADE, UPGRADE + 1} | (
        unexplained if finalization_job_name == SILENT else set()
    )
    assert twice <= allowed
    assert world.sandbox.finalizations == NIGHTS - 1
    last = {command["identifier"]["name"] for command in source(NIGHTS - 1)}
    assert last <= world.sandbox.asset_names()


def _own_batches(world: World) -> int:
    return sum(job.kind == "batch" and not job.by_hand for job in world.sandbox.jobs)


def test_synchronize_nights_with_a_broken_extract() -> None:
    """Among quiet nights, an extract that lost more than a fifth of its assets asks."""
    world = World()
    for night in range(3):
        assert run_night(world, night, "CHANGE_STATUS", "nightly") is None

    world.synchronize_or_error(source(3)[:90], options=OPTIONS)

    assert [plan.missing_count for plan in world.prompt.plans] == [32]
