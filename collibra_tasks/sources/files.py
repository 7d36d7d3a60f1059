"""Files as they are: found, told apart, unpacked, and refused once they change."""

from __future__ import annotations

import codecs
import glob
import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Final, cast

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.values import FileFormat

EMPTY: Final = "an empty source is an empty cycle, which makes every asset count as missing"

_GZIP_MAGIC: Final = b"\x1f\x8b"
_CHUNK_BYTES: Final = 1 << 20
_FORMATS: Final[dict[str, FileFormat]] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".xlsx": "excel",
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a source, and what it looked like when it was found."""

    path: Path
    label: str
    stamp: tuple[int, int]

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open the file, unpacked if its first bytes say that it is gzip, whatever its name.

        Raises:
            SourceError: It cannot be read, or is not the file any more that was found.
        """
        try:
            self._check_unchanged()
            with self.path.open("rb") as raw:
                packed = raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
                yield cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
            self._check_unchanged()
        except EOFError:
            raise SourceError(f"{self.label}: the gzip file is cut short") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise SourceError(f"{self.label}: the gzip file is broken: {error}") from None
        except OSError as error:
            raise SourceError(f"{self.label}: cannot be read: {error.strerror or error}") from None

    def _check_unchanged(self) -> None:
        if _stamp(self.path) != self.stamp:
            raise SourceError(
                f"{self.label}: has changed since it was first looked at; nothing more is sent "
                "from it, because what was checked is not what is there"
            )


def find_files(paths: Iterable[str | PathLike[str]]) -> tuple[SourceFile, ...]:
    """Find the files that paths and globs name: globs sorted, no file twice.

    Raises:
        SourceError: A glob matches nothing, or a file is not there.
    """
    found = [file for path in paths for file in _expand(_read_path(path))]
    return tuple(describe_file(path) for path in dict.fromkeys(found))


def describe_file(path: Path, label: str | None = None) -> SourceFile:
    """Remember a file as it is now.

    Raises:
        SourceError: It is not there, or is empty.
    """
    label = label or str(path)
    try:
        stamp = _stamp(path)
    except (OSError, ValueError) as error:  # a name with a NUL in it, for one
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{label}: cannot be read: {reason}") from None
    if path.is_dir():
        raise SourceError(
            f"{label}: is a folder; name its files with a glob, such as {label}/*.json"
        )
    if not stamp[0]:
        raise SourceError(f"{label}: the file is empty; {EMPTY}")
    return SourceFile(path, label, stamp)


def tell_format(files: Iterable[SourceFile]) -> FileFormat:
    """Tell the one format of all files by their names.

    Raises:
        SourceError: A name does not tell, or two names tell different ones.
    """
    formats = {_tell_one(file): file.label for file in files}
    if len(formats) > 1:
        raise SourceError(
            f"files of one source must be of one format: {', '.join(formats.values())}"
        )
    return next(iter(formats))


def read_text(file: SourceFile) -> Iterator[str]:
    """Read a file as UTF-8 text, piece by piece, with its byte order mark if it has one.

    Raises:
        SourceError: A byte is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    passed = 0
    with file.reading() as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            start = passed - len(decoder.getstate()[0])
            passed += len(chunk)
            if text := _decode(decoder, chunk, start, file):
                yield text
        _decode(decoder, b"", passed - len(decoder.getstate()[0]), file)


def _decode(decoder: codecs.IncrementalDecoder, chunk: bytes, start: int, file: SourceFile) -> str:
    try:
        return decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError as error:
        place = start + error.start
        raise SourceError(f"{file.label}, byte {place}: not UTF-8: {error.reason}") from None


def read_lines(file: SourceFile, *, max_bytes: int) -> Iterator[tuple[int, bytes, str]]:
    """Read a file line by line: the number from 1, the bytes as they are, and their text.

    Raises:
        SourceError: A line is not UTF-8, or longer than ``max_bytes``.
    """
    with file.reading() as stream:
        number = 0
        while line := stream.readline(max_bytes + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > max_bytes:
                raise SourceError(
                    f"{file.label}, line {number}: is longer than {max_bytes:,} bytes"
                )
            yield number, line, _decode_line(file, number, line)


def _decode_line(file: SourceFile, number: int, line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        place = f"{file.label}, line {number}, byte {error.start} of the line"
        raise SourceError(f"{place}: not UTF-8: {error.reason}") from None


def _read_path(path: object) -> Path:
    if not isinstance(path, str | PathLike):
        raise SourceError(f"a source that begins with a path is all paths, not {path!r:.100}")
    return Path(path)


def _expand(path: Path) -> list[Path]:
    try:
        there = path.exists()
    except OSError as error:  # most likely the text of a file
        raise SourceError(f"{str(path)!r:.100}: is no name of a file: {error.strerror}") from None
    if there or not glob.has_magic(str(path)):
        return [path]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = [each for each in found if each.is_file()]
    if not files:
        raise SourceError(f"{path}: no file matches; {EMPTY}")
    return files


def _tell_one(file: SourceFile) -> FileFormat:
    name = file.path.name.lower().removesuffix(".gz")
    try:
        return _FORMATS[Path(name).suffix]
    except KeyError:
        known = ", ".join(_FORMATS)
        raise SourceError(
            f"{file.label}: the name does not tell the format ({known}, also with .gz); "
            "say it with file_format"
        ) from None


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
