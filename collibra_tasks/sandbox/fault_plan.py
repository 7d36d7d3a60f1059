"""Planned faults of the next requests of each operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol, TypeVar

import httpx

from collibra_tasks.sandbox.jobs import ANY, JOB_KINDS

OPERATIONS = (
    *JOB_KINDS,
    "job",
    "jobs",
    "cancel",
    "summary",
    "errors",
    "exists",
    "synchronizations",
    "evict",
    "forget",
    "status",
    "info",
    "user",
    "token",
    "identity_provider",
)

Change = Callable[[httpx.Response | None], httpx.Response | None]


def check_operation(name: str, known: tuple[str, ...] = OPERATIONS) -> str:
    """Return an operation, or raise a ValueError that lists the known ones."""
    if name not in (*known, ANY):
        raise ValueError(f"Unknown operation: {name!r}. Use one of {', '.join((*known, ANY))}.")
    return name


class _Planned(Protocol):
    operation: str
    times: int


@dataclass(slots=True, kw_only=True)
class Fault:
    """A response in place of the tenant's own, or none.

    Attributes:
        change: Function from the tenant's own response, if there is one, to the response that is
            sent; None cuts the connection.
        after_commit: Whether the endpoint acts before.
    """

    operation: str
    times: int
    change: Change
    after_commit: bool = False


@dataclass(slots=True, kw_only=True)
class Delay:
    """A wait before the response is sent, or while its body is sent."""

    operation: str
    times: int
    seconds: float
    drip: bool = False


@dataclass(slots=True, kw_only=True)
class Hook:
    """A function that is called in the thread of a request."""

    operation: str
    times: int
    action: Callable[[], object]
    before_commit: bool


class Hold:
    """One response that waits for its release.

    Attributes:
        reached: Set when the request has arrived and, unless held before, has been committed.
    """

    def __init__(self, operation: str, *, before_commit: bool) -> None:
        """Wait for the next request of an operation."""
        self.operation = operation
        self.before_commit = before_commit
        self.times = 1
        self.reached = Event()
        self._over = Event()
        self._dropped = False

    def release(self) -> None:
        """Send the response."""
        self._over.set()

    def drop(self) -> None:
        """Cut the connection, because the tenant is closing."""
        if not self._over.is_set():
            self._dropped = True
            self._over.set()

    def wait(self) -> bool:
        """Wait in the thread of the request; return whether it continues."""
        self.reached.set()
        self._over.wait()
        return not self._dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFaults:
    """The faults of one request."""

    fault: Fault | None = None
    delay: Delay | None = None
    hold: Hold | None = None
    hook: Hook | None = None

    @property
    def commits(self) -> bool:
        """Whether the endpoint acts."""
        return self.fault is None or self.fault.after_commit

    def pass_before_commit(self) -> bool:
        """Call the hook and wait for the hold; return whether the request continues."""
        return self._pass(before_commit=True)

    def pass_after_commit(self) -> bool:
        """Call the hook and wait for the hold; return whether the request continues."""
        return self._pass(before_commit=False)

    def _pass(self, *, before_commit: bool) -> bool:
        if self.hook and self.hook.before_commit == before_commit:
            self.hook.action()
        return not self.hold or self.hold.before_commit != before_commit or self.hold.wait()

    def replace_response(self, response: httpx.Response | None) -> httpx.Response | None:
        """Return the response that is sent; None cuts the connection."""
        return self.fault.change(response) if self.fault else response

    def mark_delay(self, response: httpx.Response | None) -> httpx.Response | None:
        """Return the response with its delay as an extension."""
        if response is not None and self.delay:
            name = "drip_seconds" if self.delay.drip else "delay_seconds"
            response.extensions[name] = self.delay.seconds
        return response


@dataclass(slots=True)
class FaultPlan:
    """All planned faults; each request uses at most one of each sort."""

    faults: list[Fault] = field(default_factory=list)
    delays: list[Delay] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)

    def next_for(self, operation: str) -> PlannedFaults:
        """Take the faults of the next request of an operation from the plan."""
        return PlannedFaults(
            fault=_take(self.faults, operation),
            delay=_take(self.delays, operation),
            hold=_take(self.holds, operation),
            hook=_take(self.hooks, operation),
        )

    def forbids(self, operation: str) -> bool:
        """Whether requests of an operation are refused."""
        return operation in self.forbidden or ANY in self.forbidden

    def clear(self) -> None:
        """Remove all faults; held requests continue."""
        for hold in self.holds:
            hold.release()
        self.faults, self.delays, self.holds, self.hooks = [], [], [], []
        self.forbidden = set()

    def drop_holds(self) -> None:
        """Cut every held request."""
        for hold in self.holds:
            hold.drop()
        self.holds = []


_Item = TypeVar("_Item", bound=_Planned)


def _take(planned: list[_Item], operation: str) -> _Item | None:
    for item in planned:
        if item.times > 0 and item.operation in (ANY, operation):
            item.times -= 1
            return item
    return None
