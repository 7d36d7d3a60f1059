"""Sessions and cycles on in-memory ports and the sandbox, without Prefect and without sockets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.cycle.cycle import Cycle
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.ports import ApprovalInput
from collibra_tasks.cycle.record import close_cycle
from collibra_tasks.errors import CollibraError
from collibra_tasks.finalization.finalizer import Finalizer
from collibra_tasks.finalization.last_finalization import close_finalization
from collibra_tasks.finalization.session import Session
from collibra_tasks.finalization.submission import Evidence
from collibra_tasks.jobs.polling import error_for_job
from collibra_tasks.ledger.identity import Environment, resolve_environment
from collibra_tasks.ledger.ledger import Ledger
from collibra_tasks.ledger.lock import CycleLock
from collibra_tasks.ledger.marker import CycleMarkers
from collibra_tasks.ledger.patterns import PatternBook, SetAsideJobs
from collibra_tasks.ledger.plans import ShownPlans
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    Account,
    CollibraVersion,
    FinalizationRequest,
    FinalizationStrategy,
    FlowRunInfo,
    Job,
)
from collibra_tasks.options import CycleOptions, OnOverlap, SourceOptions, Timing
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.sources.opening import open_source
from tests.support.clients import client_of
from tests.support.memory_store import ManualClock, MemorySlots, MemoryStorage, MemoryStore

NIGHTLY = "nightly"
TenantFacts = tuple[Environment, Account | None, CollibraVersion | None]
_numbers = itertools.count(1)


def tables(*names: str, domain: str = "Sales schema") -> list[dict[str, Any]]:
    """Return import commands for some tables."""
    place = {"name": domain, "community": {"name": "Data Warehouse"}}
    return [
        {
            "resourceType": "Asset",
            "identifier": {"name": name, "domain": place},
            "type": {"name": "Table"},
        }
        for name in names
    ]


def numbered(count: int, *, start: int = 1, domain: str = "Sales schema") -> list[dict[str, Any]]:
    """Return import commands for tables ``t1``, ``t2`` and so on."""
    return tables(*(f"t{number}" for number in range(start, start + count)), domain=domain)


@dataclass
class Prompt:
    """Approval port: responds with the number of the plan, or as planned."""

    responses: list[ApprovalInput | None] = field(default_factory=list)
    plans: list[RemovalPlan] = field(default_factory=list)

    def ask(self, plan: RemovalPlan, *, timeout_seconds: int) -> ApprovalInput | None:
        """Record the plan and return the next response."""
        del timeout_seconds
        self.plans.append(plan)
        return self.responses.pop(0) if self.responses else None


@dataclass
class Record:
    """Progress and reporter port: keeps what it receives."""

    notes: list[str] = field(default_factory=list)
    plans: list[RemovalPlan] = field(default_factory=list)
    failed_commands: list[dict[str, str]] = field(default_factory=list)
    updates: list[tuple[int, int, int, int]] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a note."""
        self.notes.append(text)

    def show_plan(self, plan: RemovalPlan) -> None:
        """Keep a plan."""
        self.plans.append(plan)

    def show_failed_commands(self, rows: Sequence[dict[str, str]], batch_number: int) -> None:
        """Keep failed commands."""
        del batch_number
        self.failed_commands += rows

    def update(self, *, sent: int, done: int, failed: int, commands: int) -> None:
        """Keep a progress."""
        self.updates.append((sent, done, failed, commands))


