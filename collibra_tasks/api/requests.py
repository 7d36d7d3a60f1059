"""Requests that write, as values with their form fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final
from urllib.parse import quote

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.models import (
    CollibraVersion,
    FinalizationRequest,
    FinalizationStrategy,
    Upload,
    find_synchronization_id_faults,
)
from collibra_tasks.options import BatchOptions

FormField = (
    tuple[str | None, str | bytes | IO[bytes]] | tuple[str | None, str | bytes | IO[bytes], str]
)
"""One part of a multipart form: file name or ``None``, content, optional content type."""

MAX_CANCEL_MESSAGE_LENGTH: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request before it is sent.

    Attributes:
        method: HTTP method.
        path: Path below the base URL, or an absolute URL.
        description: Purpose as an infinitive, such as ``read job 1``; used in error messages.
        write: Whether sending the request twice could act twice.
        params: Query parameters.
        form_fields: Parts of a multipart form.
        form: Fields of a URL-encoded form.
        next_step: Next step of the user after an unreadable response.
    """

    method: str
    path: str
    description: str
    write: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    form_fields: Mapping[str, FormField] | None = None
    form: Mapping[str, str] | None = field(default=None, repr=False)
    next_step: str = "Check COLLIBRA_BASE_URL and COLLIBRA_PROXY."


def build_finalization_request(
    request: FinalizationRequest, version: CollibraVersion | None
) -> Request:
    """Build the request that closes a cycle.

    The strategy is always sent, because Collibra removes assets without one. The status is sent
    with CHANGE_STATUS only, in the field that the release knows. An unknown release counts as a
    current one.

    Source: Synchronization finalization request format (documented), as is the 2022.08 boundary.
    """
    fields: dict[str, FormField] = {
        "finalizationStrategy": (None, request.strategy.value),
        "sendNotification": (None, _format_flag(request.send_notification)),
    }
    if request.strategy == FinalizationStrategy.CHANGE_STATUS:
        fields |= _build_status_field(str(request.missing_asset_status_id), version)
    return Request(
        method="POST",
        path=f"{synchronization_path(request.synchronization_id)}/finalize/job",
        description=f"finalize synchronization {request.synchronization_id!r}",
        write=True,
        form_fields=fields,
    )


def _build_status_field(status_id: str, version: CollibraVersion | None) -> dict[str, FormField]:
    if version is None or not version.wants_finalization_parameters:
        return {"missingAssetStatusId": (None, status_id)}
    parameters = json.dumps({"STATUS_ID": status_id})
    return {"finalizationParameters": (None, parameters, "application/json")}


def build_batch_request(synchronization_id: str, upload: Upload, options: BatchOptions) -> Request:
    """Build the request that sends one batch of a cycle.

    ``continueOnError`` is always sent, because its default changed with 2026.07.

    Raises:
        FinalizationRefusedError: If the synchronization ID is not usable; nothing was sent.

    Source: Synchronization endpoints (documented).
    """
    if faults := find_synchronization_id_faults(synchronization_id):
        raise FinalizationRefusedError(
            f"Batch not sent: {'; '.join(faults)}. Correct the synchronization ID and run again.",
            reasons=faults,
        )
    actions = {
        "relationsAction": options.relations_action,
        "attributesAction": options.attributes_action,
    }
    return Request(
        method="POST",
        path=f"{synchronization_path(synchronization_id)}/batch/json-job",
        description=f"send a batch of synchronization {synchronization_id!r}",
        write=True,
        form_fields={
            "continueOnError": (None, _format_flag(options.continue_on_error)),
            **{name: (None, action.value) for name, action in actions.items() if action},
            **_build_file_fields(upload),
        },
    )


def build_validation_request(upload: Upload) -> Request:
    """Build the request that checks commands without a change.

    It is a plain import, because Collibra ignores ``simulation`` for synchronizations.
    ``continueOnError`` must be false, because Collibra does not support it with ``simulation``.

    Source: Import endpoints and their parameter table (documented).
    """
    return Request(
        method="POST",
        path="/rest/2.0/import/json-job",
        description="check the commands by a simulated import",
        write=True,
        form_fields={
            "simulation": (None, "true"),
            "continueOnError": (None, "false"),
            **_build_file_fields(upload),
        },
    )


def _build_file_fields(upload: Upload) -> dict[str, FormField]:
    return {
        "fileName": (None, upload.file_name),
        "file": (upload.file_name, upload.content, "application/json"),
    }


def build_cancel_request(job_id: str, message: str) -> Request:
    """Build the request that cancels a job; it may be repeated, the effect is the same.

    Source: Job API 1.0 (documented), where it is called a soft delete.
    """
    return Request(
        method="DELETE",
        path=f"/rest/jobs/v1/jobs/{quote(job_id, safe='')}",
        description=f"cancel job {job_id}",
        params={"message": message[:MAX_CANCEL_MESSAGE_LENGTH]},
    )


def build_legacy_cancel_request(job_id: str) -> Request:
    """Build the request that cancels a job by the older API.

    Source: Core API (documented until 2026.06).
    """
    return Request(
        method="POST",
        path=f"/rest/2.0/jobs/{quote(job_id, safe='')}/canceled",
        description=f"cancel job {job_id}",
    )


def synchronization_path(synchronization_id: str) -> str:
    """Return the path of a synchronization, with the ID percent-encoded."""
    return f"/rest/2.0/import/synchronize/{quote(synchronization_id, safe='')}"


def _format_flag(value: bool) -> str:  # noqa: FBT001 - the converted value
    return "true" if value else "false"
