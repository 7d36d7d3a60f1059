"""What tests and demos get to see of a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from collibra_tasks.sandbox.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenJob:
    """A job, as it is when it is looked at.

    Attributes:
        kind: ``batch``, ``finalize``, ``synchronize``, ``import`` or ``foreign``.
        state: In the words of the Job API v1.
    """

    id: str
    kind: str
    name: str
    type: str
    state: str
    result: str
    message: str | None
    user_id: str
    created_on: datetime
    synchronization_id: str | None


def see_job(job: Job, now: datetime) -> SeenJob:
    """Return what a job is like now."""
    return SeenJob(
        id=job.id,
        kind=job.kind,
        name=job.name,
        type=job.type,
        state=job.newer_state(now),
        result=job.result,
        message=job.message,
        user_id=job.user_id,
        created_on=job.created_on,
        synchronization_id=job.synchronization_id,
    )
