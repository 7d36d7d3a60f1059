"""At most one finalization a cycle: record, send once, follow, adopt or ask.

Nothing is ever sent over an entry that is open. An entry is closed by whoever saw its job end, by
its own writer where the tenant surely took nothing, or by a person; never by time alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import TypeVar

from collibra_tasks import guards
from collibra_tasks.adopting import MOST_JOBS, Findings, judge_jobs
from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import (
    CollibraError,
    FinalizationRefusedError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    OverlapError,
)
from collibra_tasks.ledger import UNSEEN, Entry, Ledger, Past, Phase, shape_of
from collibra_tasks.models import FinalizationStrategy, Job, OnOverlap, TenantVersion, Upload
from collibra_tasks.waiting import GRACE_SECONDS, Clock, submit_when_free, wait_for_job

Read = TypeVar("Read")
Evidence = Callable[[], Sequence[Job]]

LONGEST_STALL_SECONDS = 20.0
"""A writer that takes longer from its intent to its request gives up: others may settle it."""
TICK_SECONDS = 1.0
"""The resolution of ``Date``: one tick later, nothing older can look as new as our job."""
LOOK_SECONDS = 2.0
MOST_OLDER = 100
"""After so many older jobs in a row, no newer one is expected in the tenant's list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A finalization that is asked for.

    Attributes:
        manifest: Where it is kept what the cycle holds, for the next one to compare with.
        whole: The whole cycle, for a synchronization in one call; without it the cycle was filled
            by batches.
    """

    strategy: FinalizationStrategy
    missing_asset_status_id: str | None = None
    batch_job_ids: tuple[str, ...] = ()
    allow_unverified_cycle: bool = False
    send_notification: bool = False
    manifest: str | None = None
    whole: Upload | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The flow run that asks.

    Attributes:
        root_id: The flow run that called it, and that one's caller, up to the first.
        root_attempt: That one's attempt.
        attempt: 1 for its first attempt, one more for every retry.
        due_on: When it was to start, by the store's clock.
    """

    id: str | None = None
    name: str | None = None
    root_id: str | None = None
    root_attempt: int = 0
    attempt: int = 0
    due_on: datetime | None = None

    def wrote(self, entry: Entry) -> bool:
        """Whether an entry is of this run, of this attempt or an earlier one."""
        return self.id is not None and entry.flow_run_id == self.id

    def retries(self, entry: Entry) -> bool:
        """Whether an entry is of an earlier attempt of this run."""
        return self.wrote(entry) and entry.attempt != self.attempt

    def was_called_beside(self, entry: Entry) -> bool:
        """Whether another flow run of the same caller wrote an entry."""
        called = entry.root_flow_run_id not in {None, entry.flow_run_id}
        return called and entry.root_flow_run_id == self.root_id


