"""The small endpoints of the Core API: version, account and statuses."""

from __future__ import annotations

from collibra_tasks.sandbox.messages import Answer, json_answer
from collibra_tasks.sandbox.paging import name_matches, page
from collibra_tasks.sandbox.refusals import RefusalError
from collibra_tasks.sandbox.state import Call
from collibra_tasks.sandbox.statuses import STATUSES, Status, status_named

NOT_FOUND = 404


def info(call: Call) -> Answer:
    """Tell the version.

    Source: Core API ``ApplicationInfo``, *documented*; usually readable without an account,
    *observed*.
    """
    full = call.state.version.full
    major, minor = call.state.version.year_and_month or (0, 0)
    version = {"major": major, "minor": minor, "fullVersion": full, "displayVersion": full}
    return json_answer(
        {
            "baseUrl": call.state.url,
            "version": None if full is None else version,
            "buildNumber": "sandbox",
            "solutions": [],
        }
    )


def current_user(call: Call) -> Answer:
    """Tell who asks."""
    accounts = call.state.accounts
    is_person = call.user_id == accounts.user_id
    return json_answer(
        {
            "id": call.user_id,
            "resourceType": "User",
            "userName": accounts.username if is_person else accounts.client_id,
            "firstName": "Sandbox",
            "lastName": "User" if is_person else "Application",
            "activated": True,
            "enabled": True,
        }
    )


def find_statuses(call: Call) -> Answer:
    """List the statuses of a name."""
    return page(
        call.request,
        [s.body() for s in STATUSES.values() if name_matches(call.request, s.name)],
    )


def get_status(call: Call) -> Answer:
    """Show a status by its id."""
    return _shown(STATUSES.get(call.arguments[0].lower()), call)


def get_status_by_name(call: Call) -> Answer:
    """Show a status by its exact name."""
    return _shown(status_named(call.arguments[0]), call)


def _shown(status: Status | None, call: Call) -> Answer:
    if status is None:
        raise RefusalError(NOT_FOUND, f"Status {call.arguments[0]} could not be found.")
    return json_answer(status.body())
