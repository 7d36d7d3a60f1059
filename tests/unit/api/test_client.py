"""Promises of the client: one request per write, errors by outcome, both job APIs."""

import json
import ssl
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice

import httpx
import pytest

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    FinalizationRefusedError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    TenantFaultError,
    UnexpectedAnswerError,
    may_retry,
)
from collibra_tasks.models import Upload
from collibra_tasks.options import BatchOptions
from tests.support.clients import (
    CANARIES,
    Outcome,
    Server,
    finalize,
    json_response,
    page_of,
    refusal,
)

HTML = httpx.Response(200, html="<html>no healthy upstream</html>")
BROKEN = httpx.Response(200, content=b'{"id": "1', headers={"content-type": "application/json"})
DEEP = httpx.Response(200, content=b"[" * 200_000 + b"]" * 200_000)
LOST = httpx.ReadError("canary-password")
AWAY = httpx.ConnectError("Connection refused")
JOB = {"id": "1", "state": "RUNNING", "result": "NOT_SET"}

WRITES: dict[str, tuple[Outcome, type[CollibraError], bool]] = {
    "301": (
        httpx.Response(301, headers={"location": "https://x.test"}),
        OutcomeUnknownError,
        False,
    ),
    "307": (
        httpx.Response(307, headers={"location": "https://x.test"}),
        OutcomeUnknownError,
        False,
    ),
    "400": (refusal(400), RefusedError, False),
    "401": (refusal(401), AccessDeniedError, False),
    "403": (refusal(403), AccessDeniedError, False),
    "404": (refusal(404), NotFoundError, False),
    "408": (refusal(408), OutcomeUnknownError, False),
    "409": (refusal(409), RefusedError, False),
    "429": (refusal(429), BusyError, True),
    "500": (refusal(500), OutcomeUnknownError, False),
    "503": (httpx.Response(503, text="no healthy upstream"), OutcomeUnknownError, False),
    "HTML": (HTML, OutcomeUnknownError, False),
    "broken JSON": (BROKEN, OutcomeUnknownError, False),
    "deep JSON": (DEEP, OutcomeUnknownError, False),
    "no job ID": (json_response({"state": "RUNNING"}), OutcomeUnknownError, False),
    "no content": (httpx.Response(204), OutcomeUnknownError, False),
    "lost": (LOST, OutcomeUnknownError, False),
    "timeout": (httpx.ReadTimeout("late"), OutcomeUnknownError, False),
    "away": (AWAY, NotSentError, True),
}
SUBMITS: dict[str, Callable[[CollibraClient], object]] = {
    "finalization": finalize,
    "batch": lambda client: client.submit_batch("nightly", Upload(b"[]", "a.json"), BatchOptions()),
    "validation": lambda client: client.submit_validation(Upload(b"[]", "a.json")),
}


@pytest.mark.parametrize("kind", SUBMITS)
@pytest.mark.parametrize("outcome", WRITES)
def test_submit_sends_once_and_classifies_outcome(kind: str, outcome: str) -> None:
    """A write is sent once, and its error states whether a repeat could act twice."""
    response, error, safe = WRITES[outcome]
    server = Server({"/import/": response})

    with server.client() as client, pytest.raises(error) as caught:
        SUBMITS[kind](client)

    assert type(caught.value) is error
    assert safe == caught.value.safe_to_repeat == may_retry(caught.value, write=True)
    assert 1 == len(server.requests)


READS: dict[str, tuple[Outcome, type[CollibraError], bool]] = {
    "302": (httpx.Response(302, headers={"location": "/login"}), UnexpectedAnswerError, True),
    "403": (refusal(403), AccessDeniedError, False),
    "408": (refusal(408), TenantFaultError, True),
    "429": (refusal(429), BusyError, True),
    "503": (httpx.Response(503), TenantFaultError, True),
    "HTML": (HTML, UnexpectedAnswerError, True),
    "broken JSON": (BROKEN, UnexpectedAnswerError, True),
    "deep JSON": (DEEP, UnexpectedAnswerError, True),
    "other JSON": (json_response({"exists": True}), UnexpectedAnswerError, True),
    "lost": (LOST, OutcomeUnknownError, True),
    "away": (AWAY, NotSentError, True),
}


