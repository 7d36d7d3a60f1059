"""Requests to Collibra, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote
from uuid import UUID

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.models import FinalizationStrategy, TenantVersion, Upload

Part = tuple[str | None, str | bytes | IO[bytes]] | tuple[str | None, str | bytes | IO[bytes], str]
"""One part of a multipart body: file name, content and, where it must be said, content type."""

SYNCHRONIZATION_ID_LENGTH = 50
JOB_PAGE_SIZE = 50
LEGACY_JOB_PAGE_SIZE = 1000
RESULT_PAGE_SIZE = 1000
CANCEL_MESSAGE_LENGTH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request, before anybody sends it.

    ``write`` says that sending it twice could act twice.
    """

    method: str
    path: str
    purpose: str
    write: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Part] | None = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def finalization_call(
    synchronization_id: str,
    *,
    strategy: FinalizationStrategy,
    missing_asset_status_id: str | None = None,
    send_notification: bool = False,
    version: TenantVersion | None = None,
) -> Call:
    """Build the request that closes a cycle.

    The strategy is always sent: left out, the tenant removes. The status goes out with
    CHANGE_STATUS only, under the name that the tenant's release knows; a release that could not be
    read is taken for a current one.

    Raises:
        FinalizationRefusedError: If the parts do not make a request that means one thing.

    Source: Synchronization finalization request format (documented); the 2022.08 boundary as well.
    """
    reasons = [*faults_of_synchronization_id(synchronization_id)]
    parts: dict[str, Part] = {
        "finalizationStrategy": (None, FinalizationStrategy(strategy).value),
        "sendNotification": (None, _flag(send_notification)),
    }
    if strategy == FinalizationStrategy.CHANGE_STATUS:
        reasons += faults_of_status_id(missing_asset_status_id)
        parts |= _status_part(str(missing_asset_status_id), version)
    if reasons:
        message = f"nothing was sent: {'; '.join(reasons)}"
        raise FinalizationRefusedError(message, reasons=reasons)
    return Call(
        method="POST",
        path=f"{_synchronization(synchronization_id)}/finalize/job",
        purpose=f"finalize synchronization {synchronization_id!r}",
        write=True,
        parts=parts,
    )


def faults_of_synchronization_id(synchronization_id: str) -> list[str]:
    """Say what is wrong with a synchronization ID: 1 to 50 characters that a path can carry.

    Source: the length is documented; the refused characters are assumed, no set was published.
    """
    shown = f"the synchronization ID {synchronization_id!r}"
    if not 1 <= len(synchronization_id) <= SYNCHRONIZATION_ID_LENGTH:
        allowed = f"1 to {SYNCHRONIZATION_ID_LENGTH} are allowed"
        return [f"{shown} has {len(synchronization_id)} characters, {allowed}"]
    if synchronization_id in {"exists", ".", ".."}:
        return [f"{shown} means something else to the tenant"]
    if synchronization_id != synchronization_id.strip():
        return [f"{shown} begins or ends with a blank"]
    if "/" in synchronization_id or "\\" in synchronization_id:
        return [f"{shown} contains a slash"]
    if not synchronization_id.isprintable():
        return [f"{shown} contains a character that can't be printed"]
    return []


def faults_of_status_id(status_id: str | None) -> list[str]:
    """Say what is wrong with the status for missing assets: a UUID, and not optional."""
    if not status_id:
        return ["CHANGE_STATUS needs missing_asset_status_id, the status for missing assets"]
    try:
        UUID(status_id)
    except ValueError:
        return [f"missing_asset_status_id {status_id!r} is not a UUID"]
    return []


def _status_part(status_id: str, version: TenantVersion | None) -> dict[str, Part]:
    if version is None or not version.wants_finalization_parameters:
        return {"missingAssetStatusId": (None, status_id)}
    parameters = json.dumps({"STATUS_ID": status_id})
    return {"finalizationParameters": (None, parameters, "application/json")}


