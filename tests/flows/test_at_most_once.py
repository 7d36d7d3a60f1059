"""One finalization a cycle: across attempts, runs, threads and killed processes."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from prefect import flow
from prefect.variables import Variable

from collibra_tasks import (
    CollibraCredentials,
    CollibraSettings,
    FinalizationStrategy,
    Receipt,
    finalizing,
    submit_finalization,
)
from collibra_tasks.errors import (
    FinalizationRefusedError,
    JobTimedOutError,
    OutcomeUnknownError,
    RefusedError,
)
from collibra_tasks.ledger import Entry, Ledger
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.tasks import finalization
from collibra_tasks.variables import VariableStore
from flows.finalize_synchronization import finalize_synchronization
from tests.conftest import ROOT, ImportCycle

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finalization, "LONGEST_REQUEST_TIMEOUTS", 0)
    monkeypatch.setattr(finalization, "GRACE_SECONDS", 0)
    monkeypatch.setattr(finalizing, "LONGEST_STALL_SECONDS", 3)


@pytest.fixture
def credentials(tenant: Sandbox, monkeypatch: pytest.MonkeyPatch) -> CollibraCredentials:
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    return CollibraCredentials.from_settings(CollibraSettings())


def finalize(credentials: CollibraCredentials, *job_ids: str, **changes: Any) -> str | None:
    request: dict[str, Any] = {"wait_seconds": 20, "batch_job_ids": list(job_ids)} | changes
    receipt: Receipt = finalize_synchronization(credentials, "nightly", **request)
    return receipt.job_id


def test_a_second_attempt_follows_the_job_of_the_first(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """A retried run sends nothing; it gets the job that its first attempt started."""
    import_cycle()
    seen: list[str] = []

    @flow(retries=1)
    def submit_and_break_once() -> None:
        job = submit_finalization(credentials, "nightly", strategy=FinalizationStrategy.IGNORE)
        seen.append(job.id)
        if len(seen) == 1:
            message = "somebody trips over the cable"
            raise RuntimeError(message)

    submit_and_break_once()

    assert [tenant.jobs[-1].id] * 2 == seen
    assert 1 == tenant.finalizations


def test_a_run_beside_another_follows_its_job(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """While a finalization is under way, another run follows it and sends none of its own."""
    job_id = import_cycle()
    tenant.run_jobs_for(3600)
    timed_out = []
    for _ in range(2):
        with pytest.raises(JobTimedOutError) as caught:
            finalize(credentials, job_id, wait_seconds=0)
        timed_out.append(caught.value.job_id)

    assert [tenant.jobs[-1].id] * 2 == timed_out
    assert 1 == tenant.finalizations


def test_batches_serve_one_finalization(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """A second run with the batches of a closed cycle is refused; new batches open the next one."""
    first = import_cycle()
    finalize(credentials, first)
    with pytest.raises(FinalizationRefusedError):
        finalize(credentials, first)
    assert 1 == tenant.finalizations

    finalize(credentials, import_cycle())
    assert 2 == tenant.finalizations


def test_without_evidence_the_first_cycle_only(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """Once a finalization is on record, marking without evidence has to be said each time."""
    import_cycle()
    finalize(credentials)
    with pytest.raises(FinalizationRefusedError):
        finalize(credentials)
    assert 1 == tenant.finalizations

    finalize(credentials, allow_unverified_cycle=True)
    assert 2 == tenant.finalizations


def test_a_refusal_uses_nothing_up(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """What the tenant refused may be asked again, and what was finalized before may not."""
    first, second = import_cycle(), import_cycle()
    finalize(credentials, first)
    tenant.fail_next(400)
    with pytest.raises(RefusedError):
        finalize(credentials, second)
    with pytest.raises(FinalizationRefusedError):
        finalize(credentials, first)

    finalize(credentials, second)
    assert 2 == tenant.finalizations


def test_nothing_is_sent_until_an_unknown_outcome_is_settled(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """After a lost answer every run ends as unknown, until a person deletes the named record."""
    first, second = import_cycle(), import_cycle()
    tenant.lose_next_answer()
    with pytest.raises(OutcomeUnknownError):
        finalize(credentials, first)
    with pytest.raises(OutcomeUnknownError) as caught:
        finalize(credentials, second)
    assert 1 == tenant.finalizations

    ledger = Ledger(VariableStore(), tenant.url, "nightly")
    entry = ledger.latest()
    assert entry is not None
    assert ledger.name_of(entry) in str(caught.value)
    Variable.unset(ledger.name_of(entry))
    finalize(credentials, second)
    assert 2 == tenant.finalizations


@pytest.mark.parametrize("before_commit", [True, False])
def test_a_killed_process_is_followed_by_no_second_request(
    credentials: CollibraCredentials,
    tenant: Sandbox,
    import_cycle: ImportCycle,
    prefect_environment: dict[str, str],
    before_commit: bool,  # noqa: FBT001 - a case
) -> None:
    """A run that is killed with its request on the wire leaves an unknown outcome, not a repeat."""
    job_id = import_cycle()
    hold = tenant.hold_next_answer(before_commit=before_commit)
    run = (
        "from collibra_tasks import CollibraCredentials\n"
        "from flows.finalize_synchronization import finalize_synchronization as finalize\n"
        f"finalize(CollibraCredentials.from_settings(), 'nightly', batch_job_ids=['{job_id}'])"
    )
    with subprocess.Popen(  # noqa: S603 - our own commands
        [sys.executable, "-c", run],
        env=prefect_environment | tenant.environment() | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert hold.reached.wait(60)
        os.kill(process.pid, signal.SIGKILL)
    hold.release()

    with pytest.raises(OutcomeUnknownError):
        finalize(credentials, job_id)

    assert 1 == len(tenant.finalization_requests)
    assert tenant.finalizations <= 1


def test_one_of_many_writers_wins() -> None:
    """Of many that claim the same cycle at once, exactly one may send."""
    ledger = Ledger(VariableStore(), "https://tenant.test", "claimed-by-many")
    entry = Entry(
        tenant="https://tenant.test", synchronization_id="claimed-by-many", strategy="IGNORE"
    )
    contexts = [copy_context() for _ in range(24)]  # they know the tests' own Prefect server
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda context: context.run(ledger.claim, entry, None), contexts))

    assert 1 == sum(claim is not None for claim in claims)


def test_the_record_stays_small() -> None:
    """Old entries go when new ones come, and many batches fit the record."""
    ledger = Ledger(VariableStore(), "https://tenant.test", "many-cycles")
    last = None
    for _ in range(14):
        entry = Entry(
            tenant="https://tenant.test",
            synchronization_id="many-cycles",
            strategy="CHANGE_STATUS",
            batch_job_ids=tuple(f"{number:036d}" for number in range(500)),
        )
        last = ledger.claim(entry, last)
        assert last is not None

    assert last is not None
    assert last == ledger.latest()
    newest = ledger.name_of(last)
    assert Variable.get(newest.replace("000014", "000004")) is None
    assert Variable.get(newest.replace("000014", "000005")) is not None
