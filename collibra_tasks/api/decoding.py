"""Collibra's JSON objects, as models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from collibra_tasks.api.requests import Request
from collibra_tasks.api.responses import (
    Response,
    parse_date,
    parse_object,
    read_number,
    read_text,
    shorten,
)
from collibra_tasks.errors import OutcomeUnknownError, UnexpectedAnswerError
from collibra_tasks.models import (
    ENDED_STATES,
    FIRST_YEAR,
    RESULTS,
    RUNNING_STATES,
    Account,
    ApplicationInfo,
    CollibraVersion,
    Counters,
    ImportFailure,
    ImportSummary,
    Job,
    Status,
)


def decode_job(content: Mapping[str, Any]) -> Job:
    """Return a job of either API: both vocabularies, both date formats, ``user`` or ``userId``.

    Raises:
        UnexpectedAnswerError: If it has no ID, or a state or result that Collibra does not
            document.

    Source: Job API 1.0, Core API 2.0 (documented); the unit of the older dates is assumed.
    """
    job = decode_listed_job(content)
    _check_word(job.state, RUNNING_STATES | ENDED_STATES, "state", job.id)
    _check_word(job.result, RESULTS, "result", job.id)
    return job


def decode_listed_job(content: Mapping[str, Any]) -> Job:
    """Return a job with any state and result.

    Raises:
        UnexpectedAnswerError: If it has no ID.
    """
    job_id = read_text(content.get("id"))
    if job_id is None:
        raise UnexpectedAnswerError(
            "Could not read a job: the response holds no job ID. Check COLLIBRA_BASE_URL."
        )
    owner = (content.get(name) for name in ("user", "userId", "createdBy"))
    return Job(
        id=job_id,
        state=read_text(content.get("state")),
        result=read_text(content.get("result")),
        message=read_text(content.get("message")),
        name=read_text(content.get("name")),
        type=read_text(content.get("type")),
        user_id=next((text for text in map(read_text, owner) if text), None),
        progress_percentage=read_number(content.get("progressPercentage")),
        created_on=parse_date(content.get("createdOn")),
        started_on=parse_date(content.get("startDate")),
        ended_on=parse_date(content.get("endDate")),
    )


def _check_word(word: str | None, words: frozenset[str], kind: str, job_id: str) -> None:
    if word is not None and word not in words:
        raise UnexpectedAnswerError(
            f"Could not read job {job_id}: its {kind} {shorten(word)!r} is unknown to this "
            "library. Check the job in Collibra.",
            transient=False,
            job_id=job_id,
        )


def decode_submitted_job(request: Request, response: Response) -> Job:
    """Return the job that a write started; only its ID is certain.

    Raises:
        OutcomeUnknownError: If the response holds no job ID: the job may be running.
    """
    try:
        return decode_listed_job(parse_object(request, response))
    except UnexpectedAnswerError as error:
        raise OutcomeUnknownError(
            f"Could not {request.description}: Collibra accepted the request, but the response "
            "holds no job ID. Do not repeat the request before you have checked the jobs in "
            "Collibra."
        ) from error


def decode_application_info(content: Mapping[str, Any]) -> ApplicationInfo:
    """Return the self-description of an environment; missing fields are ``None``.

    Source: Core API (documented).
    """
    base_url = content.get("baseUrl")
    url = read_text(base_url.strip()) if isinstance(base_url, str) else None
    return ApplicationInfo(base_url=url, version=_decode_version(content.get("version")))


def _decode_version(content: object) -> CollibraVersion | None:
    # The displayed version is used where only it has a year. Source: Core API (documented); the
    # format of cloud releases is assumed.
    if not isinstance(content, dict):
        return None
    texts = [read_text(content.get(name)) for name in ("fullVersion", "displayVersion")]
    numbers = f"{content.get('major')}.{content.get('minor')}"
    found = [read for text in (*texts, numbers) if text and (read := _parse_version(text))]
    return next((version for version in found if version.major >= FIRST_YEAR), (*found, None)[0])


def _parse_version(text: str) -> CollibraVersion | None:
    match = re.match(r"[^0-9]{0,50}([0-9]{1,9})\.([0-9]{1,9})", text)
    if match is None:
        return None
    return CollibraVersion(major=int(match[1]), minor=int(match[2]), text=shorten(text))


def decode_account(content: Mapping[str, Any]) -> Account | None:
    """Return the account of the credentials. Source: Core API (documented)."""
    account_id = read_text(content.get("id"))
    name = read_text(content.get("userName")) or read_text(content.get("name")) or account_id
    return Account(id=account_id, name=name) if account_id and name else None


def decode_status(content: Mapping[str, Any]) -> Status:
    """Return a status. Source: Core API (documented)."""
    return Status(id=read_text(content.get("id")) or "", name=read_text(content.get("name")) or "")


def decode_summary(content: Mapping[str, Any]) -> ImportSummary:
    """Return a job's counters. Source: Import results (documented; ``failed`` since 2026)."""
    listed = content.get("resourceTypes")
    rows = [row for row in (listed if isinstance(listed, list) else ()) if isinstance(row, dict)]
    return ImportSummary(
        counters={
            read_text(row.get("resourceType")) or "?": _decode_counters(row.get("counters"))
            for row in rows
        },
        errors_count=_decode_count(content.get("errorsCount")),
        import_job_state=read_text(content.get("importJobState")),
    )


def _decode_counters(content: object) -> Counters:
    counts = content if isinstance(content, dict) else {}
    names = ("added", "updated", "removed", "failed")
    return Counters(**{name: _decode_count(counts.get(name)) for name in names})


def _decode_count(value: object) -> int:
    return int(read_number(value) or 0)


def decode_failure(content: Mapping[str, Any]) -> ImportFailure:
    """Return one error of a job. Source: Import results (documented)."""
    found = content.get("command")
    command = found if isinstance(found, dict) else {}
    indices = command.get("indices")
    return ImportFailure(
        message=read_text(content.get("errorMessage")) or "no message",
        error_type=read_text(content.get("errorType")),
        resource_type=read_text(content.get("resourceType")),
        indices=tuple(
            index for index in (indices if isinstance(indices, list) else ()) if _is_index(index)
        ),
        identifier=read_text(command.get("identifier")),
    )


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
