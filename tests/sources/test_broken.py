"""Broken input is refused by the survey, with file, place and reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from collibra_tasks.errors import SourceError
from collibra_tasks.sources import open_source
from tests.sources.commands import asset

GOOD = json.dumps(asset("a"))
BAD_BYTE = b'[{"resourceType": "\xff"}]'


def refuse(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with open_source(path) as source, pytest.raises(SourceError) as refusal:
        source.survey()
    assert str(refusal.value).startswith(str(path))
    return str(refusal.value).removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", ": the file has only blanks"),
        ("[ ]", ": the array is empty; an empty source is an empty cycle"),
        (GOOD, ", byte 0: not a JSON array of commands; if each line is a command"),
        ("nonsense", ", byte 0: not a JSON array"),
        (f"[{GOOD}, 7]", f", byte {len(GOOD) + 3}: the command at index 1 is not an object"),
        (f"[{GOOD} {GOOD}]", f", byte {len(GOOD) + 2}: broken JSON: expecting ',' or ']'"),
        (f"[{GOOD},]", f", byte {len(GOOD) + 2}: the command at index 1 is not an object"),
        (f"[{GOOD}] x", f", byte {len(GOOD) + 3}: there is more after the end"),
        (f"[{GOOD}", f", byte {len(GOOD) + 1}: the file is cut short before the array is closed"),
        (f"[{GOOD},", f", byte {len(GOOD) + 2}: the file is cut short in the command at index 1"),
        (f"[{GOOD[:-9]}", "the file is cut short in the command at index 0"),
        ('[{"é": 1, b}' + " " * 99, ", byte 11: broken JSON at index 0: Expecting property name"),
        ('[{"a": 1,, "b": 2}]', ", byte 9: broken JSON at index 0: Expecting property name"),
        ('[{"é": 1, b}', ", byte 11: broken JSON at index 0: Expecting property name"),
        ('[{"a": tru', ", byte 7: broken JSON at index 0: Expecting value"),
        ('\ufeff[{"a": tru}]', ", byte 10: broken JSON at index 0: Expecting value"),
        ('[{"a": NaN}]', ", byte 1: broken JSON at index 0: NaN is not JSON"),
        ("[" + '{"a":' * 200_000, ", byte 1: broken JSON at index 0: maximum recursion"),
    ],
)
def test_a_broken_array_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """Text that is no JSON array of objects is refused with the byte where it breaks."""
    assert reason in refuse(tmp_path / "a.json", text.encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"resourceType": None}, "the command has no resourceType"),
        ({"resourceType": "Table"}, "the resourceType 'Table' is none of Asset, Community"),
        ({"resourceType": ["Asset"]}, "the command has no resourceType"),
        ({"identifier": None}, "the identifier is null, not an object"),
        ({"identifier": {}}, "the identifier is empty"),
        ({"identifier": "a"}, "the identifier is text, not an object"),
        ({"identifier": {"name": 7}}, "the identifier's name is a number, not text"),
        ({"identifier": {"name": ""}}, "the identifier's name is empty"),
        ({"identifier": {"name": "a", "domain": "D"}}, "the domain is text, not an object"),
        ({"identifier": {"id": True}}, "the identifier's id is true or false, not text"),
        ({"identifier": {"odd": [1]}}, "the odd is a number, not an object"),
        ({"identifier": {"odd": []}}, "the identifier's odd is empty"),
        ({"identifier": {"odd": [{"name": []}]}}, "the identifier's name is empty"),
    ],
)
@pytest.mark.parametrize(("name", "unit"), [("a.json", "index 1"), ("a.jsonl", "line 2")])
def test_a_command_that_says_not_what_it_is_about_is_refused(
    tmp_path: Path, name: str, unit: str, change: dict[str, Any], reason: str
) -> None:
    """A command without a known type and a sound identifier is refused with its place."""
    commands = [GOOD, json.dumps(asset("a") | change)]
    text = f"[{','.join(commands)}]" if name == "a.json" else "\n".join(commands)

    assert f", {unit}: {reason}" in refuse(tmp_path / name, text.encode())


def test_a_command_without_identifier_is_refused(tmp_path: Path) -> None:
    """A command without an identifier is refused."""
    refusal = refuse(tmp_path / "a.json", b'[{"resourceType": "Complex Relation"}]')

    assert ", index 0: the Complex Relation command has no identifier" in refusal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n \n", ": the file has only blank lines; an empty source is an empty cycle"),
        (f"{GOOD}\n[]", ", line 2: the command is not an object"),
        (f"{GOOD}\n\n" + '{"a" 1}', ", line 3, column 6: broken JSON: Expecting ':'"),
        (f"{GOOD}\n" + '{"a": NaN}', ", line 2: broken JSON: NaN is not JSON"),
        (f"{GOOD}\n{GOOD[:-5]}", ", line 2, column"),
    ],
)
def test_broken_json_lines_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    """A line that is no command is refused with its number."""
    assert reason in refuse(tmp_path / "a.jsonl", text.encode())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", BAD_BYTE, ", byte 19: not UTF-8"),
        ("a.json", b" " * (1 << 20) + BAD_BYTE, f", byte {19 + (1 << 20)}: not UTF-8"),
        ("a.json", json.dumps([asset("a")]).encode("utf-16"), ", byte 0: not UTF-8"),
        ("a.json", b"[\xc3", ", byte 1: not UTF-8: unexpected end of data"),
        ("a.jsonl", b"\n" + BAD_BYTE, ", line 2, byte 19 of the line: not UTF-8"),
    ],
)
def test_what_is_not_utf_8_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """Another encoding is refused with the place of the first byte that betrays it."""
    assert reason in refuse(tmp_path / name, content)


@pytest.mark.parametrize(
    ("cut", "reason"), [(slice(0, -12), "is cut short"), (slice(0, -8), "is cut short")]
)
@pytest.mark.parametrize("name", ["a.json.gz", "a.jsonl.gz"])
def test_a_truncated_gzip_is_refused(tmp_path: Path, name: str, cut: slice, reason: str) -> None:
    """A packed file that ends too early is refused, though its text may look complete."""
    text = f"[{GOOD}]" if ".json." in name else GOOD

    assert reason in refuse(tmp_path / name, gzip.compress(text.encode())[cut])


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    """A packed file whose checksum does not fit is refused."""
    content = bytearray(gzip.compress(f"[{GOOD}]".encode()))
    content[-8] ^= 1

    assert ": the gzip file is broken" in refuse(tmp_path / "a.json.gz", bytes(content))


def test_an_endless_command_is_refused(tmp_path: Path) -> None:
    """A text that is never closed is refused before it fills the memory."""
    refusal = refuse(tmp_path / "a.json", b'[{"a": "' + b"x" * (18 << 20))

    assert "the command at index 0 is longer than 16,777,216 characters" in refusal


def test_one_broken_file_of_many_is_named(tmp_path: Path) -> None:
    """Of many files the broken one is named, and its index counts from its own start."""
    (tmp_path / "a.json").write_text(f"[{GOOD}]")
    (tmp_path / "b.json").write_text("[{}]")

    with (
        open_source(str(tmp_path / "*.json")) as source,
        pytest.raises(SourceError, match=r"b\.json, index 0: the command has no resourceType"),
    ):
        source.survey()
