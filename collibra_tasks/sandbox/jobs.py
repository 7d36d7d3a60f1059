"""Background jobs, which move by the tenant's clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

from collibra_tasks.sandbox.job_words import CANCELING, DELETED, RUNNING, WAITING, newer_word
from collibra_tasks.sandbox.outcomes import ABORTED, CANCELED, COMPLETED, NOT_SET, Outcome

Work = Callable[[], Outcome]

STARTING_SHARE = 0.1
CANCELING_SHARE = 0.1


def no_work() -> Outcome:
    """Do nothing, well."""
    return Outcome()


@dataclass(slots=True, kw_only=True)
class Job:
    """A job.

    Attributes:
        seconds: How long it takes; it waits for the first tenth of that.
        work: What it does to the tenant, in the moment in which it ends.
        ordered: How a stage direction wants it to end.
        hidden_looks: How many more looks will not find it.
    """

    id: str = field(default_factory=lambda: str(uuid4()))
    kind: str
    name: str
    type: str = "IMPORT"
    user_id: str
    created_on: datetime
    seconds: float = 0.0
    synchronization_id: str | None = None
    work: Work = no_work
    ordered: Outcome | None = None
    outcome: Outcome | None = None
    ends_on: datetime = field(init=False)
    canceled_on: datetime | None = None
    message: str | None = None
    lost: bool = False
    hidden_looks: int = 0
    hidden_status: int = 404

    def __post_init__(self) -> None:
        """Set the end."""
        self.ends_on = self.created_on + timedelta(seconds=self.seconds)

    @property
    def starts_on(self) -> datetime:
        """Return when waiting turns into running, which is never after the end."""
        planned = self.created_on + STARTING_SHARE * timedelta(seconds=self.seconds)
        return min(planned, self.ends_on)

    def conclude(self) -> None:
        """Come to the end, and take effect if it is an end that does."""
        self.outcome = self._ordered_outcome(self.ordered) if self.ordered else self.work()
        self.message = self.outcome.message or f"Import finished in {self.seconds:.0f}s."

    def _ordered_outcome(self, ordered: Outcome) -> Outcome:
        takes_effect = ordered.state == COMPLETED and ordered.result != ABORTED
        return replace(ordered, tallies=self.work().tallies) if takes_effect else ordered

    def cancel(self, now: datetime, message: str | None) -> None:
        """End without effect, or only get the mark if it has ended already."""
        self.canceled_on = now
        self.message = message
        if self.outcome is None:
            self.ends_on = now
            self.outcome = Outcome(state=CANCELED, result=NOT_SET)

    def older_state(self, now: datetime) -> str:
        """Return the state as ``/rest/2.0/jobs`` says it.

        Source: that a job stays CANCELING for a while (here a tenth of its time) is *assumed*.
        """
        if self.outcome is None:
            return RUNNING if now >= self.starts_on and now > self.created_on else WAITING
        grace = CANCELING_SHARE * timedelta(seconds=self.seconds)
        if self.outcome.state == CANCELED and self.canceled_on and now < self.canceled_on + grace:
            return CANCELING
        return self.outcome.state

    def newer_state(self, now: datetime) -> str:
        """Return the state as the Job API v1 says it.

        Source: that a deleted job stays readable as DELETED is *assumed*.
        """
        return DELETED if self.canceled_on else newer_word(self.older_state(now))

    @property
    def result(self) -> str:
        """Return the result, which is not set before the end."""
        return self.outcome.result if self.outcome else NOT_SET

    def progress_at(self, now: datetime) -> float:
        """Return the progress in percent."""
        if self.outcome:
            return 100.0
        elapsed = (now - self.created_on).total_seconds()
        return 100 * elapsed / self.seconds if elapsed > 0 else 0.0
