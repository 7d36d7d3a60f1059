"""Files of a synchronization: unreadable ones are named, an unwritable storage stops the run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.filesystems import RemoteFileSystem, WritableFileSystem
from prefect.settings import PREFECT_HOME, temporary_settings
from pydantic import SecretStr

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.checkpoint import Checkpoint, SentBatch
from collibra_tasks.ledger.manifest import Manifest
from collibra_tasks.ledger.storage import FOLDER, MAX_KEPT_MANIFESTS, BlockStorage
from collibra_tasks.models import AssetRow

CHECKPOINT = Checkpoint(
    generation=1,
    content_digest="c",
    token="t",
    batches=(SentBatch(number=1, digest="d", job_id="j", succeeded=True),),
)


def manifest(*names: str) -> Manifest:
    return Manifest.from_rows(AssetRow(name, "", "", "") for name in names)


class Place:
    """A local folder, and storages in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logged: list[str] = []
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def storage(self, synchronization_id: str = "nightly") -> BlockStorage:
        return BlockStorage(
            "acme.collibra.com", synchronization_id, log=self.logged.append, now=lambda: self.time
        )

    def only(self, pattern: str) -> Path:
        (found,) = self.root.rglob(pattern)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with temporary_settings({PREFECT_HOME: tmp_path}):
        yield Place(tmp_path)


def test_read_manifest_restores(place: Place) -> None:
    """A manifest is read back by a later process."""
    name = place.storage().write_manifest(manifest("a", "b"))

    read = place.storage().read_manifest(name)

    assert read is not None
    assert ["a", "b"] == [row.asset for row in read]
    assert [] == place.logged


def test_write_manifest_is_readable_with_zcat(place: Place) -> None:
    """An operator reads the file with zcat."""
    place.storage().write_manifest(manifest("Sales > T1"))

    text = subprocess.run(  # noqa: S603 - the promise
        ["zcat", str(place.only("*.gz"))],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert "Sales > T1\t\t\t" == text.splitlines()[1]


def test_write_manifest_of_equal_content(place: Place) -> None:
    """Equal content has one name and one file, and its newest write time."""
    names = [place.storage().write_manifest(manifest("a"))]
    place.time += timedelta(days=1)
    names.append(place.storage().write_manifest(manifest("a")))

    assert 1 == len(set(names))
    assert [(names[0], place.time)] == place.storage().list_manifests()


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda _: b"", lambda _: b"a note"])
def test_read_manifest_damaged(place: Place, damage: Callable[[bytes], bytes]) -> None:
    """A damaged manifest is named in the log and counts as missing."""
    name = place.storage().write_manifest(manifest("a", "b"))
    path = place.only("*.gz")
    path.write_bytes(damage(path.read_bytes()))

    assert place.storage().read_manifest(name) is None
    assert name in place.logged[0]


def test_read_manifest_missing(place: Place) -> None:
    """A manifest that the ledger names and that is gone is named in the log."""
    assert place.storage().read_manifest("folder/manifest-1.tsv.gz") is None
    assert "folder/manifest-1.tsv.gz" in place.logged[0]


def test_read_manifest_outside_of_the_storage(place: Place) -> None:
    """A name with a path out of the storage is not read."""
    (place.root / "secret").write_text("x")

    assert place.storage().read_manifest("../secret") is None


def test_list_manifests_newest_first(place: Place) -> None:
    """All written manifests are listed with their times, the newest first."""
    names = []
    for asset in "abc":
        names.append(place.storage().write_manifest(manifest(asset)))
        place.time += timedelta(hours=1)

    listed = place.storage().list_manifests()

    assert names[::-1] == [name for name, _ in listed]
    assert place.time - timedelta(hours=1) == listed[0][1]


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 5}', '{"a": "soon"}'])
def test_list_manifests_damaged(place: Place, content: str) -> None:
    """A damaged index is named in the log; the next manifest repairs it."""
    place.storage().write_manifest(manifest("a"))
    place.only("manifests.json").write_text(content)

    assert [] == place.storage().list_manifests()
    assert "manifests.json" in place.logged[0]
    name = place.storage().write_manifest(manifest("b"))
    assert [name] == [listed for listed, _ in place.storage().list_manifests()]


def test_prune_manifests(place: Place) -> None:
    """The newest manifests and the needed ones remain; older ones are deleted."""
    names = []
    for number in range(MAX_KEPT_MANIFESTS + 3):
        place.time += timedelta(hours=1)
        names.append(place.storage().write_manifest(manifest(f"{number}")))

    place.storage().prune_manifests(keep=[names[1]])

    kept = [names[1], *names[3:]]
    assert kept[::-1] == [name for name, _ in place.storage().list_manifests()]
    assert len(kept) == len(list(place.root.rglob("*.gz")))
    assert place.storage().read_manifest(names[1]) is not None


