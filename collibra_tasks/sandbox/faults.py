"""What is staged to go wrong with the next requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

from collibra_tasks.sandbox import kinds
from collibra_tasks.sandbox.messages import Answer

Change = Callable[[Answer | None], Answer | None]


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Another answer than the tenant's own, or none.

    Attributes:
        change: Makes it, from the tenant's own answer where there is one; None cuts the
            connection.
        after_commit: Whether the tenant acts before.
    """

    kind: str
    times: int
    change: Change
    after_commit: bool = False


@dataclass(slots=True, kw_only=True)
class Delay:
    """A wait before the answer goes out."""

    kind: str
    times: int
    seconds: float
    drip: bool = False


class Hold:
    """One answer that waits for its release.

    Attributes:
        reached: Set when the request is there and, unless held before, has been acted on.
    """

    def __init__(self, kind: str, *, before_commit: bool) -> None:
        """Wait for the next request of that kind."""
        self.kind = kind
        self.before_commit = before_commit
        self.times = 1
        self.reached = Event()
        self._over = Event()
        self._dropped = False

    def release(self) -> None:
        """Let the answer go."""
        self._over.set()

    def drop(self) -> None:
        """Let the request go unanswered, because the tenant is closing."""
        if not self._over.is_set():
            self._dropped = True
            self._over.set()

    def wait(self) -> bool:
        """Wait in the request's thread; tell whether to go on."""
        self.reached.set()
        self._over.wait()
        return not self._dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """What is staged for one request."""

    verdict: Verdict | None = None
    delay: Delay | None = None
    hold: Hold | None = None


@dataclass(slots=True)
class Script:
    """All that is staged, first in, first played.

    One request plays at most one verdict, one delay and one hold; these compose.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    delays: list[Delay] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)

    def draw(self, kind: str) -> Cue:
        """Take what is staged for a request of this kind."""
        return Cue(
            verdict=_draw(self.verdicts, kind),
            delay=_draw(self.delays, kind),
            hold=_draw(self.holds, kind),
        )

    def forbids(self, kind: str) -> bool:
        """Whether requests of this kind are refused to everybody."""
        return any(kinds.covers(staged, kind) for staged in self.forbidden)

    def clear(self) -> None:
        """Stage nothing; whoever is held goes on."""
        for hold in self.holds:
            hold.release()
        self.verdicts, self.delays, self.holds = [], [], []
        self.forbidden = set()

    def drop_holds(self) -> None:
        """Let every held request go unanswered."""
        for hold in self.holds:
            hold.drop()
        self.holds = []


Direction = TypeVar("Direction", Verdict, Delay, Hold)


def _draw(staged: list[Direction], kind: str) -> Direction | None:
    for direction in staged:
        if direction.times > 0 and kinds.covers(direction.kind, kind):
            direction.times -= 1
            return direction
    return None
