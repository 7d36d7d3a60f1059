"""HTTP helpers: query parameters, multipart forms, responses, error envelope, pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import httpx

MAX_PAGE_SIZE = 1000

ERROR_CODES = {
    400: "invalidRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    415: "unsupportedMediaType",
    429: "tooManyRequests",
    503: "serviceUnavailable",
}


class RequestRefusedError(Exception):
    """A request that an endpoint refuses."""

    def __init__(self, status: int, message: str, *, code: str | None = None) -> None:
        """Store the content of the error envelope."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code

    def to_response(self) -> httpx.Response:
        """Return the refusal in Collibra's error envelope."""
        return error_response(self.status, self.message, code=self.code)


def json_response(content: object, *, status: int = 200) -> httpx.Response:
    """Return a JSON response."""
    body = json.dumps(content).encode()
    return httpx.Response(status, headers={"Content-Type": "application/json"}, content=body)


def html_response(title: str, *, status: int = 200) -> httpx.Response:
    """Return an HTML page, as a gateway or a login screen sends it."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    headers = {"Content-Type": "text/html;charset=utf-8"}
    return httpx.Response(status, headers=headers, content=page.encode())


def error_response(status: int, message: str, *, code: str | None = None) -> httpx.Response:
    """Return Collibra's error envelope.

    Source: Job API 1.0 ``StandardErrorResponse``, *documented*; the same keys on ``/rest/2.0``,
    *observed*. Most of the codes themselves are *assumed*.
    """
    envelope = {
        "statusCode": status,
        "errorCode": code or ERROR_CODES.get(status, "internalServerError"),
        "titleMessage": _title(status),
        "userMessage": message,
        "helpMessage": "Check the request and try again.",
        "errorContext": str(uuid4()),
    }
    return json_response(envelope, status=status)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def replace_body(
    response: httpx.Response, body: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Return a copy of a response with another body and additional headers."""
    fields = httpx.Headers(response.headers)
    fields.pop("Content-Length", None)
    fields.update(headers)
    return httpx.Response(response.status_code, headers=fields, content=body)


def query_values(request: httpx.Request, name: str) -> list[str]:
    """Return all values of a query parameter."""
    return _parse_query(request.url.query).get_list(name)


@lru_cache(maxsize=100)
def _parse_query(query: bytes) -> httpx.QueryParams:
    return httpx.QueryParams(query.decode("ascii"))


def query_value(request: httpx.Request, name: str) -> str | None:
    """Return the last value of a query parameter."""
    values = query_values(request, name)
    return values[-1] if values else None


def read_words(request: httpx.Request, name: str, words: Collection[str]) -> list[str]:
    """Return a repeated query parameter, or refuse a word that the API does not list."""
    wanted = query_values(request, name)
    if not set(wanted) <= set(words):
        raise RequestRefusedError(400, f"{name} must be one of {', '.join(words)}")
    return wanted


