"""Multipart forms, as the Import API takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from uuid import UUID

from collibra_tasks.sandbox.messages import Request
from collibra_tasks.sandbox.refusals import RefusalError

BAD_REQUEST = 400
UNSUPPORTED_MEDIA_TYPE = 415


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a form.

    Attributes:
        content: The bytes.
        value: The bytes as text.
        content_type: What the part says of itself; None when it says nothing.
        filename: Set when the part was sent as a file.
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
    """The parts of a request, by name; of two parts with one name the last counts."""

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
            raise RefusalError(BAD_REQUEST, f"{name} must match {'|'.join(words)}")
        return value

    def uuid(self, name: str) -> str | None:
        """Return a part as a UUID in its usual spelling."""
        value = self.text(name)
        return None if value is None else read_uuid(value, name)


def read_uuid(text: str, name: str) -> str:
    """Return a UUID in its usual spelling, or refuse the request."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise RefusalError(BAD_REQUEST, f"{name} is not a UUID") from None


def read_form(request: Request) -> Form:
    """Read a multipart request; anything else is refused.

    Source: at least one part is mandatory, *documented*; which status tells so is *assumed*.
    """
    parts = _read_parts(request.body, _boundary(request.headers.get("Content-Type", "")))
    if not parts:
        raise RefusalError(BAD_REQUEST, "the form has no parts")
    return Form(parts)


def _boundary(content_type: str) -> bytes:
    header = _header("Content-Type", content_type)
    if header.get_content_type() != "multipart/form-data":
        raise RefusalError(UNSUPPORTED_MEDIA_TYPE, "send multipart/form-data")
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str):
        raise RefusalError(BAD_REQUEST, "the Content-Type names no boundary")
    return boundary.encode()


def _read_parts(body: bytes, boundary: bytes) -> dict[str, Part]:
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if not pieces or not pieces[-1].startswith(b"--"):
        raise RefusalError(BAD_REQUEST, "the form has no end")
    return dict(_read_part(piece) for piece in pieces[:-1])


def _read_part(piece: bytes) -> tuple[str, Part]:
    head, blank_line, content = piece.partition(b"\r\n\r\n")
    fields = _fields(head)
    disposition = _header("Content-Disposition", fields.get("content-disposition", ""))
    name = disposition.get_param("name", header="Content-Disposition")
    if not blank_line or not isinstance(name, str):
        raise RefusalError(BAD_REQUEST, "a part of the form has no name")
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
