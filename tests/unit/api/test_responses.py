"""Promises of response parsing: pauses, dates and long texts."""

from datetime import UTC, datetime

import pytest

from collibra_tasks.api.requests import Request
from collibra_tasks.api.responses import (
    MAX_RETRY_AFTER_SECONDS,
    Response,
    error_from_response,
    parse_date,
)
from collibra_tasks.errors import BusyError, RefusedError

READ = Request(method="GET", path="/", description="read a thing")
NOW = "Wed, 25 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("7.5", 7.5),
        ("0", 0.0),
        ("86400", 86_400.0),
        ("Wed, 25 Nov 2026 12:01:30 GMT", 90.0),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0.0),
        ("9" * 300, MAX_RETRY_AFTER_SECONDS),
        ("9" * 3000, None),
        ("Fri, 31 Dec 2199 00:00:00 GMT", MAX_RETRY_AFTER_SECONDS),
        ("-5", None),
        ("nan", None),
        ("١٢", None),
        ("soon", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", None),
        ("", None),
        (None, None),
    ],
)
def test_busy_error_holds_requested_pause(value: str | None, seconds: float | None) -> None:
    """The pause in Retry-After is known in seconds; an unusable one counts as absent."""
    headers = {"date": NOW} | ({"retry-after": value} if value is not None else {})
    error = error_from_response(READ, Response(status_code=429, headers=headers))

    assert isinstance(error, BusyError)
    assert seconds == error.retry_after_seconds


MOMENT = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("2026-11-25T12:00:00Z", MOMENT),
        ("2026-11-25T13:00:00+01:00", MOMENT),
        ("2026-11-25T12:00:00", MOMENT),
        (int(MOMENT.timestamp()), MOMENT),
        (int(MOMENT.timestamp() * 1000), MOMENT),
        (MOMENT.timestamp(), MOMENT),
        ("yesterday", None),
        ("", None),
        (None, None),
        ([], None),
        (True, None),
        (10**400, None),
        (-(10**17), None),
        ("9999-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+23:59", None),
    ],
)
def test_parse_date_reads_both_apis(value: object, date: datetime | None) -> None:
    """ISO dates, epoch seconds and milliseconds are the same moments; absurd ones are absent."""
    assert date == parse_date(value)


def test_error_from_response_shortens_long_messages() -> None:
    """A long message of Collibra does not flood the log and stays available in full."""
    content = b'{"errorCode": "bad", "userMessage": "' + b"x" * 10_000 + b'"}'
    error = error_from_response(READ, Response(status_code=400, headers={}, content=content))

    assert isinstance(error, RefusedError)
    assert 500 > len(str(error))
    assert 10_000 == len(error.user_message or "")


@pytest.mark.parametrize("content", [b"[" * 200_000, b"\xff", b"[]", b'{"errorCode": {}}', b""])
def test_error_from_response_accepts_any_body(content: bytes) -> None:
    """A refusal with an unreadable body is still a refusal, without an error code."""
    error = error_from_response(READ, Response(status_code=409, headers={}, content=content))

    assert isinstance(error, RefusedError)
    assert error.error_code is None


def test_error_from_response_of_success_is_none() -> None:
    """A success is no error."""
    assert error_from_response(READ, Response(status_code=200, headers={})) is None