def _flag(value: bool) -> str:  # noqa: FBT001 - it converts a flag
    return "true" if value else "false"


def _synchronization(synchronization_id: str) -> str:
    return f"/rest/2.0/import/synchronize/{quote(synchronization_id, safe='')}"


def application_info_call() -> Call:
    """Ask for the tenant's release. Source: Core API (documented)."""
    return Call(method="GET", path="/rest/2.0/application/info", purpose="ask for the release")


def current_user_call() -> Call:
    """Ask who the tenant takes us for. Source: Core API (documented)."""
    return Call(method="GET", path="/rest/2.0/users/current", purpose="ask for the account")


def status_call(status_id: str) -> Call:
    """Ask for one status. Source: Core API (documented)."""
    return Call(
        method="GET",
        path=f"/rest/2.0/statuses/{quote(status_id, safe='')}",
        purpose=f"look up status {status_id}",
    )


def synchronization_exists_call(synchronization_id: str) -> Call:
    """Ask whether the tenant knows a synchronization. Source: Import API (documented)."""
    return Call(
        method="GET",
        path=f"/rest/2.0/import/synchronize/exists/{quote(synchronization_id, safe='')}",
        purpose=f"look up synchronization {synchronization_id!r}",
    )


def synchronizations_call(*, offset: int) -> Call:
    """Ask for a page of synchronization IDs. Source: Import API (documented)."""
    return Call(
        method="GET",
        path="/rest/2.0/import/synchronize",
        params={"offset": offset, "limit": RESULT_PAGE_SIZE, "countLimit": 0},
        purpose="list the synchronizations",
    )


def evict_call(synchronization_id: str) -> Call:
    """Clear the hash cache, so that every command runs again. Source: Import API (documented)."""
    return Call(
        method="DELETE",
        path=f"{_synchronization(synchronization_id)}/evict",
        purpose=f"evict the cache of synchronization {synchronization_id!r}",
    )


def forget_call(synchronization_id: str) -> Call:
    """Forget a synchronization; its assets stay for ever. Source: Import API (documented)."""
    return Call(
        method="DELETE",
        path=_synchronization(synchronization_id),
        purpose=f"forget synchronization {synchronization_id!r}",
    )


def job_call(job_id: str) -> Call:
    """Ask for a job by the Job API v1. Source: Job API 1.0 (documented)."""
    return Call(
        method="GET",
        path=f"/rest/jobs/v1/jobs/{quote(job_id, safe='')}",
        purpose=f"look at job {job_id}",
    )


def legacy_job_call(job_id: str) -> Call:
    """Ask for a job by the older API. Source: Core API (documented, deprecated)."""
    return Call(
        method="GET",
        path=f"/rest/2.0/jobs/{quote(job_id, safe='')}",
        purpose=f"look at job {job_id}",
    )


def jobs_call(*, user_id: str, cursor: str | None = None) -> Call:
    """Ask for a page of an account's jobs, newest first. Source: Job API 1.0 (documented)."""
    params = {"user": user_id, "pageSize": JOB_PAGE_SIZE}
    return Call(
        method="GET",
        path="/rest/jobs/v1/jobs",
        params=params | ({"cursor": cursor} if cursor else {}),
        purpose="list the account's jobs",
    )


def legacy_jobs_call(*, user_id: str, offset: int) -> Call:
    """Ask the older API for a page of an account's jobs. Source: Core API (documented)."""
    return Call(
        method="GET",
        path="/rest/2.0/jobs",
        params={
            "createdBy": user_id,
            "offset": offset,
            "limit": LEGACY_JOB_PAGE_SIZE,
            "sortField": "START_DATE",
            "sortOrder": "DESC",
        },
        purpose="list the account's jobs",
    )


