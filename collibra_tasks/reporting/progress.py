"""Progress, failed commands and other tables as Prefect artifacts; never the cause of a failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, cast
from uuid import UUID

from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from collibra_tasks.jobs.polling import describe_state
from collibra_tasks.models import Job
from collibra_tasks.wording import count_of

MAX_SHOWN_COMMANDS: Final = 1_000
READING_PERCENT: Final = 20.0
"""Value of the bar when the source was read."""
UPLOAD_PERCENT: Final = 90.0
"""Value of the bar when all batches were imported; the finalization fills the rest."""
HALF_READ_RECORDS: Final = 50_000
"""Number of records that fill half of the reading's part of the bar, if the total is unknown."""
MIN_SECONDS_BETWEEN_UPDATES: Final = 2.0

_log = logging.getLogger(__name__)


class ProgressArtifact:
    """Progress of a cycle, as the Prefect UI shows it: reading, batches, finalization.

    The number of records in a source is known only at its end. The previous cycle is the measure;
    without one, the bar approaches the end of the reading and does not reach it.

    Example:
        ```python
        progress = ProgressArtifact(resource_name("progress", environment.key, "nightly"))
        progress.show_reading(5_000)
        progress.begin_upload(12_000)
        progress.update(sent=1, done=1, failed=0, commands=5_000)
        progress.show_finalization(job)
        ```
    """

    def __init__(
        self,
        key: str,
        *,
        description: str = "Reading the source.",
        count_previous: Callable[[], int | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the artifact.

        Args:
            key: Key of the artifact.
            description: First description.
            count_previous: Function that returns the number of commands in the previous cycle, or
                ``None``; called once, and only for a source that is read for seconds.
            monotonic: Clock of the rate, in seconds.
        """
        self._total, self._monotonic, self._start = 0, monotonic, monotonic()
        self._updated, self._shown, self._percent = self._start, "", 0.0
        self._count_previous: Callable[[], int | None] = cache(count_previous)
        self._before_finalization: float | None = None
        self._artifact_id: UUID | None = None
        try:
            self._artifact_id = cast(
                "UUID", create_progress_artifact(0.0, key=key, description=description)
            )
        except Exception:  # noqa: BLE001 - the Prefect API may be down; the cycle continues
            _log.debug("Progress artifact %s not created.", key, exc_info=True)

    def show_reading(self, records: int) -> None:
        """Show how many records of the source were read; not more often than every two seconds."""
        if self._monotonic() - self._updated < MIN_SECONDS_BETWEEN_UPDATES:
            return
        previous = self._count_previous()
        # A table repeats its domains in each row, so it may have more records than commands.
        share = records / (previous or records + HALF_READ_RECORDS)
        measure = f"; the previous cycle had {count_of(previous, 'command')}" if previous else ""
        text = f"Reading the source: {count_of(records, 'record')} so far{measure}."
        self._show(round(READING_PERCENT * min(share, 1.0), 1), text)

    def begin_upload(self, total: int) -> None:
        """Show that the source was read.

        Args:
            total: Number of commands in the cycle, 0 or more.
        """
        self._total, self._start = total, self._monotonic()
        text = f"Source read: {count_of(total, 'command')}. No batch sent yet."
        self._show(READING_PERCENT, text)

    def update(self, *, sent: int, done: int, failed: int, commands: int) -> None:
        """Show the progress of the upload.

        Args:
            sent: Number of sent batches.
            done: Number of imported batches.
            failed: Number of failed batches.
            commands: Number of imported commands.
        """
        share = min(1.0, commands / max(self._total, 1))
        percent = round(READING_PERCENT + (UPLOAD_PERCENT - READING_PERCENT) * share, 1)
        batches = f"Batches: {sent:,} sent, {done:,} imported, {failed:,} failed."
        self._show(percent, f"{batches} {self._rate(commands)}")

    def show_finalization(self, job: Job) -> None:
        """Show the state of the finalization job, which fills the rest of the bar."""
        if self._before_finalization is None:
            self._before_finalization = self._percent
        share = 100.0 if job.ended else min(99.0, job.progress_percentage or 0.0)
        start = self._before_finalization
        percent = round(start + (100 - start) * share / 100, 1)
        self._show(percent, f"Finalization: job {job.id} {describe_state(job)}.")

    def finish(self, description: str) -> None:
        """Show the end of a flow run that finalizes nothing."""
        self._show(100.0, description)

    def _show(self, percent: float, description: str) -> None:
        if self._artifact_id is None or description == self._shown:
            return
        self._updated, self._shown, self._percent = self._monotonic(), description, percent
        try:
            update_progress_artifact(self._artifact_id, percent, description=description)
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
    count = f"{count_of(len(rows), 'command')} that Collibra did not import"
    show_table(rows[:MAX_SHOWN_COMMANDS], key, description or count)


def show_table(rows: Sequence[Mapping[str, Any]], key: str, description: str) -> None:
    """Create a table artifact; errors are logged, never raised."""
    try:
        create_table_artifact([dict(row) for row in rows], key=key, description=description)
    except Exception:  # noqa: BLE001 - as above
        _log.warning("Table artifact %s not created.", key, exc_info=True)
