"""JSON arrays and JSON Lines, sound and broken."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.source_files import asset, read_commands, refuse

GOOD = json.dumps(asset("a"))
BAD_BYTE = b'[{"resourceType": "\xff"}]'


def refuse_content(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    message = refuse(path)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", ": the file has only blanks"),
        ("[ ]", ": the array is empty. An empty source is an empty cycle"),
        (GOOD, ", byte 0: a single command: put it in [ ]"),
        (
            f"{GOOD}\n{GOOD}",
            ", byte 0: not a JSON array of import commands. Set file_format='jsonl'",
        ),
        (
            '{"commands": []}',
            ", byte 0: not a JSON array of import commands. Write the array of 'commands' only",
        ),
        (
            '{"a": {"b": []}}',
            ", byte 0: not a JSON array of import commands. The file is one object",
        ),
        ('{"a": 1}, {"a": 2}', ", byte 0: commands without their array: put them in [ ], with a"),
        ('{"a": 1}{"a": 2}', ", byte 0: commands without their array: put them in [ ], with a"),
        ('{\n"a": 1\n}\n{\n"a": 2\n}', ", byte 0: commands without their array: put them in [ ]"),
        ('{"a": 1}\n{"a": 2}\n', ", byte 0: not a JSON array of import commands. Set file_format="),
        ("<!DOCTYPE html>", "import commands: the file begins with '<!DOCTYPE html>'"),
        ("nonsense", ", byte 0: not a JSON array"),
        (f"[{GOOD}, 7]", f", byte {len(GOOD) + 3}: the command at index 1 is not an object"),
        (f"[{GOOD} {GOOD}]", f", byte {len(GOOD) + 2}: invalid JSON: expecting ',' or ']'"),
        (f"[{GOOD},]", f", byte {len(GOOD) + 2}: invalid JSON: a comma stands before"),
        (f"[,{GOOD}]", ", byte 1: the command at index 0 is not an object"),
        (f"[{GOOD}] x", f", byte {len(GOOD) + 3}: the file continues after the end of the array"),
        (
            f"[{GOOD}][{GOOD}]",
            f", byte {len(GOOD) + 2}: the file continues after the end of the array. Write the",
        ),
        (f"[{GOOD}", f", byte {len(GOOD) + 1}: the file is cut short before the array is closed"),
        (f"[{GOOD},", f", byte {len(GOOD) + 2}: the file is cut short in the command at index 1"),
        (f"[{GOOD[:-9]}", "the file is cut short in the command at index 0"),
        ('[{"é": 1, b}' + " " * 99, ", byte 11: invalid JSON at index 0: Expecting property name"),
        ('[{"a": 1,, "b": 2}]', ", byte 9: invalid JSON at index 0: Expecting property name"),
        ('[{"a": yes', ", byte 7: invalid JSON at index 0: Expecting value"),
        ('\ufeff[{"a": yes}]', ", byte 10: invalid JSON at index 0: Expecting value"),
        ('[{"a": NaN}]', ", byte 1: invalid JSON at index 0: NaN is not JSON"),
        (
            '[{"a": 1, "b": 2, "a": 3}]',
            ", byte 1: invalid JSON at index 0: the key 'a' stands twice",
        ),
        ('[{"a": {"b": 1, "b": 1}}]', "the key 'b' stands twice in one object"),
        ("[" + '{"a":' * 200_000, ", byte 1: invalid JSON at index 0: the command is nested"),
        ('[{"a":' + "[" * 150 + "]" * 150 + "}]", "nested more than 100 levels deep"),
        (
            '[{"a": ' + "1" * 5_000 + "}]",
            ", byte 1: invalid JSON at index 0: a number has 5,000 digits",
        ),
        (
            r'[{"a": "\ud800"}]',
            ", byte 1: invalid JSON at index 0: a text holds half of a surrogate",
        ),
        (r'[{"a": "x\u0000"}]', "at index 0: a text holds a NUL character (U+0000)"),
        (r'[{"\u0000": 1}]', "at index 0: a text holds a NUL character (U+0000)"),
    ],
)
def test_read_array_refuses_broken_json(tmp_path: Path, text: str, reason: str) -> None:
    """Text that is not a JSON array of objects is refused with the byte where it breaks."""
    assert reason in refuse_content(tmp_path / "a.json", text.encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n \n", ": the file has only blank lines. An empty source is an empty cycle"),
        (f"{GOOD}\n[]", ", line 2: the line holds an array"),
        (f"{GOOD}\n7", ", line 2: a command must be an object, not a number"),
        (f"{GOOD}\n\n" + '{"a" 1}', ", line 3, column 6: invalid JSON: Expecting ':'"),
        (f"{GOOD}\n" + '{"a": NaN}', ", line 2: invalid JSON: NaN is not JSON"),
        (f"{GOOD}\n" + '{"a": 1, "a": 2}', ", line 2: invalid JSON: the key 'a' stands twice"),
        (f"{GOOD}\n{GOOD[:-5]}", "The line is cut off. Export the file again."),
        (f"{GOOD}\n{GOOD[:40]}", ", line 2, column"),
        (f"{GOOD},\n{GOOD}\n", "JSON Lines have no comma at the end. Remove it."),
        (f"{GOOD} {GOOD}\n", "Extra data. Write each command on a line of its own."),
        (json.dumps(asset("a"), indent=1), "JSON Lines have one command per line."),
        ("[\n" + GOOD + "\n]", "Set file_format='json'"),
    ],
)
def test_read_json_lines_refuses_broken_lines(tmp_path: Path, text: str, reason: str) -> None:
    """A line that is no command is refused with its number."""
    assert reason in refuse_content(tmp_path / "a.jsonl", text.encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"resourceType": None}, "resourceType is None, not one of"),
        ({"identifier": {}}, "identifier: is empty"),
        ({"identifier": {"name": "x"}}, "identifier: a name needs a domain"),
    ],
)
@pytest.mark.parametrize(("name", "unit"), [("a.json", "index 1"), ("a.jsonl", "line 2")])
def test_read_records_names_the_place_of_a_command(
    tmp_path: Path, name: str, unit: str, change: dict[str, Any], reason: str
) -> None:
    """A command without a known type and a sound identifier is refused with its place."""
    commands = [GOOD, json.dumps(asset("a") | change)]
    text = f"[{','.join(commands)}]" if name == "a.json" else "\n".join(commands)
    assert f", {unit}: {reason}" in refuse_content(tmp_path / name, text.encode())


UTF_32 = json.dumps([asset("a")]).encode("utf-32-be")
TWICE = gzip.compress(gzip.compress(b"[]", mtime=0), mtime=0)
UTF_16 = json.dumps([asset("a")]).encode("utf-16")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", BAD_BYTE, ", byte 19: byte 19 (0xFF) is not UTF-8; in Windows-1252 it is 'ÿ'"),
        ("a.json", b" " * (1 << 20) + BAD_BYTE, f", byte {19 + (1 << 20)}: byte 1,048,595"),
        ("a.json", UTF_16, ", byte 0: the file is encoded as UTF-16. Save the file as UTF-8"),
        ("a.json", UTF_16[2:], ", byte 0: the file is encoded as UTF-16"),
        ("a.jsonl", UTF_16, ", line 1: the file is encoded as UTF-16"),
        ("a.json", json.dumps([]).encode("utf-32"), ", byte 0: the file is encoded as UTF-32"),
        ("a.json", UTF_32, ", byte 0: the file is encoded as UTF-32"),
        ("a.jsonl", b"PK\x03\x04\x14", ", line 1: the file is a ZIP archive or a workbook. Unpack"),
        ("a.json", b"BZh91AY", ", byte 0: the file is compressed with bzip2. Unpack it"),
        ("a.json.gz", TWICE, ", byte 0: the file is compressed with gzip twice. Unpack it once."),
        ("a.json", b"[\xc3", ", byte 1: the file ends inside a character"),
        ("a.jsonl", b"\n" + BAD_BYTE, ", line 2: byte 20 (0xFF) is not UTF-8"),
    ],
)
def test_read_records_names_the_encoding(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """Another encoding is named, with the place of the first wrong byte."""
    assert reason in refuse_content(tmp_path / name, content)


@pytest.mark.parametrize("cut", [slice(0, -12), slice(0, -8)])
@pytest.mark.parametrize("name", ["a.json.gz", "a.jsonl.gz"])
def test_read_records_refuses_a_truncated_gzip(tmp_path: Path, name: str, cut: slice) -> None:
    """A packed file that ends too early is refused, though its text may look complete."""
    text = f"[{GOOD}]" if ".json." in name else GOOD
    assert "is cut short" in refuse_content(tmp_path / name, gzip.compress(text.encode())[cut])


def test_read_records_refuses_a_damaged_gzip(tmp_path: Path) -> None:
    """A packed file whose checksum does not fit is refused."""
    content = bytearray(gzip.compress(f"[{GOOD}]".encode()))
    content[-8] ^= 1
    assert ": the gzip file is damaged" in refuse_content(tmp_path / "a.json.gz", bytes(content))


def test_read_array_refuses_an_endless_command(tmp_path: Path) -> None:
    """A text that is never closed is refused before it fills the memory."""
    reason = refuse_content(tmp_path / "a.json", b'[{"a": "' + b"x" * (18 << 20))
    assert "the command at index 0 has more than 16,777,216 characters" in reason


def test_read_array_reads_across_the_edge_of_a_window(tmp_path: Path) -> None:
    """Commands are read whole wherever the file is cut into pieces."""
    commands = [asset(f"a{number}", displayName="é" * 150_000) for number in range(12)]
    (tmp_path / "a.json").write_text(json.dumps(commands, ensure_ascii=False), encoding="utf-8")
    assert commands == read_commands(tmp_path / "a.json")


def test_read_array_accepts_a_backslash_before_u0000(tmp_path: Path) -> None:
    """An escaped backslash before ``u0000`` is text, not a NUL character."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps([asset("C:\\u0000")]))
    assert [asset("C:\\u0000")] == read_commands(path)


