"""Records of version 0.1.0."""

from __future__ import annotations

import hashlib

import pytest

from collibra_tasks.errors import FinalizationRefusedError
from tests.support.sessions import NIGHTLY, World, numbered

BASE_URL = "https://collibra.example"


def old_name(number: int) -> str:
    """Return the name of a record as version 0.1.0 wrote it."""
    digest = hashlib.sha256(f"{BASE_URL}\0{NIGHTLY}".encode()).hexdigest()[:10]
    return f"collibra-finalization-nightly-{digest}-{number:06d}"


def test_refuse_old_records_names_them() -> None:
    """An old record stops the first run before anything is sent, and is named with a command."""
    world = World()
    for number in (7, 8):
        world.store.put(old_name(number), {"phase": "ended"}, ["collibra", "ended"])

    with pytest.raises(FinalizationRefusedError, match="prefect variable unset") as raised:
        world.synchronize(numbered(3))

    assert old_name(7) in str(raised.value)
    assert old_name(8) in str(raised.value)
    assert 0 == world.sandbox.batches


def test_refuse_old_records_after_they_are_set_aside() -> None:
    """Once the old record is deleted, the first cycle runs."""
    world = World()
    world.store.put(old_name(1), {"phase": "ended"}, ["collibra", "ended"])
    world.store.remove(old_name(1))

    assert world.synchronize(numbered(3)).succeeded
