"""Port to the import slots that all synchronizations of one environment share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Slots(Protocol):
    """Import slots that all synchronizations of one environment share."""

    def acquire(self, count: int, *, wait_seconds: float) -> AbstractContextManager[int]:
        """Occupy up to ``count`` slots, at least one; the context value is their number."""
