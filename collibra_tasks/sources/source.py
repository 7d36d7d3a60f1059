"""A source: files or commands, checked before the first use and read as often as needed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, cast

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.csv_rows import read_csv_rows
from collibra_tasks.sources.excel_rows import read_excel_rows
from collibra_tasks.sources.files import EMPTY, SourceFile, describe_file, find_files, tell_format
from collibra_tasks.sources.json_commands import read_array, read_json_lines
from collibra_tasks.sources.rows import Heading, Row, read_heading, read_pieces
from collibra_tasks.sources.runs import iter_runs
from collibra_tasks.sources.templates import read_template
from collibra_tasks.sources.values import (
    MAX_COMMANDS_PER_FILE,
    UNITS,
    CsvOptions,
    FileFormat,
    Piece,
    Survey,
)

SourceLike = str | PathLike[str] | Iterable[str | PathLike[str]] | Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What :func:`open_source` found; close it, or use it in a ``with`` block.

    Attributes:
        file_format: The one format of all files.
        files: The files in their order; they count as one list of commands.
        csv: How CSV is written; its ``header_row`` holds for Excel too.
        sheet: The sheet of an Excel workbook; ``None`` for the first.
    """

    file_format: FileFormat
    files: tuple[SourceFile, ...]
    csv: CsvOptions
    sheet: str | None = None
    template: Sequence[dict[str, Any]] = ()
    folder: TemporaryDirectory[str] | None = None

    @property
    def unit(self) -> str:
        """What a position in it counts: ``index``, ``line`` or ``row``."""
        return UNITS[self.file_format]

    def survey(self, seen: Callable[[str, str], object] | None = None) -> Survey:
        """Read all of it once, as a stream, and refuse it unless everything is in order.

        Args:
            seen: Called with the resource type and the identifier of every command.

        Raises:
            SourceError: Anything is wrong; the sentence names file, place and reason.
        """
        counts: Counter[str] = Counter()
        for run in iter_runs(self.read_pieces(), self.unit):
            for piece in run:
                for resource_type, identifier in piece.commands:
                    counts[resource_type] += 1
                    if seen is not None:
                        seen(resource_type, identifier)
        template = self.read_heading().template.text if self.template else None
        return Survey(commands=counts.total(), by_resource_type=dict(counts), template=template)

    def read_pieces(self) -> Iterator[Piece]:
        """Read the source once, in its order.

        Raises:
            SourceError: Anything is wrong with the part that is read.
        """
        if self.file_format == "json":
            return chain.from_iterable(map(read_array, self.files))
        if self.file_format == "jsonl":
            return chain.from_iterable(map(read_json_lines, self.files))
        return self._read_tables()

    def read_heading(self) -> Heading:
        """Read the first row of a CSV or Excel source, and find the template's columns in it."""
        first = self.files[0]
        rows = self._read_rows(first)
        return read_heading(rows, self.template, file=first.label, header_row=self.csv.header_row)

    def _read_tables(self) -> Iterator[Piece]:
        heading = self.read_heading()
        for file in self.files:
            pieces = read_pieces(self._read_rows(file), heading, file=file.label)
            yield from pieces if self.file_format == "csv" else _limit(pieces, file)

    def _read_rows(self, file: SourceFile) -> Iterator[Row]:
        if self.file_format == "csv":
            return read_csv_rows(file, self.csv)
        return read_excel_rows(file, self.sheet)

    def close(self) -> None:
        """Remove what was kept on disk of commands from Python."""
        if self.folder is not None:
            self.folder.cleanup()

    def __enter__(self) -> Self:
        """Use it in a ``with`` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def open_source(
    source: SourceLike,
    *,
    file_format: FileFormat | None = None,
    template: str | Path | None = None,
    csv: CsvOptions | None = None,
    sheet: str | None = None,
) -> Source:
    """Find a source; nothing but names, and commands from Python, is read yet.

    Args:
        source: A path, a glob, several of those, or import commands as mappings. A glob's files
            are sorted. Files may be packed with gzip. Commands may come from a generator: they are
            kept in a temporary file, so that they can be checked before they are sent.
        file_format: ``json``, ``jsonl``, ``csv`` or ``excel``, where the names do not tell.
        template: The template of a CSV or Excel source: JSON text, or the path of a file.
        csv: How CSV is written; its ``header_row`` holds for Excel too.
        sheet: The name of an Excel sheet; without it the first.

    Raises:
        SourceError: There is nothing, or it is not clear what it is.
    """
    paths, commands = _tell_apart(source)
    folder = None
    if commands is None:
        files = find_files(paths)
        file_format = file_format or tell_format(files)
    else:
        folder = TemporaryDirectory(prefix="commands-")
        try:
            files = (_keep_commands(commands, Path(folder.name)),)
        except BaseException:
            folder.cleanup()
            raise
        file_format = "json"
    return Source(
        file_format=file_format,
        files=files,
        csv=csv or CsvOptions(),
        sheet=sheet,
        template=_read_matching_template(template, file_format),
        folder=folder,
    )


def _tell_apart(
    source: SourceLike,
) -> tuple[Iterable[str | PathLike[str]], Iterable[Mapping[str, Any]] | None]:
    if isinstance(source, str | PathLike):
        return [source], None
    if isinstance(source, Mapping):
        raise SourceError("a single command is no source; give a list of commands")
    if isinstance(source, bytes) or not isinstance(source, Iterable):
        kind = type(source).__name__
        raise SourceError(f"a source is a path, a glob, several of those, or commands, not {kind}")
    items = iter(source)
    if (first := next(items, None)) is None:
        raise SourceError(f"there is no file and no command in the source; {EMPTY}")
    everything = chain([first], items)
    if isinstance(first, str | PathLike):
        return cast("Iterable[str | PathLike[str]]", everything), None
    return (), cast("Iterable[Mapping[str, Any]]", everything)


def _keep_commands(commands: Iterable[Mapping[str, Any]], folder: Path) -> SourceFile:
    path = folder / "commands.json"
    with path.open("w", encoding="utf-8") as kept:
        separator = "["
        for number, command in enumerate(commands):
            if not isinstance(command, Mapping):
                kind = type(command).__name__
                raise SourceError(f"commands, index {number}: a command is a mapping, not {kind}")
            try:
                kept.write(separator + json.dumps(dict(command), allow_nan=False))
            except (TypeError, ValueError) as error:
                raise SourceError(f"commands, index {number}: cannot be JSON: {error}") from None
            separator = ",\n"
        kept.write("]")
    return describe_file(path, label="commands")


def _read_matching_template(
    template: str | Path | None, file_format: FileFormat
) -> Sequence[dict[str, Any]]:
    if file_format not in ("csv", "excel"):
        if template is not None:
            raise SourceError(f"a template is for CSV and Excel, and the source is {file_format}")
        return ()
    if template is None:
        raise SourceError(f"a source in {file_format} needs a template that says what a row means")
    return read_template(template)


def _limit(pieces: Iterable[Piece], file: SourceFile) -> Iterator[Piece]:
    count = 0
    for piece in pieces:
        count += len(piece.commands)
        if count > MAX_COMMANDS_PER_FILE:
            raise SourceError(
                f"{file.label}, row {piece.number}: an Excel file is sent whole and may carry "
                f"{MAX_COMMANDS_PER_FILE:,} commands; save it as CSV, which is sent in parts"
            )
        yield piece
