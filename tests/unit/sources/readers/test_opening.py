"""Sources as people name them: paths, globs, URLs, gzip and commands of their own code."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zipfile import ZipFile

import fsspec  # type: ignore[import-untyped]  # has no types
import pytest

from collibra_tasks.errors import SourceError
from collibra_tasks.options import SourceOptions
from collibra_tasks.sources.files import short_names
from collibra_tasks.sources.opening import open_source
from tests.support.source_files import (
    NOTES,
    Command,
    asset,
    read_commands,
    read_names,
    read_source,
    refuse,
    write_excel,
    write_json,
)


@pytest.fixture
def memory() -> Iterator[Any]:
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


def test_open_source_sorts_a_glob(tmp_path: Path) -> None:
    """The files of a glob are one list, in the order of their names."""
    for name in "cab":
        write_json(tmp_path / f"{name}.json", [asset(name)])
    with open_source(str(tmp_path / "*.json"), SourceOptions()) as opened:
        assert [str(tmp_path / f"{name}.json") for name in "abc"] == list(opened.files)
        records = list(opened.read_records())
    assert ["C > D > a", "C > D > b", "C > D > c"] == [each.position.identifier for each in records]
    assert f"{tmp_path / 'b.json'}, index 0" == str(records[1].position)


def test_open_source_reads_no_file_twice(tmp_path: Path) -> None:
    """Listed files are read in the given order, and a file that is named twice is read once."""
    paths = [write_json(tmp_path / f"{name}.json", [asset(name)]) for name in "ba"]
    assert ["b", "a"] == read_names([*paths, str(tmp_path / "*.json")])


def test_open_source_knows_a_file_by_any_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is named by two spellings of its path, or by a link, is one file."""
    path = write_json(tmp_path / "a.json", [asset("a")])
    (tmp_path / "link.json").symlink_to(path)
    monkeypatch.chdir(tmp_path)

    with open_source([path, "a.json", "./a.json", "link.json"], SourceOptions()) as opened:
        assert (path,) == opened.files


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (" ", "The source is blank. Set source to a path"),
        ('[{"resourceType": "Asset"}]', "The source is a text of JSON, not a path"),
        ("a.json,b.json", "Write several paths as a list, not as one text."),
        ("a.json\nb.json", "Write several paths as a list, not as one text."),
    ],
)
def test_open_source_explains_what_is_no_path(source: str, reason: str) -> None:
    """A text that cannot be one path is refused with the right form."""
    assert reason in refuse(source)


def test_open_source_refuses_archives(tmp_path: Path) -> None:
    """An archive is refused with the only compression that is read; fsspec opens what is in it."""
    path = tmp_path / "a.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("a.json", json.dumps([asset("a")]))

    assert "only gzip (.gz) is unpacked. Unpack the file." in refuse(str(path))
    assert ["a"] == read_names(f"zip://a.json::file://{path}")


def test_open_source_accepts_brackets_in_a_name(tmp_path: Path) -> None:
    """A file that exists is read, though its name could be a glob."""
    assert ["a"] == read_names(write_json(tmp_path / "export[1].json", [asset("a")]))


@pytest.mark.parametrize("name", ["a.json.gz", "a.json"])
def test_open_source_detects_gzip_by_content(tmp_path: Path, name: str) -> None:
    """A packed file is unpacked whatever its name, and a plain .gz is read as it is."""
    packed, plain = tmp_path / name, tmp_path / "plain.json.gz"
    packed.write_bytes(gzip.compress(json.dumps([asset("a")]).encode()))
    write_json(plain, [asset("b")])
    assert ["a", "b"] == read_names([packed, plain])


def test_open_source_takes_the_format_from_the_options(tmp_path: Path) -> None:
    """A name without a known ending is no problem where the format is set."""
    path = write_json(tmp_path / "export.dump", [asset("a")])
    assert ["a"] == read_names(path, file_format="json")


