"""Ports of a cycle to Prefect: approval, progress, events and import slots."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from collibra_tasks.cycle.plan import RemovalPlan


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


class Slots(Protocol):
    """Limit on imports at the same time that all cycles of an environment share."""

    def acquire(self, count: int, *, wait_seconds: float) -> AbstractContextManager[int]:
        """Occupy up to ``count`` slots, at least one, and yield their number."""


class Reporter(Protocol):
    """Receiver of what a cycle finds out."""

    def note(self, text: str) -> None:
        """Add a sentence to the receipt."""

    def show_plan(self, plan: RemovalPlan) -> None:
        """Show the plan and its missing assets."""

    def show_failed_commands(self, rows: Sequence[dict[str, str]], batch_number: int) -> None:
        """Show the commands that Collibra did not import."""
