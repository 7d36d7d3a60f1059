"""Predicted against reported: whether Collibra did what was foreseen."""

from __future__ import annotations

from prefect.events import emit_event

from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import CollibraError
from collibra_tasks.manifest import Prediction
from collibra_tasks.models import Counters, FinalizationStrategy


def compare(
    credentials: CollibraCredentials,
    synchronization_id: str,
    job_id: str,
    prediction: Prediction,
    strategy: FinalizationStrategy,
) -> str | None:
    """Say so, and emit an event, where the tenant did more, or less, than was predicted.

    Args:
        credentials: The tenant.
        synchronization_id: What was finalized.
        job_id: The job that did so.
        prediction: What was foreseen.
        strategy: What was to happen to it.
    """
    if strategy == FinalizationStrategy.IGNORE:
        return None
    counters = _reported(credentials, job_id)
    if counters is None:
        return None
    least = most = prediction.missing_count
    count = counters.removed
    if strategy == FinalizationStrategy.CHANGE_STATUS:
        count = counters.updated
        most += prediction.new_count  # those that came back get a status as well
    if least <= count <= most:
        return None
    told = f"Collibra reports {count:,} assets as dealt with, and {least:,} were predicted"
    emit_event(
        event="collibra.finalization.differs-from-prediction",
        resource={
            "prefect.resource.id": f"collibra.synchronization.{synchronization_id}",
            "prefect.resource.name": synchronization_id,
        },
        payload={"predicted": least, "reported": count, "job_id": job_id, "message": told},
    )
    return told


def _reported(credentials: CollibraCredentials, job_id: str) -> Counters | None:
    """Return what the tenant counts of assets; ``None`` if it keeps no summary."""
    with credentials.get_client() as client:
        try:
            return client.get_summary(job_id).counters.get("ASSET", Counters())
        except CollibraError:
            return None
