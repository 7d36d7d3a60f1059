"""Lock of one synchronization, held by the flow run that uploads or finalizes.

Each holder has an epoch, which is a numbered value in the store. A flow run takes the lock by
creating the next epoch; of several that try, the store lets one succeed. The holder renews its
epoch. The lock alone does not make a finalization safe: a holder that stood still for too long may
believe that it holds the lock. :meth:`HeldLock.check` and the ledger's claim stop such a holder.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import uuid4

from collibra_tasks.errors import OverlapError
from collibra_tasks.jobs.polling import Clock
from collibra_tasks.ledger.lock_epochs import Epoch, Epochs, LockHolder, Log
from collibra_tasks.ledger.store import MissingValueError, Store, StoreUnavailableError
from collibra_tasks.models import FlowRunInfo
from collibra_tasks.options import Timing
from collibra_tasks.wording import clock_time

MAX_NAME_LENGTH: Final = 100
MAX_RACES: Final = 10
MAX_RELEASE_WAIT_SECONDS: Final = 10.0
"""Maximum wait of a release for a renewal that is in progress."""


class HeldLock:
    """A lock that this process has acquired."""

    def __init__(self, epochs: Epochs, number: int, holder: LockHolder, log: Log) -> None:
        """Store what was acquired."""
        self._epochs, self._number, self._holder, self._log = epochs, number, holder, log
        self._stopped = threading.Event()
        self._writing = threading.Lock()  # a late renewal must not undo the release

    @property
    def token(self) -> str:
        """Token of this acquisition."""
        return self._holder.token

    def check(self) -> None:
        """Check, with one read, that no other flow run has taken over the lock.

        Raises:
            OverlapError: If this process does not hold the lock any more.
        """
        newest = next(iter(self._epochs.read()), None)
        if newest is not None and newest.is_held_by(self.token):
            return
        self._stopped.set()
        name = self._epochs.synchronization_id
        cause = f"{newest}" if newest else "its variable was deleted"
        raise OverlapError(
            f"Lock of synchronization {name!r} lost: {cause}. "
            "Run again after the other flow run has ended."
        )

    def renew(self) -> bool:
        """Renew the lock.

        Returns:
            False if there is nothing to renew: the lock was released, or taken over.
        """
        with self._writing:
            if self._stopped.is_set():
                return False
            try:
                self._epochs.update(self._number, self._holder)
            except MissingValueError:
                self._stopped.set()
                return False
            return True

    def release(self) -> None:
        """Release the lock; a lock that another flow run took over is not touched."""
        self._stopped.set()
        if not self._writing.acquire(timeout=MAX_RELEASE_WAIT_SECONDS):
            self._log("Lock not released: a renewal is in progress. It expires by itself.")
            return
        try:
            self._epochs.update(self._number, replace(self._holder, released=True))
        except MissingValueError:
            pass  # another flow run took over and deleted this epoch
        except StoreUnavailableError as error:
            self._log(f"Lock not released: {error} It expires by itself.")
        finally:
            self._writing.release()

    @contextmanager
    def renewing(self, interval: float) -> Iterator[None]:
        """Renew the lock from a thread, so that it works while the flow's own thread waits."""
        # The copied context holds the caller's Prefect settings and run logger.
        arguments = (self._renew_until_stopped, interval)
        thread = threading.Thread(target=copy_context().run, args=arguments, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()

    def _renew_until_stopped(self, interval: float) -> None:
        while not self._stopped.wait(interval):
            try:
                if not self.renew():
                    return
            except Exception as error:  # noqa: BLE001 - any error must leave the thread alive
                self._log(f"Lock not renewed: {error} The renewal is tried again.")


class CycleLock:
    """The lock of one synchronization in one environment."""

    def __init__(
        self,
        store: Store,
        environment: str,
        synchronization_id: str,
        *,
        flow_run: FlowRunInfo,
        has_ended: Callable[[str], bool],
        timing: Timing,
        clock: Clock,
        log: Log,
        renew_in_background: bool = True,
    ) -> None:
        """Store the ports; nothing is read.

        Args:
            store: Store of the lock.
            environment: Identity of the environment.
            synchronization_id: Synchronization to lock.
            flow_run: Flow run that acquires the lock.
            has_ended: Whether a flow run, given by its ID, has ended or was deleted.
            timing: Intervals; ``lock_renew``, ``lock_expiry`` and ``lock_poll`` are used.
            clock: Clock and sleep of this process.
            log: Receives what the lock waits for, and unreadable values.
            renew_in_background: Whether a thread renews the lock while it is held.
        """
        self._epochs = Epochs(store, environment, synchronization_id, log)
        self._flow_run, self._has_ended = flow_run, has_ended
        self._timing, self._clock, self._log = timing, clock, log
        self._renew_in_background = renew_in_background

    @contextmanager
    def acquire(self, *, timeout_seconds: float, purpose: str) -> Iterator[HeldLock]:
        """Hold the lock for the duration of the context.

        Args:
            timeout_seconds: Maximum wait for another holder, in seconds; 0 tries once.
            purpose: Reason, a noun such as ``upload``, shown to flow runs that wait.

        Raises:
            OverlapError: If another flow run still holds the lock at the end of the wait.
            StoreUnavailableError: If the store does not respond at the end of the wait.
        """
        holder = LockHolder(
            token=uuid4().hex,
            flow_run_id=self._flow_run.id,
            flow_run_name=self._flow_run.name and self._flow_run.name[:MAX_NAME_LENGTH],
            purpose=purpose[:MAX_NAME_LENGTH],
        )
        held = self._wait_for(holder, timeout_seconds)
        try:
            if self._renew_in_background:
                with held.renewing(self._timing.lock_renew):
                    yield held
            else:
                yield held
        finally:
            held.release()

    def _wait_for(self, holder: LockHolder, timeout_seconds: float) -> HeldLock:
        deadline = self._clock.monotonic() + timeout_seconds
        contender = _Contender(self._epochs, holder, self._has_ended, self._timing, self._clock)
        waits_for: int | None = None
        while True:
            try:
                number = contender.try_to_take()
                if number is not None:
                    return HeldLock(self._epochs, number, holder, self._log)
            except StoreUnavailableError:
                if self._clock.monotonic() >= deadline:
                    raise
            remaining = deadline - self._clock.monotonic()
            blocker = contender.blocker
            if remaining <= 0:
                raise self._overlap(blocker, timeout_seconds)
            if blocker is not None and blocker.number != waits_for:
                waits_for = blocker.number
                end = clock_time(remaining, self._clock.time())
                self._log(
                    "Waiting for the lock of synchronization "
                    f"{self._epochs.synchronization_id!r} until {end} at the latest: {blocker}."
                )
            self._clock.sleep(min(self._timing.lock_poll, remaining))

    def _overlap(self, blocker: Epoch | None, timeout_seconds: float) -> OverlapError:
        return OverlapError(
            f"Lock of synchronization {self._epochs.synchronization_id!r} not acquired within "
            f"{timeout_seconds:g} seconds: {blocker or 'other flow runs were faster'}. Nothing was "
            "sent. Run again after that flow run has ended; the lock of a crashed flow run expires "
            f"{self._timing.lock_expiry:g} seconds after its last renewal."
        )


class _Contender:
    """One acquisition in progress.

    Attributes:
        blocker: Epoch of the other holder that was seen last.
    """

    def __init__(
        self,
        epochs: Epochs,
        holder: LockHolder,
        has_ended: Callable[[str], bool],
        timing: Timing,
        clock: Clock,
    ) -> None:
        self._epochs, self._holder, self._has_ended = epochs, holder, has_ended
        self._timing, self._clock = timing, clock
        self._seen: tuple[str, datetime | None] | None = None
        self._seen_at = 0.0
        self.blocker: Epoch | None = None

    def try_to_take(self) -> int | None:
        """Take the lock if it is free; return the number of the own epoch, or ``None``."""
        for _ in range(MAX_RACES):
            observed_at = self._clock.monotonic()
            epochs = self._epochs.read()
            newest = epochs[0] if epochs else None
            if newest is not None and self._is_own(newest):
                # The response to an earlier create was lost.
                self._epochs.update(newest.number, self._holder)
                return newest.number
            if newest is not None and not self._may_take(newest, observed_at):
                self.blocker = newest
                return None
            number = newest.number + 1 if newest else 1
            self._epochs.create(number, self._holder)
            if self._is_confirmed(number):
                return number
            if self.blocker is None or self.blocker.number < number:
                self._epochs.restore_tag(number)
        return None

    def _is_confirmed(self, number: int) -> bool:
        """Return whether the own epoch is the newest, and delete what is outdated.

        A process that stood still before it created its epoch may have used the number of a deleted
        epoch, while later epochs exist. Its own epoch is not the newest then.
        """
        epochs = self._epochs.read()
        won = bool(epochs) and epochs[0].number == number and self._is_own(epochs[0])
        self.blocker = epochs[0] if epochs else None
        outdated = epochs[1:] if won else [epoch for epoch in epochs[1:] if self._is_own(epoch)]
        for epoch in outdated:
            with suppress(StoreUnavailableError):  # the next holder deletes it
                self._epochs.delete(epoch)
        return won

    def _is_own(self, epoch: Epoch) -> bool:
        return epoch.is_held_by(self._holder.token)

    def _may_take(self, epoch: Epoch, observed_at: float) -> bool:
        holder = epoch.holder
        if holder is not None and (holder.released or self._is_over(holder.flow_run_id)):
            return True
        return self._is_expired(epoch, observed_at)

    def _is_over(self, flow_run_id: str | None) -> bool:
        try:
            return flow_run_id is not None and self._has_ended(flow_run_id)
        except Exception:  # noqa: BLE001 - Prefect's errors; the lock still expires
            return False

    def _is_expired(self, epoch: Epoch, observed_at: float) -> bool:
        """Return whether an epoch was not renewed for too long.

        By the store's clock, and by the own one since the last change: a time of renewal in the
        future, as after a change of the server's clock, must not hold the lock for ever.
        """
        seen = (epoch.name, epoch.updated_on)
        if seen != self._seen:
            self._seen, self._seen_at = seen, observed_at
        age = observed_at - self._seen_at
        if epoch.updated_on is not None:
            age = max(age, (self._epochs.now() - epoch.updated_on).total_seconds())
        return age >= self._timing.lock_expiry
