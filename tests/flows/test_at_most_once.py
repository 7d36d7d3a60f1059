"""One finalization a cycle: across attempts, runs, threads and killed processes."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect import flow
from prefect.variables import Variable

from collibra_tasks import (
    MISSING_FROM_SOURCE,
    CollibraCredentials,
    FinalizationStrategy,
    Receipt,
    inspect_cycle,
    reported,
    submit_finalization,
)
from collibra_tasks.errors import (
    CollibraError,
    FinalizationRefusedError,
    JobTimedOutError,
    OutcomeUnknownError,
    OverlapError,
    RefusedError,
)
from collibra_tasks.ledger import Entry, Ledger, Resolution
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.variables import VariableStore
from flows.finalize_synchronization import finalize_synchronization
from flows.resolve_finalization import resolve_finalization
from tests.conftest import ImportCycle, artifact

CHANGE_STATUS: dict[str, Any] = {"missing_asset_status_id": MISSING_FROM_SOURCE}

pytestmark = pytest.mark.usefixtures("prefect_server")


def finalize(credentials: CollibraCredentials, *job_ids: str, **changes: Any) -> str | None:
    request: dict[str, Any] = {"wait_seconds": 20, "batch_job_ids": list(job_ids)} | changes
    receipt: Receipt = finalize_synchronization(credentials, "nightly", **request)
    return receipt.job_id


def settle(credentials: CollibraCredentials, resolution: Resolution, job_id: str = "") -> Entry:
    entry: Entry = resolve_finalization(
        credentials, "nightly", "Ada", "looked at the list", resolution, job_id, wait_seconds=20
    )
    return entry


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
    first = import_cycle()
    finalize(credentials, first)
    second = import_cycle()
    tenant.fail_next(400)
    with pytest.raises(RefusedError):
        finalize(credentials, second)
    with pytest.raises(FinalizationRefusedError):
        finalize(credentials, first)

    finalize(credentials, second)
    assert 2 == tenant.finalizations


def test_a_lost_answer_is_looked_up(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """A run whose answer is lost finds its job in the tenant's list and follows that."""
    finalize(credentials, import_cycle())
    job_id = import_cycle()
    tenant.lose_next_answer()

    assert tenant.jobs[-1].id != finalize(credentials, job_id)
    assert 2 == tenant.finalizations


def test_nothing_is_sent_until_an_unknown_outcome_is_settled(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """While nobody knows, every run ends as unknown; a person's word opens the way again."""
    job_id = import_cycle()
    tenant.lose_next_answer(before_commit=True)
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError, match="resolve-finalization"):
            finalize(credentials, job_id)
    assert 0 == tenant.finalizations

    settle(credentials, Resolution.LEAVE)
    with pytest.raises(OutcomeUnknownError):
        finalize(credentials, job_id)

    with pytest.raises(FinalizationRefusedError):
        settle(credentials, Resolution.NOT_SENT)  # the request could still be on its way
    tenant.pass_time(300)
    entry = settle(credentials, Resolution.NOT_SENT)
    assert entry.settlement is not None
    assert ("Ada", "looked at the list") == (entry.settlement.by, entry.settlement.reason)
    finalize(credentials, job_id)
    assert 1 == tenant.finalizations


