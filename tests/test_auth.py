"""Proving who we are: each way against the sandbox."""

from base64 import b64decode
from urllib.parse import parse_qs

import pytest

from collibra_tasks.errors import (
    AccessDeniedError,
    NotSentError,
    OutcomeUnknownError,
    UnexpectedAnswerError,
)
from collibra_tasks.sandbox import Sandbox
from tests.clients import client_of, finalize

pytestmark = pytest.mark.usefixtures("one_trust_store")


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


@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_finalization_goes_nowhere(
    tenant: Sandbox, auth_type: str, status: int
) -> None:
    """No redirect takes a finalization, or the credentials with it, to another host."""
    with Sandbox() as elsewhere, client_of(tenant, auth_type) as client:
        tenant.redirect_next(elsewhere.url, status=status)
        with pytest.raises(OutcomeUnknownError):
            finalize(client)

        assert [] == elsewhere.requests
    assert 1 == len(tenant.finalization_requests)


def test_a_redirected_token_endpoint_hears_no_secret(tenant: Sandbox) -> None:
    """Where the token endpoint points elsewhere, the secret stays and nothing is finalized."""
    with Sandbox() as elsewhere, client_of(tenant, "oauth") as client:
        tenant.redirect_next(elsewhere.url, on="token", status=307)
        with pytest.raises(NotSentError):
            finalize(client)

        assert [] == elsewhere.requests
    assert [] == tenant.finalization_requests


def test_a_token_is_asked_for_as_collibra_wants_it(tenant: Sandbox) -> None:
    """A client id with colons is URL-encoded, and no scope is asked for."""
    with client_of(tenant, "oauth") as client:
        client.synchronization_exists("nightly")

    (asked,) = [request for request in tenant.requests if "oauth" in request.path]
    shown = b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode()
    assert ":" in tenant.client_id
    assert shown.startswith(tenant.client_id.replace(":", "%3A") + ":")
    assert {"grant_type": ["client_credentials"]} == parse_qs(asked.body.decode())


def test_a_rejected_write_finalized_nothing(tenant: Sandbox) -> None:
    """A finalization with an expired token is denied, and nothing is finalized."""
    with client_of(tenant, "oauth") as client:
        client.synchronization_exists("nightly")
        tenant.expire_tokens()
        with pytest.raises(AccessDeniedError):
            finalize(client)

    assert 0 == tenant.finalizations
    assert 1 == asked_for_tokens(tenant)


def test_a_second_denial_of_a_question_is_told(tenant: Sandbox) -> None:
    """A question is asked with a new token once, not for ever."""
    tenant.fail_next(401, on="exists", times=5)

    with client_of(tenant, "oauth") as client, pytest.raises(AccessDeniedError):
        client.synchronization_exists("nightly")

    assert 2 == sum("exists" in request.path for request in tenant.requests)


def test_two_applications_do_not_share_a_token(tenant: Sandbox) -> None:
    """A token is kept for one tenant and one application, not for whoever comes next."""
    with client_of(tenant, "oauth") as client, Sandbox() as other:
        client.synchronization_exists("nightly")
        with client_of(other, "oauth") as second:
            second.synchronization_exists("nightly")

        assert 1 == asked_for_tokens(other)
