"""Files of a source: found, opened, unpacked, and refused once they change."""

from __future__ import annotations

import glob
import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol, cast

from collibra_tasks.errors import SourceError
from collibra_tasks.options import FileFormat
from collibra_tasks.sources.remote import find_remote, is_url

CHECK_PATH: Final = "Check the path; a relative one starts in the working folder of the flow run."
EMPTY: Final = (
    "An empty source is an empty cycle, in which every asset counts as missing. Check the path "
    "and the export that writes it."
)

_BETWEEN_PATHS: Final = (",", ";", "\n", "|")
_GZIP_MAGIC: Final = b"\x1f\x8b"
_FORMATS: Final[dict[str, FileFormat]] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".xlsx": "excel",
    ".xlsm": "excel",
}
_LOCK_FILE: Final = "~$"
"""Start of the name of the file that Excel writes beside an open workbook."""
_ARCHIVES: Final = (".zip", ".7z", ".tar", ".tgz", ".bz2", ".xz", ".zst")
_OLD_WORKBOOKS: Final = (".xls", ".xlsb", ".ods")


class Location(Protocol):
    """Place of a file, on a disk or behind a URL."""

    def open(self) -> BinaryIO:
        """Open the file for reading; failures are `OSError`."""

    def fingerprint(self) -> tuple[int, str]:
        """Return the size in bytes and a text that changes with the content."""


@dataclass(frozen=True, slots=True)
class LocalLocation:
    """File on a disk."""

    path: Path

    def open(self) -> BinaryIO:
        """Open the file."""
        return self.path.open("rb")

    def fingerprint(self) -> tuple[int, str]:
        """Return the size, and the size, modification time and inode as text."""
        status = self.path.stat()
        return status.st_size, f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, in the state in which it was found.

    Attributes:
        label: Name of the file in messages: its path, or its URL without secrets.
    """

    label: str
    location: Location = field(repr=False)
    fingerprint: str = field(repr=False)

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open the file, unpacked if its first bytes are those of gzip, whatever its name.

        Raises:
            SourceError: The file cannot be read, or changed since it was found.
        """
        try:
            self._check_unchanged()
            with self.location.open() as raw:
                yield _unpack(raw)
            self._check_unchanged()
        except EOFError:
            raise SourceError(
                f"{self.label}: the gzip file is cut short. Export it again."
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise SourceError(f"{self.label}: the gzip file is damaged: {error}.") from None
        except OSError as error:
            raise SourceError(
                f"{self.label}: the file cannot be read: {error.strerror or error}."
            ) from None

    def _check_unchanged(self) -> None:
        if self.location.fingerprint()[1] != self.fingerprint:
            raise SourceError(
                f"{self.label}: the file changed after it was found. "
                "Run the flow when the export has ended."
            )


def find_files(paths: Iterable[str | PathLike[str]]) -> tuple[SourceFile, ...]:
    """Find the files that paths, globs and URLs name: globs sorted, no file twice.

    Raises:
        SourceError: A glob matches nothing, or a file does not exist or is empty.
    """
    found: dict[str, SourceFile] = {}
    for path in paths:
        for file in _find(path):
            place = file.location
            # Two spellings of a path are one file, also through a link.
            key = os.path.realpath(place.path) if isinstance(place, LocalLocation) else file.label
            found.setdefault(key, file)
    return tuple(found.values())


def detect_format(files: Iterable[SourceFile]) -> FileFormat:
    """Return the format of all files by their names.

    Raises:
        SourceError: A name has no known ending, or two names have endings of different formats.
    """
    formats = {_detect_one(file.label): file.label for file in files}
    if len(formats) > 1:
        names = ", ".join(f"{label} ({name})" for name, label in formats.items())
        raise SourceError(
            f"The source has files of different formats: {names}. Use one format per source."
        )
    return next(iter(formats))


def short_names(labels: Sequence[str]) -> dict[str, str]:
    """Return the last part of each file's name, or the whole name where two would be equal."""
    last = {label: PurePosixPath(label.replace("\\", "/")).name for label in labels}
    counts = Counter(last.values())
    return {label: name if counts[name] == 1 else label for label, name in last.items()}


def _unpack(raw: BinaryIO) -> BinaryIO:
    buffered = (
        raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", raw))
    )
    if buffered.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC):
        return cast("BinaryIO", gzip.GzipFile(fileobj=buffered))
    return buffered


def _find(path: object) -> list[SourceFile]:
    if not isinstance(path, str | PathLike):
        raise SourceError(
            f"A source that begins with a path must hold paths only, not {path!r:.100}."
        )
    if isinstance(path, str) and not path.strip():
        raise SourceError("The source is blank. Set source to a path, a glob or a URL.")
    if isinstance(path, str) and is_url(path):
        return [_describe(label, location) for label, location in find_remote(path, EMPTY)]
    return [_describe(str(each), LocalLocation(each)) for each in _expand(Path(path))]


def _expand(path: Path) -> list[Path]:
    try:
        exists = path.exists()
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:  # probably the text of a file, or a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{str(path)!r:.100}: not a file name: {reason}.") from None
    if is_folder:
        raise SourceError(f"{path}: a folder. Name its files with a glob, such as {path}/*.json.")
    if not exists and str(path).lstrip().startswith(("[{", "{")):
        raise SourceError(
            "The source is a text of JSON, not a path. Write it to a file, or pass the commands as "
            "a list."
        )
    if exists or not glob.has_magic(str(path)):
        return [path]  # a file whose name has brackets is no glob
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = [each for each in found if each.is_file() and not each.name.startswith(_LOCK_FILE)]
    if not files:
        raise SourceError(f"{path}: no file matches. {EMPTY}")
    return files


def _describe(label: str, location: Location) -> SourceFile:
    try:
        size, fingerprint = location.fingerprint()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        step = CHECK_PATH
        if any(mark in label for mark in _BETWEEN_PATHS):
            step = "Write several paths as a list, not as one text."
        raise SourceError(f"{label}: the file cannot be read: {reason}. {step}") from None
    if not size:
        raise SourceError(f"{label}: the file is empty. {EMPTY}")
    return SourceFile(label, location, fingerprint)


def _detect_one(label: str) -> FileFormat:
    # A chained URL such as zip://a.json::s3://bucket/a.zip names the file first.
    for name in label.lower().split("::"):
        suffix = PurePosixPath(name.removesuffix(".gz")).suffix
        if suffix in _FORMATS:
            return _FORMATS[suffix]
    if suffix in _OLD_WORKBOOKS:
        raise SourceError(f"{label}: {suffix} workbooks are not supported. Save it as .xlsx.")
    if suffix in _ARCHIVES:
        raise SourceError(f"{label}: only gzip (.gz) is unpacked. Unpack the file.")
    known = ", ".join(_FORMATS)
    raise SourceError(
        f"{label}: the name has none of the endings {known} (or these with .gz). Set file_format."
    )