def test_read_checkpoint_restores(place: Place) -> None:
    """A checkpoint is read back by a later process, and only for its synchronization."""
    place.storage("s.eu").write_checkpoint(CHECKPOINT)

    assert CHECKPOINT == place.storage("s.eu").read_checkpoint()
    assert [None, []] == [place.storage("s-eu").read_checkpoint(), place.logged]


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"\xff"])
def test_read_checkpoint_damaged(place: Place, content: bytes) -> None:
    """A damaged checkpoint is named in the log and counts as missing."""
    place.storage().write_checkpoint(CHECKPOINT)
    place.only("checkpoint.json").write_bytes(content)

    assert place.storage().read_checkpoint() is None
    assert "checkpoint.json" in place.logged[0]


def test_write_checkpoint_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed while it writes leaves the earlier checkpoint intact."""

    def kill(_: int) -> None:
        raise KeyboardInterrupt

    place.storage().write_checkpoint(CHECKPOINT)
    monkeypatch.setattr("os.fsync", kill)
    with pytest.raises(KeyboardInterrupt):
        place.storage().write_checkpoint(CHECKPOINT.replaced_by(content_digest="d", token="u"))

    assert CHECKPOINT == place.storage().read_checkpoint()


def test_write_checkpoint_refused(place: Place) -> None:
    """A storage that cannot be written ends the run before anything is sent."""
    (place.root / FOLDER).write_text("a file in place of the folder")

    with pytest.raises(FinalizationRefusedError, match="not written") as refusal:
        place.storage().write_checkpoint(CHECKPOINT)
    assert "storage block" in str(refusal.value)


class MemoryBlock(WritableFileSystem):
    """A file system block with async methods, as those of other Prefect collections."""

    files: dict[str, bytes] = {}  # noqa: RUF012 - a pydantic field
    secret: SecretStr = SecretStr("hush")

    async def read_path(self, path: str) -> bytes:
        return self.files[path]

    async def write_path(self, path: str, content: bytes) -> None:
        self.files[path] = content


def load(monkeypatch: pytest.MonkeyPatch, loaded: Any) -> None:
    def stub(_: str) -> Any:
        if isinstance(loaded, Exception):
            raise loaded
        return loaded

    monkeypatch.setattr("collibra_tasks.ledger.storage.Block.load", stub)


def test_block_storage_with_an_async_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks whose methods are coroutines work as well."""
    load(monkeypatch, MemoryBlock())
    storage = BlockStorage("env", "nightly", "memory/one", log=print)

    name = storage.write_manifest(manifest("a"))
    storage.write_checkpoint(CHECKPOINT)
    storage.prune_manifests()

    assert storage.read_manifest(name) == manifest("a")
    assert CHECKPOINT == storage.read_checkpoint()


def test_block_storage_in_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A remote file system behaves like a folder; a file that is not there yet is no log line."""
    logged: list[str] = []
    load(monkeypatch, RemoteFileSystem(basepath="memory://bucket/cycles"))
    storage = BlockStorage("env", "nightly", "remote-file-system/one", log=logged.append)

    assert (None, []) == (storage.read_checkpoint(), storage.list_manifests())
    name = storage.write_manifest(manifest("a"))
    storage.write_checkpoint(CHECKPOINT)

    assert [name] == [listed for listed, _ in storage.list_manifests()]
    assert CHECKPOINT == storage.read_checkpoint()
    assert [] == logged


def test_block_storage_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing block is refused in one sentence with its name."""
    load(monkeypatch, ValueError("Unable to find block document named one"))

    with pytest.raises(FinalizationRefusedError, match=r"s3-bucket/one.*Nothing was sent"):
        BlockStorage("env", "nightly", "s3-bucket/one", log=print)


def test_block_storage_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields of a block that does not validate are not shown."""
    with pytest.raises(ValueError, match="hush") as invalid:
        RemoteFileSystem(basepath="memory://bucket", settings="hush")
    load(monkeypatch, invalid.value)

    with pytest.raises(FinalizationRefusedError) as refusal:
        BlockStorage("env", "nightly", "s3-bucket/one", log=print)
    assert "hush" not in str(refusal.value)


def test_block_storage_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is no writable file system is refused."""
    load(monkeypatch, object())

    with pytest.raises(FinalizationRefusedError, match="no writable file system"):
        BlockStorage("env", "nightly", "secret/one", log=print)
