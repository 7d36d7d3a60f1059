"""Upload of the batches of a cycle, and the proof that all of it arrived."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from collibra_tasks.cycle.log_lines import describe_batch, describe_proven_batch, name_batch
from collibra_tasks.cycle.lost_batches import wait_for_lost_jobs
from collibra_tasks.cycle.ports import Progress, Reporter, Steps, call_directly
from collibra_tasks.errors import (
    CollibraError,
    JobError,
    JobIncompleteError,
    NotFoundError,
    OutcomeUnknownError,
)
from collibra_tasks.finalization.session import Session
from collibra_tasks.jobs.polling import error_for_job, retry_while_busy
from collibra_tasks.jobs.results import count_failed_commands, fetch_results, shorten_failure
from collibra_tasks.ledger.checkpoint import Checkpoint, SentBatch
from collibra_tasks.models import Job, Upload
from collibra_tasks.options import BatchOptions
from collibra_tasks.sources.batches import Batch
from collibra_tasks.wording import count_of

MAX_ATTEMPTS = 3
MAX_SHOWN_FAILURES = 1_000


@dataclass(kw_only=True)
class BatchUploader:
    """Batches of one cycle: sent, followed to their ends, recorded in the checkpoint.

    Attributes:
        checkpoint: Progress of the cycle. Batches that it proves are not sent again.
        steps: Display of each batch as a step.
        total: Number of batches; ``None`` if it is unknown.
        check_lock: Raises an error when another flow run took the lock over.
        concurrency: Maximum number of batches at the same time.
    """

    session: Session
    options: BatchOptions
    checkpoint: Checkpoint
    progress: Progress
    reporter: Reporter
    steps: Steps = call_directly
    total: int | None = None
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
        running: deque[_Sent] = deque()
        try:
            for batch in batches:
                while running and (batch.waits_for_earlier or len(running) >= self.concurrency):
                    self._follow(running.popleft())
                if (job_id := _find_proven_job(self.session, self.checkpoint, batch)) is not None:
                    self._record_success(batch, job_id)
                    self.session.log(describe_proven_batch(self._name(batch), batch, job_id))
                elif self.concurrency == 1:
                    self.steps(f"upload {self._name(batch)}", partial(self._send_and_finish, batch))
                else:
                    name = f"upload {self._name(batch)}"
                    running.append(self.steps(name, partial(self._send, batch)))
            while running:
                self._follow(running.popleft())
        except JobIncompleteError:
            while running:  # no batch stays unobserved
                with suppress(JobIncompleteError):
                    self._follow(running.popleft())
            raise
        return self.done

    def _name(self, batch: Batch) -> str:
        return name_batch(batch, self.total)

    def _send_and_finish(self, batch: Batch) -> None:
        self._finish(self._send(batch))

    def _follow(self, sent: _Sent) -> None:
        """Follow a batch that runs beside others, in this thread, so that it can be cancelled."""
        self.steps(f"wait for {self._name(sent.batch)}", partial(self._finish, sent))

    def _send(self, batch: Batch) -> _Sent:
        self.check_lock()
        started = self.session.clock.monotonic()
        intent = SentBatch(
            number=batch.number,
            digest=batch.digest,
            intended_on=self.session.client.get_server_time(),
        )
        self._record(intent)
        job = self._submit(batch)
        self._record(replace(intent, job_id=job.id))
        self.sent += 1
        self._show()
        return _Sent(batch=batch, job_id=job.id, started=started)

    def _submit(self, batch: Batch) -> Job:
        """Send a batch; after a lost response again, since a batch repeats the same content.

        Two jobs about one asset disturb each other, so the first job must have ended before.
        """
        submit = partial(_submit_once, self.session, self.options, batch, self.wait_seconds)
        for _ in range(MAX_ATTEMPTS - 1):
            since = self.session.client.get_server_time()
            try:
                return submit()
            except OutcomeUnknownError as error:
                self._record_lost(since)
                self.session.log(f"{error} The batch is sent again when no such job runs.")
                wait_for_lost_jobs(
                    self.session,
                    error,
                    since=since,
                    known_ids=frozenset(self.checkpoint.job_ids),
                    wait_seconds=self.wait_seconds,
                )
                self._record_lost(self.session.client.get_server_time())
        return submit()

    def _record_lost(self, since: datetime) -> None:
        """Record that a batch-named job since a time may be ours although its ID is unknown."""
        self.checkpoint = self.checkpoint.with_lost_request(since)
        self.session.storage.write_checkpoint(self.checkpoint)

    def _finish(self, sent: _Sent) -> None:
        session, batch = self.session, sent.batch
        with session.naming_way_out(sent.job_id):
            job = session.follow_job(
                sent.job_id, wait_seconds=self.wait_seconds, name=self._name(batch)
            )
        seconds = session.clock.monotonic() - sent.started
        session.log(describe_batch(self._name(batch), batch, job, seconds))
        if error := error_for_job(job):
            self._show(failed=1)
            raise self._incomplete(batch, error) from error
        self._record_success(batch, sent.job_id)

    def _incomplete(self, batch: Batch, error: JobError) -> JobIncompleteError:
        """Return the error of a batch, after its failed commands were shown."""
        results = fetch_results(self.session.client, error.job.id)
        error.with_results(results.summary, results.failures)
        rows = _failed_commands(batch, error)
        if rows:
            self.reporter.show_failed_commands(rows[:MAX_SHOWN_FAILURES], batch.number)
        return _build_error(self._name(batch).capitalize(), batch, error, rows)

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


def _find_proven_job(session: Session, checkpoint: Checkpoint, batch: Batch) -> str | None:
    found = checkpoint.find_batch(batch.number, batch.digest)
    if found is None or found.job_id is None:
        return None
    try:
        with session.naming_way_out(found.job_id):
            succeeded = session.client.get_job(found.job_id).succeeded
    except NotFoundError:
        return None
    except CollibraError:
        if found.job_id in session.set_aside.read():
            return None
        raise
    return found.job_id if succeeded else None


def _submit_once(session: Session, options: BatchOptions, batch: Batch, wait_seconds: float) -> Job:
    upload = Upload(batch.content, f"batch-{batch.number}.json")
    return retry_while_busy(
        lambda: session.client.submit_batch(session.synchronization_id, upload, options),
        wait_seconds=wait_seconds,
        timing=session.timing,
        clock=session.clock,
        log=session.log,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A batch that was sent, its job, and the time of sending by this process's clock."""

    batch: Batch
    job_id: str
    started: float


def _build_error(
    name: str, batch: Batch, error: JobError, rows: Sequence[dict[str, str]]
) -> JobIncompleteError:
    return JobIncompleteError(
        f"{name} was not imported completely: {_describe_failure(batch, error, rows)} The cycle is "
        "not finalized and nothing was removed. Correct the source and run again.",
        job=error.job,
    ).with_results(error.summary, error.failures)


def _describe_failure(batch: Batch, error: JobError, rows: Sequence[dict[str, str]]) -> str:
    """Return the number of failed commands and the first one; the job's end if none is known."""
    if not rows:
        return f"{error} It holds the commands from {batch.first} to {batch.last}."
    first, count = rows[0], count_failed_commands(error)
    asset = f"{first['identifier']}: " if first["identifier"] else ""
    return (
        f"{count_of(count, 'command')} failed; first: {asset}{shorten_failure(first['message'])} "
        f"({first['where']}; job {error.job.id})."
    )


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
