"""Upload of the batches of a cycle, and the proof that all of it arrived."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from collibra_tasks.cycle.lost_batches import wait_for_lost_jobs
from collibra_tasks.cycle.ports import Progress, Reporter
from collibra_tasks.errors import (
    JobError,
    JobIncompleteError,
    NotFoundError,
    OutcomeUnknownError,
)
from collibra_tasks.finalization.session import Session
from collibra_tasks.jobs.polling import error_for_job, retry_while_busy, wait_for_job
from collibra_tasks.jobs.results import fetch_results
from collibra_tasks.ledger.checkpoint import Checkpoint, SentBatch
from collibra_tasks.models import Job, Upload
from collibra_tasks.options import BatchOptions
from collibra_tasks.sources.batches import Batch

MAX_ATTEMPTS = 3
MAX_SHOWN_FAILURES = 1_000


@dataclass(kw_only=True)
class BatchUploader:
    """Batches of one cycle: sent, followed to their ends, recorded in the checkpoint.

    Attributes:
        checkpoint: Progress of the cycle. Batches that it proves are not sent again.
        check_lock: Raises an error when another flow run took the lock over.
        concurrency: Maximum number of batches at the same time.
    """

    session: Session
    options: BatchOptions
    checkpoint: Checkpoint
    progress: Progress
    reporter: Reporter
    check_lock: Callable[[], object] = lambda: None
    concurrency: int = 1
    wait_seconds: float = 3600.0
    sent: int = 0
    commands_done: int = 0
    done: list[str] = field(default_factory=list)

    def upload(self, batches: Iterable[Batch]) -> list[str]:
        """Send all batches and return their job IDs.

        Raises:
            JobIncompleteError: If a batch was not imported completely. The cycle is not complete.
            OverlapError: If another flow run took the lock over.
        """
        running: deque[tuple[Batch, str]] = deque()
        try:
            for batch in batches:
                while running and (batch.waits_for_earlier or len(running) >= self.concurrency):
                    self._finish(*running.popleft())
                if (job_id := self._proven_job(batch)) is not None:
                    self._record_success(batch, job_id)
                else:
                    running.append((batch, self._send(batch)))
            while running:
                self._finish(*running.popleft())
        except JobIncompleteError:
            while running:  # no batch stays unobserved
                with suppress(JobIncompleteError):
                    self._finish(*running.popleft())
            raise
        return self.done

    def _proven_job(self, batch: Batch) -> str | None:
        found = self.checkpoint.find_batch(batch.number, batch.digest)
        if found is None or found.job_id is None:
            return None
        try:
            succeeded = self.session.client.get_job(found.job_id).succeeded
        except NotFoundError:
            return None
        return found.job_id if succeeded else None

    def _send(self, batch: Batch) -> str:
        self.check_lock()
        intent = SentBatch(
            number=batch.number,
            digest=batch.digest,
            intended_on=self.session.client.get_server_time(),
        )
        self._record(intent)
        job = self._submit(batch)
        self._record(replace(intent, job_id=job.id))
        self.sent += 1
        self.session.log(
            f"Batch {batch.number} with {batch.command_count:,} commands was sent (job {job.id})."
        )
        return job.id

    def _submit(self, batch: Batch) -> Job:
        """Send a batch; after a lost response again, since a batch repeats the same content.

        Two jobs about one asset disturb each other, so the first job must have ended before.
        """
        for _ in range(MAX_ATTEMPTS - 1):
            since = self.session.client.get_server_time()
            try:
                return self._submit_once(batch)
            except OutcomeUnknownError as error:
                self._record_lost(since)
                self.session.log(f"{error} The batch is sent again when no such job runs.")
                self._wait_for_lost_jobs(since, error)
        return self._submit_once(batch)

    def _wait_for_lost_jobs(self, since: datetime, lost: OutcomeUnknownError) -> None:
        wait_for_lost_jobs(
            self.session,
            lost,
            since=since,
            known_ids=frozenset(self.checkpoint.job_ids),
            wait_seconds=self.wait_seconds,
        )

    def _record_lost(self, since: datetime) -> None:
        """Record that a batch-named job since a time may be ours although its ID is unknown."""
        earliest = min(since, self.checkpoint.unknown_since or since)
        self.checkpoint = replace(self.checkpoint, unknown_since=earliest)
        self.session.storage.write_checkpoint(self.checkpoint)

    def _submit_once(self, batch: Batch) -> Job:
        upload = Upload(batch.content, f"batch-{batch.number}.json")
        return retry_while_busy(
            lambda: self.session.client.submit_batch(
                self.session.synchronization_id, upload, self.options
            ),
            wait_seconds=self.wait_seconds,
            timing=self.session.timing,
            clock=self.session.clock,
            log=self.session.log,
        )

    def _finish(self, batch: Batch, job_id: str) -> None:
        session = self.session
        job = wait_for_job(
            session.client.get_job,
            job_id,
            wait_seconds=self.wait_seconds,
            timing=session.timing,
            clock=session.clock,
            log=session.log,
        )
        if error := error_for_job(job):
            self._show(failed=1)
            results = fetch_results(session.client, job_id)
            error = error.with_results(results.summary, results.failures)
            rows = _failed_commands(batch, error)
            if rows:
                self.reporter.show_failed_commands(rows[:MAX_SHOWN_FAILURES], batch.number)
            raise _incomplete(batch, error, rows) from error
        self._record_success(batch, job_id)

    def _record_success(self, batch: Batch, job_id: str) -> None:
        self.done.append(job_id)
        self.commands_done += batch.command_count
        sent = SentBatch(number=batch.number, digest=batch.digest, job_id=job_id, succeeded=True)
        self._record(sent)
        self._show()

    def _record(self, batch: SentBatch) -> None:
        self.checkpoint = self.checkpoint.with_batch(batch)
        self.session.storage.write_checkpoint(self.checkpoint)

    def _show(self, *, failed: int = 0) -> None:
        done = len(self.done)
        self.progress.update(sent=self.sent, done=done, failed=failed, commands=self.commands_done)


def _incomplete(
    batch: Batch, error: JobError, rows: Sequence[dict[str, str]]
) -> JobIncompleteError:
    first = f" First of {len(rows)}: {rows[0]['where']}: {rows[0]['message']}" if rows else ""
    return JobIncompleteError(
        f"Batch {batch.number} ({batch.first} to {batch.last}) was not imported completely: "
        f"{error}{first} The cycle is not finalized and nothing was removed. Correct the "
        "source and run again.",
        job=error.job,
    ).with_results(error.summary, error.failures)


def _failed_commands(batch: Batch, error: JobError) -> list[dict[str, str]]:
    rows = []
    for failure in error.failures:
        for index in failure.indices or (-1,):
            known = 0 <= index < batch.command_count
            position = batch.position_of(index) if known else None
            rows.append(
                {
                    "where": str(position) if position else "unknown position",
                    "identifier": (position and position.identifier) or failure.identifier or "",
                    "message": failure.message,
                }
            )
    return rows


def batch_ids(checkpoint: Checkpoint) -> Sequence[str]:
    """Return the jobs of a checkpoint's own batches."""
    return [batch.job_id for batch in checkpoint.batches if batch.job_id is not None]
