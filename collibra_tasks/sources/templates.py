"""Templates: import commands with placeholders, filled in for each row of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.cells import Row, RowError, union_columns
from collibra_tasks.sources.commands import check_command
from collibra_tasks.sources.compiling import Compiler
from collibra_tasks.sources.identifiers import COMMUNITY, COMPLEX_RELATION, DOMAIN
from collibra_tasks.sources.json_values import build_object, refuse_constant
from collibra_tasks.sources.placeholders import (
    ALL_LOOKALIKES,
    IN_BRACES,
    PLACEHOLDER,
    Columns,
    TemplateError,
    check_syntax,
    find_lookalike,
    iter_texts,
    names_in,
    suggest_placeholder,
)

_CONTAINERS: Final = (COMMUNITY, DOMAIN)
_NAMING_KEYS: Final = frozenset(
    {
        *("identifier", "type", "status", "domain", "community", "parent", "asset"),
        *("relations", "complexRelation", "complexRelationType", "responsibilities"),
    }
)
"""Fields whose texts name resources; attributes, tags and descriptions are free texts."""
_SAMPLE: Final = "00000000-0000-0000-0000-000000000000"  # a text that is a valid name and ID
_MAX_REMEMBERED: Final = 10_000


def read_template(template: str | Path) -> list[dict[str, Any]]:
    """Read a template, given as JSON text or as the path of a file.

    Raises:
        SourceError: The template is not an array of objects, or a placeholder is malformed.
    """
    try:
        commands = json.loads(
            _read_text(template), object_pairs_hook=build_object, parse_constant=refuse_constant
        )
    except OSError as error:
        raise SourceError(
            f"The template {str(template)!r:.100} cannot be read: {error.strerror}."
        ) from None
    except UnicodeDecodeError:
        raise SourceError(f"The template {template} is not UTF-8. Save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"The template is invalid JSON: {error}.") from None
    if isinstance(commands, dict):
        raise SourceError("The template is a single command: put it in [ ].")
    if not isinstance(commands, list) or not commands:
        raise SourceError("The template is not a JSON array of at least one import command.")
    for number, command in enumerate(commands, start=1):
        _check_template(number, command)
    return commands


@dataclass(slots=True)
class BoundTemplate:
    """Template whose placeholders are bound to the columns of one table.

    Attributes:
        columns: Indexes of the columns that the template uses.
    """

    table: Columns
    columns: tuple[int, ...]
    _commands: tuple[_CommandNode, ...] = field(repr=False)

    def fill(self, row: Row) -> Iterator[dict[str, Any] | RowError]:
        """Yield the commands of a row, or the reason against one of them.

        A command about a community or domain whose cells were the same in an earlier row is left
        out, because it would be equal.
        """
        for command in self._commands:
            try:
                filled = command.fill(row)
            except RowError as error:
                yield error
            else:
                if filled is not None:
                    yield filled


class _CommandNode:
    """One command of a template."""

    def __init__(self, command: dict[str, Any], table: Columns, separator: str) -> None:
        resource_type = command["resourceType"]
        compiler = Compiler(table, separator, parallel=resource_type == COMPLEX_RELATION)
        self._node = compiler.compile_command(command)
        self._repeats = resource_type in _CONTAINERS or not self._node.columns
        self._remembered: set[tuple[str, ...]] = set()
        self._table = table
        self._identifier_texts: list[str] | None = None
        if not names_in(command["identifier"]) and self._node.columns:
            self._identifier_texts = list(iter_texts(command["identifier"], keys=False))
        self._rows = 0

    @property
    def columns(self) -> tuple[int, ...]:
        return self._node.columns

    def _check_identifier_varies(self) -> None:
        """Refuse the second row of a command that is about the same resource in every row."""
        if self._rows > 1 and self._identifier_texts is not None and not self._repeats:
            meant = suggest_placeholder(self._identifier_texts, self._table)
            raise TemplateError(
                "the template's identifier has no placeholder, so that all rows are about one "
                f"resource. Write a placeholder such as {meant} in the identifier."
            )

    def fill(self, row: Row) -> dict[str, Any] | None:
        self._rows += 1
        self._check_identifier_varies()
        if self._repeats:
            cells = tuple([row[index] for index in self._node.columns])
            if cells in self._remembered:
                return None
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered.add(cells)
        return self._node.fill(row)


def bind_template(
    commands: Sequence[dict[str, Any]], table: Columns, list_separator: str
) -> BoundTemplate:
    """Bind a template to the columns of a table.

    Args:
        commands: The template, as :func:`read_template` returns it.
        table: Columns of the table.
        list_separator: Separator between several tags, values or targets in one cell.

    Raises:
        TemplateError: A column does not exist, or a text looks like a placeholder and is none.
    """
    for name in names_in(commands):
        table.find(name)  # a missing column explains a wrong separator or a title row best
    for command in commands:
        if lookalike := _find_lookalike(command, table):
            raise TemplateError(f"the template: {lookalike}")
    if not any(names_in(command["identifier"]) for command in commands):
        _refuse_constant_template(commands, table)
    nodes = tuple(_CommandNode(command, table, list_separator) for command in commands)
    return BoundTemplate(table, union_columns(nodes), nodes)


def _find_lookalike(command: dict[str, Any], table: Columns) -> str | None:
    identifier = command["identifier"]
    varies = names_in(identifier) or command["resourceType"] in _CONTAINERS
    naming = {key: each for key, each in command.items() if key in _NAMING_KEYS}
    return (
        find_lookalike(identifier, table, () if varies else ALL_LOOKALIKES)
        or find_lookalike(naming, table, IN_BRACES)
        or find_lookalike(command, table)
    )


def _refuse_constant_template(commands: Sequence[dict[str, Any]], table: Columns) -> None:
    if names_in(commands):
        return  # refused at the second row; a table of one row may have a constant identifier
    texts = [each for command in commands for each in iter_texts(command["identifier"], keys=False)]
    raise TemplateError(
        "the template has no placeholder, so that all rows are equal. Write a placeholder such as "
        f"{suggest_placeholder(texts, table)} in the identifier."
    )


def _read_text(template: str | Path) -> str:
    if isinstance(template, str) and template.lstrip("\ufeff \t\r\n").startswith(("[", "{")):
        return template.lstrip("\ufeff")
    return Path(template).read_text("utf-8-sig")


def _check_template(number: int, command: object) -> None:
    try:
        check_syntax(command)
    except TemplateError as error:
        raise SourceError(f"The template, command {number}: {error}") from None
    if isinstance(command, dict) and _has_variable_keys(command):
        complete = isinstance(command.get("identifier"), dict) and "resourceType" in command
        reasons = [] if complete else ["the command needs a resourceType and an identifier."]
    else:
        reasons = check_command(_fill_sample(command))
    if reasons:
        reason = reasons[0].replace(_SAMPLE, "${...}")
        raise SourceError(f"The template, command {number}: {reason}")


def _has_variable_keys(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        variable = any(PLACEHOLDER.search(key) for key in value)
        variable = variable or bool(names_in([value.get("resourceType"), value.get("syncAction")]))
        return variable or any(_has_variable_keys(each) for each in value.values())
    return isinstance(value, list) and any(_has_variable_keys(each) for each in value)


def _fill_sample(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _SAMPLE if PLACEHOLDER.search(value) else value
    if isinstance(value, dict):
        return {key: _fill_sample(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill_sample(each) for each in value]
    return value