def test_read_records_reads_a_generator_once() -> None:
    """Commands of a generator are read one by one, each once, and not before they are needed."""
    drawn: list[int] = []

    def extract() -> Iterator[Command]:
        for number in range(3):
            drawn.append(number)
            yield asset(str(number))

    with open_source(extract(), SourceOptions()) as opened:
        assert [0] == drawn  # the first command shows that these are no paths
        records = list(opened.read_records())
    assert [asset("0"), asset("1"), asset("2")] == [record.command for record in records]
    assert [0, 1, 2] == drawn
    assert "commands, index 2" == str(records[2].position)


def test_read_records_copies_commands() -> None:
    """A caller may reuse and change its own object after it was read."""
    command = asset("a", tags=["x"])

    def extract() -> Iterator[Command]:
        for name in "ab":
            command["identifier"] = asset(name)["identifier"]
            command["tags"].append(name)
            yield command

    assert [["x", "a"], ["x", "a", "b"]] == [each["tags"] for each in read_commands(extract())]


def test_read_records_accepts_any_mapping() -> None:
    """A command may be any mapping with texts, enumerations, tuples and decimals in it."""

    class Kind(StrEnum):
        ASSET = "Asset"

    command = MappingProxyType(asset("a") | {"resourceType": Kind.ASSET, "tags": ("x",)})
    (read,) = read_commands([command])
    assert asset("a", tags=["x"]) == read
    assert str is type(read["resourceType"])
    assert 1 == len(read_commands([asset("a", displayName=Decimal("1.10"))]))


@pytest.mark.parametrize(
    "value",
    [Decimal("NaN"), float("inf"), {1, 2}, object(), {1: "x"}, "\ud800", b"x", "\0", {"\0": 1}],
)
def test_read_records_refuses_what_is_no_json(value: object) -> None:
    """A value that cannot be written as JSON is refused with the index of its command."""
    assert "commands, index 1: not JSON: " in refuse([asset("a"), asset("b", displayName=value)])


def test_read_records_refuses_a_command_that_holds_itself() -> None:
    """A command that holds itself is refused, and the next ones are read."""
    endless: Command = asset("a")
    endless["attributes"] = endless
    assert "commands, index 0: not JSON: the command holds itself" in refuse([endless])


@pytest.mark.parametrize("index", [0, 2])
def test_read_records_names_the_place_of_an_error_in_the_iterable(index: int) -> None:
    """An error of the caller's own code ends the source with its place, type and cause."""

    def extract() -> Iterator[Command]:
        for number in range(index):
            yield asset(f"T{number}")
        raise LookupError("connection lost")

    with pytest.raises(SourceError) as refusal:
        read_source(extract())
    message = f"commands, index {index}: the iterable failed: LookupError: connection lost. "
    assert str(refusal.value).startswith(message)


def test_open_source_takes_none_for_an_item() -> None:
    """An iterable that begins with null is not taken for an empty one."""
    assert "commands, index 0: a command must be a mapping, not NoneType" in refuse([None])


def test_read_records_collects_faults_of_commands() -> None:
    """All faulty commands are named at once; the sound ones are yielded before."""
    with open_source([{}, asset("a"), asset(" ")], SourceOptions()) as opened:
        records = opened.read_records()
        assert asset("a") == next(records).command
        with pytest.raises(SourceError) as refusal:
            next(records)
    expected = (
        "commands, index 0: the command has no resourceType.",
        "commands, index 2: identifier.name: is blank.",
    )
    assert expected == refusal.value.faults
    assert str(refusal.value).startswith("The source has 2 faults:\n- commands, index 0")


def test_read_records_ends_at_a_broken_file(tmp_path: Path) -> None:
    """A file that cannot be read further ends the stream, with the faults found before."""
    write_json(tmp_path / "a.json", [asset(" ")])
    (tmp_path / "b.json").write_text("[{]")
    reason = refuse(str(tmp_path / "*.json"))
    assert "The source has 2 faults" in reason
    assert "b.json, byte 2: invalid JSON at index 0" in reason


