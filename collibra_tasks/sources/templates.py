"""The template of a CSV or Excel source: the commands that one row stands for.

Collibra numbers the columns, ``${1}`` being the first (*documented*). Here a header's name may
stand in for its number, ``${Table name}``; it is replaced before anything is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.identifiers import CommandError, Identity, identify

_PLACEHOLDER: Final = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class RowTemplate:
    """A template whose columns are found: what Collibra gets, and what a row is about.

    Attributes:
        text: The template with columns by number, as Collibra takes it.
        commands: The resource type and identifier of each command that a row stands for.
    """

    text: str
    commands: tuple[dict[str, Any], ...]

    def identify_row(self, row: Sequence[str]) -> tuple[Identity, ...]:
        """Tell what the commands of a row are about.

        Raises:
            CommandError: A cell that identifies is empty, or a type is unknown.
        """

        def fill(text: str) -> str:
            return _PLACEHOLDER.sub(lambda found: row[int(found[1]) - 1], text)

        return tuple(identify(_replace(command, fill)) for command in self.commands)


def read_template(template: str | Path) -> list[dict[str, Any]]:
    """Read a template, given as JSON text or as the path of a file.

    Raises:
        SourceError: It is not an array of import commands.
    """
    try:
        commands = json.loads(_read_text(template))
    except OSError as error:
        raise SourceError(f"the template {template} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"the template is broken JSON: {error}") from None
    if not isinstance(commands, list) or not commands:
        raise SourceError("the template is not a JSON array of at least one command")
    for number, command in enumerate(commands):
        _check_command(number, command)
    return commands


def _read_text(template: str | Path) -> str:
    if isinstance(template, str) and template.lstrip().startswith(("[", "{")):
        return template
    return Path(template).read_text("utf-8-sig")


def bind_template(
    commands: Sequence[dict[str, Any]], *, header: Sequence[str] | None, columns: int, file: str
) -> RowTemplate:
    """Find the columns that a template names.

    Raises:
        SourceError: A column is not there.
    """

    def number(found: re.Match[str]) -> str:
        return f"${{{_find_column(found[1], header, columns, file)}}}"

    numbered = _replace(commands, lambda text: _PLACEHOLDER.sub(number, text))
    identifying = (
        {key: command[key] for key in ("resourceType", "identifier")} for command in numbered
    )
    return RowTemplate(json.dumps(numbered, ensure_ascii=False), tuple(identifying))


def _find_column(name: str, header: Sequence[str] | None, columns: int, file: str) -> int:
    if name.isdecimal():
        if not 1 <= int(name) <= columns:
            raise SourceError(f"{file}: the template names column {name} of {columns}")
        return int(name)
    if header is None:
        raise SourceError(f"{file}: the template names column {name!r}, but there is no header row")
    if (found := header.count(name)) != 1:
        there = "is not in the header" if not found else f"is in the header {found} times"
        alone = "; is the separator right?" if len(header) == 1 else ""
        raise SourceError(
            f"{file}: the column {name!r} that the template names {there}, which reads "
            f"{', '.join(map(repr, header))}{alone}"
        )
    return header.index(name) + 1


def _check_command(number: int, command: object) -> None:
    try:
        identify(_replace(command, lambda text: _PLACEHOLDER.sub("Asset", text)))
    except CommandError as error:
        raise SourceError(f"the template, command {number}: {error}") from None


def _replace(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case str():
            return change(value)
        case dict():
            return {change(key): _replace(each, change) for key, each in value.items()}
        case list():
            return [_replace(each, change) for each in value]
        case _:
            return value