def test_a_person_names_the_job_of_a_lost_answer(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """An adopted job is followed to its end, and its cycle is closed for every later run."""
    job_id = import_cycle()
    tenant.add_foreign_job(created_on=datetime.now(UTC) + timedelta(seconds=3))
    tenant.lose_next_answer()
    with pytest.raises(OutcomeUnknownError):
        finalize(credentials, job_id)
    ours = next(job.id for job in tenant.jobs if job.kind == "finalize")

    entry = settle(credentials, Resolution.ADOPT_JOB, job_id=ours)

    assert ours == entry.job_id
    with pytest.raises(FinalizationRefusedError):
        finalize(credentials, job_id)
    finalize(credentials, import_cycle())
    assert 2 == tenant.finalizations


WRONG: dict[str, dict[str, Any]] = {
    "a job that the tenant does not know": {"job_id": "00000000-0000-0000-0000-00000000dead"},
    "no job": {},
    "a job from before the intent": {"job_id": None},
}


@pytest.mark.parametrize("case", WRONG)
def test_what_can_not_be_true_settles_nothing(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle, case: str
) -> None:
    """A job that can't have closed the cycle is not adopted, whoever says so."""
    job_id = import_cycle()
    tenant.lose_next_answer(before_commit=True)
    with pytest.raises(OutcomeUnknownError):
        finalize(credentials, job_id)
    said = WRONG[case] if WRONG[case].get("job_id", "") is not None else {"job_id": job_id}

    with pytest.raises(FinalizationRefusedError):
        settle(credentials, Resolution.ADOPT_JOB, **said)


def test_only_what_is_open_is_settled(credentials: CollibraCredentials) -> None:
    """There is nothing to settle where nothing was sent."""
    with pytest.raises(FinalizationRefusedError):
        settle(credentials, Resolution.NOT_SENT)


def test_a_job_that_is_gone_is_unknown(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """A finalization whose job vanished is never sent again, until a person says that it ended."""
    job_id = import_cycle()
    tenant.run_jobs_for(3600)
    with pytest.raises(JobTimedOutError):
        finalize(credentials, job_id, wait_seconds=0)
    tenant.lose_job(tenant.jobs[-1].id)
    with pytest.raises(OutcomeUnknownError, match="resolve-finalization"):
        finalize(credentials, job_id)
    assert 1 == tenant.finalizations

    settle(credentials, Resolution.ENDED)
    tenant.run_jobs_for(0)
    finalize(credentials, import_cycle())
    assert 2 == tenant.finalizations


def test_a_run_may_leave_the_work_to_another(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """Told to skip, a run beside another ends well and sends nothing; told to fail, it fails."""
    job_id = import_cycle()
    tenant.run_jobs_for(3600)
    ended = []

    @flow
    def another() -> None:
        submit_finalization(credentials, "nightly", batch_job_ids=[job_id], **CHANGE_STATUS)
        ended.append(finalize(credentials, job_id, on_overlap="skip"))
        with pytest.raises(OverlapError):
            finalize(credentials, job_id, on_overlap="fail")

    another()

    assert [None] == ended
    assert 1 == tenant.finalizations


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


def test_a_retried_run_that_has_sent_does_not_deny_it(
    credentials: CollibraCredentials, tenant: Sandbox, import_cycle: ImportCycle
) -> None:
    """While the tenant is away, the receipt of a retried run does not say that nothing was sent."""
    job_id = import_cycle()
    told: list[str] = []

    @flow(retries=1)
    def finalize_and_break_once() -> None:
        try:
            with reported(credentials, "nightly", strategy=FinalizationStrategy.IGNORE):
                if not told:
                    tenant.lose_next_answer(before_commit=True)
                else:
                    tenant.stop()
                asked: dict[str, Any] = {"batch_job_ids": [job_id], **CHANGE_STATUS}
                inspect_cycle(credentials, "nightly", **asked)
                submit_finalization(credentials, "nightly", **asked)
        finally:
            told.append(artifact("finalization-nightly")["data"])

    with pytest.raises(CollibraError):
        finalize_and_break_once()

    assert 2 == len(told)
    assert not any("nothing was removed" in artifact for artifact in told)


def test_a_copy_of_a_record_is_not_taken_for_it() -> None:
    """A variable that somebody has named after a record does not hide it."""
    ledger = Ledger(VariableStore(), "https://tenant.test", "copied")
    entry = Entry(tenant="https://tenant.test", synchronization_id="copied", strategy="IGNORE")
    mine = ledger.claim(entry, None)
    assert mine is not None
    Variable.set(f"old-{ledger.name_of(mine)}", {"phase": "a note"})

    latest = ledger.latest()

    assert latest is not None
    assert mine.claim == latest.claim


def test_the_record_stays_small() -> None:
    """Old entries go when new ones come, and many batches fit the record."""
    ledger = Ledger(VariableStore(), "https://tenant.test", "many-cycles")
    last = None
    for _ in range(24):
        entry = Entry(
            tenant="https://tenant.test",
            synchronization_id="many-cycles",
            strategy="CHANGE_STATUS",
            batch_job_ids=tuple(f"{number:036d}" for number in range(500)),
        )
        last = ledger.claim(entry, last)
        assert last is not None

    assert last is not None
    latest = ledger.latest()
    assert latest is not None
    assert last.claim == latest.claim
    newest = ledger.name_of(last)
    assert Variable.get(newest.replace("000024", "000004")) is None
    assert Variable.get(newest.replace("000024", "000005")) is not None
