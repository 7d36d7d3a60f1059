"""Import commands from JSON arrays and JSON Lines, one by one.

A window slides over the text, and Python's own C decoder finds the end of each command, so memory
stays bounded. ijson was tried instead: it gives values without their place, and its C backend
(3.6.0) crashes the interpreter at a number of more than 4,300 digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.decoding import BYTE_ORDER_MARK, TextError, iter_lines, iter_text
from collibra_tasks.sources.files import EMPTY, SourceFile
from collibra_tasks.sources.json_values import (
    DECODER,
    ContentError,
    check_value,
    explain_content,
)
from collibra_tasks.sources.records import RecordPosition

MAX_COMMAND_LENGTH: Final = 16 << 20
"""Maximum number of characters of one command; keeps memory bounded."""

_MAX_TOKEN_LENGTH: Final = 16  # a keyword, escape or number cut off by the window is shorter
_SPACE: Final = re.compile(r"[ \t\n\r]*")

_SHOWN_CHARACTERS: Final = 30
_NO_ARRAY: Final = "not a JSON array of import commands."

Element = tuple[object, RecordPosition]


def read_array(file: SourceFile) -> Iterator[Element]:
    """Yield the elements of a JSON array with their index, from 0.

    Raises:
        SourceError: The file is not a JSON array; the message names the byte.
    """
    with file.reading() as stream:
        window = _Window(file, iter_text(stream))
        window.enter_array()
        index = 0
        while True:
            yield window.take_element(index), RecordPosition(file.label, "index", index)
            index += 1
            if not window.has_next():
                return


def read_json_lines(file: SourceFile) -> Iterator[Element]:
    """Yield the elements of a file with one JSON object per line; blank lines are skipped.

    Raises:
        SourceError: A line is not JSON, or all lines are blank.
    """
    empty = True
    number = 0
    with file.reading() as stream:
        lines = iter_lines(iter_text(stream), MAX_COMMAND_LENGTH)
        while True:
            position = RecordPosition(file.label, "line", number + 1)
            try:
                line = next(lines, None)
            except TextError as fault:
                raise SourceError(f"{position}: {_explain_encoding(fault)}") from None
            if line is None:
                break
            number += 1
            if text := line.strip(" \t\r\n"):
                empty = False
                yield _decode_line(text, position), position
    if empty:
        raise SourceError(f"{file.label}: the file has only blank lines. {EMPTY}")


def _decode_line(text: str, position: RecordPosition) -> object:
    if len(text) > MAX_COMMAND_LENGTH:
        raise SourceError(f"{position}: the line has more than {MAX_COMMAND_LENGTH:,} characters.")
    try:
        value = DECODER.decode(text)
        check_value(value, text)
    except json.JSONDecodeError as error:
        place = f"{position}, column {error.pos + 1}"
        raise SourceError(f"{place}: invalid JSON: {error.msg}.{_hint_line(text, error)}") from None
    except (ContentError, RecursionError) as error:
        raise SourceError(f"{position}: invalid JSON: {explain_content(error)}.") from None
    if isinstance(value, list):
        raise SourceError(
            f"{position}: the line holds an array, not a command. "
            "Set file_format='json' if the file is one array."
        )
    return value


def _hint_line(text: str, error: json.JSONDecodeError) -> str:
    """Return the next step for a line that is no JSON object."""
    if text.startswith("["):
        return " The file is a JSON document, not JSON Lines. Set file_format='json'."
    if text == "{":
        return (
            " JSON Lines have one command per line. Write the commands without line breaks, or as "
            "a JSON array with file_format='json'."
        )
    if text.endswith(","):
        return " JSON Lines have no comma at the end. Remove it."
    if error.msg == "Extra data":
        return " Write each command on a line of its own."
    is_cut = error.msg.startswith("Unterminated") or error.pos >= len(text)
    return " The line is cut off. Export the file again." if is_cut else ""


def _find_lists(command: dict[str, Any]) -> list[str]:
    return [key for key, value in command.items() if isinstance(value, list)]


def _explain_encoding(fault: TextError) -> str:
    if fault.step:
        return f"{fault.reason}. {fault.step}."
    advice = ", for example with -Encoding utf8 in PowerShell" if "utf-16" in fault.encoding else ""
    return f"{fault.reason}. Save the file as UTF-8{advice}."


def _explain_elements(element: object, mark: str, *, is_line: bool) -> str:
    """Return why a file that begins with an object is no array, and the next step.

    Args:
        element: The first object.
        mark: Character that follows it, or empty.
        is_line: Whether it stands on a line of its own.
    """
    command = element if isinstance(element, dict) else {}
    if mark == "{" and is_line:
        return f"{_NO_ARRAY} Set file_format='jsonl' for JSON Lines."
    if mark:
        return "commands without their array: put them in [ ], with a comma between two of them."
    if "resourceType" in command:
        return "a single command: put it in [ ]."
    if lists := _find_lists(command):
        return f"{_NO_ARRAY} Write the array of {lists[0]!r:.60} only."
    keys = ", ".join(map(repr, list(command)[:3])) or "none"
    return f"{_NO_ARRAY} The file is one object (keys: {keys}). Write the array of commands only."


class _Window:
    """Part of a JSON array's text that is being read."""

    def __init__(self, file: SourceFile, pieces: Iterator[str]) -> None:
        self._file = file
        self._pieces = pieces
        self._text = ""
        self._at = 0
        self._passed_bytes = 0

    def enter_array(self) -> None:
        """Move behind the opening bracket, to the first element."""
        if self._peek() == BYTE_ORDER_MARK:
            self._at += 1
        mark = self._peek()
        if not mark:
            raise SourceError(f"{self._file.label}: the file has only blanks. {EMPTY}")
        if mark == "{":
            raise self._explain_object()
        if mark != "[":
            start = self._text[self._at : self._at + _SHOWN_CHARACTERS]
            reason = f"not a JSON array of import commands: the file begins with {start!r}."
            raise self._fault(self._at, reason)
        self._at += 1
        if self._peek() == "]":
            raise SourceError(f"{self._file.label}: the array is empty. {EMPTY}")

    def has_next(self) -> bool:
        """Move behind the comma after an element, or behind the end of the array."""
        mark = self._peek()
        self._at += 1
        if mark == ",":
            return True
        if not mark:
            raise self._fault(self._at - 1, "the file is cut short before the array is closed.")
        if mark != "]":
            raise self._fault(self._at - 1, "invalid JSON: expecting ',' or ']'.")
        if mark := self._peek():
            step = " Write the commands of all arrays into one." if mark == "[" else ""
            raise self._fault(self._at, f"the file continues after the end of the array.{step}")
        return False

    def take_element(self, index: int) -> object:
        """Move behind the next element and return it."""
        mark = self._peek()
        if mark == "]":
            reason = "invalid JSON: a comma stands before the end of the array. Remove it."
            raise self._fault(self._at, reason)
        if mark and mark != "{":
            raise self._fault(self._at, f"the command at index {index} is not an object.")
        while True:
            try:
                command, end = DECODER.raw_decode(self._text, self._at)
                check_value(command, self._text[self._at : end])
            except json.JSONDecodeError as error:
                self._extend(index, error)
            except (ContentError, RecursionError) as error:
                reason = f"invalid JSON at index {index}: {explain_content(error)}."
                raise self._fault(self._at, reason) from None
            else:
                self._at = end
                return command

    def _explain_object(self) -> SourceError:
        """Return the error for a file that begins with an object."""
        start = self._fault(self._at, "")
        try:
            command = self.take_element(0)
        except SourceError:
            return SourceError(f"{start}{_NO_ARRAY} Put the commands in [ ].")
        end = self._at
        mark = self._peek()
        # One command per line is JSON Lines; commands of several lines are not.
        is_line = "\n" in self._text[end : self._at] and "\n" not in self._text[:end].strip()
        return SourceError(f"{start}{_explain_elements(command, mark, is_line=is_line)}")

    def _extend(self, index: int, error: json.JSONDecodeError) -> None:
        """Read more text if the element may only be cut off by the window's edge."""
        reason = f"invalid JSON at index {index}: {error.msg}."
        near_edge = error.pos > len(self._text) - _MAX_TOKEN_LENGTH
        if not error.msg.startswith("Unterminated") and not near_edge:
            raise self._fault(error.pos, reason) from None
        if len(self._text) - self._at > MAX_COMMAND_LENGTH:
            reason = (
                f"the command at index {index} has more than {MAX_COMMAND_LENGTH:,} characters."
            )
            raise self._fault(self._at, reason) from None
        place = error.pos - self._at  # the window moves to the start of the element
        if not self._slide():
            if error.msg.startswith("Unterminated") or not self._text[place:].strip():
                place = len(self._text)
                reason = f"the file is cut short in the command at index {index}."
            raise self._fault(place, reason) from None

    def _peek(self) -> str:
        """Skip blanks and return the next character; empty at the end of the file."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # always matches
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._slide():
                return ""

    def _slide(self) -> bool:
        try:
            piece = next(self._pieces, "")
        except TextError as fault:
            place = f"{self._file.label}, byte {fault.offset}"
            raise SourceError(f"{place}: {_explain_encoding(fault)}") from None
        self._passed_bytes += len(self._text[: self._at].encode())
        self._text = self._text[self._at :] + piece
        self._at = 0
        return bool(piece)

    def _fault(self, at: int, reason: str) -> SourceError:
        place = self._passed_bytes + len(self._text[:at].encode())
        return SourceError(f"{self._file.label}, byte {place}: {reason}")