@pytest.mark.parametrize("outcome", READS)
def test_read_classifies_outcome(outcome: str) -> None:
    """A read states whether repeating it may help."""
    response, error, helps = READS[outcome]
    server = Server({"/exists/nightly": response})

    with server.client() as client, pytest.raises(error) as caught:
        client.synchronization_exists("nightly")

    assert type(caught.value) is error
    assert helps == may_retry(caught.value, write=False)


@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
@pytest.mark.parametrize("outcome", WRITES)
def test_errors_show_no_secret(auth_type: str, outcome: str) -> None:
    """No error shows the password, the token or the secret."""
    server = Server({"/finalize/": WRITES[outcome][0]})

    with server.client(auth_type) as client, pytest.raises(CollibraError) as caught:
        finalize(client)

    shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
    assert not [canary for canary in CANARIES if canary in shown]


def test_errors_show_no_secret_that_collibra_repeats() -> None:
    """A credential that Collibra repeats in its message is hidden."""
    server = Server({"/finalize/": refusal(400, message="canary-password is wrong")})

    with server.client() as client, pytest.raises(RefusedError) as caught:
        finalize(client)

    assert "canary" not in f"{caught.value} {vars(caught.value)}"
    assert "*** is wrong" == caught.value.user_message


@pytest.mark.parametrize(
    ("auth_type", "sent"),
    [
        ("basic", b64encode(b"robot:canary-password").decode()),
        ("bearer", "canary-token"),
        ("oauth", "canary-access-1"),
    ],
)
def test_errors_show_no_header_that_collibra_repeats(auth_type: str, sent: str) -> None:
    """A gateway that repeats the request's headers leads to no leak, whatever their encoding."""
    server = Server({"/finalize/": refusal(400, message=f"header X {sent} is not accepted")})

    with server.client(auth_type) as client, pytest.raises(RefusedError) as caught:
        finalize(client)

    assert server.requests[-1].headers["Authorization"].endswith(f" {sent}")
    assert sent not in f"{caught.value} {vars(caught.value)}"
    assert "header X *** is not accepted" == caught.value.user_message


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (refusal(404, "notFound"), "notFound"),
        (httpx.Response(404, html="<html>"), None),
        (json_response({"error": "Not Found", "status": 404}, 404), None),
        (httpx.Response(404), None),
    ],
)
def test_error_code_distinguishes_collibra_from_gateway(
    response: httpx.Response, code: str | None
) -> None:
    """Only a body in Collibra's own format has an error code."""
    with Server({"": response}).client() as client, pytest.raises(NotFoundError) as caught:
        finalize(client)

    assert code == caught.value.error_code
    assert ("Collibra responded" in str(caught.value)) == (code is not None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("auth_type", ["basic", "bearer", "oauth"])
def test_redirect_is_not_followed(auth_type: str, status: int) -> None:
    """No redirect takes a request or its credentials to another host."""
    server = Server(
        {
            "collibra.test/rest/2.0": httpx.Response(
                status, headers={"location": "https://evil.test/"}
            )
        }
    )

    with server.client(auth_type) as client:
        with pytest.raises(OutcomeUnknownError):
            finalize(client)
        with pytest.raises(UnexpectedAnswerError):
            client.synchronization_exists("nightly")

    assert [] == server.sent_to("evil.test")


def test_cookies_are_not_sent_back() -> None:
    """A session cookie is ignored, because it would require a CSRF token."""
    response = json_response(data := True, set_cookie="JSESSIONID=1; Path=/")
    server = Server({"/exists/": response})

    with server.client() as client:
        assert data == client.synchronization_exists("a") == client.synchronization_exists("b")

    assert "cookie" not in server.requests[-1].headers


@pytest.mark.parametrize(("field", "value"), [("ca_bundle", "absent.pem"), ("proxy", "::nonsense")])
def test_client_with_unusable_connection_raises_not_sent(field: str, value: str) -> None:
    """An unreadable certificate file or an invalid proxy is named, and retrying is pointless."""
    from tests.support.clients import connection_of

    with pytest.raises(NotSentError, match=f"COLLIBRA_{field.upper()}") as caught:
        CollibraClient(connection_of(**{field: value}))

    assert not may_retry(caught.value, write=False)


def test_not_sent_error_names_url_cause_and_next_step() -> None:
    """An unreachable host is named with the cause."""
    with Server({"": AWAY}).client() as client, pytest.raises(NotSentError) as caught:
        finalize(client)

    for text in ("https://tenant.collibra.test", "Connection refused", "Nothing was sent"):
        assert text in str(caught.value)


def test_not_sent_error_for_untrusted_certificate_names_ca_bundle() -> None:
    """A certificate that is not trusted leads to the CA bundle."""
    fault = httpx.ConnectError("self-signed certificate")
    fault.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    with Server({"": fault}).client() as client, pytest.raises(NotSentError) as caught:
        finalize(client)

    assert "COLLIBRA_CA_BUNDLE" in str(caught.value)
    assert "certificate" == caught.value.part


def test_get_job_reads_v1_first() -> None:
    """A job is read from the Job API v1, and the older API is not used."""
    server = Server({"/rest/jobs/v1/jobs/1": json_response(JOB)})

    with server.client() as client:
        assert "RUNNING" == client.get_job("1").state

    assert 1 == len(server.requests)


@pytest.mark.parametrize("absent", [404, 400, 405, 500, 503])
def test_get_job_falls_back_to_older_api(absent: int) -> None:
    """A job is read from the older API where v1 is absent."""
    server = Server(
        {"/rest/jobs/v1": httpx.Response(absent), "/rest/2.0/jobs/1": json_response(JOB)}
    )

    with server.client() as client:
        assert "1" == client.get_job("1").id


@pytest.mark.parametrize(
    ("current", "older", "error"),
    [
        (404, 404, NotFoundError),
        (404, 503, TenantFaultError),
        (503, 404, TenantFaultError),
        (403, 404, AccessDeniedError),
        (404, 403, AccessDeniedError),
    ],
)
def test_get_job_raises_the_more_informative_error(
    current: int, older: int, error: type[CollibraError]
) -> None:
    """A job counts as absent only if no API may have it."""
    server = Server({"/rest/jobs/v1": refusal(current), "/rest/2.0/jobs": refusal(older)})

    with server.client() as client, pytest.raises(error):
        client.get_job("1")


@pytest.mark.parametrize(("state", "result"), [("PONDERING", None), ("COMPLETED", "MOSTLY")])
def test_get_job_with_unknown_word_raises(state: str, result: str | None) -> None:
    """An undocumented state or result raises and is named; repeating does not help."""
    server = Server({"/v1/jobs/1": json_response({"id": "1", "state": state, "result": result})})

    with server.client() as client, pytest.raises(UnexpectedAnswerError) as caught:
        client.get_job("1")

    assert (result or state) in str(caught.value)
    assert "1" == caught.value.job_id
    assert not may_retry(caught.value, write=False)


def jobs_from(first: int, count: int) -> list[dict[str, str]]:
    return [{"id": str(number)} for number in range(first, first + count)]


def test_iter_jobs_reads_all_pages_of_v1() -> None:
    """A list of several pages is read to its end with the cursor, 50 jobs at a time."""
    server = Server()
    server.on("cursor=next", page_of(*jobs_from(50, 20)))
    server.on("/rest/jobs/v1/jobs", page_of(*jobs_from(0, 50), nextCursor="next"))

    with server.client() as client:
        listed = [job.id for job in client.iter_jobs(user_id="me")]

    assert [str(number) for number in range(70)] == listed
    assert "50" == server.requests[0].url.params["pageSize"]
    assert "me" == server.requests[1].url.params["user"]


def test_iter_jobs_reads_all_pages_of_older_api() -> None:
    """A list of the older API is read to its end by offset, newest first, each job once."""
    server = Server()
    server.on("offset=1000", page_of(*jobs_from(990, 20)))
    server.on("/rest/2.0/jobs", page_of(*jobs_from(0, 1000)))

    with server.client() as client:
        listed = [job.id for job in client.iter_jobs(user_id="me")]

    assert [str(number) for number in range(1010)] == listed
    params = server.requests[-1].url.params
    assert ("me", "DESC") == (params["createdBy"], params["sortOrder"])


def test_iter_jobs_of_older_api_begins_with_jobs_that_have_not_started() -> None:
    """A job without a start may be anywhere in the older list, so active jobs are read apart."""
    new, running, old = (
        {"id": name, "createdOn": f"2026-11-28T0{hour}:00:00Z"}
        for name, hour in (("new", 5), ("running", 4), ("old", 3))
    )
    server = Server({"states=WAITING": page_of(running, new), "/rest/2.0/jobs": page_of(old, new)})

    with server.client() as client:
        listed = [job.id for job in client.iter_jobs()]

    assert ["new", "running", "old"] == listed


@pytest.mark.parametrize("older", [False, True])
def test_iter_jobs_without_user_sends_no_filter(older: bool) -> None:  # noqa: FBT001 - a case
    """Without a user ID the jobs of all users are listed."""
    server = Server({"/rest/2.0/jobs" if older else "/rest/jobs/v1/jobs": page_of({"id": "1"})})

    with server.client() as client:
        assert ["1"] == [job.id for job in client.iter_jobs()]

    assert not {"user", "createdBy"} & server.requests[-1].url.params.keys()


def test_iter_jobs_stops_at_page_limit() -> None:
    """At most ``max_pages`` pages are requested."""
    server = Server({"/v1/jobs": [page_of({"id": str(n)}, nextCursor=str(n)) for n in range(9)]})

    with server.client() as client:
        assert 3 == len(list(client.iter_jobs(max_pages=3)))

    assert 3 == len(server.requests)


def test_iter_job_pages_with_repeated_cursor_raises() -> None:
    """A list that repeats its cursor does not run for ever."""
    server = Server({"/v1/jobs": page_of({"id": "1"}, nextCursor="same")})

    with server.client() as client, pytest.raises(UnexpectedAnswerError, match="cursor"):
        list(islice(client.iter_job_pages(), 100))


def test_iter_jobs_accepts_unknown_states() -> None:
    """One job with an undocumented state does not make the list unreadable."""
    server = Server({"/v1/jobs": page_of({"id": "1", "state": "PONDERING"})})

    with server.client() as client:
        assert ["PONDERING"] == [job.state for job in client.iter_jobs()]


def test_iter_failures_reads_all_pages() -> None:
    """Errors are read to their end, past the first thousand, in order and once."""
    rows = [{"errorMessage": str(number)} for number in range(2001)]
    server = Server()
    for offset in (2000, 1000, 0):
        server.on(f"offset={offset}&", page_of(*rows[offset : offset + 1000]))

    with server.client() as client:
        messages = [failure.message for failure in client.iter_failures("1")]

    assert [row["errorMessage"] for row in rows] == messages


def test_cancel_job_uses_v1_and_cuts_the_message() -> None:
    """A cancellation carries a message of at most 128 characters."""
    server = Server({"/v1/jobs/1": httpx.Response(204)})

    with server.client() as client:
        client.cancel_job("1", message="x" * 500)

    assert ["DELETE"] == [request.method for request in server.requests]
    assert 128 == len(server.requests[0].url.params["message"])


def test_cancel_job_falls_back_to_older_api() -> None:
    """A cancellation goes to the older API where v1 is absent."""
    server = Server({"/jobs/1/canceled": httpx.Response(202)})

    with server.client() as client:
        client.cancel_job("1", message="no longer needed")

    assert ["DELETE", "POST"] == [request.method for request in server.requests]


@pytest.mark.parametrize(
    ("content", "base_url", "release"),
    [
        ({"baseUrl": "https://a.test", "version": {"fullVersion": "2026.07.3-47"}}, True, "2026.7"),
        ({"version": {"displayVersion": "2024.10", "fullVersion": "5.9.1"}}, False, "2024.10"),
        ({"version": {"major": 5, "minor": 7}}, False, "5.7"),
        ({"version": {"fullVersion": "a word"}, "baseUrl": 7}, False, None),
        ({"version": None, "baseUrl": ""}, False, None),
        ({}, False, None),
    ],
)
def test_get_application_info_tolerates_missing_fields(
    content: dict[str, object],
    base_url: bool,  # noqa: FBT001 - a case
    release: str | None,
) -> None:
    """URL and version are read where they are reported."""
    with Server({"/application/info": json_response(content)}).client() as client:
        info = client.get_application_info()

    assert ("https://a.test" if base_url else None) == info.base_url
    assert release == (info.version and info.version.release)


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_get_application_info_raises_if_not_reachable(status: int) -> None:
    """An environment without application info is not replaced by a guess."""
    with Server({"/info": refusal(status)}).client() as client, pytest.raises(RefusedError):
        client.get_application_info()


def test_get_server_time_returns_date_header() -> None:
    """Collibra's clock is read from the Date header, in UTC."""
    response = json_response({}, date="Wed, 25 Nov 2026 12:00:00 +0100")

    with Server({"/info": response}).client() as client:
        assert datetime(2026, 11, 25, 11, tzinfo=UTC) == client.get_server_time()
        assert datetime(2026, 11, 25, 11, tzinfo=UTC) == client.server_time


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 99 Foo 2026 00:00:00 +99999999999999",
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "yesterday",
        "",
    ],
)
def test_get_server_time_ignores_broken_date(date: str) -> None:
    """A broken or absurd Date header is ignored in favor of this machine's clock."""
    with Server({"/info": json_response({}, date=date)}).client() as client:
        assert abs((client.get_server_time() - datetime.now(tz=UTC)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("response", "name"),
    [
        (json_response({"id": "7", "userName": "robot"}), "robot"),
        (json_response({}), None),
        (refusal(404), None),
        (refusal(403), None),
    ],
)
def test_get_account_returns_none_if_not_readable(
    response: httpx.Response, name: str | None
) -> None:
    """An account that may not be read is unknown and no error."""
    with Server({"/users/current": response}).client() as client:
        account = client.get_account()

    assert name == (account and account.name)


def test_get_account_with_wrong_credentials_raises() -> None:
    """Wrong credentials are not mistaken for an unreadable account."""
    with Server({"": refusal(401)}).client() as client, pytest.raises(AccessDeniedError):
        client.get_account()


def test_get_status_returns_status() -> None:
    """A status is read by its ID."""
    with Server({"/statuses/5": json_response({"id": "5", "name": "Gone"})}).client() as client:
        assert "Gone" == client.get_status("5").name


def test_evict_synchronization_encodes_the_id() -> None:
    """Characters with a meaning in URLs do not change which cache is cleared."""
    server = Server({"/evict": httpx.Response(204)})

    with server.client() as client:
        client.evict_synchronization("a?b#c")

    assert b"/rest/2.0/import/synchronize/a%3Fb%23c/evict" == server.requests[0].url.raw_path


def test_submit_batch_with_unusable_id_sends_nothing() -> None:
    """A synchronization ID that Collibra could misread is refused before anything is sent."""
    server = Server()

    with server.client() as client, pytest.raises(FinalizationRefusedError):
        client.submit_batch("a/b", Upload(b"[]", "a.json"), BatchOptions())

    assert [] == server.requests


def test_submit_returns_job_with_its_id() -> None:
    """A started job is known by its ID, whatever else the response holds or lacks."""
    with Server({"/finalize/job": json_response({"id": "7", "state": "NEW"})}).client() as client:
        assert "7" == finalize(client).id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("progressPercentage", 10**400),
        ("progressPercentage", json.loads("NaN")),
        ("startDate", 10**400),
        ("startDate", -(10**17)),
        ("createdOn", "9999-12-31T23:59:59-23:59"),
        ("createdOn", [[]]),
        ("endDate", json.loads("Infinity")),
        ("name", "x" * 1_000_000),
        ("name", "\ud800"),
        ("message", {"a": 1}),
    ],
)
def test_get_job_accepts_absurd_values(field: str, value: object) -> None:
    """No number, date or name in a job leads to an error outside of the library's tree."""
    content = json.dumps({**JOB, field: value}).encode()

    with Server({"/v1/jobs/1": httpx.Response(200, content=content)}).client() as client:
        job = client.get_job("1")

    assert "RUNNING" == job.state
    assert (job.name or "x").encode()
