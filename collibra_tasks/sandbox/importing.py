"""Running an import: command by command, atomic or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from collibra_tasks.sandbox.catalog import Catalog
from collibra_tasks.sandbox.commands import RESOURCE_TYPES, Command, CommandError
from collibra_tasks.sandbox.executing import Actions, Effect, execute
from collibra_tasks.sandbox.outcomes import (
    ABORTED,
    COMPLETED_WITH_ERROR,
    ERROR,
    SUCCESS,
    FailedCommand,
    Outcome,
    Tallies,
    Tally,
    failed,
)
from collibra_tasks.sandbox.synchronizations import Synchronization

FAILURES_BEFORE_ABORT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an import treats what goes wrong.

    Attributes:
        failures_before_abort: After how many failed commands an import that continues on error
            stops after all.
    """

    continue_on_error: bool
    failures_before_abort: int = FAILURES_BEFORE_ABORT
    simulation: bool = False
    actions: Actions = field(default_factory=Actions)


@dataclass(slots=True)
class ImportRun:
    """One run through the commands of an input.

    Source: without ``continueOnError`` everything is rolled back at the first error; with it bad
    commands are skipped and 100 failures abort the rest, *documented*. That a failed or skipped
    command does not count as present in its cycle is *assumed*.
    """

    catalog: Catalog
    synchronization: Synchronization | None
    terms: Terms
    errors: list[FailedCommand] = field(default_factory=list)
    tallies: Tallies = field(default_factory=Counter)

    def run(self, commands: Sequence[Command]) -> Outcome:
        """Execute the commands and tell how that went."""
        most = self.terms.failures_before_abort if self.terms.continue_on_error else 1
        for command in commands:
            self._try(command)
            if len(self.errors) >= most:
                break
        return self._outcome(most)

    def _try(self, command: Command) -> None:
        try:
            self.tallies += self._execute(command).tallies
        except CommandError as error:
            self.errors.append(command.failure(error))
            resource_type = RESOURCE_TYPES.get(command.resource_type, "ASSET")
            self.tallies[Tally(resource_type, None, "failed")] += 1

    def _execute(self, command: Command) -> Effect:
        if self.synchronization is None:
            return execute(command, self.catalog, self.terms.actions)
        known = self.synchronization.unchanged(command)
        if known is not None:
            effect = Effect(asset_id=known.asset_id)
        else:
            effect = execute(command, self.catalog, self.terms.actions)
        self.synchronization.count_in(command, effect.asset_id)
        return effect

    def _outcome(self, most: int) -> Outcome:
        if self.errors and not self.terms.continue_on_error:
            return failed(self.errors)
        result = COMPLETED_WITH_ERROR if self.errors else SUCCESS
        return Outcome(
            result=ABORTED if len(self.errors) >= most else result,
            errors=tuple(error.body() for error in self.errors),
            tallies=self.tallies,
        )


def run_import(
    commands: Sequence[Command],
    *,
    catalog: Catalog,
    terms: Terms,
    synchronization: Synchronization | None = None,
) -> Outcome:
    """Run an import on copies, and keep them unless it failed or was a simulation."""
    changed = catalog.copy()
    tracked = synchronization.copy() if synchronization else None
    outcome = ImportRun(changed, tracked, terms).run(commands)
    if outcome.state == ERROR or terms.simulation:
        return outcome
    catalog.become(changed)
    if synchronization and tracked:
        synchronization.become(tracked)
    return outcome
