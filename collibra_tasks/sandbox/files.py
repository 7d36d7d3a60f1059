"""Files that were uploaded to be imported later."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from collibra_tasks.sandbox.refusals import RefusalError

NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One uploaded file."""

    id: str = field(default_factory=lambda: str(uuid4()))
    name: str
    content_type: str
    content: bytes

    def body(self) -> dict[str, object]:
        """Return what the Core API tells of the file."""
        extension = self.name.rpartition(".")[2] if "." in self.name else ""
        return {
            "id": self.id,
            "name": self.name,
            "contentType": self.content_type,
            "size": len(self.content),
            "extension": extension,
        }


class Files(dict[str, StoredFile]):
    """All uploaded files by id."""

    def find(self, file_id: str) -> StoredFile:
        """Return a file, or refuse the request."""
        if file_id not in self:
            raise RefusalError(NOT_FOUND, f"File {file_id} could not be found.")
        return self[file_id]
