"""Strict decoding of JSON: values that parsers read differently are refused."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 100
"""Maximum nesting depth of one command; Collibra's own commands have about ten levels."""

_MAX_DIGITS: Final = 4_000
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class ContentError(ValueError):
    """Reason why a text that may be JSON is not accepted."""


def refuse_constant(word: str) -> NoReturn:
    """Refuse ``NaN`` and ``Infinity``, which Python's decoder accepts.

    Raises:
        ValueError: Always.
    """
    raise ContentError(f"{word} is not JSON")


def _parse_integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ContentError(f"a number has {len(text):,} digits")
    return int(text)


def build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, unless a key stands twice in it.

    Raises:
        ValueError: A key stands twice; the parsers disagree on which value counts.
    """
    built = dict(pairs)
    if len(built) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ContentError(f"the key {twice!r:.60} stands twice in one object")
    return built


# Fractions become Decimal, because a float would lose digits.
DECODER: Final = json.JSONDecoder(
    object_pairs_hook=build_object,
    parse_float=Decimal,
    parse_int=_parse_integer,
    parse_constant=refuse_constant,
)


def check_value(value: object, text: str) -> None:
    """Refuse values that this decoder accepts and other parsers refuse."""
    brackets = text.count("{") + text.count("[")  # cheap, and enough for ordinary commands
    if brackets > MAX_DEPTH and _measure_depth(value) > MAX_DEPTH:
        raise ContentError(f"the command is nested more than {MAX_DEPTH} levels deep")
    if "\\u" not in text:
        return
    if _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False, default=str)):
        raise ContentError("a text holds half of a surrogate pair")
    if "\\u0000" in text and "\\u0000" in json.dumps(value, default=str).replace("\\\\", ""):
        # Source: assumed; PostgreSQL, which Collibra uses, stores no NUL.
        raise ContentError("a text holds a NUL character (U+0000)")


def _measure_depth(value: object) -> int:
    depth = 0
    level = [value]
    while level and depth <= MAX_DEPTH:
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        depth += 1
    return depth


def explain_content(error: Exception) -> str:
    """Return the reason why a value was not decoded, without a full stop."""
    if isinstance(error, RecursionError):
        return f"the command is nested more than {MAX_DEPTH} levels deep"
    return str(error)
