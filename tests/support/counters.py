"""Figures that tests count, for the summary at the end of a session."""

from collections import Counter

counted: Counter[str] = Counter()


def count(name: str, number: int = 1) -> None:
    """Add to a figure."""
    counted[name] += number
