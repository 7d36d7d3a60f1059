"""Words of log lines and messages: numbers with nouns, and clock times."""

from __future__ import annotations

from datetime import UTC, datetime


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun in the singular or plural.

    Example:
        ```python
        count_of(1, "command"), count_of(1_200, "command")  # 1 command, 1,200 commands
        ```
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def clock_time(seconds: float, now: float) -> str:
    """Return the end of a wait as a clock time in UTC, with its date if that is another day.

    Args:
        seconds: Maximum length of the wait.
        now: Present time in seconds since 1970.
    """
    begin, end = (datetime.fromtimestamp(each, tz=UTC) for each in (now, now + seconds))
    return f"{end:%H:%M:%S} UTC" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S} UTC"
