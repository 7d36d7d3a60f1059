"""Responses of Collibra, as models or as errors."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from collibra_tasks.api.requests import Request
from collibra_tasks.errors import (
    AccessDeniedError,
    BusyError,
    CollibraError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TenantFaultError,
    UnexpectedAnswerError,
)

MIN_EPOCH_MILLISECONDS: Final = 10**11
"""Lowest epoch number that counts as milliseconds; as seconds it would be in the year 5138."""
PLAUSIBLE_YEARS: Final = range(2000, 2200)
FIRST_CLOCK_YEAR: Final = 2020
"""First year of a plausible clock; clocks without power start in 1970 or 2000."""
MAX_RETRY_AFTER_SECONDS: Final = 366 * 86_400.0
MAX_SHOWN_CHARACTERS: Final = 300
REQUEST_TIMEOUT: Final = 408


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP response; header names are in lower case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes = field(default=b"", repr=False)

    @property
    def server_time(self) -> datetime | None:
        """Server's clock in UTC, from the ``Date`` header; ``None`` if it is not usable."""
        return parse_http_date(self.headers.get("date", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """Body of an error response.

    ``error_code`` is ``None`` unless the body is in Collibra's own format.
    """

    error_code: str | None = None
    user_message: str | None = None

    def __str__(self) -> str:
        """Return the code and the message in parentheses, or an empty text."""
        shown = ": ".join(text for text in (self.error_code, self.user_message) if text)
        return f" ({shorten(shown)})" if shown else ""


def error_from_response(
    request: Request, response: Response, *, access_hint: str = "Check the credentials"
) -> CollibraError | None:
    """Return the error that a response means, or ``None`` for a success.

    A write that ended in a redirect, a 408 or a 5xx may have been carried out.

    Args:
        request: The request.
        response: The response to it.
        access_hint: Next step of the user after a 401, without a full stop.

    Source: the status codes are documented for Job API 1.0 only; the body is observed elsewhere.
    """
    status = response.status_code
    if status < 300:  # noqa: PLR2004 - the range of successes
        return None
    body = read_error_body(response)
    failure = f"Could not {request.description}: {_name_sender(body)} responded {status}{body}"
    if status < 400 or status == REQUEST_TIMEOUT or status >= 500:  # noqa: PLR2004
        return _unclear_error(request, status, body, failure)
    return _refusal(response, body, failure, access_hint)


def _name_sender(body: ErrorBody) -> str:
    return "Collibra" if body.error_code else "Collibra or a gateway"


def _unclear_error(request: Request, status: int, body: ErrorBody, failure: str) -> CollibraError:
    if request.write:
        return OutcomeUnknownError(
            f"{failure}. The outcome is unknown. Do not repeat the request before you have checked "
            "the jobs in Collibra."
        )
    if status < 400:  # noqa: PLR2004 - the range of redirects
        return UnexpectedAnswerError(f"{failure}, a redirect. {request.next_step}")
    return TenantFaultError(
        f"{failure}. Try again later.",
        status_code=status,
        error_code=body.error_code,
        user_message=body.user_message,
    )


def _refusal(response: Response, body: ErrorBody, failure: str, access_hint: str) -> RefusedError:
    status = response.status_code
    fields: dict[str, Any] = {
        "status_code": status,
        "error_code": body.error_code,
        "user_message": body.user_message,
    }
    if status == 401:  # noqa: PLR2004
        return AccessDeniedError(f"{failure}. {access_hint}.", **fields)
    if status == 403:  # noqa: PLR2004
        return AccessDeniedError(f"{failure}. Check the account's permissions.", **fields)
    if status == 404:  # noqa: PLR2004
        return NotFoundError(f"{failure}. Check that it exists in this environment.", **fields)
    if status == 429:  # noqa: PLR2004
        pause = parse_retry_after(response)
        return BusyError(f"{failure}. Try again later.", retry_after_seconds=pause, **fields)
    return RefusedError(f"{failure}. Check the parameters of the request.", **fields)


def read_error_body(response: Response) -> ErrorBody:
    """Read the body of an error response; empty if it is not in Collibra's format."""
    content = parse_object_or_empty(response)
    code = read_text(content.get("errorCode"))
    message = read_text(content.get("userMessage")) or read_text(content.get("titleMessage"))
    return ErrorBody(error_code=code, user_message=message if code else None)


def parse_object_or_empty(response: Response) -> Mapping[str, Any]:
    """Return a JSON object, or an empty one if the body is something else."""
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def parse_retry_after(response: Response) -> float | None:
    """Return the requested pause in seconds, 0 to 366 days, or ``None`` if it is not usable.

    Source: HTTP allows a number or a date; that Collibra sends the header is observed.
    """
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,400}(\.[0-9]{1,20})?", value):
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    until = parse_http_date(value)
    if until is None:
        return None
    now = response.server_time or datetime.now(tz=UTC)
    return min(max(0.0, (until - now).total_seconds()), MAX_RETRY_AFTER_SECONDS)


def parse_http_date(text: str) -> datetime | None:
    """Return an HTTP date in UTC, or ``None`` if it is broken or not plausible."""
    try:
        date = _to_utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date and date.year >= FIRST_CLOCK_YEAR else None


def parse_date(value: object) -> datetime | None:
    """Return a date from ISO 8601, epoch seconds or epoch milliseconds, or ``None``.

    Source: ISO 8601 and milliseconds are documented; seconds are assumed from an example.
    """
    try:
        if isinstance(value, int | float):
            seconds = value / 1000 if abs(value) >= MIN_EPOCH_MILLISECONDS else value
            return _to_utc(datetime.fromtimestamp(seconds, tz=UTC))
        return _to_utc(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _to_utc(date: datetime) -> datetime | None:
    # Dates at the end of the calendar would overflow in comparisons later.
    date = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    return date if date.year in PLAUSIBLE_YEARS else None


def parse_json(request: Request, response: Response) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON body.

    Raises:
        UnexpectedAnswerError: If the body is not JSON, for instance a gateway's HTML page.
    """
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        kind = response.headers.get("content-type", "no content type")
        raise UnexpectedAnswerError(
            f"Could not {request.description}: the response {response.status_code} with "
            f"{len(response.content):,} bytes of {shorten(kind)} is not readable JSON. "
            f"{request.next_step}"
        ) from None


def parse_object(request: Request, response: Response) -> dict[str, Any]:
    """Return the JSON object of the body.

    Raises:
        UnexpectedAnswerError: If the body is something else.
    """
    return _check_object(parse_json(request, response), request)


def _check_object(value: Any, request: Request) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return value
    raise UnexpectedAnswerError(
        f"Could not {request.description}: the response holds a JSON {type(value).__name__} "
        f"instead of an object. {request.next_step}"
    )


def parse_boolean(request: Request, response: Response) -> bool:
    """Return the JSON boolean of the body.

    Raises:
        UnexpectedAnswerError: If the body is something else.
    """
    value = parse_json(request, response)
    if isinstance(value, bool):
        return value
    raise UnexpectedAnswerError(
        f"Could not {request.description}: the response is neither true nor false. "
        f"{request.next_step}"
    )


def parse_page(request: Request, response: Response) -> tuple[list[dict[str, Any]], str | None]:
    """Return the rows of one page of a list, and the cursor of the next page or ``None``.

    Raises:
        UnexpectedAnswerError: If the body is not a page.
    """
    page = parse_object(request, response)
    rows = page.get("results")
    if not isinstance(rows, list):
        raise UnexpectedAnswerError(
            f"Could not {request.description}: the response holds no list of results. "
            f"{request.next_step}"
        )
    return [_check_object(row, request) for row in rows], read_text(page.get("nextCursor"))


def read_text(value: object) -> str | None:
    """Return a text or number as text that can be encoded; ``None`` for anything else."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() or None  # lone surrogates
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number else None


def read_number(value: object) -> float | None:
    """Return a finite number, or ``None``."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def shorten(text: str, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """Return a printable text of limited length for messages."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
