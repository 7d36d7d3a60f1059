"""Sources of any format as one checked stream of import commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from os import PathLike
from typing import Any, Final, Self, cast

from collibra_tasks.errors import SourceError
from collibra_tasks.options import FileFormat, SourceOptions
from collibra_tasks.sources.commands import check_command
from collibra_tasks.sources.csv_reader import read_csv_rows, suggest_separator
from collibra_tasks.sources.excel_reader import open_sheet
from collibra_tasks.sources.files import EMPTY, SourceFile, detect_format, find_files
from collibra_tasks.sources.identifiers import resource_key
from collibra_tasks.sources.iterables import COMMANDS_LABEL, iter_commands, iter_safely
from collibra_tasks.sources.json_reader import read_array, read_json_lines
from collibra_tasks.sources.placeholders import names_in
from collibra_tasks.sources.records import RecordFault, RecordPosition, SourceRecord
from collibra_tasks.sources.source import Log, SourceContent, scan_source
from collibra_tasks.sources.tables import Filled, Table
from collibra_tasks.sources.templates import read_template

SourceLike = str | PathLike[str] | Iterable[str | PathLike[str]] | Iterable[Mapping[str, Any]]
"""A path, a glob, a URL that fsspec opens, several of these, or import commands as mappings."""

Watch = Callable[[int], object]

RECORDS_PER_REPORT: Final = 1_000
"""Number of records between two reports on the reading."""
MAX_FAULTS: Final = 20
"""Maximum number of faults that one error lists."""


class OpenedSource:
    """Source whose records are read once.

    Attributes:
        files: Names of the files, in reading order.
        unknown_keys: Keys that Collibra's published description does not list; filled while the
            records are read.
    """

    def __init__(self, files: tuple[str, ...], elements: Iterator[Filled]) -> None:
        """Store the elements; nothing is read yet."""
        self.files = files
        self.unknown_keys: set[str] = set()
        self._elements: Iterator[Filled] | None = elements

    def read_records(self) -> Iterator[SourceRecord]:
        """Yield every command with its place, in the order of the source.

        Faulty records are left out. The stream then ends with one error that lists up to
        `MAX_FAULTS` of them; a file that cannot be read further ends the stream at once.

        Raises:
            SourceError: A record or a file is faulty, or the source was read already.
        """
        elements, self._elements = self._elements, None
        if elements is None:
            raise SourceError("The source was read already. Open it again to read it again.")
        faults = _Faults()
        try:
            for element in elements:
                if isinstance(element, RecordFault):
                    faults.add(element.position, element.reason)
                elif record := self._check(element, faults):
                    yield record
        except SourceError as error:
            faults.add_text(str(error))
        faults.raise_if_any()

    def _check(
        self, element: tuple[object, RecordPosition], faults: _Faults
    ) -> SourceRecord | None:
        content, position = element
        reasons = check_command(content, self.unknown_keys)
        for reason in reasons:
            faults.add(position, reason)
        if reasons:
            return None
        command = cast("dict[str, Any]", content)
        label = resource_key(command).label
        return SourceRecord(command, position._replace(identifier=label))

    def scan(self, *, log: Log, watch: Watch = lambda _: None) -> SourceContent:
        """Read and check the whole source once, merge equal identifiers, and return the content.

        Args:
            log: Function that receives one sentence per event.
            watch: Function that receives the number of records read, after every 1,000.

        Raises:
            SourceError: A record or a file is faulty.
        """
        content = scan_source(
            _watch_records(self.read_records(), watch),
            files=self.files,
            log=log,
            unknown_keys=self.unknown_keys,
        )
        if self.unknown_keys:
            log(
                "The source has keys that Collibra's published description does not list: "
                f"{', '.join(sorted(self.unknown_keys))}. They are sent as they are."
            )
        return content

    def close(self) -> None:
        """End reading; open files are closed."""
        elements, self._elements = self._elements, None
        if elements is not None and hasattr(elements, "close"):
            elements.close()

    def __enter__(self) -> Self:
        """Return the source itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End reading."""
        self.close()


def _watch_records(records: Iterator[SourceRecord], watch: Watch) -> Iterator[SourceRecord]:
    for number, record in enumerate(records, start=1):
        yield record
        if number % RECORDS_PER_REPORT == 0:
            watch(number)


class _Faults:
    """Faults of a source; only the first ones are stored."""

    def __init__(self) -> None:
        self._count = 0
        self._texts: list[str] = []

    def add(self, position: RecordPosition, reason: str) -> None:
        self.add_text(f"{position}: {reason}")

    def add_text(self, text: str) -> None:
        self._count += 1
        if len(self._texts) < MAX_FAULTS:
            self._texts.append(text)

    def raise_if_any(self) -> None:
        if self._count == 1:
            raise SourceError(self._texts[0])
        if self._count:
            shown = "" if self._count == len(self._texts) else f"; the first {MAX_FAULTS} are"
            listed = "\n".join(f"- {text}" for text in self._texts)
            raise SourceError(
                f"The source has {self._count:,} faults{shown}:\n{listed}", faults=self._texts
            )


def open_source(source: SourceLike, options: SourceOptions | None = None) -> OpenedSource:
    """Find a source and check its template; its content is read by `OpenedSource.read_records`.

    Args:
        source: A path, a glob, a URL that fsspec opens (``s3://``, ``abfs://``, ``gs://``,
            ``file://``, ``memory://``), several of these, or any iterable of import commands. The
            files of a glob are sorted, and gzip is unpacked.
        options: Format, template and other options of reading.

    Raises:
        SourceError: Nothing is found, or the format is not clear.

    Example:
        ```python
        with open_source("exports/*.json", SourceOptions()) as opened:
            for record in opened.read_records():
                print(record.position, record.command["resourceType"])
        ```
    """
    options = options or SourceOptions()
    paths, commands = _split_kinds(source)
    if commands is not None:
        if options.template:
            raise SourceError("A template is for CSV and Excel; the source is commands.")
        return OpenedSource((COMMANDS_LABEL,), iter_commands(commands))
    files = find_files(paths)
    file_format = options.file_format or detect_format(files)
    table = _make_table(file_format, options)
    labels = tuple(file.label for file in files)
    return OpenedSource(labels, _iter_elements(files, file_format, table, options))


def _split_kinds(
    source: object,
) -> tuple[Iterable[str | PathLike[str]], Iterable[object] | None]:
    if isinstance(source, str | PathLike):
        return [source], None
    if isinstance(source, Mapping):
        raise SourceError("The source is a single command: put it in [ ].")
    if isinstance(source, bytes) or not isinstance(source, Iterable):
        kind = type(source).__name__
        raise SourceError(
            f"A source is a path, a glob, a URL, several of these, or commands, not {kind}."
        )
    items = iter_safely(source)
    first = list(islice(items, 1))
    if not first:
        raise SourceError(f"The source holds no file and no command. {EMPTY}")
    everything: Iterator[Any] = chain(first, items)
    if isinstance(first[0], str | PathLike):
        return everything, None
    return (), everything


def _make_table(file_format: FileFormat, options: SourceOptions) -> Table | None:
    is_table = file_format in ("csv", "excel")
    if not is_table:
        if options.template:
            raise SourceError(f"A template is for CSV and Excel; the source is {file_format}.")
        return None
    if not options.template:
        raise SourceError(
            f"A {file_format} source needs a template: import commands with a placeholder such as "
            "${1} for each column. Set template."
        )
    return Table(
        template=read_template(options.template),
        list_separator=options.list_separator,
        header_row=options.csv.header_row,
        pads_rows=file_format == "excel",
    )


def _iter_elements(
    files: Iterable[SourceFile],
    file_format: FileFormat,
    table: Table | None,
    options: SourceOptions,
) -> Iterator[Filled]:
    for file in files:
        if table is None:
            yield from read_array(file) if file_format == "json" else read_json_lines(file)
        elif file_format == "csv":
            yield from _iter_csv(file, table, options)
        else:
            yield from _iter_excel(file, table, options)


def _iter_csv(file: SourceFile, table: Table, options: SourceOptions) -> Iterator[Filled]:
    rows = read_csv_rows(file, options.csv)
    return table.iter_commands(
        rows, file.label, lambda cells: suggest_separator(cells, options.csv)
    )


def _iter_excel(file: SourceFile, table: Table, options: SourceOptions) -> Iterator[Filled]:
    with open_sheet(file, options.sheet) as sheet:
        needed = names_in(table.template)
        yield from table.iter_commands(
            sheet.iter_rows(), file.label, lambda _: sheet.suggest_sheet(needed)
        )
