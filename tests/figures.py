"""Figures that the tests count, for the summary at their end."""

from collections import Counter

counted: Counter[str] = Counter()


def count(name: str, number: int = 1) -> None:
    """Add to a figure."""
    counted[name] += number
