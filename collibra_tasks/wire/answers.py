"""Collibra's answers, deciphered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

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
from collibra_tasks.models import (
    ENDED_STATES,
    FIRST_YEAR,
    RESULTS,
    RUNNING_STATES,
    Account,
    Counters,
    ImportFailure,
    ImportSummary,
    Job,
    Status,
    TenantVersion,
)
from collibra_tasks.wire.calls import Call

MILLISECONDS_FROM = 10**11
"""An epoch number from here on can't be seconds: they would lie in the year 5138."""
SHOWN_CHARACTERS = 300
REQUEST_TIMEOUT = 408


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; header names in lower case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def tenant_time(self) -> datetime | None:
        """The tenant's own clock, from the ``Date`` header."""
        return _read_http_date(self.headers.get("date", ""))


def read_refusal(call: Call, answer: Answer) -> CollibraError | None:
    """Turn an answer that is no success into the error that it means; ``None`` for a success.

    A write that met a redirect, a 408 or a 5xx may have been carried out all the same.

    Source: the statuses are documented for Job API 1.0 only; the envelope is observed elsewhere.
    """
    code = answer.status_code
    if code < 300:  # noqa: PLR2004 - the successes of HTTP
        return None
    said = _read_envelope(answer.content)
    told = f"could not {call.purpose}: the tenant answered {code}{_quote_envelope(said)}"
    if code < 400 or code == REQUEST_TIMEOUT or code >= 500:  # noqa: PLR2004
        return _unclear(call, code, said, told)
    return _refusal(answer, said, told)


def _unclear(call: Call, code: int, said: Mapping[str, Any], told: str) -> CollibraError:
    if call.write:
        return OutcomeUnknownError(f"{told}; whether it was carried out is not known")
    if code < 400:  # noqa: PLR2004
        return UnexpectedAnswerError(f"{told}, a redirect, which is not followed")
    return TenantFaultError(told, **_envelope_fields(code, said))


def _refusal(answer: Answer, said: Mapping[str, Any], told: str) -> RefusedError:
    code = answer.status_code
    fields = _envelope_fields(code, said)
    if code in {401, 403}:
        return AccessDeniedError(f"{told}; check the account and its permissions", **fields)
    if code == 404:  # noqa: PLR2004
        return NotFoundError(told, **fields)
    if code == 429:  # noqa: PLR2004
        pause = read_retry_after(answer)
        return BusyError(f"{told}; nothing was done", retry_after_seconds=pause, **fields)
    return RefusedError(f"{told}; nothing was done", **fields)


def _envelope_fields(code: int, said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status_code": code,
        "error_code": _text(said.get("errorCode")) or _text(said.get("error")),
        "user_message": _text(said.get("userMessage")) or _text(said.get("error_description")),
    }


