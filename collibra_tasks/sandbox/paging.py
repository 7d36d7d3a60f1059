"""Pages by offset and limit, and names by match mode, as ``/rest/2.0`` has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collibra_tasks.sandbox.messages import Answer, Request, json_answer
from collibra_tasks.sandbox.refusals import RefusalError

LARGEST_PAGE = 1000
BAD_REQUEST = 400


def page(request: Request, found: Sequence[Any]) -> Answer:
    """Answer with one page.

    Source: a limit of 0 means the default of 1000, and ``countLimit`` 0 skips the count,
    *documented*; that an uncounted total shows as -1 is *assumed*.
    """
    offset = read_whole(request, "offset", default=0)
    limit = read_whole(request, "limit", default=0, most=LARGEST_PAGE) or LARGEST_PAGE
    shown = list(found[offset : offset + limit])
    total = _count(len(found), read_whole(request, "countLimit", default=-1, least=-1))
    return json_answer({"total": total, "offset": offset, "limit": limit, "results": shown})


def _count(total: int, count_limit: int) -> int:
    if count_limit < 0:
        return total
    return min(total, count_limit) if count_limit else -1


def read_whole(
    request: Request, name: str, *, default: int, least: int = 0, most: int | None = None
) -> int:
    """Read a whole number from the query, or refuse the request."""
    written = request.last(name)
    if written is None:
        return default
    try:
        number = int(written)
    except ValueError:
        raise RefusalError(BAD_REQUEST, f"{name} is not a number") from None
    if number < least or (most is not None and number > most):
        raise RefusalError(BAD_REQUEST, f"{name} is out of range")
    return number


def name_matches(request: Request, name: str) -> bool:
    """Whether a name is what ``name`` and ``nameMatchMode`` look for.

    Source: ANYWHERE is the default and only EXACT minds capitals, *documented*.
    """
    wanted = request.last("name")
    if wanted is None:
        return True
    mode = request.last("nameMatchMode") or "ANYWHERE"
    low, low_wanted = name.lower(), wanted.lower()
    verdicts = {
        "EXACT": name == wanted,
        "START": low.startswith(low_wanted),
        "END": low.endswith(low_wanted),
        "ANYWHERE": low_wanted in low,
    }
    if mode not in verdicts:
        raise RefusalError(BAD_REQUEST, f"nameMatchMode must be one of {', '.join(verdicts)}")
    return verdicts[mode]
