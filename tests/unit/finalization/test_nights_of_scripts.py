"""Thirty nights of a script and ``finalize_synchronization`` beside other programs."""

from __future__ import annotations

from functools import partial

import pytest

from tests.support.finalizations import FinalizationWorld, outcome_of
from tests.support.other_programs import SILENT, WITH_ID, add_jobs_of_others

NIGHTS = 30
FAILED_BATCH, FAILED_FINALIZATION, UPGRADE = 11, 17, 22
GLOSSARY = "glossary"


def send_batches(world: FinalizationWorld, night: int) -> tuple[list[str], list[str]]:
    """Send three batches as a script does; return the good ones and the failed one."""
    failed = []
    if night == FAILED_BATCH:
        world.sandbox.end_jobs_as("ERROR", on="batch")
        failed = [world.batch("first", synchronization_id=GLOSSARY)]
    names = [[f"t{number}" for number in range(start, start + 5)] for start in (night, 40, 60)]
    return [world.batch(*each, synchronization_id=GLOSSARY) for each in names], failed


@pytest.mark.parametrize("strategy", ["CHANGE_STATUS", "REMOVE_RESOURCES", "IGNORE"])
@pytest.mark.parametrize("finalization_job_name", [WITH_ID, SILENT])
def test_finalize_thirty_nights(strategy: str, finalization_job_name: str) -> None:
    """No run refuses after the complete batches of a script, whatever other programs do."""
    world = FinalizationWorld(sandbox_options={"finalization_job_name": finalization_job_name})
    for night in range(NIGHTS):
        add_jobs_of_others(world, GLOSSARY)
        if night == UPGRADE:
            world.sandbox.set_version("2026.10.0")
        good, failed = send_batches(world, night)
        world.sandbox.add_foreign_job(name=f"Export of {GLOSSARY} terms", type="DELTA_INGESTION")
        if night not in {0, UPGRADE}:  # a name was learned for this release
            world.sandbox.add_foreign_job(name="Upload of prices")
        if night == FAILED_FINALIZATION:
            world.sandbox.end_jobs_as("ERROR")
        finalize = partial(
            world.finalize,
            *good,
            replaced_batch_job_ids=tuple(failed),
            strategy=strategy,
            synchronization_id=GLOSSARY,
            run=world.new_run(created_by_schedule=True),
        )
        job = outcome_of(finalize)
        assert getattr(job, "succeeded", None) == (night != FAILED_FINALIZATION), (night, job)
        world.clock.advance(86_000)
    assert world.sandbox.finalizations_of(GLOSSARY) == NIGHTS
