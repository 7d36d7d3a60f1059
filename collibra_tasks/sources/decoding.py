"""Text of a source file, with a clear reason where its encoding is another one."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

BYTE_ORDER_MARK: Final = "\ufeff"

_CHUNK_BYTES: Final = 1 << 20
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32_MARKS: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_WIDE: Final = ("utf-16", "utf-32")


class TextError(Exception):
    """Reason why bytes are not the expected text.

    Attributes:
        offset: Number of the first wrong byte in the unpacked file, from 0.
        reason: The reason, without a full stop.
        encoding: Name of the encoding that the file probably has, or empty.
    """

    def __init__(self, offset: int, reason: str, encoding: str = "") -> None:
        """Store the place and the reason."""
        super().__init__(reason)
        self.offset = offset
        self.reason = reason
        self.encoding = encoding


def iter_text(stream: BinaryIO, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the text of a file piece by piece, with its byte order mark if it has one.

    The text before a wrong byte is yielded before the fault is raised.

    Raises:
        TextError: A byte is not of this encoding, or the file has another one.
    """
    name = codecs.lookup(encoding).name
    decoder = codecs.getincrementaldecoder(encoding)()
    passed = 0
    chunk = stream.read(_CHUNK_BYTES)
    _check_start(chunk[:4], name)
    while True:
        start = passed - len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            yield error.object[: error.start].decode(encoding)
            raise _explain(error, start + error.start, name) from None
        if text:
            yield text
        if not chunk:
            return
        passed += len(chunk)
        chunk = stream.read(_CHUNK_BYTES)


def iter_lines(pieces: Iterable[str], max_length: int) -> Iterator[str]:
    r"""Yield the lines of a text with their ends: ``\n``, ``\r\n`` or ``\r``.

    Args:
        pieces: The text; a byte order mark at its start is dropped.
        max_length: Maximum number of characters of a line. A longer line is yielded in parts, so
            that memory stays bounded.
    """
    rest = ""
    first = True
    for piece in pieces:
        text = piece.removeprefix(BYTE_ORDER_MARK) if first else piece
        first = False
        # StringIO splits lines as fast as a file does, at the same three line ends.
        lines = list(io.StringIO(rest + text, newline=""))
        rest = ""
        if lines and not lines[-1].endswith("\n") and len(lines[-1]) <= max_length:
            rest = lines.pop()  # also after "\r", because "\n" may follow
        yield from lines
    if rest:
        yield rest


def _check_start(head: bytes, name: str) -> None:
    wide = name.startswith(_WIDE)
    if head.startswith(_UTF_32_MARKS) and not name.startswith("utf-32"):
        raise TextError(0, "the file is encoded as UTF-32", "utf-32")
    if not wide and (head.startswith(_UTF_16_MARKS) or head[:2].count(0) == 1):
        kind = "utf-16" if head.startswith(_UTF_16_MARKS) else _guess_utf_16(head)
        raise TextError(0, "the file is encoded as UTF-16", kind)
    if head.startswith(codecs.BOM_UTF8) and not name.startswith("utf-8"):
        raise TextError(0, "the file is encoded as UTF-8", "utf-8")


def _guess_utf_16(head: bytes) -> str:
    return "utf-16-be" if head[:1] == b"\0" else "utf-16-le"


def _explain(error: UnicodeDecodeError, offset: int, name: str) -> TextError:
    if not name.startswith("utf-8"):
        return TextError(offset, f"byte {offset:,} is not {name}")
    if error.reason == "unexpected end of data":
        return TextError(offset, "the file ends inside a character")
    byte = error.object[error.start]
    probable = error.object[error.start : error.start + 1].decode("cp1252", "replace")
    return TextError(
        offset,
        f"byte {offset:,} (0x{byte:02X}) is not UTF-8; in Windows-1252 it is {probable!r}",
        "cp1252",
    )
