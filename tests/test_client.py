"""The client against the sandbox: who we are, what an answer means, where jobs are found."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from collibra_tasks.client import CollibraClient
from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    FinalizationRefusedError,
    JobFailedError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    TenantFaultError,
    UnexpectedAnswerError,
    may_repeat,
)
from collibra_tasks.models import FinalizationStrategy, Job
from collibra_tasks.sandbox import Sandbox
from collibra_tasks.settings import CollibraConnection


def client_of(tenant: Sandbox, auth_type: str = "basic", **changes: Any) -> CollibraClient:
    names = {
        name.removeprefix("COLLIBRA_").lower(): value
        for name, value in tenant.environment(auth_type).items()
    }
    return CollibraClient(
        CollibraConnection.model_validate(names | {"auth_type": auth_type} | changes)
    )


def finalize(client: CollibraClient) -> Job:
    return client.submit_finalization("nightly", strategy=FinalizationStrategy.IGNORE)


def asked_for_tokens(tenant: Sandbox) -> int:
    return sum("oauth" in request.path for request in tenant.requests)


@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
def test_each_way_to_authenticate_works(tenant: Sandbox, auth_type: str) -> None:
    """Basic, a bearer token and OAuth client credentials are all taken by the tenant."""
    with client_of(tenant, auth_type) as client:
        finalize(client)

    assert 1 == tenant.finalizations


def test_a_token_is_asked_for_once(tenant: Sandbox) -> None:
    """Clients of one process share their OAuth token."""
    for _ in range(3):
        with client_of(tenant, "oauth") as client:
            client.synchronization_exists("nightly")

    assert 1 == asked_for_tokens(tenant)


def test_an_expired_token_is_renewed_for_a_question(tenant: Sandbox) -> None:
    """A 401 to a question costs one new token and no error."""
    with client_of(tenant, "oauth") as client:
        client.synchronization_exists("nightly")
        tenant.expire_tokens()
        assert client.synchronization_exists("nightly") is False

    assert 2 == asked_for_tokens(tenant)


def test_an_expired_token_never_repeats_a_write(tenant: Sandbox) -> None:
    """A 401 to a finalization is an error; the next request has a new token."""
    with client_of(tenant, "oauth") as client:
        client.synchronization_exists("nightly")
        tenant.expire_tokens()
        with pytest.raises(AccessDeniedError):
            finalize(client)
        assert 1 == len(tenant.finalization_requests)
        finalize(client)

    assert 1 == tenant.finalizations


def test_a_write_without_a_token_was_not_sent(tenant: Sandbox) -> None:
    """Trouble at the token endpoint leaves a finalization unsent and safe to repeat."""
    tenant.lose_next_answer(on="token")
    with client_of(tenant, "oauth") as client, pytest.raises(NotSentError):
        finalize(client)

    assert [] == tenant.finalization_requests


def test_a_redirect_carries_no_credentials(tenant: Sandbox) -> None:
    """Another host that the tenant points to hears nothing from us."""
    with Sandbox() as elsewhere, client_of(tenant) as client:
        tenant.redirect_next(elsewhere.url, on="exists")
        with pytest.raises(UnexpectedAnswerError):
            client.synchronization_exists("nightly")

        assert [] == elsewhere.requests


@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
def test_wrong_credentials_are_told_without_showing_them(tenant: Sandbox, auth_type: str) -> None:
    """A 401 is one sentence that names neither password nor token."""
    wrong = {"basic": "password", "bearer": "token", "oauth": "client_secret"}[auth_type]
    with (
        client_of(tenant, auth_type, **{wrong: "canary"}) as client,
        pytest.raises(AccessDeniedError) as caught,
    ):
        client.synchronization_exists("nightly")

    assert "canary" not in repr(caught.value)
    assert 401 == caught.value.status_code


Stage = Callable[[Sandbox], Any]
WRITES: dict[str, tuple[Stage, type[CollibraError], bool]] = {
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


@pytest.mark.parametrize("fault", WRITES)
def test_a_write_is_safe_to_repeat_only_if_surely_not_taken(tenant: Sandbox, fault: str) -> None:
    """The client sends once, and says of each failure whether a repeat could finalize twice."""
    direct, error, safe = WRITES[fault]
    direct(tenant)

    with client_of(tenant) as client, pytest.raises(error) as caught:
        finalize(client)

    assert type(caught.value) is error
    assert safe == may_repeat(caught.value, write=True)
    assert len(tenant.finalization_requests) <= 1


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


@pytest.mark.parametrize(
    "error",
    [
        NotSentError("away"),
        RefusedError("no", status_code=400, error_code="invalid", user_message="No."),
        BusyError("busy", status_code=429, retry_after_seconds=3),
        UnexpectedAnswerError("a word", transient=False, job_id="1"),
        JobFailedError("failed", job=Job(id="1", state="ERROR")),
        FinalizationRefusedError("no", reasons=["one", "two"]),
    ],
)
def test_an_error_survives_a_process(error: CollibraError) -> None:
    """An error arrives in another process with everything that it knew."""
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(error) is type(arrived)
    assert str(error) == str(arrived)
    assert vars(error) == vars(arrived)


@pytest.mark.parametrize(("field", "value"), [("ca_bundle", "absent.pem"), ("proxy", "::nonsense")])
def test_a_connection_that_can_not_be_made_is_one_sentence(
    tenant: Sandbox, field: str, value: str
) -> None:
    """A certificate file or a proxy that makes no sense is told before anything is sent."""
    with pytest.raises(NotSentError):
        client_of(tenant, **{field: value})
