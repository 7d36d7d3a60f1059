"""Storage of a session that names none: the one that the marker of the open upload names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.filesystems import LocalFileSystem
from prefect.settings import PREFECT_HOME, temporary_settings

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.marker import CycleMarker, CycleMarkers
from collibra_tasks.ledger.storage import BlockStorage, open_storage
from tests.support.memory_store import MemoryStore

NAMES = ("acme.collibra.com", "nightly")
BLOCK = "local-file-system/shared"
CHECKPOINT = Checkpoint(generation=1, content_digest="c", token="t")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return the log; one storage block exists, and the default folder is empty."""

    def load(name: str) -> LocalFileSystem:
        if name != BLOCK:
            raise ValueError(f"Unable to find {name}")
        return LocalFileSystem(basepath=str(tmp_path / "shared"))

    monkeypatch.setattr("collibra_tasks.ledger.storage.Block.load", load)
    with temporary_settings({PREFECT_HOME: tmp_path / "home"}):
        yield []


@pytest.fixture
def markers(log: list[str]) -> CycleMarkers:
    return CycleMarkers(MemoryStore(), *NAMES, log=log.append)


def test_open_storage_named_by_the_marker(markers: CycleMarkers, log: list[str]) -> None:
    """An upload to a block is found without its name; another named block is used as it is."""
    markers.write(CycleMarker(generation=1, storage=BLOCK, batch_count=1))
    BlockStorage(*NAMES, BLOCK, log=log.append).write_checkpoint(CHECKPOINT)

    assert open_storage(*NAMES, None, markers, log=log.append).read_checkpoint() == CHECKPOINT
    assert open_storage(*NAMES, "", markers, log=log.append).read_checkpoint() is None


@pytest.mark.parametrize("marker", [None, CycleMarker(generation=1)])
def test_open_storage_default_folder(
    markers: CycleMarkers, log: list[str], marker: CycleMarker | None
) -> None:
    """Without a marker, or with one that names no block, the default folder is used."""
    BlockStorage(*NAMES, log=log.append).write_checkpoint(CHECKPOINT)
    if marker:
        markers.write(marker)

    assert open_storage(*NAMES, None, markers, log=log.append).read_checkpoint() == CHECKPOINT


def test_open_storage_of_a_deleted_block(markers: CycleMarkers, log: list[str]) -> None:
    """A deleted block in the marker stops nothing; a deleted block that is chosen refuses."""
    markers.write(CycleMarker(generation=1, storage="s3-bucket/gone"))

    assert open_storage(*NAMES, None, markers, log=log.append).read_checkpoint() is None
    assert "s3-bucket/gone" in log[0]
    with pytest.raises(FinalizationRefusedError, match="s3-bucket/gone"):
        open_storage(*NAMES, "s3-bucket/gone", markers, log=log.append)
