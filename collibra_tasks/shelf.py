"""Where the manifests of finalized cycles, and the progress of the present one, are kept.

Any of Prefect's writable file systems will do, a bucket for instance. Without one it is a folder
in Prefect's home; then only this machine remembers.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.filesystems import LocalFileSystem, WritableFileSystem
from prefect.settings import PREFECT_HOME
from prefect.utilities.asyncutils import run_coro_as_sync
from pydantic import TypeAdapter

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.ledger import Past
from collibra_tasks.manifest import Manifest, ManifestError

FOLDER = "collibra-tasks"
KEPT_MANIFESTS = 20
"""More than an entry of the record can name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBatch:
    """A batch of the present cycle, and the job that imports it."""

    number: int
    digest: str
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a cycle has come, and which flow run brought it there.

    Attributes:
        sent: The batches that were sent.
        done: Those of them that were imported, proven by their jobs.
        past: What was finalized before; whatever is finalized from now on closes this cycle.
        manifest: Where it is kept what may be present on the tenant for all that was sent since
            then, by this run and those before it; ``None`` if that is not known.
        began_new: Whether the tenant did not know the synchronization before any of that.
    """

    flow_run_id: str | None
    flow_run_name: str | None
    sent: tuple[SentBatch, ...] = ()
    done: tuple[SentBatch, ...] = ()
    past: Past = field(default_factory=Past)
    manifest: str | None = None
    began_new: bool = False


_progress = TypeAdapter(Progress)


class Shelf:
    """The files of one synchronization on one tenant."""

    def __init__(self, tenant: str, synchronization_id: str, storage: str | None = None) -> None:
        """Find the storage.

        Args:
            tenant: The tenant's address.
            synchronization_id: The synchronization.
            storage: A block such as ``s3-bucket/manifests``; without it a folder in Prefect's home.

        Raises:
            FinalizationRefusedError: If there is no such block, or it can't be written to.
        """
        digest = sha256(f"{tenant}\0{synchronization_id}".encode()).hexdigest()[:16]
        self._folder = digest
        self._files = _load(storage)

    def read_manifest(self, name: str) -> Manifest | None:
        """Read what a finalized cycle held; ``None`` if it is not there, or damaged."""
        content = self._read(name)
        try:
            return Manifest.from_bytes(content) if content else None
        except ManifestError:
            return None

    def write_manifest(self, manifest: Manifest) -> str:
        """Keep what a cycle holds; return its name. The same content has the same name."""
        content = manifest.to_bytes()
        name = f"{self._folder}/cycle-{sha256(content).hexdigest()[:16]}.manifest"
        self._write(name, content)
        return name

    def forget_manifests(self, *, but: Collection[str]) -> None:
        """Forget old manifests where this can be done: in a folder of this machine.

        A bucket has rules of its own for what is old.

        Args:
            but: What is needed still.
        """
        if not isinstance(self._files, LocalFileSystem) or not self._files.basepath:
            return
        folder = Path(self._files.basepath).expanduser() / self._folder
        found = sorted(folder.glob("*.manifest"), key=lambda path: path.stat().st_mtime)
        for path in found[:-KEPT_MANIFESTS]:
            if f"{self._folder}/{path.name}" not in but:
                path.unlink(missing_ok=True)

    def read_progress(self) -> Progress | None:
        """Read how far the last cycle came; ``None`` if nothing is known."""
        content = self._read(self._progress)
        if not content:
            return None
        try:
            return _progress.validate_json(content)
        except ValueError:
            return None

    def write_progress(self, progress: Progress) -> None:
        """Keep how far this cycle has come."""
        self._write(self._progress, _progress.dump_json(progress))

    @property
    def _progress(self) -> str:
        return f"{self._folder}/progress.json"

    def _read(self, name: str) -> bytes | None:
        try:
            return cast("bytes", _run(self._files.read_path(name)))
        except Exception:  # noqa: BLE001 - each storage has its own way to say that nothing is there
            return None

    def _write(self, name: str, content: bytes) -> None:
        try:
            _run(self._files.write_path(name, content))
        except Exception as error:
            message = (
                f"not finalized: the storage can't be written to ({type(error).__name__}: "
                f"{error}), so nothing would tell the next cycle what this one held"
            )
            raise FinalizationRefusedError(message) from error


def _load(storage: str | None) -> WritableFileSystem:
    if not storage:
        return LocalFileSystem(basepath=str(PREFECT_HOME.value() / FOLDER))
    try:
        block: Any = Block.load(storage)
    except ValueError as error:
        message = f"nothing was sent: the storage {storage!r} can't be loaded: {error}"
        raise FinalizationRefusedError(message) from None
    if not isinstance(block, WritableFileSystem):
        message = f"nothing was sent: the block {storage!r} is no file system that can be written"
        raise FinalizationRefusedError(message)
    return block


def _run(done: Any) -> Any:  # noqa: ANN401 - what a storage returns, awaited or not
    return run_coro_as_sync(done) if inspect.iscoroutine(done) else done
