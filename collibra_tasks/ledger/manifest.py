"""Manifest of a cycle: its assets, sorted, in a gzip file that ``zcat`` shows.

The first line is a JSON header, each further line one asset. The assets that are in the previous
manifest and not in the current one are those that a finalization removes or marks. The file holds
names, not digests, because a person has to read them.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from gzip import GzipFile
from hashlib import sha256
from heapq import merge
from io import BytesIO, TextIOWrapper
from operator import itemgetter
from typing import Any, Final, Self

from collibra_tasks.errors import CollibraError
from collibra_tasks.models import AssetRow

FORMAT: Final = "collibra-tasks manifest 1"
COMPRESSION_LEVEL: Final = 1  # level 6 takes three times as long and saves a tenth
GZIP: Final = 16 + zlib.MAX_WBITS

# Control characters, line separators of any tool, and lone surrogates, which UTF-8 cannot encode.
_UNSAFE = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSAFE_IN_LINE = re.compile("[\\\\\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(?:\\|u([0-9a-f]{4}))")


class ManifestError(CollibraError):
    """Content that is not a complete manifest of this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The assets of a cycle, sorted by label and compressed; iterate to read the rows.

    Attributes:
        asset_count: Number of assets.
        other_count: Number of commands for other resources, which a finalization never removes.
        digest: SHA-256 of the assets' labels; equal for equal assets.
        files: Short names of the source files, sorted.

    Example:
        ```python
        manifest = Manifest.from_rows([AssetRow("Sales > T1", "Sales", "", "a.csv")])
        [row.asset for row in manifest]  # ["Sales > T1"]
        ```
    """

    asset_count: int
    other_count: int = 0
    digest: str
    files: tuple[str, ...] = ()
    body: bytes = field(repr=False, compare=False)

    @classmethod
    def from_rows(cls, rows: Iterable[AssetRow], *, other_count: int = 0) -> Self:
        """Build the manifest of assets.

        Args:
            rows: Assets, sorted by ``asset`` and each once; they are read one at a time.
            other_count: Number of commands for other resources.

        Raises:
            ValueError: If the rows are not sorted, or an asset occurs twice.
        """
        builder = _Builder()
        for row in rows:
            builder.add(row)
        return cls(
            asset_count=builder.count,
            other_count=other_count,
            digest=builder.digest.hexdigest(),
            files=tuple(sorted(builder.files)),
            body=builder.finish(),
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read the output of :meth:`to_bytes`.

        Raises:
            ManifestError: If the content is damaged, incomplete, or of another format.
        """
        header, body = _split(content)
        try:
            if header["format"] != FORMAT:
                raise ManifestError(f"Manifest not readable: its format is {header['format']!r}.")
            if header["checksum"] != sha256(body).hexdigest():
                raise ManifestError("Manifest not readable: its checksum does not match.")
            return cls(
                asset_count=int(header["assets"]),
                other_count=int(header["others"]),
                digest=str(header["digest"]),
                files=tuple(map(str, header["files"])),
                body=body,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ManifestError(
                f"Manifest not readable: its header is damaged ({error})."
            ) from None

    def to_bytes(self) -> bytes:
        """Return the gzip file: the header, then one line per asset."""
        header = {
            "format": FORMAT,
            "assets": self.asset_count,
            "others": self.other_count,
            "digest": self.digest,
            "checksum": sha256(self.body).hexdigest(),
            "files": self.files,
        }
        packer = zlib.compressobj(COMPRESSION_LEVEL, wbits=GZIP)
        line = json.dumps(header).encode() + b"\n"
        return packer.compress(line) + packer.flush() + self.body

    def __iter__(self) -> Iterator[AssetRow]:
        """Return an iterator over the assets, sorted by label; memory stays bounded."""
        with TextIOWrapper(GzipFile(fileobj=BytesIO(self.body)), "utf-8", newline="\n") as lines:
            for line in lines:
                yield _parse_line(line)

    def __len__(self) -> int:
        """Return the number of assets."""
        return self.asset_count


class _Builder:
    """Compressed lines and facts of rows that arrive one at a time."""

    def __init__(self) -> None:
        self.count = 0
        self.files: set[str] = set()
        self.digest = sha256()
        self._last: str | None = None
        self._packer = zlib.compressobj(COMPRESSION_LEVEL, wbits=GZIP)
        self._packed = bytearray()

    def add(self, row: AssetRow) -> None:
        if self._last is not None and row.asset <= self._last:
            raise ValueError(
                f"Asset {row.asset!r} follows {self._last!r}: the rows must be sorted."
            )
        line = _format_line(row)
        self._packed += self._packer.compress(line)
        self.digest.update(line[: line.index(b"\t")] + b"\n")
        self.count, self._last = self.count + 1, row.asset
        if row.file:
            self.files.add(row.file)

    def finish(self) -> bytes:
        self._packed += self._packer.flush()
        return bytes(self._packed)


def merge_manifests(manifests: Sequence[Manifest]) -> Manifest:
    """Return the union of several manifests; of equal assets, the first manifest's row counts."""
    if len(manifests) == 1:
        return manifests[0]
    other_count = max((manifest.other_count for manifest in manifests), default=0)
    return Manifest.from_rows(_unite(manifests), other_count=other_count)


def missing_rows(previous: Iterable[AssetRow], current: Iterable[AssetRow]) -> Iterator[AssetRow]:
    """Return the assets of one sorted sequence that are not in another, in order.

    Args:
        previous: Manifest, or sorted rows, of the earlier cycle.
        current: Manifest, or sorted rows, of the later cycle.
    """
    others = iter(current)
    other = next(others, None)
    for row in previous:
        while other is not None and other.asset < row.asset:
            other = next(others, None)
        if other is None or other.asset != row.asset:
            yield row


def count_missing(previous: Iterable[AssetRow], current: Iterable[AssetRow]) -> int:
    """Return the number of assets of one sorted sequence that are not in another."""
    return sum(1 for _ in missing_rows(previous, current))


def _unite(manifests: Sequence[Manifest]) -> Iterator[AssetRow]:
    last = None
    # heapq.merge yields equal items in the sequence of its arguments.
    for row in merge(*manifests, key=itemgetter(0)):
        if row.asset != last:
            yield row
        last = row.asset


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    reader = zlib.decompressobj(wbits=GZIP)
    try:
        line = reader.decompress(content)
        header = json.loads(line)
    except (zlib.error, ValueError, RecursionError) as error:
        raise ManifestError(f"Manifest not readable: {error}.") from None
    if not isinstance(header, dict):
        raise ManifestError("Manifest not readable: its first line is no header.")
    return header, reader.unused_data


def _format_line(row: AssetRow) -> bytes:
    fields = row if row.name else row[:-1]
    line = "\t".join(fields)
    if line.count("\t") >= len(fields) or _UNSAFE_IN_LINE.search(line):
        line = "\t".join(_UNSAFE.sub(_escape, text) for text in fields)
    return f"{line}\n".encode()


def _parse_line(line: str) -> AssetRow:
    fields = line[:-1].split("\t")
    if "\\" in line:
        fields = [_ESCAPE.sub(_unescape, text) for text in fields]
    return AssetRow(*fields)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return "\\\\" if character == "\\" else f"\\u{ord(character):04x}"


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else "\\"
