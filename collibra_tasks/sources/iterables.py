"""Import commands from an iterable of the caller's own code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import count
from math import isfinite
from typing import Any, Final

from collibra_tasks.errors import CollibraError, SourceError
from collibra_tasks.sources.records import RecordFault, RecordPosition
from collibra_tasks.sources.tables import Filled

COMMANDS_LABEL: Final = "commands"
"""Name of a source that is an iterable of the caller's code."""


_NOTHING: Final = object()


def iter_commands(commands: Iterable[object]) -> Iterator[Filled]:
    """Yield copies of import commands with their index, and the faults of what is no JSON.

    Raises:
        SourceError: An item is no mapping.
    """
    for number, command in enumerate(commands):
        position = RecordPosition(COMMANDS_LABEL, "index", number)
        if not isinstance(command, Mapping):
            kind = type(command).__name__
            raise SourceError(f"{position}: a command must be a mapping, not {kind}.")
        try:
            copy = _copy_json(command)
        except ValueError as error:
            yield RecordFault(position, f"not JSON: {error}.")
        except RecursionError:
            yield RecordFault(position, "not JSON: the command holds itself, or is too deep.")
        else:
            yield copy, position


def iter_safely(commands: Iterable[object]) -> Iterator[object]:
    """Yield the items of the caller's iterable.

    Raises:
        SourceError: The iterable raised an error; the message names the place.
    """
    items = iter(commands)
    for number in count():
        try:
            item = next(items, _NOTHING)
        except Exception as error:
            raise _explain_iterable(error, number) from error
        if item is _NOTHING:
            return
        yield item


def _explain_iterable(error: Exception, number: int) -> CollibraError:
    if isinstance(error, CollibraError):
        return error
    return SourceError(
        f"{COMMANDS_LABEL}, index {number}: the iterable failed: {type(error).__name__}: {error}. "
        "Nothing was sent. Correct the code that yields the commands."
    )


def _copy_json(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return a copy as JSON values; the caller may change its own object afterwards."""
    if isinstance(value, str):
        return _copy_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        if not isfinite(value):
            raise ValueError(f"{value} is not a JSON number")
        return value
    if isinstance(value, Mapping):
        return {_copy_key(key): _copy_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_copy_json(each) for each in value]
    raise ValueError(f"a value is of the type {type(value).__name__}. Convert it to text")


def _copy_text(value: str) -> str:
    text = str.__str__(value)  # of an enumeration, its value
    text.encode()  # refuses half of a surrogate pair
    if "\0" in text:
        raise ValueError("a text holds a NUL character (U+0000)")
    return text


def _copy_key(key: object) -> str:
    if isinstance(key, str):
        return _copy_text(key)
    raise ValueError(f"the key {key!r:.60} is not text")
