"""Finding a source: names, globs, gzip, commands from Python."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from collibra_tasks.errors import SourceError
from collibra_tasks.sources import iter_batches, open_source
from tests.sources.commands import Command, asset, load, note_into, split, write_json


def names_in(source: str | Iterable[Any], **options: Any) -> list[str]:
    seen: list[str] = []
    with open_source(source, **options) as opened:
        opened.survey(note_into(seen))
    return [name.rsplit(" > ")[-1] for name in seen]


def test_a_glob_is_sorted(tmp_path: Path) -> None:
    """The files of a glob count as one list, in the order of their names."""
    for name in "cab":
        write_json(tmp_path / f"{name}.json", [asset(name)])

    assert ["a", "b", "c"] == names_in(str(tmp_path / "*.json"))


def test_a_list_keeps_its_order_and_no_file_twice(tmp_path: Path) -> None:
    """Listed files are read as listed, and a file that is named twice is read once."""
    paths = [write_json(tmp_path / f"{name}.json", [asset(name)]) for name in "ba"]

    assert ["b", "a"] == names_in([*paths, str(tmp_path / "*.json")])


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    """A file that exists is that file, though its name could be a glob."""
    assert ["a"] == names_in(write_json(tmp_path / "export[1].json", [asset("a")]))


@pytest.mark.parametrize("name", ["a.json.gz", "a.json"])
def test_gzip_is_told_by_its_content(tmp_path: Path, name: str) -> None:
    """A packed file is unpacked whatever its name, and a plain .gz is read as it is."""
    packed, plain = tmp_path / name, tmp_path / "plain.json.gz"
    packed.write_bytes(gzip.compress(json.dumps([asset("a")]).encode()))
    write_json(plain, [asset("b")])

    assert ["a", "b"] == names_in([str(packed), str(plain)])


def test_the_format_may_be_said(tmp_path: Path) -> None:
    """A name that does not tell the format does no harm where the format is said."""
    path = write_json(tmp_path / "export.dump", [asset("a")])

    assert ["a"] == names_in(path, file_format="json")


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    """A byte order mark before JSON is passed over."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps([asset("a")]), encoding="utf-8-sig")

    assert ["a"] == names_in(str(path))


def test_a_generator_is_read_once_and_sent_as_checked() -> None:
    """Commands from a generator, which can be read only once, are checked and then sent."""
    drawn: list[int] = []

    def extract() -> Iterator[Command]:
        for number in range(3):
            drawn.append(number)
            yield asset(str(number))

    with open_source(extract()) as source:
        (batch,) = split(source)

    assert [asset("0"), asset("1"), asset("2")] == load(batch)
    assert [0, 1, 2] == drawn


def test_any_mapping_is_a_command() -> None:
    """A command from Python may be any mapping, not only a dictionary."""
    with open_source([MappingProxyType(asset("a"))]) as source:
        (batch,) = split(source)

    assert [asset("a")] == load(batch)


def test_a_file_that_changes_after_the_check_is_not_sent(tmp_path: Path) -> None:
    """Nothing is sent of a file that is not the one that was checked."""
    path = write_json(tmp_path / "a.json", [asset("a"), asset("b")])

    with open_source(path) as source:
        survey = source.survey()
        write_json(Path(path), [asset("b"), asset("a")])
        os.utime(path, (0, 0))
        with pytest.raises(SourceError, match="has changed since"):
            next(iter_batches(source, survey, max_commands_per_batch=1))


@pytest.mark.parametrize("value", [Decimal(1), float("nan"), {1, 2}])
def test_a_value_that_is_no_json_is_refused(value: object) -> None:
    """A command from Python that can't be written as JSON is named by its index."""
    with pytest.raises(SourceError, match="commands, index 1: cannot be JSON"):
        open_source([asset("a"), asset("b", value=value)])


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ([], "no file and no command.* every asset count as missing"),
        (asset("a"), "a single command is no source"),
        (7, "a path, a glob, several of those, or commands, not int"),
        (b"one.jsonl", "a path, a glob, several of those, or commands, not bytes"),
        (["one.jsonl", asset("a")], "a source that begins with a path is all paths, not {"),
        ([asset("a"), "one.jsonl"], "commands, index 1: a command is a mapping, not str"),
        ("nowhere.json", "nowhere.json: cannot be read: No such file"),
        (json.dumps([{"resourceType": "Asset"}] * 50), "is no name of a file"),
        ("a\0b.json", "cannot be read"),
        ("*.json", "no file matches.* every asset count as missing"),
        ("folder", "is a folder"),
        ("empty.csv", "the file is empty.* every asset count as missing"),
        ("odd.txt", "does not tell the format"),
        (["one.jsonl", "two.json"], "must be of one format"),
    ],
)
def test_what_is_no_source_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any, reason: str
) -> None:
    """Nothing, or something of which it isn't clear what it is, is refused at once."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("empty.csv").touch()
    for name in ("odd.txt", "one.jsonl", "folder/two.json"):
        Path(name).write_text("[]")
    if source == ["one.jsonl", "two.json"]:
        Path("folder/two.json").rename("two.json")

    with pytest.raises(SourceError, match=reason):
        open_source(source)


@pytest.mark.parametrize(("name", "template"), [("a.csv", None), ("a.json", "[]")])
def test_a_template_is_for_tables(tmp_path: Path, name: str, template: str | None) -> None:
    """A table without a template is refused, and so is a template for JSON."""
    (tmp_path / name).write_text("x")

    with pytest.raises(SourceError, match="template"):
        open_source(tmp_path / name, template=template)