@dataclass
class World:
    """One Collibra, one Prefect server, and flow runs on them; time passes without sleeping.

    Attributes:
        ended_runs: IDs of flow runs that have ended.
    """

    clock: ManualClock = field(default_factory=ManualClock)
    timing: Timing = field(default_factory=Timing)
    ended_runs: set[str | None] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    sandbox_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Create Collibra, store and storage."""
        self.sandbox = Sandbox(clock=self.clock.now, **self.sandbox_options)
        self.store = MemoryStore(self.clock)
        self.storage = MemoryStorage(self.clock)
        self.prompt = Prompt()
        self.record = Record()

    def new_run(self, **changes: Any) -> FlowRunInfo:
        """Return a new flow run."""
        number = next(_numbers)
        run_id = f"00000000-0000-0000-0000-{number:012d}"
        facts: dict[str, Any] = {
            "id": run_id,
            "name": f"run-{number}",
            "root_id": run_id,
            "attempt": 1,
            "started_on": self.clock.now(),
        }
        return FlowRunInfo(**(facts | changes))

    @contextmanager
    def client(self) -> Iterator[CollibraClient]:
        """Yield a client of the sandbox."""
        with client_of(self.sandbox, base_url="https://collibra.example") as client:
            yield client

    def describe_tenant(self, client: CollibraClient) -> TenantFacts:
        """Return what a session reads about Collibra at its start."""
        environment = resolve_environment(client, log=self.log.append)
        return environment, client.get_account(), client.get_application_info().version

    @contextmanager
    def session(
        self,
        run: FlowRunInfo | None = None,
        *,
        synchronization_id: str = NIGHTLY,
        attempt: str | None = None,
        **changes: Any,
    ) -> Iterator[Session]:
        """Yield a session of a flow run; each has its own attempt token unless one is given."""
        run = run or self.new_run()
        with self.client() as client:
            environment, account, version = self.describe_tenant(client)
            names = (self.store, environment.key, synchronization_id)
            facts: dict[str, Any] = {
                "client": client,
                "environment": environment,
                "ledger": Ledger(*names),
                "lock": CycleLock(
                    *names,
                    flow_run=run,
                    has_ended=lambda flow_run_id: flow_run_id in self.ended_runs,
                    timing=self.timing,
                    clock=self.clock,
                    log=self.log.append,
                    renew_in_background=False,
                ),
                "patterns": PatternBook(self.store, environment.key, log=self.log.append),
                "set_aside": SetAsideJobs(*names),
                "markers": CycleMarkers(*names, log=self.log.append),
                "storage": self.storage,
                "flow_run": run,
                "account": account,
                "version": version,
                "attempt": attempt or f"attempt-{next(_numbers)}",
                "has_ended": lambda flow_run_id: flow_run_id in self.ended_runs,
                "timing": self.timing,
                "clock": self.clock,
                "log": self.log.append,
            }
            yield Session(**(facts | changes))

    def import_batch(
        self, commands: Sequence[Mapping[str, Any]], synchronization_id: str = NIGHTLY
    ) -> str:
        """Send a batch as a script of the same account does; return its job ID, ended."""
        job_id: str = self.sandbox.import_by_hand(synchronization_id, list(commands)).id
        self.clock.advance(2)
        return job_id

    def finalize(
        self,
        *batch_job_ids: str,
        run: FlowRunInfo | None = None,
        strategy: str = "CHANGE_STATUS",
        on_overlap: OnOverlap = OnOverlap.ATTACH,
        wait_seconds: float = 3600,
        synchronization_id: str = NIGHTLY,
        attempt: str | None = None,
        session_changes: Mapping[str, Any] | None = None,
        **evidence: Any,
    ) -> Job:
        """Finalize in a flow run, follow the job to its end and record the end."""
        request = FinalizationRequest(
            synchronization_id, FinalizationStrategy(strategy), MISSING_FROM_SOURCE
        )
        changes = dict(session_changes or {})
        with self.session(
            run, synchronization_id=synchronization_id, attempt=attempt, **changes
        ) as session:
            finalizer = Finalizer(session=session, on_overlap=on_overlap, wait_seconds=wait_seconds)
            job = finalizer.finalize(
                request, Evidence(batch_job_ids=tuple(batch_job_ids), **evidence)
            )
            job = session.wait_for_job(job.id, wait_seconds=wait_seconds, reason="test")
            close_finalization(session, job)
            self.clock.advance(2)
            return job

    def synchronize(
        self,
        commands: Sequence[Mapping[str, Any]],
        *,
        run: FlowRunInfo | None = None,
        strategy: str = "CHANGE_STATUS",
        options: CycleOptions | None = None,
        synchronization_id: str = NIGHTLY,
        attempt: str | None = None,
        session_changes: Mapping[str, Any] | None = None,
    ) -> Job:
        """Run one complete cycle in a flow run; return the finalization job, ended with success.

        Raises:
            CollibraError: As the product raises it.
        """
        request = FinalizationRequest(
            synchronization_id, FinalizationStrategy(strategy), MISSING_FROM_SOURCE
        )
        options = options or CycleOptions()
        changes = dict(session_changes or {})
        with (
            open_source(commands, SourceOptions()) as opened,
            opened.scan(log=self.log.append) as content,
            self.session(
                run, synchronization_id=synchronization_id, attempt=attempt, **changes
            ) as session,
        ):
            names = (session.environment.key, synchronization_id)
            cycle = Cycle(
                session=session,
                request=request,
                options=options,
                approval=self.prompt,
                progress=self.record,
                reporter=self.record,
                slots=MemorySlots(),
                plans=ShownPlans(self.store, *names, log=self.log.append),
            )
            job = cycle.run(content)
            job = session.wait_for_job(job.id, wait_seconds=options.wait_seconds, reason="test")
            close_finalization(session, job)
            if error := error_for_job(job):
                raise error
            close_cycle(session)
            self.clock.advance(2)
            return job

    def synchronize_or_error(
        self, commands: Sequence[Mapping[str, Any]], **more: Any
    ) -> Job | CollibraError:
        """Run one complete cycle; return the error that it raises instead of a job."""
        try:
            return self.synchronize(commands, **more)
        except CollibraError as error:
            return error
