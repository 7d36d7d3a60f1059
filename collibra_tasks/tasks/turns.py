"""Whose turn it is: one cycle of a synchronization at a time, and imports as a tenant has room.

Prefect's concurrency limits keep the order across workers. The server has their leases in memory,
so a slot that was held while the server restarted stays taken for ever. Who holds a cycle is
therefore written down as well, and once that flow run is proven to be over its slot is freed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.variables import Variable
from pydantic import TypeAdapter
from slugify import slugify

from collibra_tasks.blocks import CollibraCredentials
from collibra_tasks.errors import FinalizationRefusedError, OverlapError
from collibra_tasks.ledger import Past
from collibra_tasks.tasks.finalization import is_run_over, ledger_of

TENANT_LIMIT = 8
"""How many imports a tenant runs at once. Source: Concurrent import (documented)."""
LEASE_SECONDS = 60.0
"""How long a killed run keeps others out; Prefect allows no less."""
LONGEST_LEASE_SECONDS = 90.0
"""After so long, a slot whose holder is over is held by nobody: its lease is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Who fills a cycle of a synchronization, or did so last.

    Attributes:
        begun_after: When the finalization before the cycle was, if batches may have been sent since
            then that no finalization has closed; ``None`` if none were.
    """

    flow_run_id: str | None = None
    flow_run_name: str | None = None
    attempt: int = 0
    begun_after: str | None = None


_turns = TypeAdapter(Turn)


class CycleTurns:
    """The turns of one synchronization, as the Prefect server keeps them."""

    def __init__(self, credentials: CollibraCredentials, synchronization_id: str) -> None:
        """Name them; nothing is read yet."""
        self._synchronization_id = synchronization_id
        self.name = f"collibra-cycle-{ledger_of(credentials, synchronization_id).slug}"

    @contextmanager
    def taking(self, *, patience_seconds: float) -> Iterator[None]:
        """Keep other runs from filling the same cycle, across workers.

        Args:
            patience_seconds: How long to wait for a run that is at it.

        Raises:
            OverlapError: If it is still at it then.
        """
        ensure_limit(self.name, 1)
        with ExitStack() as stack:
            self._enter(stack, patience_seconds)
            self._write(
                replace(
                    self.read() or Turn(),
                    flow_run_id=runtime.flow_run.get_id(),
                    flow_run_name=runtime.flow_run.get_name(),
                    attempt=runtime.flow_run.get_run_count(),
                )
            )
            yield

    def _enter(self, stack: ExitStack, patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        while True:
            holder = self.read()
            left = deadline - time.monotonic()
            over = holder is not None and _is_over(holder)
            seconds = LONGEST_LEASE_SECONDS if over else min(left, LONGEST_LEASE_SECONDS)
            try:
                stack.enter_context(_slots(self.name, 1, max(seconds, 1.0)))
            except TimeoutError:
                if over and self.read() == holder:
                    get_run_logger().info("%s was left taken, and is freed", self.name)
                    free(self.name)
                elif left <= 0 and not over:
                    raise OverlapError(self._tell(holder)) from None
            else:
                return

    def _tell(self, holder: Turn | None) -> str:
        who = (holder and holder.flow_run_name) or "another run"
        return (
            f"not sent: flow run {who} fills a cycle of {self._synchronization_id!r}; if it is not "
            "at work any more, set its state to Crashed in Prefect, and run again"
        )

    def read(self) -> Turn | None:
        """Return whose turn it is, or was last; ``None`` if nobody had one here."""
        value = Variable.get(self.name)
        return _turns.validate_python(value) if isinstance(value, dict) else None

    def begin(self, past: Past) -> None:
        """Write down that from now on batches may have arrived that nothing has closed yet."""
        self._write(replace(self.read() or Turn(), begun_after=_moment(past)))

    def end(self) -> None:
        """Write down that the cycle is closed."""
        self._write(replace(self.read() or Turn(), begun_after=None))

    def is_open(self, past: Past) -> bool:
        """Tell whether batches may have arrived since the last finalization."""
        turn = self.read()
        return turn is not None and turn.begun_after == _moment(past)

    def _write(self, turn: Turn) -> None:
        value = _turns.dump_python(turn, mode="json")
        Variable.set(self.name, value, tags=["collibra"], overwrite=True)


def _moment(past: Past) -> str:
    return f"{past.finalized_on or 'never'}"


def _is_over(turn: Turn) -> bool:
    own = turn.flow_run_id is not None and turn.flow_run_id == runtime.flow_run.get_id()
    earlier = own and turn.attempt != runtime.flow_run.get_run_count()
    return earlier or is_run_over(turn.flow_run_id)


@contextmanager
def taking_slots(
    credentials: CollibraCredentials, most: int, *, patience_seconds: float
) -> Iterator[int]:
    """Occupy slots of the limit that all flows to one tenant share; yield how many.

    Where not all that are asked for come free in time, one is enough.

    Raises:
        FinalizationRefusedError: If the limit lets nobody in.
    """
    name = limit_name(credentials)
    limit = ensure_limit(name, TENANT_LIMIT)
    if limit < 1:
        message = f"not sent, nothing changed in Collibra: the concurrency limit {name} is 0"
        raise FinalizationRefusedError(message)
    with ExitStack() as stack:
        most = min(most, limit)
        try:
            wait_seconds = patience_seconds if most == 1 else LONGEST_LEASE_SECONDS
            stack.enter_context(_slots(name, most, wait_seconds))
        except TimeoutError:
            if most == 1:
                raise _none_came_free(name, patience_seconds) from None
            most = stack.enter_context(
                taking_slots(credentials, 1, patience_seconds=patience_seconds)
            )
        yield most


def _none_came_free(name: str, patience_seconds: float) -> FinalizationRefusedError:
    return FinalizationRefusedError(
        f"not sent, nothing changed in Collibra: no slot of the concurrency limit {name} came free "
        f"in {patience_seconds:g} seconds; if no run is at work, free them: prefect "
        f"global-concurrency-limit update {name} --active-slots 0"
    )


def limit_name(credentials: CollibraCredentials) -> str:
    """Return the name of the limit that all flows to one tenant share."""
    return f"collibra-imports-{slugify(credentials.base_url.partition('://')[2])}"


def _slots(name: str, occupy: int, seconds: float) -> AbstractContextManager[None]:
    return concurrency(
        name,
        occupy=occupy,
        strict=True,
        timeout_seconds=seconds,
        lease_duration=LEASE_SECONDS,
        raise_on_lease_renewal_failure=False,  # the record keeps the promise, not this lock
    )


def ensure_limit(name: str, limit: int) -> int:
    """Create a global concurrency limit, unless somebody has; theirs is respected, and returned."""
    with get_client(sync_client=True) as client:
        try:
            return client.read_global_concurrency_limit_by_name(name).limit
        except ObjectNotFound:
            client.upsert_global_concurrency_limit_by_name(name, limit)
            return limit


def free(name: str) -> None:
    """Free all slots of a limit."""
    with get_client(sync_client=True) as client:
        client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(active_slots=0))
