"""The client against the sandbox: who we are, what an answer means, where jobs are found."""

from collections.abc import Callable
from typing import Any

import pytest

from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    TenantFaultError,
    UnexpectedAnswerError,
    may_repeat,
)
from collibra_tasks.sandbox import Sandbox
from tests.clients import client_of, finalize

pytestmark = pytest.mark.usefixtures("one_trust_store")


Stage = Callable[[Sandbox], Any]
WRITES: dict[str, tuple[Stage, type[CollibraError], bool]] = {
    "401": (lambda t: t.fail_next(401), AccessDeniedError, False),
    "moved": (lambda t: t.redirect_next(f"{t.url}/login"), OutcomeUnknownError, False),
    "a page after": (lambda t: t.answer_html_next(after_commit=True), OutcomeUnknownError, False),
    "502 after": (lambda t: t.fail_next(502, after_commit=True), OutcomeUnknownError, False),
    "lost after": (lambda t: t.lose_next_answer(), OutcomeUnknownError, False),
    "lost before": (lambda t: t.lose_next_answer(before_commit=True), OutcomeUnknownError, False),
    "busy": (lambda t: t.be_busy(), BusyError, True),
    "500": (lambda t: t.fail_next(500), OutcomeUnknownError, False),
    "503": (lambda t: t.fail_next(503), OutcomeUnknownError, False),
    "408": (lambda t: t.fail_next(408), OutcomeUnknownError, False),
    "400": (lambda t: t.fail_next(400), RefusedError, False),
    "404": (lambda t: t.fail_next(404), NotFoundError, False),
    "403": (lambda t: t.forbid(), AccessDeniedError, False),
    "a page": (lambda t: t.answer_html_next(), OutcomeUnknownError, False),
    "broken": (lambda t: t.break_json_next(after_commit=True), OutcomeUnknownError, False),
    "away": (lambda t: t.stop(), NotSentError, True),
}
COMMITTED = {"lost after", "a page after", "502 after", "broken"}


@pytest.mark.parametrize("fault", WRITES)
def test_a_write_is_safe_to_repeat_only_if_surely_not_taken(tenant: Sandbox, fault: str) -> None:
    """The client sends once, and says of each failure whether a repeat could finalize twice."""
    direct, error, safe = WRITES[fault]
    direct(tenant)

    with client_of(tenant) as client, pytest.raises(error) as caught:
        finalize(client)

    assert type(caught.value) is error
    assert safe == caught.value.safe_to_repeat == may_repeat(caught.value, write=True)
    assert (fault != "away") == len(tenant.finalization_requests)
    assert (fault in COMMITTED) == tenant.finalizations


READS: dict[str, tuple[Stage, type[CollibraError], bool]] = {
    "lost": (lambda t: t.lose_next_answer(on="exists"), OutcomeUnknownError, True),
    "busy": (lambda t: t.be_busy(on="exists"), BusyError, True),
    "503": (lambda t: t.fail_next(503, on="exists"), TenantFaultError, True),
    "a page": (lambda t: t.answer_html_next(on="exists"), UnexpectedAnswerError, True),
    "broken": (lambda t: t.break_json_next(on="exists"), UnexpectedAnswerError, True),
    "403": (lambda t: t.forbid(on="exists"), AccessDeniedError, False),
    "away": (lambda t: t.stop(), NotSentError, True),
}


@pytest.mark.parametrize("fault", READS)
def test_a_question_is_asked_again_where_that_may_help(tenant: Sandbox, fault: str) -> None:
    """Trouble that passes may be asked through; a refusal may not."""
    direct, error, helps = READS[fault]
    direct(tenant)

    with client_of(tenant) as client, pytest.raises(error) as caught:
        client.synchronization_exists("nightly")

    assert helps == may_repeat(caught.value, write=False)


@pytest.mark.parametrize(("retry_after", "seconds"), [("7", 7.0), (None, None), ("nonsense", None)])
def test_a_busy_tenant_says_how_long(
    tenant: Sandbox, retry_after: str | None, seconds: float | None
) -> None:
    """The pause that a tenant asks for is known to the caller, in seconds."""
    tenant.be_busy(retry_after=retry_after)

    with client_of(tenant) as client, pytest.raises(BusyError) as caught:
        finalize(client)

    assert seconds == caught.value.retry_after_seconds


