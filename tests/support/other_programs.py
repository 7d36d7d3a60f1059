"""Jobs of other programs on a shared account, and names of finalization jobs."""

from __future__ import annotations

from tests.support.sessions import World, tables

WITH_ID = "Synchronization finalization for id: {id}"
"""Name of a finalization job that holds the synchronization ID."""
SILENT = "Import"
"""Name of a finalization job that says nothing."""


def add_jobs_of_others(world: World, synchronization_id: str) -> None:
    """Let other programs of the same and another account use Collibra before the cycle."""
    sandbox = world.sandbox
    person = sandbox.add_account(f"person-{world.clock.monotonic():.0f}")
    for user_id in (None, person.user_id):
        sandbox.import_by_hand("ignored", tables("elsewhere"), batch=False, user_id=user_id)
        sandbox.add_foreign_job(name="Ingest", type="DELTA_INGESTION", user_id=user_id)
        sandbox.add_foreign_job(name="Edge capability: catalog", type="EDGE", user_id=user_id)
    sandbox.add_foreign_job(name=f"Export of {synchronization_id} terms", type="DELTA_INGESTION")
    for name in ("sales-eu", f"{synchronization_id}-eu"):
        sandbox.import_by_hand(name, tables("theirs"))
        sandbox.finalize_by_hand(name, strategy="IGNORE")
    world.clock.advance(30)
