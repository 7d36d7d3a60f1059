"""Which endpoint answers which path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from collibra_tasks.sandbox import core_endpoints as core
from collibra_tasks.sandbox import file_endpoints as files
from collibra_tasks.sandbox import finalize_endpoint as finalizing
from collibra_tasks.sandbox import import_endpoints as imports
from collibra_tasks.sandbox import job_endpoints as jobs
from collibra_tasks.sandbox import kinds
from collibra_tasks.sandbox import older_job_endpoints as older_jobs
from collibra_tasks.sandbox import result_endpoints as results
from collibra_tasks.sandbox import synchronization_endpoints as synchronizations
from collibra_tasks.sandbox import token_endpoint as oauth
from collibra_tasks.sandbox.messages import Request
from collibra_tasks.sandbox.state import Endpoint, State

REST = "/rest/2.0"
JOBS_V1 = "/rest/jobs/v1/jobs"
SYNCHRONIZE = f"{REST}/import/synchronize"
FORMAT = "(json|csv|excel)-job"


@dataclass(frozen=True, slots=True)
class Route:
    """One path, and what answers there.

    Attributes:
        path: A pattern in which ``*`` stands for one segment, which becomes an argument.
        kind: What stage directions call such a request.
    """

    method: str
    path: str
    kind: str
    endpoint: Endpoint
    anonymous: bool = False

    def arguments(self, request: Request) -> tuple[str, ...] | None:
        """Return the variable segments, decoded; None where the route is another."""
        pattern = self.path.replace("*", "([^/]+)")
        match = re.fullmatch(pattern, request.path) if request.method == self.method else None
        return tuple(unquote(segment) for segment in match.groups()) if match else None


# A literal segment stands before a variable one of the same place.
ROUTES = (
    Route("GET", f"{REST}/application/info", "info", core.info, anonymous=True),
    Route("POST", "/rest/oauth/v2/token", "token", oauth.grant_token, anonymous=True),
    Route("GET", f"{REST}/users/current", "user", core.current_user),
    Route("GET", f"{REST}/statuses", "status", core.find_statuses),
    Route("GET", f"{REST}/statuses/name/*", "status", core.get_status_by_name),
    Route("GET", f"{REST}/statuses/*", "status", core.get_status),
    Route("POST", f"{REST}/files", "files", files.upload),
    Route("GET", f"{REST}/files/*/info", "files", files.describe),
    Route("DELETE", f"{REST}/files/*", "files", files.delete),
    Route("POST", f"{REST}/import/{FORMAT}", kinds.IMPORT, imports.import_resources),
    Route("POST", f"{SYNCHRONIZE}/*/finalize/job", kinds.FINALIZE, finalizing.finalize_cycle),
    Route("POST", f"{SYNCHRONIZE}/*/batch/{FORMAT}", kinds.BATCH, imports.synchronize_batch),
    Route("POST", f"{SYNCHRONIZE}/*/{FORMAT}", kinds.SYNCHRONIZE, imports.synchronize_all),
    Route("GET", f"{SYNCHRONIZE}/exists/*", "exists", synchronizations.exists),
    Route("GET", SYNCHRONIZE, "synchronizations", synchronizations.find),
    Route("DELETE", f"{SYNCHRONIZE}/*/evict", "evict", synchronizations.evict),
    Route("DELETE", f"{SYNCHRONIZE}/*", "forget", synchronizations.forget),
    Route("GET", f"{REST}/import/results/*/summary", "summary", results.get_summary),
    Route("GET", f"{REST}/import/results/*/errors", "errors", results.find_errors),
    Route("GET", JOBS_V1, "jobs", jobs.find_jobs),
    Route("GET", f"{JOBS_V1}/*", "job", jobs.get_job),
    Route("DELETE", f"{JOBS_V1}/*", "cancel", jobs.delete_job),
    Route("GET", f"{REST}/jobs", "jobs", older_jobs.find_jobs),
    Route("GET", f"{REST}/jobs/*", "job", older_jobs.get_job),
    Route("POST", f"{REST}/jobs/*/canceled", "cancel", older_jobs.cancel_job),
)


def find_route(request: Request, state: State) -> tuple[Route, tuple[str, ...]] | None:
    """Find what answers a request, among the APIs that the tenant serves."""
    for route in ROUTES:
        arguments = route.arguments(request)
        if arguments is not None and _is_served(route, state):
            return route, arguments
    return None


def _is_served(route: Route, state: State) -> bool:
    if route.path.startswith(JOBS_V1):
        return state.job_api_v1
    return state.legacy_jobs or not route.path.startswith(f"{REST}/jobs")
