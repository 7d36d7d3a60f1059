"""Ports of a cycle to Prefect: approval, progress, steps, reports and import slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from collibra_tasks.cycle.plan import RemovalPlan

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ApprovalInput:
    """Response of a person to a plan: the number of assets, and the reason."""

    number: int
    reason: str


class Approval(Protocol):
    """Question to a person in the Prefect UI."""

    def ask(self, plan: RemovalPlan, *, timeout_seconds: int) -> ApprovalInput | None:
        """Show a plan and wait; ``None`` if no response arrives in time."""


class Progress(Protocol):
    """Display of a cycle's progress."""

    def update(self, *, sent: int, done: int, failed: int, commands: int) -> None:
        """Show how many batches were sent, imported and failed, and how many commands are done."""


class Steps(Protocol):
    """Display of the steps of a cycle as a timeline."""

    def __call__(self, name: str, step: Callable[[], Result], /) -> Result:
        """Call a function as a step with a name, and return its result or raise its error."""


def call_directly(name: str, step: Callable[[], Result], /) -> Result:  # noqa: ARG001 - the port
    """Call a step that is not displayed."""
    return step()


class Slots(Protocol):
    """Limit on imports at the same time that all cycles of an environment share."""

    def acquire(self, count: int, *, wait_seconds: float) -> AbstractContextManager[int]:
        """Occupy up to ``count`` slots, at least one, and yield their number."""


class Reporter(Protocol):
    """Receiver of what a cycle finds out."""

    def note(self, text: str) -> None:
        """Add a sentence to the receipt, once."""

    def show_plan(self, plan: RemovalPlan) -> None:
        """Show the plan and its missing assets."""

    def show_failed_commands(self, rows: Sequence[dict[str, str]], batch_number: int) -> None:
        """Show the commands that Collibra did not import."""
