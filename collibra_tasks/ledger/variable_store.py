"""Store and import slots on the Prefect server.

Every worker reads the same variables, a user can read them in the UI, and the server creates each
name once. Prefect's sync client is used throughout, so that the store works in ``async def`` flows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from json import dumps
from typing import Any, Final, Literal

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.store import (
    MAX_FOUND_VALUES,
    MAX_VALUE_BYTES,
    MissingValueError,
    StoredValue,
    StoreUnavailableError,
)
from collibra_tasks.wording import clock_time

IMPORT_LIMIT: Final = 8
"""Number of imports that a tenant runs at once. Source: Concurrent import (documented)."""
LEASE_SECONDS: Final = 60.0
"""Lease of an import slot; a killed flow run occupies it for so long. Prefect's minimum."""
MAX_LEASE_SECONDS: Final = 90.0
"""Wait after which a slot of a killed flow run is free."""
SHORT_WAIT_SECONDS: Final = 5.0
"""Wait for a slot that is not logged."""

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


class VariableStore:
    """Named JSON values in Prefect variables.

    Example:
        ```python
        store = VariableStore()
        store.create("collibra-example", {"number": 1}, ["collibra"])  # True the first time
        ```
    """

    def __init__(self) -> None:
        """Start without a request."""
        self._thread = threading.get_ident()
        self._server_time: tuple[datetime, float] | None = None

    @property
    def is_shared(self) -> bool:
        """Whether PREFECT_API_URL is set; otherwise Prefect starts a server of its own."""
        return bool(PREFECT_API_URL.value())

    def create(self, name: str, value: dict[str, Any], tags: Sequence[str]) -> bool:
        """Create a variable; ``False`` if the name exists."""
        body = {"name": name, "value": _checked(name, value), "tags": list(tags)}
        return self._send("POST", "/variables/", body, accepted=_CONFLICT).is_success

    def update(self, name: str, value: dict[str, Any], tags: Sequence[str]) -> None:
        """Replace a variable's value and tags."""
        body = {"value": _checked(name, value), "tags": list(tags)}
        response = self._send(
            "PATCH", "/variables/name/{name}", body, name=name, accepted=_NOT_FOUND
        )
        if not response.is_success:
            raise MissingValueError(f"Variable {name} not updated: it does not exist.")

    def delete(self, name: str) -> None:
        """Delete a variable, if it exists."""
        self._send("DELETE", "/variables/name/{name}", name=name, accepted=_NOT_FOUND)

    def read(self, names: Sequence[str]) -> list[StoredValue]:
        """Return the variables of these names; one request per 200 names."""
        found = []
        for start in range(0, len(names), MAX_FOUND_VALUES):
            part = list(names[start : start + MAX_FOUND_VALUES])
            found += self._filter({"name": {"any_": part}}, MAX_FOUND_VALUES)
        return found

    def find(self, tag: str, *, limit: int = MAX_FOUND_VALUES) -> list[StoredValue]:
        """Return the variables that carry a tag, names in descending order; one request."""
        return self._filter({"tags": {"all_": [tag]}}, min(limit, MAX_FOUND_VALUES))

    def now(self) -> datetime:
        """Return the time by the server's clock, from the date of its last response.

        The resolution is one second, and the result is never later than the server's clock.
        """
        if self._server_time is None:
            self._send("GET", "/health")
        server_time, received_at = self._server_time or (datetime.now(UTC), time.monotonic())
        return server_time + timedelta(seconds=time.monotonic() - received_at)

    def _filter(self, variables: dict[str, Any], limit: int) -> list[StoredValue]:
        query = {"variables": variables, "sort": "NAME_DESC", "limit": limit}
        response = self._send("POST", "/variables/filter", query)
        try:
            return [_to_stored(row) for row in response.json()]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise StoreUnavailableError(
                f"Prefect's variables not read: the response is unreadable ({error})."
            ) from error

    def _send(
        self,
        method: Literal["GET", "POST", "PATCH", "DELETE"],
        path: Literal["/variables/", "/variables/name/{name}", "/variables/filter", "/health"],
        body: object = None,
        *,
        name: str = "",
        accepted: int | None = None,
    ) -> httpx.Response:
        """Send one request; an error status other than ``accepted`` raises."""
        try:
            with self._client() as client:
                # Prefect's client repeats requests after 429, 502 and 503.
                response = client.request(method, path, path_params={"name": name}, json=body)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != accepted:
                raise _unavailable(f"{method} {path}", error) from error
            response = error.response
        except httpx.HTTPError as error:
            raise _unavailable(f"{method} {path}", error) from error
        self._note_time(response)
        return response

    def _client(self) -> SyncPrefectClient:
        if threading.get_ident() == self._thread:
            return get_client(sync_client=True)
        # The flow run's client counts its users without a lock, so other threads get their own.
        return get_client(httpx_settings={}, sync_client=True)

    def _note_time(self, response: httpx.Response) -> None:
        received_at = time.monotonic()
        server_time = datetime.now(UTC)
        with suppress(KeyError, ValueError, OverflowError, TypeError):
            server_time = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
        self._server_time = (server_time, received_at)


