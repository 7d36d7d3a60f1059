"""What a tenant's version decides."""

from __future__ import annotations

import re
from dataclasses import dataclass

YearAndMonth = tuple[int, int]

PARAMETER_MISSING_ASSET_STATUS_ID = (2022, 8)
FAILED_COUNTER = (2026, 1)
CONTINUE_ON_ERROR_BY_DEFAULT = (2026, 7)


@dataclass(frozen=True, slots=True)
class Version:
    """A tenant's version, as it tells it; None when it tells none.

    Source: expected to look like ``2026.07.0``, *assumed*; no real one was found.
    """

    full: str | None

    @property
    def year_and_month(self) -> YearAndMonth | None:
        """Return the two numbers it starts with, if it does."""
        match = re.match(r"(\d+)\.(\d+)", self.full or "")
        return (int(match[1]), int(match[2])) if match else None

    def since(self, release: YearAndMonth) -> bool:
        """Whether this is that release or a later one; an unreadable version is the newest."""
        return self.year_and_month is None or self.year_and_month >= release
