"""Synchronizations, cycle by cycle: imports into a cycle and the finalization that ends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from collibra_tasks.sandbox.catalog import CANDIDATE, STATUSES, Catalog
from collibra_tasks.sandbox.commands import RESOURCE_TYPES, Command, CommandError, CommandKey
from collibra_tasks.sandbox.execution import Effect, Rules, execute
from collibra_tasks.sandbox.results import (
    ABORTED,
    COMPLETED_WITH_ERROR,
    ERROR,
    RUNTIME,
    SUCCESS,
    FailedCommand,
    Outcome,
    Tallies,
    Tally,
    failed,
)
from collibra_tasks.sandbox.settings import FAILURES_BEFORE_ABORT

REMOVE_RESOURCES, CHANGE_STATUS, IGNORE = "REMOVE_RESOURCES", "CHANGE_STATUS", "IGNORE"
STRATEGIES = (REMOVE_RESOURCES, CHANGE_STATUS, IGNORE)


class CachedCommand(NamedTuple):
    """The hash of a command and the asset that it is about."""

    digest: str
    asset_id: str | None


@dataclass(slots=True)
class Synchronization:
    """The resources that the tenant tracks for one synchronization ID.

    Attributes:
        previous: Assets of the cycle that was finalized last.
        present: Assets of the open cycle so far.
        cache: The hash cache.
        sent: Commands of the open cycle so far.
    """

    previous: frozenset[str] = frozenset()
    present: set[str] = field(default_factory=set)
    cache: dict[CommandKey, CachedCommand] = field(default_factory=dict)
    sent: set[CommandKey] = field(default_factory=set)

    @property
    def missing(self) -> frozenset[str]:
        """Return the assets that a finalization would find missing now.

        Source: the comparison goes from cycle to cycle, *documented*; that an empty cycle makes
        every asset missing is *assumed*.
        """
        return self.previous - self.present

    def copy(self) -> Self:
        """Return an independent copy."""
        return replace(self, present=set(self.present), cache=dict(self.cache), sent=set(self.sent))

    def replace_with(self, other: Self) -> None:
        """Take over the state of another synchronization."""
        self.previous, self.present = other.previous, other.present
        self.cache, self.sent = other.cache, other.sent

    def unchanged(self, command: Command) -> CachedCommand | None:
        """Return the cache entry of a command that equals the one executed last.

        Source: only commands that differ from the previous cycle are executed, *documented*.
        """
        cached = self.cache.get(command.key)
        return cached if cached and cached.digest == command.digest else None

    def record(self, command: Command, asset_id: str | None) -> None:
        """Count a command, executed or unchanged, in the open cycle."""
        self.cache[command.key] = CachedCommand(command.digest, asset_id)
        self.sent.add(command.key)
        if asset_id:
            self.present.add(asset_id)

    def close_cycle(self) -> None:
        """Make the open cycle the previous one."""
        self.previous, self.present = frozenset(self.present), set()
        self.cache = {key: cached for key, cached in self.cache.items() if key in self.sent}
        self.sent = set()

    def evict(self) -> None:
        """Clear the hash cache, so that every command is executed again.

        Source: tracked assets stay tracked, *documented*.
        """
        self.cache.clear()


class Synchronizations(dict[str, Synchronization]):
    """All synchronizations by ID."""

    def open(self, synchronization_id: str) -> Synchronization:
        """Return a synchronization; create it if it does not exist."""
        return self.setdefault(synchronization_id, Synchronization())

    def tracked(self, synchronization_id: str) -> Synchronization:
        """Return a synchronization, or an empty one that is not stored."""
        return self.get(synchronization_id) or Synchronization()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """The options of an import.

    Attributes:
        failures_before_abort: Number of failed commands after which an import that continues on
            error stops.
    """

    continue_on_error: bool
    failures_before_abort: int = FAILURES_BEFORE_ABORT
    simulation: bool = False
    rules: Rules = field(default_factory=Rules)


@dataclass(slots=True)
class ImportRun:
    """One run through the commands of an input.

    Source: without ``continueOnError`` the first error rolls everything back; with it bad
    commands are skipped and 100 failures abort the rest, *documented*. That a failed or skipped
    command does not count as present in its cycle is *assumed*.
    """

    catalog: Catalog
    synchronization: Synchronization | None
    options: ImportOptions
    errors: list[FailedCommand] = field(default_factory=list)
    tallies: Tallies = field(default_factory=Counter)

    def run(self, commands: Sequence[Command]) -> Outcome:
        """Execute the commands and return the outcome."""
        limit = self.options.failures_before_abort if self.options.continue_on_error else 1
        for command in commands:
            self._try(command)
            if len(self.errors) >= limit:
                break
        return self._outcome(limit)

    def _try(self, command: Command) -> None:
        try:
            self.tallies.update(self._execute(command).tallies)
        except CommandError as error:
            self.errors.append(command.to_failure(error))
            resource_type = RESOURCE_TYPES.get(command.resource_type, "ASSET")
            self.tallies[Tally(resource_type, None, "failed")] += 1

    def _execute(self, command: Command) -> Effect:
        if self.synchronization is None:
            return execute(command, self.catalog, self.options.rules)
        cached = self.synchronization.unchanged(command)
        if cached is not None:
            effect = Effect(asset_id=cached.asset_id)
        else:
            effect = execute(command, self.catalog, self.options.rules)
        self.synchronization.record(command, effect.asset_id)
        return effect

    def _outcome(self, limit: int) -> Outcome:
        if self.errors and not self.options.continue_on_error:
            return failed(self.errors)
        result = COMPLETED_WITH_ERROR if self.errors else SUCCESS
        return Outcome(
            result=ABORTED if len(self.errors) >= limit else result,
            errors=tuple(error.to_json() for error in self.errors),
            tallies=self.tallies,
        )


def run_import(
    commands: Sequence[Command],
    *,
    catalog: Catalog,
    options: ImportOptions,
    synchronization: Synchronization | None = None,
) -> Outcome:
    """Run an import on copies, and store them unless it failed or was a simulation."""
    changed = catalog.copy()
    tracked = synchronization.copy() if synchronization else None
    outcome = ImportRun(changed, tracked, options).run(commands)
    if outcome.state == ERROR or options.simulation:
        return outcome
    catalog.replace_with(changed)
    if synchronization and tracked:
        synchronization.replace_with(tracked)
    return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalization:
    """A finalization as it was requested.

    Attributes:
        status_id: Status for missing assets, if the strategy is CHANGE_STATUS.
    """

    strategy: str
    status_id: str | None = None


def finalize(
    finalization: Finalization, *, catalog: Catalog, synchronization: Synchronization
) -> Outcome:
    """Remove, mark or ignore the missing assets, and close the cycle.

    Source: a status that does not exist fails the job and leaves the cycle open, *assumed*.
    """
    if finalization.strategy == CHANGE_STATUS and finalization.status_id not in STATUSES:
        message = f"Status {finalization.status_id} could not be found."
        return failed([FailedCommand(message=message, error_type=RUNTIME)])
    apply = _STRATEGIES[finalization.strategy]
    tallies = apply(catalog, synchronization, finalization.status_id)
    synchronization.close_cycle()
    return Outcome(tallies=tallies)


def _remove(catalog: Catalog, synchronization: Synchronization, _: str | None) -> Tallies:
    """Remove the missing assets, and nothing else.

    Source: the documents speak of assets; that communities and domains stay is *assumed*.
    """
    removed = [catalog.remove(asset_id) for asset_id in synchronization.missing]
    return Counter(Tally("ASSET", asset.type, "removed") for asset in removed if asset)


def _change_status(
    catalog: Catalog, synchronization: Synchronization, status_id: str | None
) -> Tallies:
    """Mark the missing assets, and restore marked assets that are present.

    Source: a restored asset gets the default status of its type, and only if the cycle is
    finalized with the status that it was marked with, *documented*. That only the present status
    of the asset decides is *assumed*.
    """
    wanted = dict.fromkeys(synchronization.missing, status_id or "")
    for asset_id in synchronization.present & catalog.assets.keys():
        if catalog.assets[asset_id].status_id == status_id:
            wanted[asset_id] = CANDIDATE
    return _set_statuses(catalog, wanted)


def _set_statuses(catalog: Catalog, wanted: Mapping[str, str]) -> Tallies:
    tallies: Tallies = Counter()
    for asset_id in wanted.keys() & catalog.assets.keys():
        asset = catalog.assets[asset_id]
        if asset.status_id != wanted[asset_id]:
            catalog.put(replace(asset, status_id=wanted[asset_id]))
            tallies[Tally("ASSET", asset.type, "updated")] += 1
    return tallies


def _ignore(*_: object) -> Tallies:
    return Counter()


_STRATEGIES: Mapping[str, Callable[[Catalog, Synchronization, str | None], Tallies]] = {
    REMOVE_RESOURCES: _remove,
    CHANGE_STATUS: _change_status,
    IGNORE: _ignore,
}
