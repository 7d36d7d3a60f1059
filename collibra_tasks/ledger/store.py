"""Port to named JSON values that all flow runs share.

The only compare-and-set is :meth:`Store.create`: of several flow runs that create one name, exactly
one succeeds. Values are read by name or by tag, so that the number of requests does not depend on
the number of other values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from collibra_tasks.errors import CollibraError

COMMON_TAG: Final = "collibra"
"""Tag of every value that this library stores."""
MAX_VALUE_BYTES: Final = 4_900
"""Maximum size of a value as JSON. Source: Prefect's limit is 5,000 characters (documented)."""
MAX_FOUND_VALUES: Final = 200
"""Maximum number of values that one request returns. Source: Prefect's default limit (observed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValue:
    """A named value, as the store holds it.

    Attributes:
        name: Name of the value.
        value: JSON value. A user may have edited it, so its shape is not guaranteed.
        updated_on: Last write by the store's clock, in UTC.
        created_on: First write by the store's clock, in UTC.
    """

    name: str
    value: Any
    updated_on: datetime | None = None
    created_on: datetime | None = None


class StoreUnavailableError(CollibraError):
    """Request to the store that failed; a write may or may not have taken effect."""

    transient = True


class MissingValueError(CollibraError):
    """Value that was to be updated and is not in the store."""


class Store(Protocol):
    """Named JSON values.

    Every method raises :class:`StoreUnavailableError` if the store does not respond properly. Names
    consist of lower-case letters, digits and dashes.

    Attributes:
        is_shared: Whether flow runs on other machines use the same store.
    """

    @property
    def is_shared(self) -> bool:
        """Whether flow runs on other machines use the same store."""

    def create(self, name: str, value: dict[str, Any], tags: Sequence[str]) -> bool:
        """Create a value.

        Returns:
            False if the name exists. That includes a value of the caller whose first response was
            lost, so a caller that has to know reads the value.

        Raises:
            ValueError: If the value is larger than ``MAX_VALUE_BYTES``.
        """

    def update(self, name: str, value: dict[str, Any], tags: Sequence[str]) -> None:
        """Replace a value and its tags.

        Raises:
            MissingValueError: If the name does not exist.
            ValueError: If the value is larger than ``MAX_VALUE_BYTES``.
        """

    def delete(self, name: str) -> None:
        """Delete a value, if it exists."""

    def read(self, names: Sequence[str]) -> list[StoredValue]:
        """Return the values of these names, without those that do not exist."""

    def find(self, tag: str, *, limit: int = MAX_FOUND_VALUES) -> list[StoredValue]:
        """Return the values that carry a tag, names in descending order, at most ``limit``."""

    def now(self) -> datetime:
        """Return the time by the store's clock, in UTC."""
