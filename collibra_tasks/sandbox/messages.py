"""What goes in and what comes out, free of sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

Query = str | Mapping[str, str | Sequence[str]]


class Headers(Mapping[str, str]):
    """Header fields, found whatever their capitals."""

    def __init__(self, fields: Mapping[str, str] | None = None) -> None:
        """Keep the fields as they were written."""
        self._fields = {name.lower(): (name, value) for name, value in (fields or {}).items()}

    def __getitem__(self, name: str) -> str:
        """Return a field's value."""
        return self._fields[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        """Walk through the names as they were written."""
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        """Count the fields."""
        return len(self._fields)

    def __repr__(self) -> str:
        """Show the fields as a dict."""
        return repr(dict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived.

    Attributes:
        path: As it was sent, percent-encoding and all, without the query.
        query: Each parameter with all its values, in order.
    """

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def last(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else None


def read_request(
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    query: Query = "",
) -> Request:
    """Build a request from a target such as ``/rest/2.0/jobs?limit=1``."""
    path, _, own_query = target.partition("?")
    written = query if isinstance(query, str) else urlencode(query, doseq=True)
    return Request(
        method=method.upper(),
        path=path,
        query=_read_query("&".join(filter(None, (own_query, written)))),
        headers=Headers(headers),
        body=body,
    )


def _read_query(written: str) -> dict[str, tuple[str, ...]]:
    parameters = parse_qs(written, keep_blank_values=True)
    return {name: tuple(values) for name, values in parameters.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, ready to be sent.

    Attributes:
        drip_seconds: Over how long the server spreads the bytes of the body.
    """

    status: int = 200
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    drip_seconds: float = 0.0

    def json(self) -> Any:  # noqa: ANN401 - whatever the tenant said
        """Read the body as JSON."""
        return json.loads(self.body)


def json_answer(content: object, *, status: int = 200) -> Answer:
    """Answer with JSON."""
    return Answer(
        status=status,
        headers=Headers({"Content-Type": "application/json"}),
        body=json.dumps(content).encode(),
    )


def html_answer(title: str, *, status: int = 200) -> Answer:
    """Answer with a page, as a gateway or a login screen does."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    return Answer(
        status=status,
        headers=Headers({"Content-Type": "text/html;charset=utf-8"}),
        body=page.encode(),
    )


def empty_answer(status: int) -> Answer:
    """Answer with a status alone."""
    return Answer(status=status)
