"""Send the batches of a cycle.

A batch may be sent again, for it says the same again; but never while an earlier one with the same
commands may still be at work, because two jobs about one asset hinder each other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import CollibraError, OutcomeUnknownError
from collibra_tasks.models import Job, RelationsAction
from collibra_tasks.sources import Batch, Source, Survey
from collibra_tasks.waiting import GRACE_SECONDS, Clock, submit_when_free

LOOK_SECONDS = 2.0
MOST_TRIES = 3


def write_options(source: Source, survey: Survey) -> dict[str, str]:
    """Return what the tenant must be told of a table; nothing for JSON. Source: documented."""
    if source.file_format not in {"csv", "excel"}:
        return {}
    header = "true" if source.csv.header_row else "false"
    options = {"template": survey.template or "", "headerRow": header}
    if source.file_format == "csv":
        blanks = "true" if source.csv.ignore_leading_whitespace else "false"
        options |= {
            "separator": source.csv.separator,
            "quote": source.csv.quote,
            "escape": source.csv.escape,
            "ignoreLeadingWhitespace": blanks,
        }
    elif source.sheet is not None:
        options["sheetName"] = source.sheet
    return options


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSender:
    """What it takes to send batches.

    Attributes:
        relations_action: What becomes of relations that an asset has; ``None`` leaves it to the
            tenant.
        options: What else the tenant is told of the file, such as a template.
        grace_seconds: How long a job may take to show in the tenant's list.
        longest_wait_seconds: How long to wait for the job of a lost answer to end.
    """

    client: CollibraClient
    synchronization_id: str
    continue_on_error: bool = False
    relations_action: RelationsAction | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = GRACE_SECONDS
    longest_wait_seconds: float = 3600.0
    clock: Clock = time
    log: Callable[[str], None] = logging.getLogger(__name__).info

    def send(self, batch: Batch, *, known_job_ids: Collection[str] = ()) -> Job:
        """Send a batch; after a lost answer again, once no job of the first can be at work.

        Args:
            batch: What to send.
            known_job_ids: Jobs of this account that are surely not this batch's.

        Raises:
            OutcomeUnknownError: If it stays unknown whether an earlier job is at work.
            NotSentError, RefusedError: If nothing happened.
        """
        for _ in range(MOST_TRIES - 1):
            self.client.get_account()  # shows the tenant's clock
            since = self.client.tenant_time.replace(microsecond=0) - timedelta(seconds=1)
            try:
                return self._send_once(batch)
            except OutcomeUnknownError as lost:
                self.log(f"{lost}; it is sent again once no job of it can be at work")
                self._wait_until_over(since.timestamp(), known_job_ids, lost)
        return self._send_once(batch)

    def _send_once(self, batch: Batch) -> Job:
        return submit_when_free(
            lambda: self.client.submit_batch(
                self.synchronization_id,
                file_name=batch.file_name,
                content=batch.content,
                file_format=batch.format,
                continue_on_error=self.continue_on_error,
                options=self._options(),
            ),
            clock=self.clock,
            log=self.log,
        )

    def _options(self) -> dict[str, str]:
        action = self.relations_action
        return {**self.options, **({"relationsAction": action.value} if action else {})}

    def _wait_until_over(
        self, since: float, known: Collection[str], lost: OutcomeUnknownError
    ) -> None:
        began = self.clock.monotonic()
        while True:
            at_work = self._jobs_at_work(since, known, lost)
            waited = self.clock.monotonic() - began
            if not at_work and waited >= self.grace_seconds:
                return
            if waited >= self.longest_wait_seconds:
                message = f"{lost}; job {at_work[0]} may be it and has not ended"
                raise OutcomeUnknownError(message, job_id=at_work[0]) from lost
            self.clock.sleep(LOOK_SECONDS)

    def _jobs_at_work(
        self, since: float, known: Collection[str], lost: OutcomeUnknownError
    ) -> list[str]:
        try:
            account = self.client.get_account()
            if account is None:
                raise lost
            at_work = []
            for job in self.client.iter_jobs(account.id):
                if job.created_on and job.created_on.timestamp() < since:
                    break
                if not job.ended and job.id not in known:
                    at_work.append(job.id)
        except CollibraError as error:
            if error is lost or not error.transient:
                raise lost from error
            return ["unknown"]
        return at_work
