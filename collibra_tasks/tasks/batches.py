"""Send the batches of a cycle, and be sure that all of it arrived."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import cast
from uuid import UUID

from prefect import task
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger
from slugify import slugify

from collibra_tasks import waiting
from collibra_tasks.batching import BatchSender
from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import JobError, JobIncompleteError, NotFoundError
from collibra_tasks.models import Job, RelationsAction
from collibra_tasks.shelf import Progress, SentBatch, Shelf
from collibra_tasks.sources import Batch, Position
from collibra_tasks.sources.identifiers import CONTAINERS
from collibra_tasks.tasks.jobs import wait_for_job
from collibra_tasks.tasks.retrying import WRITE
from collibra_tasks.tasks.turns import CycleTurns, taking_slots

SHOWN_FAILURES = 1_000


@task(**WRITE, task_run_name="submit-batch-{synchronization_id}")
def submit_batch(
    credentials: CollibraCredentials,
    synchronization_id: str,
    batch: Batch,
    *,
    continue_on_error: bool = False,
    relations_action: RelationsAction | None = None,
    options: Mapping[str, str] | None = None,
    known_job_ids: Collection[str] = (),
) -> Job:
    """Send one batch of a cycle.

    A lost answer is repeated, for a batch says the same again; but only once no job that the first
    request may have started can still be at work.

    Args:
        credentials: The tenant.
        synchronization_id: 1 to 50 characters.
        batch: What to send, from ``iter_batches``.
        continue_on_error: Whether the good commands are kept when others fail. Then the batch does
            not count as complete, and its cycle is not finalized.
        relations_action: What becomes of relations that an asset has already; without it the
            tenant decides.
        options: What else the tenant is told of the file; see ``write_options``.
        known_job_ids: Jobs of this account that are surely not this batch's.

    Returns:
        The job that imports it.

    Raises:
        NotSentError, RefusedError: If nothing was imported.
        OutcomeUnknownError: If it stays unknown whether an earlier request is at work.
    """
    with credentials.get_client() as client:
        return BatchSender(
            client=client,
            synchronization_id=synchronization_id,
            continue_on_error=continue_on_error,
            relations_action=relations_action,
            options=options or {},
            grace_seconds=waiting.GRACE_SECONDS,
            log=get_run_logger().info,
        ).send(batch, known_job_ids=known_job_ids)


@dataclass(kw_only=True)
class BatchRun:
    """The batches of one cycle, on their way.

    Attributes:
        commands: How many commands there are in all.
        most_at_once: How many jobs may be at work together, 1 to 8.
        patience_seconds: How long to wait until the tenant has room.
        start: Where the cycle stands: what an earlier attempt of this run has sent, and what was
            there before. What is done of it stays so.
    """

    credentials: CollibraCredentials
    synchronization_id: str
    commands: int
    shelf: Shelf
    turns: CycleTurns
    start: Progress
    most_at_once: int = 1
    continue_on_error: bool = False
    relations_action: RelationsAction | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 3600.0
    patience_seconds: float = 3600.0
    sent: list[SentBatch] = field(default_factory=list)
    done: list[SentBatch] = field(default_factory=list)

    def send_all(self, batches: Iterable[Batch]) -> list[str]:
        """Send all batches, communities and domains before the rest; return their jobs.

        Raises:
            JobIncompleteError: If any batch was not imported as a whole; the cycle is not complete.
            FinalizationRefusedError: If the tenant's concurrency limit lets nobody in.
        """
        with taking_slots(
            self.credentials, self.most_at_once, patience_seconds=self.patience_seconds
        ) as most:
            self._write()
            self.turns.begin(self.start.past)
            bar = _Bar(self.synchronization_id, self.commands)
            for containers, alike in groupby(batches, key=_has_containers):
                self._send_together(alike, bar, most=1 if containers else most)
        return [batch.job_id for batch in self.done]

    def _send_together(self, batches: Iterable[Batch], bar: _Bar, *, most: int) -> None:
        under_way: deque[tuple[Batch, str]] = deque()
        try:
            for batch in batches:
                if len(under_way) >= most:
                    self._finish(*under_way.popleft(), bar)
                job_id = self._proven(batch)
                sent = job_id or self._send(batch)
                self.sent.append(SentBatch(number=batch.number, digest=batch.digest, job_id=sent))
                bar.sent += 1
                if job_id is not None:
                    self._note(batch, job_id, bar)
                    continue
                self._write()
                under_way.append((batch, sent))
            while under_way:
                self._finish(*under_way.popleft(), bar)
        except JobIncompleteError:
            while under_way:  # nothing is left at work unseen
                with suppress(JobIncompleteError):
                    self._finish(*under_way.popleft(), bar)
            raise

    def _send(self, batch: Batch) -> str:
        return submit_batch(
            self.credentials,
            self.synchronization_id,
            batch,
            continue_on_error=self.continue_on_error,
            relations_action=self.relations_action,
            options=self.options,
            known_job_ids=[each.job_id for each in self.sent],
        ).id

    def _proven(self, batch: Batch) -> str | None:
        found = [each.job_id for each in self.start.sent if each.digest == batch.digest]
        if not found:
            return None
        with self.credentials.get_client() as client:
            try:
                return found[-1] if client.get_job(found[-1]).succeeded else None
            except NotFoundError:
                return None

    def _finish(self, batch: Batch, job_id: str, bar: _Bar) -> None:
        try:
            wait_for_job(self.credentials, job_id, wait_seconds=self.wait_seconds)
        except JobError as error:
            bar.tell(failed=batch.commands)
            raise _incomplete(self.synchronization_id, batch, error) from error
        self._note(batch, job_id, bar)

    def _note(self, batch: Batch, job_id: str, bar: _Bar) -> None:
        self.done.append(SentBatch(number=batch.number, digest=batch.digest, job_id=job_id))
        self._write()
        bar.tell(done=batch.commands)

    def _write(self) -> None:
        again = {each.digest for each in self.sent}
        earlier = [each for each in self.start.sent if each.digest not in again]
        self.shelf.write_progress(
            replace(self.start, sent=(*earlier, *self.sent), done=tuple(self.done))
        )


class _Bar:
    """The progress of a cycle, as the UI shows it."""

    def __init__(self, synchronization_id: str, commands: int) -> None:
        self._commands, self._began = commands, time.monotonic()
        self.sent = self._batches = self._done = self._failed = 0
        self._artifact = cast(
            "UUID",
            create_progress_artifact(
                0.0, key=f"batches-{slugify(synchronization_id)}", description="no batch sent yet"
            ),
        )

    def tell(self, *, done: int = 0, failed: int = 0) -> None:
        self._batches += 1
        self._done += done
        self._failed += bool(failed)
        rate = self._done / max(time.monotonic() - self._began, 0.001)
        left = (self._commands - self._done) / rate if rate else 0.0
        update_progress_artifact(
            self._artifact,
            round(100 * self._done / max(self._commands, 1), 1),
            description=(
                f"Batches: {self.sent} sent, {self._batches - self._failed} done, "
                f"{self._failed} failed; {self._done:,} of {self._commands:,} commands, "
                f"{rate:,.0f} a second" + (f", about {left:,.0f} s left" if left else "")
            ),
        )


def _has_containers(batch: Batch) -> bool:
    """Whether nothing may be imported beside it. Source: Concurrent import (documented)."""
    return not CONTAINERS.isdisjoint(batch.resource_types)


def _incomplete(synchronization_id: str, batch: Batch, error: JobError) -> JobIncompleteError:
    rows = _failed_commands(batch, error)
    if rows:
        create_table_artifact(
            rows[:SHOWN_FAILURES],
            key=f"failed-commands-{slugify(synchronization_id)}",
            description=f"Commands of batch {batch.number} that Collibra did not import",
        )
    first = f"; first: {rows[0]['where']}: {rows[0]['message']}" if rows else ""
    message = (
        f"batch {batch.number} ({batch.first} to {batch.last}) was not imported as a whole: "
        f"{error}{first}. The cycle is not complete and is not finalized, nothing was removed; "
        "correct the source and run again"
    )
    return JobIncompleteError(message, job=error.job).with_results(error.summary, error.failures)


def _failed_commands(batch: Batch, error: JobError) -> list[dict[str, str]]:
    return [
        {
            "where": str(position) if position else "",
            "identifier": (position and position.identifier) or failure.identifier or "",
            "message": failure.message,
        }
        for failure in error.failures
        for position in _positions(batch, failure.indices) or [None]
    ]


def _positions(batch: Batch, indices: Sequence[int]) -> list[Position | None]:
    return [batch.position_of(index) for index in indices if 0 <= index < batch.commands]
