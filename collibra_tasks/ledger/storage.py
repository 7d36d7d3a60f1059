"""Files of one synchronization: manifests and the checkpoint, on a Prefect storage block.

Every writable file system of Prefect serves, a bucket for instance. Without a block, the files are
in a folder of Prefect's home, which only this machine reads.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol, cast
from uuid import uuid4

from prefect.blocks.core import Block
from prefect.filesystems import LocalFileSystem, WritableFileSystem
from prefect.settings import PREFECT_HOME
from prefect.utilities.asyncutils import run_coro_as_sync
from pydantic import ValidationError

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.manifest import Manifest, ManifestError
from collibra_tasks.ledger.marker import CycleMarkers

FOLDER: Final = "collibra-tasks"
MAX_KEPT_MANIFESTS: Final = 20
"""Number of manifests that pruning keeps in any case; more than a ledger entry names."""
MAX_SHOWN_ERROR: Final = 300


class CycleStorage(Protocol):
    """Manifests and checkpoint of one synchronization.

    Files that cannot be read are reported to the log and returned as ``None``. Writing raises
    :class:`FinalizationRefusedError`: nothing may be sent that cannot be recorded.
    """

    def read_manifest(self, name: str) -> Manifest | None:
        """Return a manifest; ``None`` if it is missing or damaged."""

    def write_manifest(self, manifest: Manifest) -> str:
        """Write a manifest and return its name; equal content has an equal name."""

    def list_manifests(self) -> list[tuple[str, datetime]]:
        """Return names and write times (UTC) of known manifests, newest first."""

    def prune_manifests(self, *, keep: Collection[str] = ()) -> None:
        """Delete old manifests, except for the newest and those in ``keep``."""

    def read_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint; ``None`` if it is missing or damaged."""

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint."""


class BlockStorage:
    """Manifests and checkpoint on a Prefect storage block, or in a local folder.

    Example:
        ```python
        storage = BlockStorage("acme.collibra.com", "nightly", "s3-bucket/manifests", log=print)
        storage.read_checkpoint()
        ```
    """

    def __init__(
        self,
        environment: str,
        synchronization_id: str,
        storage: str = "",
        *,
        log: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Load the block.

        Args:
            environment: Identity of the environment.
            synchronization_id: Synchronization that the files belong to.
            storage: Block such as ``s3-bucket/manifests``; empty for a folder in Prefect's home.
            log: Receives the names of unreadable files.
            now: Clock of the manifests' write times.

        Raises:
            FinalizationRefusedError: If the block does not exist or is no writable file system.
        """
        self.folder = resource_name("cycle", environment, synchronization_id)
        self._files = _load(storage)
        self._log, self._now = log, now

    def read_manifest(self, name: str) -> Manifest | None:
        """Return a manifest; ``None`` if it is missing or damaged."""
        content = self._read(name, expected=True)
        try:
            return Manifest.from_bytes(content) if content is not None else None
        except ManifestError as error:
            self._log(f"File {name} ignored: {error}")
            return None

    def write_manifest(self, manifest: Manifest) -> str:
        """Write a manifest and return its name; equal content has an equal name."""
        content = manifest.to_bytes()
        name = f"{self.folder}/manifest-{sha256(content).hexdigest()[:16]}.tsv.gz"
        self._write(name, content)
        self._write_index(self._read_index() | {name: self._now()})
        return name

    def list_manifests(self) -> list[tuple[str, datetime]]:
        """Return names and write times (UTC) of known manifests, newest first."""
        return sorted(self._read_index().items(), key=lambda each: each[1], reverse=True)

    def prune_manifests(self, *, keep: Collection[str] = ()) -> None:
        """Delete old manifests, except for the newest and those in ``keep``.

        Prefect's blocks cannot delete. In a bucket, only the index shrinks, and the files remain
        until a lifecycle rule of the bucket deletes them.
        """
        listed = self.list_manifests()
        old = {name for name, _ in listed[MAX_KEPT_MANIFESTS:]} - set(keep)
        if not old:
            return
        self._write_index({name: on for name, on in listed if name not in old})
        if isinstance(self._files, LocalFileSystem):
            for name in old:
                with suppress(OSError):
                    _local_path(self._files, name).unlink(missing_ok=True)

    def read_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint; ``None`` if it is missing or damaged."""
        content = self._read(self._checkpoint)
        try:
            return Checkpoint.from_bytes(content) if content is not None else None
        except (ValueError, RecursionError) as error:
            self._log(f"File {self._checkpoint} ignored: {_first_line(error)}")
            return None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint."""
        self._write(self._checkpoint, checkpoint.to_bytes())

    @property
    def _checkpoint(self) -> str:
        return f"{self.folder}/checkpoint.json"

    @property
    def _index(self) -> str:
        return f"{self.folder}/manifests.json"

    def _read_index(self) -> dict[str, datetime]:
        try:
            index = json.loads(self._read(self._index) or b"{}")
            return {name: datetime.fromisoformat(on).astimezone(UTC) for name, on in index.items()}
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            self._log(f"File {self._index} ignored: {_first_line(error)}")
            return {}

    def _write_index(self, index: dict[str, datetime]) -> None:
        content = {name: on.isoformat() for name, on in index.items()}
        try:
            self._write(self._index, json.dumps(content, indent=1).encode())
        except FinalizationRefusedError as error:  # the index only serves comparisons
            self._log(f"File {self._index} not written: {error}")

    def _read(self, name: str, *, expected: bool = False) -> bytes | None:
        try:
            return cast("bytes", _run(self._files.read_path(name)))
        except Exception as error:  # noqa: BLE001 - each file system has its own errors
            if expected or not _means_missing(error):
                self._log(f"File {name} not readable: {_first_line(error)}")
            return None

    def _write(self, name: str, content: bytes) -> None:
        try:
            if isinstance(self._files, LocalFileSystem):
                _write_local(_local_path(self._files, name), content)
            else:
                _run(self._files.write_path(name, content))
        except Exception as error:
            raise FinalizationRefusedError(
                f"File {name} not written: {_first_line(error)}. Without it the next cycle cannot "
                "be compared with this one, so nothing further is sent. Check the storage block "
                "and its permissions."
            ) from error