def test_read_records_reads_only_once(tmp_path: Path) -> None:
    """A source that was read is not read again, because it may have changed."""
    path = write_json(tmp_path / "a.json", [asset("a")])
    with open_source(path, SourceOptions()) as opened:
        list(opened.read_records())
        with pytest.raises(SourceError, match="was read already"):
            list(opened.read_records())


def test_read_records_refuses_a_changed_file(tmp_path: Path) -> None:
    """A file that changes between finding and reading is refused."""
    path = write_json(tmp_path / "a.json", [asset("a"), asset("b")])
    with open_source(path, SourceOptions()) as opened:
        write_json(Path(path), [asset("b"), asset("a")])
        os.utime(path, (0, 0))
        with pytest.raises(SourceError, match=r"a\.json: the file changed after it was found"):
            list(opened.read_records())


def test_read_records_refuses_a_replaced_file(tmp_path: Path) -> None:
    """A file that was replaced by one of the same size and time is refused."""
    path = write_json(tmp_path / "a.json", [asset("a")])
    times = os.stat(path)  # noqa: PTH116 - the numbers are needed
    with open_source(path, SourceOptions()) as opened:
        other = write_json(tmp_path / "new", [asset("b")])
        os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
        os.replace(other, path)  # noqa: PTH105
        with pytest.raises(SourceError, match="the file changed"):
            list(opened.read_records())


def test_read_records_refuses_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    """A file that is still being written is refused, even if its old content was complete."""
    path = write_json(tmp_path / "a.json", [asset("a"), asset("b")])
    with open_source(path, SourceOptions()) as opened:
        records = opened.read_records()
        next(records)
        with Path(path).open("a") as file:
            file.write(" ")
        with pytest.raises(SourceError, match="the file changed"):
            list(records)


def test_read_records_reports_unknown_keys() -> None:
    """Keys that Collibra's description does not list are passed on and collected."""
    with open_source([asset("a", lifecycle="x")], SourceOptions()) as opened:
        (record,) = opened.read_records()
    assert "x" == record.command["lifecycle"]
    assert {"Asset.lifecycle"} == opened.unknown_keys


