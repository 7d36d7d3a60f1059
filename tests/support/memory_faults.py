"""A clock that tests move, and faults that tests inject into in-memory ports."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal

from collibra_tasks.ledger.store import StoreUnavailableError

START = datetime(2026, 1, 1, 12, tzinfo=UTC)

Moment = Literal["before", "after"]
Hook = Callable[[str, str], None]
"""Receives the operation and the name or tag."""


class CrashError(BaseException):
    """End of a process at a chosen store operation; no ``except Exception`` catches it."""


class ManualClock:
    """A clock that moves only when a test, or a sleep, moves it."""

    def __init__(self, start: datetime = START) -> None:
        self._start, self._elapsed = start, 0.0
        self._order = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self._elapsed

    def time(self) -> float:
        return self.now().timestamp()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock; actions that become due run at their own time."""
        end = self._elapsed + seconds
        while self._due and min(self._due)[0] <= end:
            at, order, action = min(self._due)
            self._due.remove((at, order, action))
            self._elapsed = max(self._elapsed, at)
            action()
        self._elapsed = max(self._elapsed, end)

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action once the clock has moved by so much."""
        self._due.append((self._elapsed + seconds, next(self._order), action))


class Faults:
    """Faults and hooks by operation, shared by all in-memory ports."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.hooks: dict[Moment, Hook | None] = {"before": None, "after": None}
        self._faults: dict[tuple[Moment, str], deque[BaseException | None]] = defaultdict(deque)

    @property
    def request_count(self) -> int:
        return self.requests.total()

    def fail_next(
        self, operation: str, error: BaseException | None = None, *, times: int = 1, skip: int = 0
    ) -> None:
        """Let the next calls of an operation fail without effect."""
        self._add("before", operation, error or _unavailable(operation), times, skip)

    def lose_next(
        self, operation: str, error: BaseException | None = None, *, times: int = 1, skip: int = 0
    ) -> None:
        """Let the next calls of an operation take effect and then fail, as a lost response."""
        self._add("after", operation, error or _unavailable(operation), times, skip)

    def crash_before(self, operation: str, *, skip: int = 0) -> None:
        """End the process before an operation takes effect."""
        self._add("before", operation, CrashError(f"before {operation}"), 1, skip)

    def crash_after(self, operation: str, *, skip: int = 0) -> None:
        """End the process after an operation took effect."""
        self._add("after", operation, CrashError(f"after {operation}"), 1, skip)

    def heal(self) -> None:
        """Remove all faults that were not used."""
        self._faults.clear()

    def clear_hooks(self) -> None:
        """Remove the hooks."""
        self.hooks = {"before": None, "after": None}

    @contextmanager
    def during(self, operation: str, name: str) -> Iterator[None]:
        self.requests[operation] += 1
        self._pass("before", operation, name)
        yield
        self._pass("after", operation, name)

    def _add(
        self, moment: Moment, operation: str, error: BaseException, times: int, skip: int
    ) -> None:
        self._faults[moment, operation].extend([None] * skip + [error] * times)

    def _pass(self, moment: Moment, operation: str, name: str) -> None:
        if hook := self.hooks[moment]:
            hook(operation, name)
        planned = self._faults[moment, operation]
        if planned and (error := planned.popleft()) is not None:
            raise error


def _unavailable(operation: str) -> StoreUnavailableError:
    return StoreUnavailableError(f"{operation} failed: the store is not reachable.")