def _read_envelope(content: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _quote_envelope(said: Mapping[str, Any]) -> str:
    fields = _envelope_fields(0, said)
    words = [word for word in (fields["error_code"], fields["user_message"]) if word]
    return f" ({': '.join(words)[:SHOWN_CHARACTERS]})" if words else ""


def read_retry_after(answer: Answer) -> float | None:
    """Read how many seconds the tenant wants to be left alone: a number, or a date.

    Source: HTTP; that Collibra sends it is observed.
    """
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    until = _read_http_date(value)
    if until is None:
        return None
    now = answer.tenant_time or datetime.now(tz=UTC)
    return max(0.0, (until - now).total_seconds())


def _read_http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def read_json(call: Call, answer: Answer) -> Any:  # noqa: ANN401 - the callers look inside
    """Read a JSON body.

    Raises:
        UnexpectedAnswerError: If it is none, as when a gateway answers with a page of its own.
    """
    try:
        return json.loads(answer.content)
    except ValueError:
        kind = answer.headers.get("content-type", "no content type")
        message = (
            f"could not {call.purpose}: the tenant answered {answer.status_code} with "
            f"{len(answer.content)} bytes of {kind} that are not JSON"
        )
        raise UnexpectedAnswerError(message) from None


def read_object(call: Call, answer: Answer) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UnexpectedAnswerError: If the body is something else.
    """
    return _object(read_json(call, answer), call.purpose)


def _object(value: Any, purpose: str) -> dict[str, Any]:  # noqa: ANN401 - it tells what it is
    if not isinstance(value, dict):
        message = f"could not {purpose}: the answer is a JSON {type(value).__name__}, not an object"
        raise UnexpectedAnswerError(message)
    return value


def read_flag(call: Call, answer: Answer) -> bool:
    """Read a bare JSON boolean.

    Raises:
        UnexpectedAnswerError: If the body is something else.
    """
    value = read_json(call, answer)
    if not isinstance(value, bool):
        message = f"could not {call.purpose}: the answer is neither true nor false"
        raise UnexpectedAnswerError(message)
    return value


def read_page(call: Call, answer: Answer) -> tuple[list[dict[str, Any]], str | None]:
    """Read one page of a list, and the cursor of the next where there is one."""
    page = read_object(call, answer)
    results = page.get("results")
    if not isinstance(results, list):
        message = f"could not {call.purpose}: the answer has no results"
        raise UnexpectedAnswerError(message)
    return [_object(row, call.purpose) for row in results], _text(page.get("nextCursor"))


def read_job(said: Mapping[str, Any]) -> Job:
    """Read a job of either API: both vocabularies, both forms of dates, ``user`` or ``userId``.

    Raises:
        UnexpectedAnswerError: If it has no id, or a state or result that Collibra never documented.

    Source: Job API 1.0, Core API 2.0 (documented); the unit of the older dates is assumed.
    """
    job = read_listed_job(said)
    _check_word(job.state, RUNNING_STATES | ENDED_STATES, "state", job.id)
    _check_word(job.result, RESULTS, "result", job.id)
    return job


def read_listed_job(said: Mapping[str, Any]) -> Job:
    """Read a job of which only its identity matters, whatever its state is called.

    Raises:
        UnexpectedAnswerError: If it has no id.
    """
    job_id = _text(said.get("id"))
    if job_id is None:
        message = "the tenant described a job without an id"
        raise UnexpectedAnswerError(message)
    return Job(
        id=job_id,
        state=_text(said.get("state")),
        result=_text(said.get("result")),
        message=_text(said.get("message")),
        name=_text(said.get("name")),
        type=_text(said.get("type")),
        user_id=_text(said.get("user") or said.get("userId") or said.get("createdBy")),
        progress_percentage=_number(said.get("progressPercentage")),
        created_on=read_date(said.get("createdOn")),
        started_on=read_date(said.get("startDate")),
        ended_on=read_date(said.get("endDate")),
    )


def _check_word(word: str | None, words: frozenset[str], kind: str, job_id: str) -> None:
    if word is not None and word not in words:
        message = (
            f"job {job_id} has the {kind} {word!r}, which this library does not know, so it can't "
            "tell whether all went well; look at the job in Collibra"
        )
        raise UnexpectedAnswerError(message, transient=False, job_id=job_id)


def read_date(value: object) -> datetime | None:
    """Read a date: ISO 8601, or an epoch number in seconds or milliseconds."""
    try:
        if isinstance(value, int | float):
            seconds = value / 1000 if abs(value) >= MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, tz=UTC)
        if isinstance(value, str):
            date = datetime.fromisoformat(value)
            return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def read_submitted_job(call: Call, answer: Answer) -> Job:
    """Read the job that a write has started; it needs no more than an id.

    Raises:
        OutcomeUnknownError: If the answer does not name the job: it may well be running.
    """
    try:
        return read_listed_job(read_object(call, answer))
    except UnexpectedAnswerError as error:
        message = f"the tenant accepted the request, but its answer names no job: {error}"
        raise OutcomeUnknownError(message) from error


def read_version(said: Mapping[str, Any]) -> TenantVersion | None:
    """Read the tenant's release, leniently; ``None`` if it can't be told.

    What customers see (``displayVersion``) counts before the internal number where only it names a
    year. Source: Core API (documented); the form of cloud releases is assumed.
    """
    version = said.get("version")
    if not isinstance(version, dict):
        return None
    texts = [_text(version.get(name)) for name in ("fullVersion", "displayVersion")]
    numbers = f"{version.get('major')}.{version.get('minor')}"
    found = [read for text in (*texts, numbers) if text and (read := _release(text))]
    return next((release for release in found if release.major >= FIRST_YEAR), (*found, None)[0])


def _release(text: str) -> TenantVersion | None:
    match = re.match(r"\D*(\d+)\.(\d+)", text)
    return TenantVersion(major=int(match[1]), minor=int(match[2]), text=text) if match else None


def read_account(said: Mapping[str, Any]) -> Account | None:
    """Read the account behind our credentials. Source: Core API (documented)."""
    account_id = _text(said.get("id"))
    name = _text(said.get("userName")) or _text(said.get("name")) or account_id
    return Account(id=account_id, name=name) if account_id and name else None


def read_status(said: Mapping[str, Any]) -> Status:
    """Read a status. Source: Core API (documented)."""
    return Status(id=_text(said.get("id")) or "", name=_text(said.get("name")) or "")


def read_summary(said: Mapping[str, Any]) -> ImportSummary:
    """Read a job's counters. Source: Import results (documented; ``failed`` since 2026)."""
    rows = [row for row in said.get("resourceTypes") or () if isinstance(row, dict)]
    return ImportSummary(
        counters={str(row.get("resourceType")): _counters(row.get("counters")) for row in rows},
        errors_count=int(_number(said.get("errorsCount")) or 0),
        import_job_state=_text(said.get("importJobState")),
    )


def _counters(said: object) -> Counters:
    counts = said if isinstance(said, dict) else {}
    names = ("added", "updated", "removed", "failed")
    return Counters(**{name: int(_number(counts.get(name)) or 0) for name in names})


def read_failure(said: Mapping[str, Any]) -> ImportFailure:
    """Read one thing that could not be imported. Source: Import results (documented)."""
    command = said.get("command")
    command = command if isinstance(command, dict) else {}
    indices = command.get("indices") or ()
    return ImportFailure(
        message=_text(said.get("errorMessage")) or "no message",
        error_type=_text(said.get("errorType")),
        resource_type=_text(said.get("resourceType")),
        indices=tuple(index for index in indices if isinstance(index, int)),
        identifier=_text(command.get("identifier")),
    )


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