def read_int(
    request: httpx.Request,
    name: str,
    *,
    default: int,
    minimum: int = 0,
    maximum: int | None = None,
) -> int:
    """Return an integer query parameter, or refuse the request."""
    text = query_value(request, name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        raise RequestRefusedError(400, f"{name} is not a number") from None
    if number < minimum or (maximum is not None and number > maximum):
        raise RequestRefusedError(400, f"{name} is out of range")
    return number


def read_uuid(text: str, name: str) -> str:
    """Return a UUID in its canonical spelling, or refuse the request."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise RequestRefusedError(400, f"{name} is not a UUID") from None


def page_response(request: httpx.Request, found: Sequence[Any]) -> httpx.Response:
    """Return one page of a list, by offset and limit.

    Source: a limit of 0 means the default of 1000, and ``countLimit`` 0 skips the count,
    *documented*; that the total is then -1 is *observed*.
    """
    offset = read_int(request, "offset", default=0)
    limit = read_int(request, "limit", default=0, maximum=MAX_PAGE_SIZE) or MAX_PAGE_SIZE
    shown = list(found[offset : offset + limit])
    total = _count(len(found), read_int(request, "countLimit", default=-1, minimum=-1))
    return json_response({"total": total, "offset": offset, "limit": limit, "results": shown})


def _count(total: int, count_limit: int) -> int:
    if count_limit < 0:
        return total
    return min(total, count_limit) if count_limit else -1


def read_name_filter(request: httpx.Request) -> Callable[[str | None], bool]:
    """Return the function that tells whether a name fits ``name`` and ``nameMatchMode``.

    Source: ANYWHERE is the default and only EXACT is case-sensitive, *documented*.
    """
    wanted = query_value(request, "name")
    if wanted is None:
        return lambda _: True
    mode, lower = query_value(request, "nameMatchMode") or "ANYWHERE", wanted.lower()
    matches: Mapping[str, Callable[[str], bool]] = {
        "EXACT": lambda name: name == wanted,
        "START": lambda name: name.lower().startswith(lower),
        "END": lambda name: name.lower().endswith(lower),
        "ANYWHERE": lambda name: lower in name.lower(),
    }
    if mode not in matches:
        raise RequestRefusedError(400, f"nameMatchMode must be one of {', '.join(matches)}")
    fits = matches[mode]
    return lambda name: name is not None and fits(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a form.

    Attributes:
        content: The bytes.
        value: The bytes as text.
        content_type: The part's own Content-Type; None if the part has none.
        filename: The file name; None unless the part was sent as a file.
    """

    content: bytes
    content_type: str | None = None
    filename: str | None = None

    @property
    def value(self) -> str:
        """Return the bytes as text."""
        return self.content.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a request, by name; the last of several parts with one name counts."""

    parts: Mapping[str, Part]

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return a part as text, whether it was sent as a field or as a file.

        Source: a script that sends plain values as file parts works, *observed*.
        """
        return self.parts[name].value if name in self.parts else default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a part as a boolean; the official client writes ``True`` with a capital."""
        value = self.text(name)
        return default if value is None else value.strip().lower() == "true"

    def choice(self, name: str, words: tuple[str, ...], default: str) -> str:
        """Return one of the words that the API's pattern allows."""
        value = self.text(name, default)
        if value not in words:
            raise RequestRefusedError(400, f"{name} must match {'|'.join(words)}")
        return value

    def uuid(self, name: str) -> str | None:
        """Return a part as a UUID in its canonical spelling."""
        value = self.text(name)
        return None if value is None else read_uuid(value, name)


def read_form(request: httpx.Request) -> Form:
    """Parse a multipart request; any other request is refused.

    Source: at least one part is mandatory, *documented*; the status of the refusal is *assumed*.
    """
    parts = _read_parts(request.content, _boundary(request.headers.get("Content-Type", "")))
    if not parts:
        raise RequestRefusedError(400, "the form has no parts")
    return Form(parts)


def _boundary(content_type: str) -> bytes:
    header = _header("Content-Type", content_type)
    if header.get_content_type() != "multipart/form-data":
        raise RequestRefusedError(415, "send multipart/form-data")
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str):
        raise RequestRefusedError(400, "the Content-Type names no boundary")
    return boundary.encode()


def _read_parts(body: bytes, boundary: bytes) -> dict[str, Part]:
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if not pieces or not pieces[-1].startswith(b"--"):
        raise RequestRefusedError(400, "the form has no end")
    return dict(_read_part(piece) for piece in pieces[:-1])


def _read_part(piece: bytes) -> tuple[str, Part]:
    head, blank_line, content = piece.partition(b"\r\n\r\n")
    fields = _fields(head)
    disposition = _header("Content-Disposition", fields.get("content-disposition", ""))
    name = disposition.get_param("name", header="Content-Disposition")
    if not blank_line or not isinstance(name, str):
        raise RequestRefusedError(400, "a part of the form has no name")
    return name, Part(
        content=content,
        content_type=fields.get("content-type"),
        filename=disposition.get_filename(),
    )


def _fields(head: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in head.decode(errors="replace").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _header(name: str, value: str) -> Message:
    header = Message()
    header[name] = value
    return header