def _nobody_knows(_entry: Entry) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalizer:
    """What it takes to finalize one synchronization.

    Attributes:
        is_over: Tells of an entry whether the run that wrote it has surely come to its end; then
            nobody waits for it any more.
        longest_request_seconds: How long a request may be under way, from its first byte to the
            last of its answer.
        grace_seconds: How long a job may take to show in the tenant's list.
        wait_seconds: How long to wait for the end of an earlier cycle, before ours is closed.
        await_store: Waits until the record can be written again.
    """

    client: CollibraClient
    ledger: Ledger
    run: Run = field(default_factory=Run)
    on_overlap: OnOverlap = OnOverlap.ATTACH
    is_over: Callable[[Entry], bool] = _nobody_knows
    longest_request_seconds: float = 180.0
    grace_seconds: float = GRACE_SECONDS
    wait_seconds: float = 3600.0
    await_store: Callable[[], object] = lambda: None
    clock: Clock = time
    log: Callable[[str], None] = logging.getLogger(__name__).info

    @property
    def longest_way_seconds(self) -> float:
        """How long after its intent a request may still be on its way, or at the tenant."""
        return self.longest_request_seconds + LONGEST_STALL_SECONDS

    def finalize(self, order: Order) -> Job:
        """Close the cycle, or find the job that does so already.

        Raises:
            FinalizationRefusedError: If nothing shows that there is a new cycle to close.
            OverlapError: If another run is at it, and this one is not to follow it.
            NotSentError, RefusedError: If nothing happened.
            OutcomeUnknownError: If nobody can know whether it was sent, now or before.
        """
        return submit_when_free(
            lambda: self._finalize_unless_busy(order), clock=self.clock, log=self.log
        )

    def _finalize_unless_busy(self, order: Order) -> Job:
        evidence: Evidence = cache(
            lambda: [_asking(self.client.get_job, job_id) for job_id in order.batch_job_ids]
        )
        if self.run.attempt > 1 and (job := self._found_before(order, evidence)):
            return job
        while True:
            entry = self._newest()
            if entry is not None and (job := self._to_follow(entry, order, evidence)):
                return job
            if entry is not None and entry.open:
                continue  # it is closed by now, and says how it ended
            _judge(order, evidence(), entry.leaves() if entry else Past())
            self._judge_ownership(order)
            version = _asking(self.client.get_version)
            claiming_since = self.clock.monotonic()
            if intent := self._claim(order, evidence(), entry):
                return self._send(order, intent, version, claiming_since)

    def _found_before(self, order: Order, evidence: Evidence) -> Job | None:
        """Find the job that an earlier attempt of this run sent or followed, if it did."""
        own = self.find_own()
        if own and not self._newer(own, order, evidence):
            return self._follow(own)
        same = self._closed_with(order.batch_job_ids)
        return self._follow(same) if same else None

    def find_own(self) -> Entry | None:
        """Find what an earlier attempt of this run has finalized; ``None`` if nothing."""
        return next(filter(self.run.retries, self._effective()), None)

    def may_have_sent(self) -> bool:
        """Tell whether this run, in any of its attempts, has finalized or may have."""
        own = filter(self.run.wrote, self.ledger.entries())
        return any(entry.open or entry.took_effect for entry in own)

    def settle_last(self) -> Entry | None:
        """Return the newest entry, closed: until then no batch can be sure of its cycle.

        Raises:
            OutcomeUnknownError: If nobody can know what became of the last finalization.
            JobTimedOutError: If it does not end in time.
        """
        entry = self._newest()
        if entry is None or not entry.open or entry.job_id is None or self.run.retries(entry):
            return entry
        entry = entry.ended(self._wait_for(entry.job_id))
        self.ledger.update(entry)
        return entry

    def _newest(self) -> Entry | None:
        """Return the newest entry, once it is more than an intent, or withdrawn."""
        while True:
            entry = self._when_written()
            if entry is None or entry.phase != Phase.INTENDED:
                return entry
            if adopted := self.adopt(entry):
                return adopted

    def _when_written(self) -> Entry | None:
        """Return the newest entry, after its writer had the time to write what came of it."""
        entry, claim, deadline = self.ledger.latest(), "", 0.0
        while entry is not None and entry.phase == Phase.INTENDED:
            if entry.claim != claim:
                claim = entry.claim
                deadline = self.clock.monotonic() + self._seconds_on_its_way(entry)
            late = self.clock.monotonic() >= deadline
            if late or self.run.retries(entry) or self.is_over(entry):
                break
            self._refuse_overlap(entry)
            self.clock.sleep(LOOK_SECONDS)
            entry = self.ledger.latest()
        return entry

    def _seconds_on_its_way(self, intent: Entry) -> float:
        """How much longer its request may be under way; long at most, if the tenant is silent."""
        sure_on = intent.on_its_way_until(self.longest_way_seconds)
        try:
            self.client.get_account()  # shows the tenant's clock
        except CollibraError:
            sure_on = None
        if sure_on is None:
            return self.longest_way_seconds
        return (sure_on - self.client.tenant_time).total_seconds()

    def _to_follow(self, entry: Entry, order: Order, evidence: Evidence) -> Job | None:
        """Find the job whose outcome is ours too; ``None`` if this run is to send."""
        if entry.phase == Phase.WITHDRAWN:
            before = next(self._effective(), None)
            return self._to_follow(before, order, evidence) if before else None
        newer = self._newer(entry, order, evidence)
        if self.run.retries(entry) and not newer:
            return self._follow(entry)
        brings = order.whole is not None or bool(newer)
        left_open = entry.phase == Phase.SENT
        if left_open:
            job = self._look(entry)
            if job is None or not job.ended:
                if not brings:
                    return self._follow(entry)
                job = self._wait_for(str(entry.job_id))
            entry = entry.ended(job)
            self.ledger.update(entry)
        if brings or not self._concerns(entry, evidence, left_open=left_open):
            return None
        return self._follow(self._closed_with(order.batch_job_ids) or entry)

    def _concerns(self, entry: Entry, evidence: Evidence, *, left_open: bool) -> bool:
        """Tell whether an ended finalization is what this run was asked to bring about."""
        if self.run.wrote(entry):
            return False
        anew = bool(evidence()) or entry.root_attempt != self.run.root_attempt
        called_again = anew and self.run.was_called_beside(entry)
        return left_open or called_again or self._was_due_before(entry)

    def _closed_with(self, batch_job_ids: Sequence[str]) -> Entry | None:
        """Find the finalization that these very batches served."""
        return next((each for each in self._effective() if each.served(batch_job_ids)), None)

    def _effective(self) -> Iterator[Entry]:
        return (each for each in self.ledger.entries() if each.took_effect)

    def _newer(self, entry: Entry, order: Order, evidence: Evidence) -> list[Job]:
        """Return the batches that a finalization can't have closed: they came after it."""
        if entry.served(order.batch_job_ids):
            return []  # whatever the tenant still knows of them
        past = entry.leaves()
        return [job for job in evidence() if guards.judge_newness([job], past).allowed]

    def _wait_for(self, job_id: str) -> Job:
        self.log(f"job {job_id} closes an earlier cycle; waiting for its end")
        return wait_for_job(
            lambda: self.client.get_job(job_id),
            job_id,
            wait_seconds=self.wait_seconds,
            grace_seconds=self.grace_seconds,
            clock=self.clock,
            log=self.log,
        )

    def _was_due_before(self, entry: Entry) -> bool:
        due_on, written_on = self.run.due_on, entry.written_on
        return due_on is not None and written_on is not None and due_on <= written_on

    def _refuse_overlap(self, entry: Entry) -> None:
        if self.on_overlap != OnOverlap.ATTACH and not self.run.wrote(entry):
            message = (
                f"not sent: flow run {entry.flow_run_name or '?'} is finalizing "
                f"{entry.synchronization_id!r} already"
            )
            raise OverlapError(message, job_id=entry.job_id)

    def _follow(self, entry: Entry) -> Job:
        job = job_of(entry)
        self.log(f"following job {job.id}, which was sent before; nothing is sent")
        return job

    def _judge_ownership(self, order: Order) -> None:
        if order.batch_job_ids:
            guards.judge_ownership(
                order.batch_job_ids, self.ledger.synchronization_id, self.ledger.of_tenant()
            ).enforce()

    def _look(self, entry: Entry) -> Job | None:
        """Look at the job that an entry names; ``None`` if it can't be seen.

        Raises:
            OverlapError: If it is at work, or may be, for a run that is, and that is enough for us.
        """
        try:
            job = self.client.get_job(str(entry.job_id))
        except NotFoundError:
            return None  # there is no run to leave it to: that it is gone has to be told
        except CollibraError as error:
            if not error.transient:
                raise
            job = None
        if not (job and job.ended) and not self.is_over(entry):
            self._refuse_overlap(entry)
        return job

    def _claim(self, order: Order, evidence: Sequence[Job], after: Entry | None) -> Entry | None:
        account = _asking(self.client.get_account)
        synchronization_id = self.ledger.synchronization_id
        names = {shape for job in evidence if (shape := shape_of(job, synchronization_id))}
        now = self.client.tenant_time.replace(microsecond=0)
        intent = Entry(
            tenant=self.ledger.tenant,
            synchronization_id=synchronization_id,
            strategy=order.strategy.value,
            flow_run_id=self.run.id,
            flow_run_name=self.run.name,
            root_flow_run_id=self.run.root_id,
            root_attempt=self.run.root_attempt,
            attempt=self.run.attempt,
            account_id=account.id if account else None,
            intended_on=now + timedelta(seconds=TICK_SECONDS),
            batch_job_ids=order.batch_job_ids,
            manifest=order.manifest,
            batch_name=min(names, default=None),
        )
        return self.ledger.claim(intent, after)

    def _send(
        self, order: Order, intent: Entry, version: TenantVersion | None, claiming_since: float
    ) -> Job:
        try:
            self.clock.sleep(TICK_SECONDS)
            self._check_still_ours(intent, claiming_since)
        except BaseException:
            self._withdraw(intent)
            raise
        try:
            job = self._submit(order, version)
        except OutcomeUnknownError as lost:
            return self._find_lost(intent, lost)
        except CollibraError:
            self._withdraw(intent)
            raise
        self.log(f"Collibra closes the cycle of {intent.synchronization_id!r} in job {job.id}")
        self._record(intent.sent(job))
        return job

    def _submit(self, order: Order, version: TenantVersion | None) -> Job:
        if order.whole is None:
            return self.client.submit_finalization(
                self.ledger.synchronization_id,
                strategy=order.strategy,
                missing_asset_status_id=order.missing_asset_status_id,
                send_notification=order.send_notification,
                version=version,
            )
        return self.client.submit_synchronization(
            self.ledger.synchronization_id,
            order.whole,
            strategy=order.strategy,
            missing_asset_status_id=order.missing_asset_status_id,
        )

    def _check_still_ours(self, intent: Entry, claiming_since: float) -> None:
        latest = self.ledger.latest()
        if latest is None or latest.claim != intent.claim:
            message = "not sent: another run was faster"
            raise NotSentError(message)
        if latest.phase != intent.phase:  # no NotSentError: a repeat would send over that word
            message = "not sent: somebody has settled this finalization before it was sent"
            raise FinalizationRefusedError(message)
        if self.clock.monotonic() - claiming_since > LONGEST_STALL_SECONDS:
            message = "not sent: it took too long from the intent to the request"
            raise NotSentError(message)

    def _withdraw(self, intent: Entry) -> None:
        try:
            self.ledger.withdraw(intent)
        except Exception as error:  # noqa: BLE001 - the store's; ours is the one to be told
            self.log(f"that nothing was sent could not be recorded: {error}")

    def _record(self, entry: Entry) -> None:
        """Write down the job; failing that, go on with it: it is recorded when it has ended."""
        try:
            self.ledger.update(entry)
        except Exception as error:  # noqa: BLE001 - the store's; the job is under way
            self.log(f"job {entry.job_id} could not be recorded, so this is tried again: {error}")
        else:
            return
        try:
            self.await_store()
            self.ledger.update(entry)
        except Exception as error:  # noqa: BLE001 - as above
            self.log(f"job {entry.job_id} could not be recorded, and is followed anyway: {error}")

    def _find_lost(self, intent: Entry, lost: OutcomeUnknownError) -> Job:
        self.log(f"{lost}; looking for its job in the tenant's list")
        try:
            if adopted := self.adopt(intent):
                return Job(id=str(adopted.job_id))
        except OutcomeUnknownError as unknown:
            raise unknown from lost
        raise lost  # somebody says that it was not sent, and this run knows better

    def adopt(self, entry: Entry) -> Entry | None:
        """Find the job that an intent has started, and record it.

        Returns:
            The entry with its job; ``None`` if it is settled otherwise by now.

        Raises:
            OutcomeUnknownError: If no single job can be told to be it.
        """
        deadline = self.clock.monotonic() + self.grace_seconds
        findings = self.find(entry)
        while not findings.certain and self.clock.monotonic() < deadline:
            self.clock.sleep(LOOK_SECONDS)
            findings = self.find(entry)
        if not self.ledger.holds(entry):
            latest = self.ledger.latest()  # its writer was slow, and alive
            same = latest is not None and latest.claim == entry.claim
            return latest if same and latest and latest.job_id else None
        if job := findings.certain or findings.only:
            self.log(f"job {job.id} is the one that was started; following it")
            adopted = entry.sent(job)
            self.ledger.update(adopted)
            return adopted
        raise OutcomeUnknownError(_unsettled(self.ledger, entry, findings))

    def find(self, entry: Entry) -> Findings:
        """Look through the account's jobs once; trouble with the tenant finds nothing."""
        since = entry.intended_on
        if entry.account_id is None or since is None:
            return Findings(vague=True)
        try:
            listed = self.client.iter_jobs(entry.account_id)
            jobs = list(islice(_recent(listed, since), MOST_JOBS))
        except CollibraError as error:
            self.log(f"{error}; so the job list tells nothing")
            return Findings(vague=True)
        return judge_jobs(
            jobs,
            entry,
            longest_request_seconds=self.longest_way_seconds,
            records=list(self.ledger.of_tenant()),
        )