def open_storage(
    environment: str,
    synchronization_id: str,
    storage: str | None,
    markers: CycleMarkers,
    *,
    log: Callable[[str], None],
) -> BlockStorage:
    """Return the chosen storage, or the one in which an upload without finalization is recorded.

    Args:
        environment: Identity of the environment.
        synchronization_id: Synchronization that the files belong to.
        storage: Storage block; empty for the default folder; ``None`` for the one that the marker
            names.
        markers: Marker of the open upload.
        log: Receives the cause if that block cannot be loaded.
    """
    names = (environment, synchronization_id)
    if storage is not None:
        return BlockStorage(*names, storage, log=log)
    marker = markers.read()
    try:
        return BlockStorage(*names, marker.storage if marker else "", log=log)
    except FinalizationRefusedError as error:
        log(f"The record of the last upload cannot be read: {error}")
        return BlockStorage(*names, log=log)


def _load(storage: str) -> WritableFileSystem:
    if not storage:
        return LocalFileSystem(basepath=str(PREFECT_HOME.value() / FOLDER))
    try:
        block = _run(Block.load(storage))
    except Exception as error:  # noqa: BLE001 - each block type has its own errors
        # Fields of a block may be secrets, and validation errors show fields.
        cause = type(error).__name__ if _shows_fields(error) else _first_line(error)
        raise FinalizationRefusedError(
            f"Storage block {storage!r} not loaded: {cause}. Nothing was sent. Create the block in "
            "Prefect, or correct the parameter storage; its form is type/name."
        ) from None
    if not isinstance(block, WritableFileSystem):
        raise FinalizationRefusedError(
            f"Storage block {storage!r} not usable: it is no writable file system. Nothing was "
            "sent. Choose a block such as s3-bucket/manifests."
        )
    return block


def _shows_fields(error: BaseException) -> bool:
    return isinstance(error, ValidationError) or isinstance(error.__cause__, ValidationError)


def _run(result: Any) -> Any:  # noqa: ANN401 - in an event loop, Prefect returns coroutines
    return run_coro_as_sync(result) if inspect.iscoroutine(result) else result


def _means_missing(error: Exception) -> bool:
    return isinstance(error, FileNotFoundError) or any(
        words in str(error) for words in ("does not exist", "NoSuchKey", "Not Found")
    )


def _local_path(files: LocalFileSystem, name: str) -> Path:
    return Path(files.basepath or ".").expanduser() / name


def _write_local(path: Path, content: bytes) -> None:
    """Replace a file in one step: a process may be killed at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _first_line(error: BaseException) -> str:
    text = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {text[:MAX_SHOWN_ERROR]}".rstrip(": ")
