"""Facts for a receipt from Collibra and the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from collibra_tasks.errors import CollibraError, FinalizationRefusedError, NotFoundError
from collibra_tasks.finalization.session import Session
from collibra_tasks.ledger.entry import LedgerEntry, Phase
from collibra_tasks.ledger.identity import Environment
from collibra_tasks.models import (
    Account,
    FinalizationStrategy,
    FlowRunInfo,
    ImportFailure,
    ImportSummary,
    Job,
)
from collibra_tasks.reporting.collecting import collect_facts
from collibra_tasks.reporting.receipts import Receipt

UNREADABLE = NotFoundError("Job not found.", status_code=404)
ENVIRONMENT = Environment("acme", "https://acme.collibra.com")
FLOW_RUN = FlowRunInfo(id="run-1")


@dataclass
class Client:
    """Client of an environment with one job; ``error`` is raised for every read of it."""

    job: Job = field(default_factory=lambda: Job(id="j1", state="COMPLETED", result="SUCCESS"))
    error: CollibraError | None = None

    def get_account(self) -> Account:
        return Account(id="u", name="robot")

    def get_job(self, _job_id: str) -> Job:
        if self.error:
            raise self.error
        return self.job

    def get_summary(self, _job_id: str) -> ImportSummary:
        return ImportSummary(errors_count=1)

    def iter_failures(self, _job_id: str) -> Iterator[ImportFailure]:
        yield ImportFailure(message="x")


@dataclass
class Ledger:
    """Ledger with at most one entry."""

    entry: LedgerEntry | None = None
    error: CollibraError | None = None
    closed: list[str] = field(default_factory=list)

    def newest(self) -> LedgerEntry | None:
        if self.error:
            raise self.error
        return self.entry

    def entries(self) -> list[LedgerEntry]:
        return [self.entry] if self.entry else []

    def update_unless_changed(self, _before: LedgerEntry, after: LedgerEntry) -> bool:
        self.closed += [str(after.job_id)] if after.phase == Phase.ENDED else []
        return True


class Patterns:
    """Names of finalization jobs; nothing is recorded."""

    def learn(self, _pattern: object) -> None: ...


@dataclass
class World:
    """Parts of a session that a receipt is collected from."""

    client: Client = field(default_factory=Client)
    ledger: Ledger = field(default_factory=Ledger)
    environment: Environment = ENVIRONMENT
    flow_run: FlowRunInfo = FLOW_RUN
    patterns: Patterns = field(default_factory=Patterns)
    synchronization_id: str = "nightly"
    release: str | None = None
    notes: list[str] = field(default_factory=list)


def collect(world: World, **changes: Any) -> Receipt:
    known: dict[str, Any] = {
        "synchronization_id": "nightly",
        "strategy": FinalizationStrategy.IGNORE,
    }
    return collect_facts(Receipt(**known | changes), cast("Session", world))


def entry_of(phase: Phase, flow_run_id: str = "run-1", job_id: str | None = "j1") -> LedgerEntry:
    return LedgerEntry(
        environment="acme",
        synchronization_id="nightly",
        strategy="IGNORE",
        phase=phase,
        flow_run_id=flow_run_id,
        job_id=job_id,
    )


def test_collect_facts_adds_environment_account_and_results() -> None:
    """Environment, account, job and Collibra's errors are on the receipt."""
    receipt = collect(World(), job_id="j1")

    assert ("acme", "https://acme.collibra.com") == (receipt.environment, receipt.base_url)
    assert "robot" == receipt.account
    assert receipt.succeeded
    assert "x" == receipt.failures[0].message


def test_collect_facts_takes_remarks_of_the_session_once() -> None:
    """What the search could not see is on the receipt, and not on the receipt of a later run."""
    world = World(notes=["The job search is incomplete: 21 pages.", "known"])

    receipt = collect(world, notes=("known", "The end."))

    assert ("The job search is incomplete: 21 pages.", "known", "The end.") == receipt.notes
    assert "21 pages" not in " ".join(collect(world).notes)


@pytest.mark.parametrize(("state", "closed"), [("COMPLETED", ["j1"]), ("RUNNING", [])])
def test_collect_facts_closes_ledger_entry_of_ended_job(state: str, closed: list[str]) -> None:
    """The ledger entry is closed when its job has ended, and not before."""
    job = Job(id="j1", state=state)
    world = World(client=Client(job=job), ledger=Ledger(entry_of(Phase.SENT)))
    collect(world, job_id="j1")

    assert closed == world.ledger.closed


def test_collect_facts_keeps_known_state_if_job_is_unreadable() -> None:
    """A state that the flow run has seen stays on the receipt."""
    world = World(client=Client(error=UNREADABLE))

    assert collect(world, job_id="j1", state="COMPLETED", result="SUCCESS").succeeded


@pytest.mark.parametrize("phase", [Phase.SENT, Phase.ENDED])
def test_collect_facts_finds_job_of_stopped_flow_run(phase: Phase) -> None:
    """A flow run that stopped before it learned of its job gets the job from the ledger."""
    receipt = collect(World(ledger=Ledger(entry_of(phase))), not_sent=True, stopped=True)

    assert "j1" == receipt.job_id
    assert not receipt.not_sent
    assert receipt.notes[-1].startswith("Finalization job j1 continues in Collibra")


def test_collect_facts_of_intended_request_is_unknown() -> None:
    """A receipt never claims that nothing was sent while an intent of the flow run is recorded."""
    world = World(ledger=Ledger(entry_of(Phase.INTENDED, job_id=None)))

    assert not collect(world, not_sent=True).not_sent


@pytest.mark.parametrize(
    "entry",
    [None, entry_of(Phase.WITHDRAWN), entry_of(Phase.SENT, flow_run_id="run-2")],
)
def test_collect_facts_ignores_finalizations_of_others(entry: LedgerEntry | None) -> None:
    """A withdrawn entry, or one of another flow run, does not change the receipt."""
    receipt = collect(World(ledger=Ledger(entry)), not_sent=True)

    assert receipt.not_sent
    assert receipt.job_id is None


def test_collect_facts_of_stopped_flow_run_without_entry() -> None:
    """A flow run that was cancelled before its finalization reports that it finalized nothing."""
    assert collect(World(ledger=Ledger(None)), stopped=True).not_sent
    intended = Ledger(entry_of(Phase.INTENDED, job_id=None))
    assert not collect(World(ledger=intended), stopped=True).not_sent


def test_collect_facts_with_unreadable_ledger_promises_nothing() -> None:
    """Without a readable ledger, the receipt does not claim that nothing was sent."""
    ledger = Ledger(error=FinalizationRefusedError("Entry unreadable."))

    assert not collect(World(ledger=ledger), not_sent=True).not_sent


def test_collect_facts_shows_parameters_of_followed_job() -> None:
    """A flow run that follows another one's job reports the strategy that the job was sent with."""
    world = World(ledger=Ledger(entry_of(Phase.ENDED, flow_run_id="run-2")))
    receipt = collect(world, job_id="j1", strategy=FinalizationStrategy.REMOVE_RESOURCES)

    assert FinalizationStrategy.IGNORE == receipt.strategy
    assert "asked for REMOVE_RESOURCES" in receipt.notes[0]
