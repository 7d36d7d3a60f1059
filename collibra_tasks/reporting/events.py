"""Domain events for Prefect automations."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Literal

from prefect.events import emit_event

EventKind = Literal[
    "planned", "finalized", "refused", "unknown", "incomplete", "failed", "waiting-for-approval"
]
EVENT_PREFIX: Final = "collibra.synchronization"

_log = logging.getLogger(__name__)


def emit_synchronization_event(
    kind: EventKind, synchronization_id: str, environment: str, payload: Mapping[str, Any]
) -> None:
    """Emit ``collibra.synchronization.<kind>``; errors are logged, never raised.

    Prefect adds the flow run and its deployment as related resources.

    Args:
        kind: Kind of the event.
        synchronization_id: ID of the synchronization, which is the event's resource.
        environment: Identity of the Collibra environment.
        payload: Counts and the message; no secrets.

    Example:
        ```python
        emit_synchronization_event("planned", "warehouse-nightly", "acme.collibra.com", {})
        ```
    """
    try:
        emit_event(
            event=f"{EVENT_PREFIX}.{kind}",
            resource={
                "prefect.resource.id": f"{EVENT_PREFIX}.{synchronization_id}",
                "prefect.resource.name": synchronization_id,
                "collibra.environment": environment,
            },
            payload={
                "synchronization_id": synchronization_id,
                "environment": environment,
                **payload,
            },
        )
    except Exception:  # noqa: BLE001 - a lost event must not end a cycle
        _log.warning("Event %s of %s not emitted.", kind, synchronization_id, exc_info=True)
