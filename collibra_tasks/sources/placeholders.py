"""Placeholders of a template: ``${1}`` for the first column, ``${name}`` for a column by its name.

Source: ``${n}``, counted from 1, is documented; names are an addition of this library.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

PLACEHOLDER: Final = re.compile(r"\$\{([^{}]*)\}")

_DOUBLE: Final = re.compile(r"\$\{\{\s*(?P<name>[^{}]+?)\s*\}\}")
_UNCLOSED: Final = re.compile(r"\$\{(?![^{}]*\})")
_LOOKALIKES: Final = re.compile(
    r"\{\{\s*(?P<double>[^{}]+?)\s*\}\}"
    r"|\$\((?P<round>[^()]+)\)"
    r"|\$(?P<dollar>\w+)"
    r"|(?<!\$)\{(?P<single>[^{}]+)\}"
    r"|\#(?P<hash>[^\#\s](?:[^\#]*[^\#\s])?)\#"
    r"|%(?P<percent>\w+)%"
    r"|<(?P<angle>\w+)>"
)
ALL_LOOKALIKES: Final = frozenset(_LOOKALIKES.groupindex)
IN_BRACES: Final = frozenset({"double", "round", "dollar", "single"})
"""Kinds of lookalikes that are rarely the name of a resource."""


class TemplateError(ValueError):
    """Reason why a template does not fit a table; the reader adds the file."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of one table.

    Attributes:
        header: Names of the columns, or None where the first row is content.
        count: Number of columns.
    """

    header: tuple[str, ...] | None
    count: int

    def find(self, name: str) -> int:
        """Return the index of a column, from 0, for the text of a placeholder.

        Raises:
            TemplateError: There is no such column, or there are several.
        """
        if self.header is not None and (index := self._find_name(name)) is not None:
            return index
        if name.isdecimal():
            if 1 <= int(name) <= self.count:
                return int(name) - 1
            columns = f"{self.count} column{'' if self.count == 1 else 's'}"
            raise TemplateError(f"the template uses ${{{name}}}, but the table has {columns}.")
        if self.header is None:
            raise TemplateError(
                f"the template uses ${{{name}}}, but the table has no header row. "
                "Use the column's number, such as ${1}, or set header_row."
            )
        raise TemplateError(self._explain_missing(name))

    def describe(self, index: int) -> str:
        """Return a column's name or number for a sentence."""
        if self.header is not None and index < len(self.header) and self.header[index].strip():
            return f"column {self.header[index]!r}"
        return f"column {index + 1}"

    def knows(self, name: str) -> bool:
        """Return whether a text is the name or number of a column."""
        by_number = name.isdecimal() and 1 <= int(name) <= self.count
        return by_number or (self.header is not None and name in map(str.strip, self.header))

    def _find_name(self, name: str) -> int | None:
        header = self.header or ()
        found = [index for index, each in enumerate(header) if each == name]
        found = found or [i for i, each in enumerate(header) if each.strip() == name.strip() != ""]
        if not found:
            return None
        by_number = name.isdecimal() and 1 <= int(name) <= self.count
        if by_number and found != [int(name) - 1]:
            raise TemplateError(
                f"the placeholder ${{{name}}} is ambiguous: {name} is the number of one column and "
                "the name of another. Rename the column."
            )
        if len(found) > 1:
            numbers = " or ".join(f"${{{index + 1}}}" for index in found)
            raise TemplateError(
                f"the header has {len(found)} columns named {name!r}. Write {numbers} instead of "
                f"${{{name}}} in the template."
            )
        return found[0]

    def _explain_missing(self, name: str) -> str:
        header = self.header or ()
        shown = ", ".join(repr(each) for each in header[:20])
        close = self.find_similar(name) if len(header) > 1 else ""
        hint = f" Write ${{{close}}} in the template." if close else ""
        return f"the header has no column {name!r}; its columns are {shown}.{hint}"

    def find_similar(self, name: str) -> str:
        """Return the column whose name was probably meant, or an empty text."""
        by_folded = {each.strip().casefold(): each for each in reversed(self.header or ())}
        for meant in (name, name.rpartition(".")[2], name.rpartition(":")[2]):
            folded = meant.strip().casefold()
            if close := get_close_matches(folded, filter(None, by_folded), n=1):
                return by_folded[close[0]]
        return ""


def iter_texts(value: Any, *, keys: bool = True) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield all texts of a JSON value, by default keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if keys:
                yield key
            yield from iter_texts(each, keys=keys)
    elif isinstance(value, list):
        for each in value:
            yield from iter_texts(each, keys=keys)


def names_in(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    """Return the texts of all placeholders in a JSON value, in their order."""
    return [name for text in iter_texts(value) for name in PLACEHOLDER.findall(text)]


def check_syntax(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Check that every placeholder is closed and not empty.

    Raises:
        TemplateError: One is not.
    """
    for text in iter_texts(value):
        if double := _DOUBLE.search(text):
            raise TemplateError(
                f"{double[0]!r:.80} is not a placeholder. Write ${{{double['name']}}}."
            )
        if _UNCLOSED.search(text):
            raise TemplateError(f"{text!r:.80} has '${{' without '}}'. Close the placeholder.")
        if any(not name.strip() for name in PLACEHOLDER.findall(text)):
            raise TemplateError(
                f"{text!r:.80} has an empty placeholder. Write ${{1}} or ${{name}}."
            )


def find_lookalike(value: Any, columns: Columns, suspects: Collection[str] = ()) -> str | None:  # noqa: ANN401 - any JSON value
    """Return a sentence about a text such as ``{1}`` or ``$name`` that was meant as placeholder.

    Args:
        value: Part of a template.
        columns: Columns of the table.
        suspects: Kinds of lookalikes that count wherever they are a whole text. Any lookalike
            counts that has the name or number of a column.
    """
    for text in iter_texts(value):
        for found in _LOOKALIKES.finditer(PLACEHOLDER.sub("", text)):
            name = next(group for group in found.groups() if group is not None)
            whole = found[0] == text.strip()
            if found["dollar"] and name.isdecimal() and not whole:
                continue  # an amount of money
            if found["angle"] and not whole:
                continue  # a tag of HTML
            if columns.knows(name) or (whole and found.lastgroup in suspects):
                return f"{found[0]!r} is not a placeholder. Write {_correct(name, columns)}."
    return None


def _correct(name: str, columns: Columns) -> str:
    if name == "0":
        return "${1} for the first column"
    if columns.knows(name):
        return f"${{{name}}}"
    similar = columns.find_similar(name)
    return f"${{{similar}}}" if similar else f"one such as {suggest_placeholder((), columns)}"


def suggest_placeholder(texts: Sequence[str], columns: Columns) -> str:
    """Return the placeholder that an identifier without any probably needs."""
    for text in texts:
        if columns.header is not None and text in columns.header:
            return f"${{{text}}}"
    if columns.header is not None and columns.header and columns.header[0].strip():
        return f"${{{columns.header[0]}}}"
    return "${1}"