@pytest.mark.parametrize(
    "number", ["1.10", "0.1000000000000000055", "12345678901234567890", "1e400"]
)
def test_read_array_keeps_every_digit(tmp_path: Path, number: str) -> None:
    """A number keeps all its digits, also those that a float would lose."""
    text = json.dumps([asset("a", attributes={"Note": [{"value": "here"}]})])
    (tmp_path / "a.json").write_text(text.replace('"here"', number))
    ((command,),) = (read_commands(tmp_path / "a.json"),)
    assert Decimal(number) == command["attributes"]["Note"][0]["value"]
    assert number == str(command["attributes"]["Note"][0]["value"]).replace("E+", "e")


def test_read_array_skips_a_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark before JSON is no content."""
    (tmp_path / "a.json").write_text(json.dumps([asset("a")]), encoding="utf-8-sig")
    assert [asset("a")] == read_commands(tmp_path / "a.json")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_read_json_lines_reads_each_line(tmp_path: Path, end: str) -> None:
    """Each line is a command, with any line end; blank lines and a byte order mark are skipped."""
    text = "\ufeff" + f"{GOOD}{end}" * 3
    (tmp_path / "a.jsonl").write_bytes(text.encode())
    assert [asset("a")] * 3 == read_commands(tmp_path / "a.jsonl")
