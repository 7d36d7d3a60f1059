"""Files behind URLs, opened with fsspec."""

from __future__ import annotations

import glob
import io
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

from collibra_tasks.errors import SourceError

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:://|::)")
_PASSWORD: Final = re.compile(r"(?<=://)[^/@]*:[^/@]*@")
_QUERY: Final = re.compile(r"^(https?://[^?]*)\?.*", re.DOTALL)
_PACKAGES: Final = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adlfs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    "smb": "smbprotocol",
    "hdfs": "pyarrow",
}


def is_url(text: str) -> bool:
    """Return whether a text is a URL; a drive letter with a colon is none."""
    return _URL.match(text) is not None


def redact(url: str) -> str:
    """Return a URL without its password and without the query of a signed web link."""
    return _QUERY.sub(r"\1", _PASSWORD.sub("", url))


@dataclass(frozen=True, slots=True)
class RemoteLocation:
    """File behind a URL."""

    filesystem: Any
    path: str
    url: str

    def open(self) -> BinaryIO:
        """Open the file; every failure of the file system is an `OSError`."""
        try:
            opened = self.filesystem.open(self.path, "rb")
        except Exception as error:  # noqa: BLE001 - errors of any library
            raise _os_error(error, self.url) from None
        return cast("BinaryIO", io.BufferedReader(_RemoteStream(opened, self.url), 1 << 20))

    def fingerprint(self) -> tuple[int, str]:
        """Return the size, and what the file system uses to detect a change."""
        try:
            self.filesystem.invalidate_cache()
            information = self.filesystem.info(self.path)
            text = str(self.filesystem.ukey(self.path))
        except Exception as error:  # noqa: BLE001 - errors of any library
            raise _os_error(error, self.url) from None
        size = information.get("size")
        return (1 if size is None else int(size)), text  # a web server may report no size


class _RemoteStream(io.RawIOBase):
    """Stream of an fsspec file whose failures are `OSError`."""

    def __init__(self, stream: Any, url: str) -> None:  # noqa: ANN401 - fsspec has no types
        super().__init__()
        self._stream = stream
        self._url = url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._stream.seekable())

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - Buffer is new in Python 3.12
        view = memoryview(buffer)
        try:
            content = self._stream.read(len(view))
        except Exception as error:  # noqa: BLE001 - errors of any library
            raise _os_error(error, self._url) from None
        view[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def close(self) -> None:
        self._stream.close()
        super().close()


def find_remote(url: str, empty_hint: str) -> list[tuple[str, RemoteLocation]]:
    """Find the files that a URL names: one file, or those that match a glob, sorted.

    Args:
        url: A URL that fsspec opens, such as ``s3://bucket/exports/*.json``.
        empty_hint: Sentence that explains the danger of an empty source.

    Returns:
        The name for messages and the location of each file.

    Raises:
        SourceError: No file exists there, or the package for this kind of URL is not installed.
    """
    shown = redact(url)
    filesystem, path = _open_filesystem(url)
    try:
        information = filesystem.info(path)
    except FileNotFoundError:
        if not glob.has_magic(path):
            raise SourceError(f"{shown}: the file does not exist. Check the URL.") from None
        return _expand(filesystem, path, shown, empty_hint)
    except Exception as error:  # noqa: BLE001 - errors of any library
        raise SourceError(f"{shown}: the file cannot be read: {_explain(error, url)}.") from None
    if information.get("type") == "directory":
        raise SourceError(f"{shown}: a folder. Name its files with a glob, such as {shown}/*.json.")
    return [(shown, RemoteLocation(filesystem, path, url))]


def _expand(
    filesystem: Any,  # noqa: ANN401 - fsspec has no types
    path: str,
    shown: str,
    empty_hint: str,
) -> list[tuple[str, RemoteLocation]]:
    try:
        found = filesystem.glob(path, detail=True)
    except Exception as error:  # noqa: BLE001 - errors of any library
        raise SourceError(
            f"{shown}: the files cannot be listed: {_explain(error, shown)}."
        ) from None
    names = sorted(name for name, entry in found.items() if entry.get("type") != "directory")
    if not names:
        raise SourceError(f"{shown}: no file matches. {empty_hint}")
    urls = [filesystem.unstrip_protocol(name) for name in names]
    return [
        (redact(each), RemoteLocation(filesystem, name, each))
        for each, name in zip(urls, names, strict=True)
    ]


def _open_filesystem(url: str) -> tuple[Any, str]:
    protocol = url.partition(":")[0]
    try:
        from fsspec.core import (  # type: ignore[import-untyped]  # noqa: PLC0415 - has no types, and is slow to import
            url_to_fs,
        )

        filesystem, path = url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        step = f"Install the package {package}" if package else str(error).rstrip(".")
        raise SourceError(
            f"{redact(url)}: the package for {protocol}:// is not installed. {step}."
        ) from None
    except Exception as error:  # noqa: BLE001 - errors of any library
        raise SourceError(
            f"{redact(url)}: the URL cannot be opened: {_explain(error, url)}."
        ) from None
    return filesystem, path


def _os_error(error: Exception, url: str) -> OSError:
    return OSError(_explain(error, url))


def _explain(error: Exception, url: str) -> str:
    """Return the type and text of an error; the text may repeat the URL with its secrets."""
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    text = str(error).replace(url, redact(url)).rstrip(".")
    if redact(url) != url:
        text = ""  # parts of the URL, such as a signature, may stand in the text
    return f"{type(error).__name__}: {text}".removesuffix(": ")
