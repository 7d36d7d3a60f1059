"""One flow run's access to Collibra, ledger, lock and clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.errors import CollibraError
from collibra_tasks.jobs.polling import Clock, describe_state, wait_for_job
from collibra_tasks.ledger.identity import Environment
from collibra_tasks.ledger.ledger import Ledger
from collibra_tasks.ledger.lock import CycleLock
from collibra_tasks.ledger.marker import CycleMarkers
from collibra_tasks.ledger.patterns import PatternBook, SetAsideJobs
from collibra_tasks.ledger.storage import CycleStorage
from collibra_tasks.models import Account, CollibraVersion, FlowRunInfo, Job
from collibra_tasks.options import Timing
from collibra_tasks.wording import clock_time

REQUEST_TIMEOUTS = 3
"""Maximum length of a request in timeouts: to connect, to send, to receive."""

Log = Callable[[str], None]


def _never_ended(_flow_run_id: str | None) -> bool:
    return False


def _way_out(job_id: str, synchronization_id: str) -> str:
    return (
        f"If job {job_id} never ends or cannot be read, run resolve-finalization for "
        f"{synchronization_id!r} with resolution=set_aside and this job_id."
    )


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything that a finalization or a cycle of one synchronization works with.

    Attributes:
        attempt: Token of this process and attempt.
        attached: Claims that this attempt has returned without evidence, each once.
        has_ended: Whether a flow run has ended or was deleted.
        await_store: Wait until the ledger's store is available again.
        shield: Context in which SIGTERM is deferred for up to ``timing.signal_shield`` seconds.
        request_timeout_seconds: Timeout of one request.
        notes: Remarks for the receipt.
    """

    client: CollibraClient
    environment: Environment
    ledger: Ledger
    lock: CycleLock
    patterns: PatternBook
    set_aside: SetAsideJobs
    markers: CycleMarkers
    storage: CycleStorage
    flow_run: FlowRunInfo = field(default_factory=FlowRunInfo)
    account: Account | None = None
    version: CollibraVersion | None = None
    attempt: str = field(default_factory=lambda: uuid4().hex)
    attached: set[str] = field(default_factory=set)
    has_ended: Callable[[str | None], bool] = _never_ended
    await_store: Callable[[], object] = lambda: None
    shield: Callable[[], AbstractContextManager[object]] = nullcontext
    request_timeout_seconds: float = 60.0
    notes: list[str] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)
    clock: Clock = time
    log: Log = logging.getLogger(__name__).info

    @property
    def synchronization_id(self) -> str:
        """The synchronization of this session."""
        return self.ledger.synchronization_id

    @property
    def release(self) -> str | None:
        """Major and minor number of the present Collibra release; ``None`` if not reported."""
        return self.version.release if self.version else None

    @property
    def max_flight_seconds(self) -> float:
        """Maximum time from the intent to the end of the request."""
        return REQUEST_TIMEOUTS * self.request_timeout_seconds + self.timing.max_stall

    def new_deadline(self) -> datetime:
        """Return the time after which a request of now cannot be in flight, by store's clock."""
        return self.ledger.store.now() + timedelta(seconds=self.max_flight_seconds)

    def note(self, text: str) -> None:
        """Write a remark into the log and, once, into the receipt."""
        self.log(text)
        if text not in self.notes:
            self.notes.append(text)

    def wait_for_job(self, job_id: str, *, wait_seconds: float, reason: str) -> Job:
        """Wait for a job of an earlier cycle or of another sender."""
        end = clock_time(wait_seconds, self.clock.time())
        self.log(f"Waiting for job {job_id} until {end} at the latest: {reason}.")
        with self.naming_way_out(job_id):
            job = self.follow_job(job_id, wait_seconds=wait_seconds)
        self.log(f"Job {job_id} ended as {describe_state(job)}.")
        return job

    def follow_job(
        self,
        job_id: str,
        *,
        wait_seconds: float,
        name: str = "",
        watch: Callable[[Job], object] = lambda _: None,
    ) -> Job:
        """Read a job until it has ended; see `jobs.polling.wait_for_job`."""
        return wait_for_job(
            self.client.get_job,
            job_id,
            wait_seconds=wait_seconds,
            timing=self.timing,
            clock=self.clock,
            log=self.log,
            name=name,
            watch=watch,
        )

    @contextmanager
    def naming_way_out(self, job_id: str) -> Iterator[None]:
        """Add to every Collibra error how a person sets aside a job that blocks the cycle."""
        try:
            yield
        except CollibraError as error:
            error.args = (f"{error} {_way_out(job_id, self.synchronization_id)}",)
            raise