def job_of(entry: Entry) -> Job:
    """Return the job that an entry names, to be followed.

    Raises:
        FinalizationRefusedError: If a person has said that it ended, and no job can be asked.
    """
    if entry.job_id is not None and entry.outcome != UNSEEN:
        return Job(id=entry.job_id)
    said = entry.settlement
    by = f", as {said.by} said on {said.on:%Y-%m-%d} ({said.reason})" if said else ""
    message = (
        f"nothing was sent: this cycle of {entry.synchronization_id!r} was finalized before{by}, "
        "and its job is gone or was never known, so there is nothing to follow"
    )
    raise FinalizationRefusedError(message)


def _recent(jobs: Iterable[Job], since: datetime) -> Iterator[Job]:
    """Yield the jobs since a moment; the order of an older API's list is no promise."""
    older = 0
    for job in jobs:
        if job.created_on is None or job.created_on >= since:
            older = 0
            yield job
        elif (older := older + 1) >= MOST_OLDER:
            return


def _judge(order: Order, evidence: Sequence[Job], past: Past) -> None:
    guards.judge_evidence(evidence).enforce()
    guards.judge_newness(evidence, past).enforce()
    if not evidence and order.whole is None:
        guards.judge_unverified(
            order.strategy,
            allowed=order.allow_unverified_cycle,
            finalized_before=past.finalized,
        ).enforce()


def _asking(ask: Callable[..., Read], *what: str) -> Read:
    """Ask before anything is sent: trouble here is no unknown outcome."""
    try:
        return ask(*what)
    except CollibraError as error:
        if error.transient and not error.safe_to_repeat:
            message = f"not finalized, this attempt has sent nothing: {error}"
            raise NotSentError(message) from error
        raise


def _unsettled(ledger: Ledger, entry: Entry, findings: Findings) -> str:
    found = [job.id for job in findings.candidates]
    told = (
        f"{len(found)} jobs of this account may be it ({', '.join(found[:5])})"
        if found
        else "no job in the tenant's list can be told to be it"
    )
    return (
        f"whether the cycle of {entry.synchronization_id!r} was finalized is not known: flow run "
        f"{entry.flow_run_name or '?'} ({entry.flow_run_id or 'no id'}) sent the request or was "
        f"about to, and {told}. Nothing more "
        "is sent until a person has looked at the job list in Collibra and settled it: run the "
        f"deployment resolve-finalization for this synchronization (record: Prefect variable "
        f"{ledger.name_of(entry)})"
    )
