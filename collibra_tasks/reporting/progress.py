"""Progress, failed commands and other tables as Prefect artifacts; never the cause of a failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

MAX_SHOWN_COMMANDS: Final = 1_000

_log = logging.getLogger(__name__)


class ProgressArtifact:
    """Progress of the upload of a cycle, as the Prefect UI shows it.

    Example:
        ```python
        progress = ProgressArtifact(resource_name("progress", environment.key, "nightly"), 12_000)
        progress.update(sent=1, done=1, failed=0, commands=5_000)
        ```
    """

    def __init__(
        self, key: str, total: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Create the artifact.

        Args:
            key: Key of the artifact.
            total: Number of commands in the cycle, 0 or more.
            monotonic: Clock of the rate, in seconds.
        """
        self._total, self._monotonic, self._start = total, monotonic, monotonic()
        self._artifact_id: UUID | None = None
        try:
            self._artifact_id = cast(
                "UUID",
                create_progress_artifact(
                    0.0, key=key, description=f"No batch sent yet; {total:,} commands."
                ),
            )
        except Exception:  # noqa: BLE001 - the Prefect API may be down; the cycle continues
            _log.debug("Progress artifact %s not created.", key, exc_info=True)

    def update(self, *, sent: int, done: int, failed: int, commands: int) -> None:
        """Show the progress so far.

        Args:
            sent: Number of sent batches.
            done: Number of imported batches.
            failed: Number of failed batches.
            commands: Number of imported commands.
        """
        if self._artifact_id is None:
            return
        percent = min(100.0, round(100 * commands / max(self._total, 1), 1))
        description = f"Batches: {sent:,} sent, {done:,} imported, {failed:,} failed. "
        try:
            update_progress_artifact(
                self._artifact_id, percent, description=description + self._rate(commands)
            )
        except Exception:  # noqa: BLE001 - as above
            _log.debug("Progress artifact not updated.", exc_info=True)

    def _rate(self, commands: int) -> str:
        rate = commands / max(self._monotonic() - self._start, 0.001)
        text = f"Commands: {commands:,} of {self._total:,}, {rate:,.0f} per second"
        if not rate or commands >= self._total:
            return f"{text}."
        return f"{text}, about {(self._total - commands) / rate:,.0f} s remaining."


def show_failed_commands(
    rows: Sequence[Mapping[str, str]], key: str, description: str = ""
) -> None:
    """Create a table of commands that Collibra did not import, at most 1,000.

    Args:
        rows: One row per command, for instance with ``position``, ``identifier`` and ``message``.
        key: Key of the artifact.
        description: Title; empty for a general one with the count.
    """
    count = f"{len(rows):,} commands that Collibra did not import"
    show_table(rows[:MAX_SHOWN_COMMANDS], key, description or count)


def show_table(rows: Sequence[Mapping[str, Any]], key: str, description: str) -> None:
    """Create a table artifact; errors are logged, never raised."""
    try:
        create_table_artifact([dict(row) for row in rows], key=key, description=description)
    except Exception:  # noqa: BLE001 - as above
        _log.warning("Table artifact %s not created.", key, exc_info=True)