def test_scan_logs_unknown_keys_once() -> None:
    """Unknown keys are logged in one line, and sent."""
    lines: list[str] = []
    commands = [asset("a", lifecycle="x"), asset("b", lifecycle="y")]
    with (
        open_source(commands, SourceOptions()) as opened,
        opened.scan(log=lines.append) as content,
    ):
        assert ("Asset.lifecycle",) == content.summary.unknown_keys
    assert 1 == sum("Asset.lifecycle" in line for line in lines)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ([], "no file and no command. An empty source is an empty cycle"),
        (asset("a"), "a single command: put it in [ ]"),
        (7, "several of these, or commands, not int"),
        (b"one.jsonl", "several of these, or commands, not bytes"),
        (["one.jsonl", asset("a")], "begins with a path must hold paths only, not {"),
        ([asset("a"), "one.jsonl"], "commands, index 1: a command must be a mapping, not str"),
        ("nowhere.json", "No such file or directory. Check the path; a relative one"),
        (json.dumps([{"resourceType": "Asset"}] * 50), "not a file name"),
        ("a\0b.json", "embedded null"),
        ("*.json", "no file matches. An empty source"),
        ("folder", "folder: a folder. Name its files with a glob, such as folder/*.json"),
        ("empty.csv", "the file is empty. An empty source"),
        ("odd.txt", "has none of the endings .json"),
        ("old.xls", ".xls workbooks are not supported. Save it as .xlsx"),
        (["one.jsonl", "two.json"], "files of different formats"),
    ],
)
def test_open_source_refuses_what_is_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any, reason: str
) -> None:
    """Nothing, or something that is not clearly a source, is refused in one sentence."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("empty.csv").touch()
    for name in ("odd.txt", "old.xls", "one.jsonl", "folder/two.json"):
        Path(name).write_text("[]")
    if source == ["one.jsonl", "two.json"]:
        Path("folder/two.json").rename("two.json")
    assert reason in refuse(source)


@pytest.mark.parametrize(
    ("name", "layout", "reason"),
    [("a.csv", "", "csv source needs a template"), ("a.json", "[]", "A template is for CSV")],
)
def test_open_source_wants_a_template_for_tables(
    tmp_path: Path, name: str, layout: str, reason: str
) -> None:
    """A table without a template is refused, and so is a template for JSON or commands."""
    (tmp_path / name).write_text("x")
    assert reason in refuse(tmp_path / name, template=layout)
    assert "A template is for CSV" in refuse([asset("a")], template="[]")


def test_open_source_reads_urls(memory: Any, tmp_path: Path) -> None:
    """Files behind any URL of fsspec are read, packed or not, also through a glob."""
    memory.pipe("/exports/b.json.gz", gzip.compress(json.dumps([asset("b")]).encode()))
    memory.pipe("/exports/a.json", json.dumps([asset("a")]).encode())
    records = read_source("memory://exports/*")
    assert ["C > D > a", "C > D > b"] == [each.position.identifier for each in records]
    assert "memory://exports/a.json, index 0" == str(records[0].position).replace(":///", "://")
    local = write_json(tmp_path / "c.json", [asset("c")])
    assert ["a", "c"] == read_names(["memory://exports/a.json", f"file://{local}"])


def test_open_source_reads_tables_behind_urls(memory: Any, tmp_path: Path) -> None:
    """Tables and workbooks behind a URL are read as local ones."""
    memory.pipe("/a.csv", b"name;note\na;x\n")
    path = write_excel(tmp_path / "b.xlsx", S=[["name", "note"], ["b"]])
    memory.pipe("/b.xlsx", path.read_bytes())
    assert ["a"] == read_names("memory://a.csv", template=NOTES)
    assert ["b"] == read_names("memory://b.xlsx", template=NOTES)


def test_read_records_refuses_a_changed_remote_file(memory: Any) -> None:
    """A remote file that changes between finding and reading is refused."""
    memory.pipe("/a.json", json.dumps([asset("a")]).encode())
    with open_source("memory://a.json", SourceOptions()) as opened:
        memory.pipe("/a.json", json.dumps([asset("b")]).encode())
        with pytest.raises(SourceError, match="the file changed after it was found"):
            list(opened.read_records())


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("s3://bucket/a.json", "s3fs"),
        ("abfs://container@account.dfs.core.windows.net/a.json", "adlfs"),
        ("gs://bucket/*.json", "gcsfs"),
        ("gcs://bucket/a.json", "gcsfs"),
    ],
)
def test_open_source_names_the_missing_package(
    monkeypatch: pytest.MonkeyPatch, url: str, package: str
) -> None:
    """A URL whose package is not installed is refused with the name of the package."""
    monkeypatch.setitem(sys.modules, package, None)
    reason = refuse(url)
    assert reason.startswith(url)
    assert f"Install the package {package}." in reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://nowhere/a.json", "memory://nowhere/a.json: the file does not exist"),
        ("memory://nowhere/*.json", "no file matches. An empty source"),
        ("memory://folder", "a folder. Name its files with a glob, such as memory://folder/*.json"),
        ("nonsense://a.json", "nonsense://a.json: the URL cannot be opened: "),
        ("memory://empty.json", "the file is empty. An empty source"),
    ],
)
def test_open_source_refuses_urls_without_files(memory: Any, url: str, reason: str) -> None:
    """A URL at which there is no file is refused in one sentence."""
    memory.pipe("/folder/a.json", b"[]")
    memory.pipe("/empty.json", b"")
    assert reason in refuse(url)


def test_open_source_shows_no_secret_of_a_url() -> None:
    """A password in a URL is in no message."""
    reason = refuse("nonsense://user:hidden@host/a.json?sig=hidden")
    assert "nonsense://host/a.json" in reason
    assert "hidden" not in reason.replace("?sig=hidden", "")


def test_short_names_are_unique() -> None:
    """A file is shown by the last part of its name, unless two have the same one."""
    names = short_names(["x/a.json", "y/a.json", "s3://bucket/b.json"])
    assert ["x/a.json", "y/a.json", "b.json"] == list(names.values())
