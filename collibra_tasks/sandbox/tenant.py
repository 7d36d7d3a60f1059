"""The tenant: its settings and state, and the way of a request to its response.

There are no sockets here: a request goes in and a response comes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from threading import Event, RLock
from urllib.parse import unquote

import httpx

from collibra_tasks.sandbox.accounts import Accounts
from collibra_tasks.sandbox.catalog import Catalog
from collibra_tasks.sandbox.fault_plan import FaultPlan, PlannedFaults
from collibra_tasks.sandbox.http import Part, RequestRefusedError, html_response, read_form
from collibra_tasks.sandbox.jobs import ANY, BATCH, FINALIZE, IMPORT, Job, JobList, Work
from collibra_tasks.sandbox.settings import Settings
from collibra_tasks.sandbox.synchronizations import Synchronizations

Clock = Callable[[], datetime]
Release = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class State:
    """Everything that a tenant stores."""

    clock: Clock
    accounts: Accounts
    settings: Settings
    url: str
    jobs: JobList = field(default_factory=JobList)
    catalog: Catalog = field(default_factory=Catalog)
    synchronizations: Synchronizations = field(default_factory=Synchronizations)

    def settle(self) -> datetime:
        """End every job whose time has come, and return the time."""
        now = self.clock()
        self.jobs.settle(now)
        return now

    def start_job(
        self,
        kind: str,
        *,
        user_id: str,
        work: Work,
        synchronization_id: str | None = None,
        by_hand: bool = False,
    ) -> Job:
        """Start a job with the name, type and visibility of the settings.

        A job that is started by hand leaves the planned ends to the requests under test.
        """
        name, job_type = self._names()[kind]
        job = Job(
            kind=kind,
            name=None if name is None else name.replace("{id}", synchronization_id or ""),
            type=job_type,
            user_id=user_id,
            created_on=self.clock(),
            seconds=self.settings.job_seconds,
            synchronization_id=synchronization_id,
            work=work,
            by_hand=by_hand,
            hidden_requests=self.settings.hidden_requests,
            hidden_status=self.settings.hidden_status,
            unlisted_requests=self.settings.unlisted_requests,
        )
        if not by_hand:
            self.jobs.apply_plan(job)
        return self.jobs.add(job)

    def _names(self) -> dict[str, tuple[str | None, str | None]]:
        settings = self.settings
        return {
            BATCH: (settings.batch_job_name, settings.batch_job_type),
            FINALIZE: (settings.finalization_job_name, settings.finalization_job_type),
            IMPORT: (settings.import_job_name, settings.import_job_type),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that has reached its endpoint.

    Attributes:
        arguments: Variable segments of the path, decoded.
        user_id: The account; empty at anonymous endpoints.
        now: The tenant's time.
    """

    state: State
    request: httpx.Request
    arguments: tuple[str, ...]
    user_id: str
    now: datetime


Endpoint = Callable[[Call], httpx.Response]


@cache
def _pattern_of(path: str) -> re.Pattern[str]:
    return re.compile(path.replace("*", "([^/]+)"))


@dataclass(frozen=True, slots=True)
class Route:
    """One path and its endpoint.

    Attributes:
        path: A pattern in which ``*`` stands for one segment, which becomes an argument.
        operation: Name of such requests in faults.
        setting: Name of the setting that must be true for the route to exist.
    """

    method: str
    path: str
    operation: str
    endpoint: Endpoint
    anonymous: bool = False
    setting: str | None = None

    def match(self, method: str, path: str) -> tuple[str, ...] | None:
        """Return the variable segments, decoded, or None if the route does not fit."""
        if method != self.method:
            return None
        match = _pattern_of(self.path).fullmatch(path)
        return tuple(unquote(segment) for segment in match.groups()) if match else None

    def exists_in(self, settings: Settings) -> bool:
        """Whether the tenant serves the route."""
        return self.setting is None or bool(getattr(settings, self.setting))


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalizationRequest:
    """A finalization that arrived, whether or not it was accepted.

    Attributes:
        parts: Parts of the form by name; empty if the form could not be parsed.
    """

    synchronization_id: str
    parts: Mapping[str, Part]
    headers: httpx.Headers


@dataclass(slots=True)
class Tenant:
    """Responds to requests, with the planned faults.

    The steps of a request: it is recorded; its faults are taken from the plan; hooks, holds and
    replaced responses before the commit; the endpoint, alone under the lock; then the same after
    the commit. Delays are left to the transport, as extensions of the response.
    """

    state: State
    routes: Sequence[Route]
    lock: RLock = field(default_factory=RLock)
    plan: FaultPlan = field(default_factory=FaultPlan)
    requests: list[httpx.Request] = field(default_factory=list)
    finalization_requests: list[FinalizationRequest] = field(default_factory=list)
    closing: Event = field(default_factory=Event)

    def handle(self, request: httpx.Request) -> httpx.Response | None:
        """Return the response to a request; None means that the connection is cut."""
        with self.lock:
            route, arguments = self._find_route(request)
            self._record(request, route, arguments)
            faults = self.plan.next_for(route.operation if route else ANY)
        response = self._respond(faults, request, route, arguments)
        if response is not None:
            response.headers["Date"] = self._date()
        return response

    def close(self) -> None:
        """Cut every held or slow request."""
        self.closing.set()
        self.plan.drop_holds()

    def _find_route(self, request: httpx.Request) -> tuple[Route | None, tuple[str, ...]]:
        path = request.url.raw_path.decode("ascii").partition("?")[0]
        for route in self.routes:
            arguments = route.match(request.method, path)
            if arguments is not None and route.exists_in(self.state.settings):
                return route, arguments
        return None, ()

    def _record(
        self, request: httpx.Request, route: Route | None, arguments: tuple[str, ...]
    ) -> None:
        self.requests.append(request)
        if route and route.operation == FINALIZE:
            received = FinalizationRequest(
                synchronization_id=arguments[0],
                parts=_readable_parts(request),
                headers=request.headers,
            )
            self.finalization_requests.append(received)

    def _respond(
        self,
        faults: PlannedFaults,
        request: httpx.Request,
        route: Route | None,
        arguments: tuple[str, ...],
    ) -> httpx.Response | None:
        if not faults.pass_before_commit():
            return None
        response = None
        if faults.commits:
            response = self._act(request, route, arguments)
        response = faults.replace_response(response)
        if not faults.pass_after_commit():
            return None
        return faults.mark_delay(response)

    def _act(
        self, request: httpx.Request, route: Route | None, arguments: tuple[str, ...]
    ) -> httpx.Response:
        if route is None:
            return html_response("404 Not Found", status=404)
        with self.lock:
            try:
                return route.endpoint(self._call(request, route, arguments))
            except RequestRefusedError as refusal:
                return refusal.to_response()

    def _call(self, request: httpx.Request, route: Route, arguments: tuple[str, ...]) -> Call:
        now = self.state.settle()
        user_id = "" if route.anonymous else self.state.accounts.identify(request)
        if self.plan.forbids(route.operation):
            raise RequestRefusedError(403, "The account may not do this.")
        return Call(
            state=self.state, request=request, arguments=arguments, user_id=user_id, now=now
        )

    def _date(self) -> str:
        settings = self.state.settings
        moment = self.state.clock() + timedelta(seconds=settings.clock_offset_seconds)
        return settings.date_header or format_datetime(moment.astimezone(UTC), usegmt=True)


def _readable_parts(request: httpx.Request) -> Mapping[str, Part]:
    try:
        return read_form(request).parts
    except RequestRefusedError:
        return {}