def cancel_call(job_id: str, *, message: str) -> Call:
    """Ask to stop a job. Source: Job API 1.0, where it is called a soft delete (documented)."""
    return Call(
        method="DELETE",
        path=f"/rest/jobs/v1/jobs/{quote(job_id, safe='')}",
        params={"message": message[:CANCEL_MESSAGE_LENGTH]},
        purpose=f"cancel job {job_id}",
    )


def legacy_cancel_call(job_id: str) -> Call:
    """Ask the older API to stop a job. Source: Core API (documented until 2026.06)."""
    return Call(
        method="POST",
        path=f"/rest/2.0/jobs/{quote(job_id, safe='')}/canceled",
        purpose=f"cancel job {job_id}",
    )


def summary_call(job_id: str) -> Call:
    """Ask for a job's counters. Source: Import results (documented)."""
    return Call(
        method="GET",
        path=f"/rest/2.0/import/results/{quote(job_id, safe='')}/summary",
        purpose=f"fetch the summary of job {job_id}",
    )


def failures_call(job_id: str, *, offset: int) -> Call:
    """Ask for a page of what a job could not import. Source: Import results (documented)."""
    return Call(
        method="GET",
        path=f"/rest/2.0/import/results/{quote(job_id, safe='')}/errors",
        params={"offset": offset, "limit": RESULT_PAGE_SIZE, "countLimit": 0},
        purpose=f"fetch the errors of job {job_id}",
    )


def token_call(*, authorization: str) -> Call:
    """Ask for an OAuth token, without a scope: Collibra refuses any. Source: OAuth (observed)."""
    return Call(
        method="POST",
        path="/rest/oauth/v2/token",
        form={"grant_type": "client_credentials"},
        headers={"Authorization": authorization},
        purpose="ask for an OAuth token",
    )


def batch_call(
    synchronization_id: str,
    *,
    file_name: str,
    content: bytes | IO[bytes],
    file_format: str = "json",
    continue_on_error: bool = False,
    options: Mapping[str, str] | None = None,
) -> Call:
    """Build the request that sends one batch of a cycle.

    ``continueOnError`` is always sent: the tenant's own default changed with 2026.07.

    Source: Synchronization endpoints (documented).
    """
    faults = faults_of_synchronization_id(synchronization_id)
    if faults:
        message = f"nothing was sent: {'; '.join(faults)}"
        raise FinalizationRefusedError(message, reasons=faults)
    parts: dict[str, Part] = {
        "continueOnError": (None, _flag(continue_on_error)),
        "fileName": (None, file_name),
        **{name: (None, value) for name, value in (options or {}).items()},
        "file": (file_name, content),
    }
    return Call(
        method="POST",
        path=f"{_synchronization(synchronization_id)}/batch/{file_format}-job",
        purpose=f"send a batch of synchronization {synchronization_id!r}",
        write=True,
        parts=parts,
    )


def synchronization_call(
    synchronization_id: str,
    upload: Upload,
    *,
    strategy: FinalizationStrategy,
    missing_asset_status_id: str | None = None,
) -> Call:
    """Build the request that sends a whole cycle and closes it.

    As with a finalization, the strategy is always sent: left out, the tenant removes.

    Raises:
        FinalizationRefusedError: If the parts do not make a request that means one thing.

    Source: Synchronization endpoints (documented).
    """
    finalization = finalization_call(
        synchronization_id, strategy=strategy, missing_asset_status_id=missing_asset_status_id
    )
    terms = dict(finalization.parts or {})
    terms.pop("sendNotification")
    parts: dict[str, Part] = {
        **terms,
        "continueOnError": (None, _flag(upload.continue_on_error)),
        "fileName": (None, upload.file_name),
        **{name: (None, value) for name, value in upload.options.items()},
        "file": (upload.file_name, upload.content),
    }
    return Call(
        method="POST",
        path=f"{_synchronization(synchronization_id)}/{upload.file_format}-job",
        purpose=f"synchronize {synchronization_id!r} in one call",
        write=True,
        parts=parts,
    )