def test_a_slow_drip_ends_in_time(tenant: Sandbox) -> None:
    """An answer that comes byte by byte does not hold us longer than one request may take."""
    tenant.answer_slowly(5, on="exists", drip=True)

    with (
        client_of(tenant, request_timeout_seconds=0.2) as client,
        pytest.raises(OutcomeUnknownError),
    ):
        client.synchronization_exists("nightly")


@pytest.mark.parametrize(
    "absent",
    [
        Sandbox.with_all_job_apis,
        Sandbox.without_job_api_v1,
        Sandbox.without_legacy_jobs,
    ],
)
def test_a_job_is_found_in_either_api(tenant: Sandbox, absent: Stage) -> None:
    """A job reads the same, whichever of the two job APIs the tenant serves."""
    with client_of(tenant) as client:
        job_id = finalize(client).id
        absent(tenant)
        job = client.get_job(job_id)
        listed = [job.id for job in client.iter_jobs(tenant.user_id)]

    assert job.succeeded
    assert job.created_on == tenant.jobs[0].created_on.replace(
        microsecond=tenant.jobs[0].created_on.microsecond // 1000 * 1000
    )
    assert tenant.user_id == job.user_id
    assert [job_id] == listed


def test_all_pages_of_jobs_are_read(tenant: Sandbox) -> None:
    """A list that is longer than a page is read to its end, each job once."""
    with client_of(tenant) as client:
        sent = [finalize(client).id for _ in range(120)]
        listed = [job.id for job in client.iter_jobs(tenant.user_id)]

    assert sorted(sent) == sorted(listed)


@pytest.mark.parametrize(("state", "result"), [("PONDERING", None), ("COMPLETED", "MOSTLY")])
def test_an_unknown_word_is_loud(tenant: Sandbox, state: str, result: str | None) -> None:
    """A state or result that Collibra never documented raises, and is named."""
    tenant.end_jobs_as(state, result)
    with client_of(tenant) as client, pytest.raises(UnexpectedAnswerError) as caught:
        client.get_job(finalize(client).id)

    assert (result or state) in str(caught.value)
    assert not may_repeat(caught.value, write=False)


@pytest.mark.parametrize(("field", "value"), [("ca_bundle", "absent.pem"), ("proxy", "::nonsense")])
def test_a_connection_that_can_not_be_made_is_one_sentence(
    tenant: Sandbox, field: str, value: str
) -> None:
    """A certificate file or a proxy that makes no sense is told before anything is sent."""
    with pytest.raises(NotSentError):
        client_of(tenant, **{field: value})


SECRETS = {"basic": "password", "bearer": "token", "oauth": "client_secret"}


@pytest.mark.parametrize("fault", WRITES)
@pytest.mark.parametrize("auth_type", SECRETS)
def test_no_error_shows_a_secret(tenant: Sandbox, auth_type: str, fault: str) -> None:
    """No error tells the password, the token or the secret."""
    secret: str = getattr(tenant, SECRETS[auth_type])
    WRITES[fault][0](tenant)

    with client_of(tenant, auth_type) as client, pytest.raises(CollibraError) as caught:
        finalize(client)

    assert secret not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


def test_all_pages_of_errors_are_read(tenant: Sandbox) -> None:
    """A job's errors are read to their end, past the first thousand, in order and once."""
    messages = [f"error {number}" for number in range(2001)]
    tenant.end_jobs_as("COMPLETED", "COMPLETED_WITH_ERROR", errors=messages)

    with client_of(tenant) as client:
        job_id = finalize(client).id
        client.get_job(job_id)
        failures = list(client.iter_failures(job_id))

    assert messages == [failure.message for failure in failures]


def test_both_apis_mean_the_same_moments(tenant: Sandbox) -> None:
    """ISO dates and epoch milliseconds are read into the same moments."""
    with client_of(tenant) as client:
        job_id = finalize(client).id
        current = client.get_job(job_id)
        tenant.without_job_api_v1()
        older = client.get_job(job_id)

    assert current.created_on is not None
    assert current.created_on == older.created_on
    assert current.ended_on == older.ended_on
