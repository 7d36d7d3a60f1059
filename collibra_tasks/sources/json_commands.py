"""Commands out of JSON, one by one, with their text untouched.

A window slides over the text and Python's own C decoder tells where each element ends, so what is
sent is what was written: numbers, escapes and spacing included. Only the identifier is looked at.

Why not ijson: it hands out values without their text or place, so sending would mean writing them
anew, and its C backend (3.6.0) crashes the interpreter at a number of more than 4,300 digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from collibra_tasks.errors import SourceError
from collibra_tasks.sources.files import EMPTY, SourceFile, read_lines, read_text
from collibra_tasks.sources.identifiers import CommandError, identify
from collibra_tasks.sources.values import Piece

MAX_COMMAND_LENGTH: Final = 16 << 20
"""Where a command is given up as an unclosed text, in characters; keeps memory bounded."""

_LONGEST_TOKEN: Final = 16  # no keyword, escape or number is broken off earlier than this
_BYTE_ORDER_MARK: Final = "\ufeff"
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


# Integers as floats: they are only looked at, and Python refuses integers of many digits.
_DECODER: Final = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)


def read_array(file: SourceFile) -> Iterator[Piece]:
    """Read the commands of a JSON array.

    Raises:
        SourceError: It is not an array of import commands.
    """
    window = _Window(file)
    window.enter_array()
    number = 0
    while True:
        text, command = window.take_object(number)
        yield _piece(file, "index", number, text, command)
        number += 1
        if not window.has_next():
            return


def read_json_lines(file: SourceFile) -> Iterator[Piece]:
    """Read the commands of a file with one JSON object a line; blank lines are passed over.

    Raises:
        SourceError: A line is not an import command, or there is none.
    """
    empty = True
    for number, _, line in read_lines(file, max_bytes=MAX_COMMAND_LENGTH):
        if text := line.strip(" \t\r\n"):
            empty = False
            yield _piece(file, "line", number, text, _decode_line(file, number, text))
    if empty:
        raise SourceError(f"{file.label}: the file has only blank lines; {EMPTY}")


def _decode_line(file: SourceFile, number: int, text: str) -> object:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"{file.label}, line {number}, column {error.pos + 1}"
        raise SourceError(f"{place}: broken JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file.label}, line {number}: broken JSON: {error}") from None


def _piece(file: SourceFile, unit: str, number: int, text: str, command: object) -> Piece:
    try:
        return Piece(file.label, number, (identify(command),), text.encode())
    except CommandError as error:
        raise SourceError(f"{file.label}, {unit} {number}: {error}") from None


class _Window:
    """The part of a JSON array's text that is being looked at."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._chunks = read_text(file)
        self._text = ""
        self._at = 0
        self._passed_bytes = 0

    def enter_array(self) -> None:
        """Step behind the opening bracket, to the first element."""
        if self._peek() == _BYTE_ORDER_MARK:
            self._at += 1
        if not (mark := self._peek()):
            raise SourceError(f"{self._file.label}: the file has only blanks; {EMPTY}")
        if mark != "[":
            hint = "; if each line is a command, say file_format='jsonl'" if mark == "{" else ""
            raise self._fault(self._at, f"not a JSON array of commands{hint}")
        self._at += 1
        if self._peek() == "]":
            raise SourceError(f"{self._file.label}: the array is empty; {EMPTY}")

    def has_next(self) -> bool:
        """Step behind the comma after an element, or behind the end of the array."""
        mark = self._peek()
        self._at += 1
        if mark == ",":
            return True
        if not mark:
            raise self._fault(self._at - 1, "the file is cut short before the array is closed")
        if mark != "]":
            raise self._fault(self._at - 1, "broken JSON: expecting ',' or ']'")
        if self._peek():
            raise self._fault(self._at, "there is more after the end of the array")
        return False

    def take_object(self, index: int) -> tuple[str, object]:
        """Step behind the next element, and return its text and its meaning."""
        if (mark := self._peek()) and mark != "{":
            raise self._fault(self._at, f"the command at index {index} is not an object")
        while True:
            try:
                command, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                self._read_on(index, error)
            except (ValueError, RecursionError) as error:
                raise self._fault(self._at, f"broken JSON at index {index}: {error}") from None
            else:
                text = self._text[self._at : end]
                self._at = end
                return text, command

    def _read_on(self, index: int, error: json.JSONDecodeError) -> None:
        """Take more text if the element may only be cut off by the window's edge."""
        reason = f"broken JSON at index {index}: {error.msg}"
        if not _may_be_cut_off(error, len(self._text)):
            raise self._fault(error.pos, reason) from None
        if len(self._text) - self._at > MAX_COMMAND_LENGTH:
            reason = (
                f"the command at index {index} is longer than {MAX_COMMAND_LENGTH:,} characters"
            )
            raise self._fault(self._at, reason) from None
        place = error.pos - self._at  # the window slides to begin with the element
        if not self._slide():
            if _is_cut_off(error, self._text[place:]):
                place = len(self._text)
                reason = f"the file is cut short in the command at index {index}"
            raise self._fault(place, reason) from None

    def _peek(self) -> str:
        """Step over blanks and look at the next character; empty at the end of the file."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # always matches
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._slide():
                return ""

    def _slide(self) -> bool:
        chunk = next(self._chunks, "")
        self._passed_bytes += len(self._text[: self._at].encode())
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return bool(chunk)

    def _fault(self, at: int, reason: str) -> SourceError:
        place = self._passed_bytes + len(self._text[:at].encode())
        return SourceError(f"{self._file.label}, byte {place}: {reason}")


def _may_be_cut_off(error: json.JSONDecodeError, length: int) -> bool:
    return error.msg.startswith("Unterminated") or error.pos > length - _LONGEST_TOKEN


def _is_cut_off(error: json.JSONDecodeError, rest: str) -> bool:
    return error.msg.startswith("Unterminated") or not rest.strip()
