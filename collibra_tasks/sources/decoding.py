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
_SINGLE_BYTE: Final = ("cp125", "iso8859", "latin")
_SAMPLE_BYTES: Final = 4096
_BINARY: Final = {
    b"PK\x03\x04": ("a ZIP archive or a workbook", "Unpack it; a workbook needs the name .xlsx"),
    b"\x1f\x8b": ("compressed with gzip twice", "Unpack it once"),
    b"BZh": ("compressed with bzip2", "Unpack it, or compress it with gzip"),
    b"\xfd7zXZ": ("compressed with xz", "Unpack it, or compress it with gzip"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "Unpack it, or compress it with gzip"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", "Save it as .xlsx"),
    b"PAR1": ("a Parquet file", "Export it as CSV or JSON"),
}
"""First bytes of files that are no text, with what they are and the next step."""


class TextError(Exception):
    """Reason why bytes are not the expected text.

    Attributes:
        offset: Number of the first wrong byte in the unpacked file, from 0.
        reason: The reason, without a full stop.
        encoding: Name of the encoding that the file probably has, or empty.
        step: Next step, without a full stop; empty if it is another encoding.
    """

    def __init__(self, offset: int, reason: str, encoding: str = "", step: str = "") -> None:
        """Store the place and the reason."""
        super().__init__(reason)
        self.offset = offset
        self.reason = reason
        self.encoding = encoding
        self.step = step


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
    _check_start(chunk[:_SAMPLE_BYTES], name)
    while True:
        start = passed - len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            # A missing byte order mark is a UnicodeDecodeError since Python 3.13 only.
            if isinstance(error, UnicodeDecodeError) and "BOM" not in error.reason:
                yield error.object[: error.start].decode(encoding)
                raise _explain(error, start + error.start, name) from None
            step = "Set the CSV encoding to that of the file"
            if name.startswith(_WIDE):
                step = f"Set the CSV encoding to {_guess_wide(chunk[:_SAMPLE_BYTES]) or 'utf-8'!r}"
            raise TextError(start, f"the file is not {name}: {error}", step=step) from None
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


def _check_start(sample: bytes, name: str) -> None:
    for magic, (kind, step) in _BINARY.items():
        if sample.startswith(magic):
            raise TextError(0, f"the file is {kind}", step=step)
    wide = name.startswith(_WIDE)
    if sample.startswith(_UTF_32_MARKS) and not name.startswith("utf-32"):
        raise TextError(0, "the file is encoded as UTF-32", "utf-32")
    if not wide and (kind := _guess_wide(sample)):
        raise TextError(0, f"the file is encoded as {kind[:6].upper()}", kind)
    is_utf_8 = sample.startswith(codecs.BOM_UTF8) or (
        name.startswith(_SINGLE_BYTE) and _looks_like_utf_8(sample)
    )
    if is_utf_8 and not name.startswith("utf-8"):
        raise TextError(0, "the file is encoded as UTF-8", "utf-8")


def _guess_wide(sample: bytes) -> str:
    """Return the name of UTF-16 or UTF-32 if the bytes have its mark or its zero bytes."""
    if sample.startswith(_UTF_16_MARKS):
        return "utf-16"
    zeros = [sample[place::4].count(0) for place in range(4)]
    quarter = max(len(sample) // 4, 1)
    if zeros[1] == zeros[2] == quarter and quarter in (zeros[0], zeros[3]):
        return "utf-32-be" if zeros[0] == quarter else "utf-32-le"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    # Every separator and line end has a zero byte, also where all names are in Greek.
    if bool(even) == bool(odd) or max(even, odd) < max(len(sample) // 40, 2):
        return ""
    return "utf-16-be" if even else "utf-16-le"


def _looks_like_utf_8(sample: bytes) -> bool:
    """Return whether bytes above 127 form UTF-8, as text in other encodings rarely does."""
    if sample.isascii():
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


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
