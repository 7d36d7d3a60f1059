"""Canonical JSON of import commands: sorted keys, no spaces, every digit of a number."""

from __future__ import annotations

import json
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import orjson

MAX_INT_DIGITS: Final = 4_000
"""Maximum length of a number that is read as ``int``; Python limits longer ones."""

_INT64_BOUND: Final = 1 << 63


def dump_json(value: object) -> bytes:
    """Return a value as canonical JSON.

    Args:
        value: A value as :func:`load_json` or :mod:`json` returns it. ``Decimal`` values and
            integers of any size keep all digits.

    Raises:
        ValueError: The value cannot be written as JSON.
    """
    try:
        text = _dump(value)
    except TypeError:
        text = _dump_slowly(value)
    # orjson writes NaN and infinity as null, which would delete a value in Collibra.
    if b"null" in text:
        _check_numbers(value)
    return text


def load_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON without losing a digit: fractions become ``Decimal``."""
    return json.loads(text, parse_float=Decimal, parse_int=_parse_integer)


def _dump(value: object) -> bytes:
    return orjson.dumps(value, default=_write_decimal, option=orjson.OPT_SORT_KEYS)


def _dump_slowly(value: object) -> bytes:
    try:
        return _dump(_with_large_integers(value))
    except TypeError as error:
        raise ValueError(str(error)) from None


def _parse_integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= MAX_INT_DIGITS else Decimal(text)


def _write_decimal(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"a value of type {type(value).__name__} is not JSON")


def _with_large_integers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_large_integers(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_large_integers(each) for each in value]
    if type(value) is int and not -_INT64_BOUND <= value < _INT64_BOUND:
        return orjson.Fragment(str(value))
    return value


def _check_numbers(value: object) -> None:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, float) and not isfinite(each):
            raise ValueError(f"the number {each} is not JSON")
        if isinstance(each, dict):
            pending.extend(each.values())
        elif isinstance(each, list | tuple):
            pending.extend(each)
