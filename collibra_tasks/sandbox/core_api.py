"""Endpoints of the Core API besides jobs: version, account and statuses."""

from __future__ import annotations

import httpx

from collibra_tasks.sandbox.catalog import STATUS_IDS, STATUSES
from collibra_tasks.sandbox.http import (
    RequestRefusedError,
    json_response,
    page_response,
    read_name_filter,
)
from collibra_tasks.sandbox.tenant import Call


def get_application_info(call: Call) -> httpx.Response:
    """Return base URL and version.

    Source: Core API ``ApplicationInfo``, *documented*; usually readable without an account,
    *observed*.
    """
    settings = call.state.settings
    major, minor = settings.release or (0, 0)
    full = settings.version
    version = {"major": major, "minor": minor, "fullVersion": full, "displayVersion": full}
    info: dict[str, object] = {
        "version": None if full is None else version,
        "buildNumber": "sandbox",
        "solutions": [],
    }
    if settings.reported_base_url is not None:
        info["baseUrl"] = settings.reported_base_url.replace("{url}", call.state.url)
    return json_response(info)


def get_current_user(call: Call) -> httpx.Response:
    """Return the account of the request."""
    accounts = call.state.accounts
    is_person = call.user_id != accounts.application.user_id
    return json_response(
        {
            "id": call.user_id,
            "resourceType": "User",
            "userName": accounts.name_of(call.user_id),
            "firstName": "Sandbox",
            "lastName": "User" if is_person else "Application",
            "activated": True,
            "enabled": True,
        }
    )


def find_statuses(call: Call) -> httpx.Response:
    """Return the statuses that fit a name."""
    fits = read_name_filter(call.request)
    ids = [one for one, name in STATUSES.items() if fits(name)]
    return page_response(call.request, list(map(_status_body, ids)))


def get_status(call: Call) -> httpx.Response:
    """Return a status by its ID."""
    return _status_response(call.arguments[0].lower())


def get_status_by_name(call: Call) -> httpx.Response:
    """Return a status by its exact name."""
    return _status_response(STATUS_IDS.get(call.arguments[0], call.arguments[0]))


def _status_response(status_id: str) -> httpx.Response:
    if status_id not in STATUSES:
        raise RequestRefusedError(404, f"Status {status_id} could not be found.")
    return json_response(_status_body(status_id))


def _status_body(status_id: str) -> dict[str, object]:
    name = STATUSES[status_id]
    return {
        "id": status_id,
        "name": name,
        "signifier": name,
        "resourceType": "Status",
        "system": True,
    }