def _checked(name: str, value: dict[str, Any]) -> dict[str, Any]:
    size = len(dumps(value).encode())
    if size > MAX_VALUE_BYTES:
        raise ValueError(f"{name} has {size:,} bytes; a variable holds {MAX_VALUE_BYTES:,}.")
    return value


def _to_stored(row: dict[str, Any]) -> StoredValue:
    return StoredValue(
        name=row["name"],
        value=row["value"],
        updated_on=_parse_time(row.get("updated")),
        created_on=_parse_time(row.get("created")),
    )


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _unavailable(request: str, error: httpx.HTTPError) -> StoreUnavailableError:
    cause = type(error).__name__
    if isinstance(error, httpx.HTTPStatusError):
        cause = f"status {error.response.status_code}"
    return StoreUnavailableError(
        f"Prefect API request {request} failed: {cause}. "
        "Check that the Prefect server is reachable."
    )


class ImportSlots:
    """Import slots of one environment, a global concurrency limit that all flow runs share.

    A limit that a user has changed is respected.
    """

    def __init__(self, environment: str, *, log: Callable[[str], None]) -> None:
        """Name the limit; nothing is read.

        Args:
            environment: Identity of the environment.
            log: Receives one line when fewer slots are used than requested.
        """
        self.name = resource_name("imports", environment)
        self._log = log

    @contextmanager
    def acquire(self, count: int, *, wait_seconds: float) -> Iterator[int]:
        """Occupy up to ``count`` slots, at least one; the context value is their number.

        If not all become free within 90 seconds, a single slot is used.

        Args:
            count: Number of batches that may run at the same time.
            wait_seconds: Maximum wait for a single slot, in seconds.

        Raises:
            FinalizationRefusedError: If the limit is 0, or no slot becomes free.
        """
        limit = self.ensure_limit()
        if limit < 1:
            raise FinalizationRefusedError(
                f"Upload not started: the concurrency limit {self.name} is 0. Nothing was sent. "
                "Raise the limit in Prefect and run again."
            )
        with ExitStack() as stack:
            yield self._enter(stack, min(count, limit), wait_seconds)

    def ensure_limit(self, limit: int = IMPORT_LIMIT) -> int:
        """Create the limit unless it exists, and return its value."""
        try:
            with get_client(sync_client=True) as client:
                try:
                    return client.read_global_concurrency_limit_by_name(self.name).limit
                except ObjectNotFound:
                    client.upsert_global_concurrency_limit_by_name(self.name, limit)
                    return limit
        except httpx.HTTPError as error:
            raise _unavailable(f"for the concurrency limit {self.name}", error) from error

    def _enter(self, stack: ExitStack, count: int, wait_seconds: float) -> int:
        if count > 1:
            with suppress(TimeoutError):
                self._occupy(stack, count, MAX_LEASE_SECONDS)
                return count
            self._log(
                f"Only one batch at a time: {count} slots of {self.name} did not become free."
            )
        try:
            self._occupy_one(stack, wait_seconds)
        except TimeoutError:
            raise FinalizationRefusedError(
                f"Upload not started: no slot of the concurrency limit {self.name} became free "
                f"within {wait_seconds:g} seconds. Nothing was sent. If no flow run is uploading, "
                f"run: prefect global-concurrency-limit update {self.name} --active-slots 0"
            ) from None
        return 1

    def _occupy_one(self, stack: ExitStack, wait_seconds: float) -> None:
        """Occupy one slot; a wait for it is logged."""
        short = min(SHORT_WAIT_SECONDS, wait_seconds)
        with suppress(TimeoutError):
            self._occupy(stack, 1, short)
            return
        end = clock_time(wait_seconds - short, time.time())
        self._log(f"Waiting for a slot of {self.name} until {end} at the latest.")
        self._occupy(stack, 1, wait_seconds - short)

    def _occupy(self, stack: ExitStack, count: int, seconds: float) -> None:
        slots = concurrency(
            self.name,
            occupy=count,
            strict=True,
            timeout_seconds=max(seconds, 1.0),
            lease_duration=LEASE_SECONDS,
            # A restarted server forgets leases. The lock protects the cycle, so the run continues.
            raise_on_lease_renewal_failure=False,
        )
        stack.enter_context(slots)
