"""The store, the lock, the storage and the import slots on a real Prefect server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from collibra_tasks.errors import FinalizationRefusedError, OverlapError
from collibra_tasks.ledger.checkpoint import Checkpoint
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.lock import CycleLock
from collibra_tasks.ledger.store import MissingValueError, StoreUnavailableError
from collibra_tasks.models import FlowRunInfo
from collibra_tasks.options import Timing
from tests.support.flow_runs import until

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def store() -> Any:
    from collibra_tasks.ledger.variable_store import VariableStore

    return VariableStore()


@pytest.fixture
def name() -> str:
    return f"collibra-test-{uuid4().hex}"


@pytest.fixture
def limit() -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    from collibra_tasks.ledger.variable_store import ImportSlots

    slots = ImportSlots(f"environment {uuid4()}", log=lambda _: None)
    yield slots
    with get_client(sync_client=True) as client:
        client.delete_global_concurrency_limit_by_name(slots.name)


def lock(
    store: Any, name: str, run: str, *, expiry: float = 3, renew: float = 0.5, **options: Any
) -> CycleLock:
    return CycleLock(
        store,
        "environment",
        name,
        flow_run=FlowRunInfo(id=run, name=run),
        has_ended=lambda _: False,
        timing=Timing(lock_poll=0.1, lock_expiry=expiry, lock_renew=renew),
        clock=time,
        log=lambda _: None,
        **options,
    )


def test_create_once(store: Any, name: str) -> None:
    """Of several processes that create one name at once, one succeeds."""
    with ThreadPoolExecutor(4) as pool:
        contexts = [copy_context() for _ in range(4)]
        tries = [
            pool.submit(context.run, store.create, name, {"number": number}, ["collibra"])
            for number, context in enumerate(contexts)
        ]

    assert [False, False, False, True] == sorted(each.result() for each in tries)


def test_read_by_name(store: Any, name: str) -> None:
    """Values are read by exact name, with both times, and missing names are absent."""
    store.create(name, {"text": "é"}, ["collibra", name])
    store.create(f"{name}-longer", {"text": "other"}, ["collibra", name])
    time.sleep(0.01)
    store.update(name, {"text": "new"}, ["collibra", name])

    (found,) = store.read([name, f"{name}-none"])

    assert (name, {"text": "new"}) == (found.name, found.value)
    assert found.created_on < found.updated_on
    assert abs(store.now() - found.updated_on) < timedelta(seconds=5)
    assert [] == store.read([])


def test_read_of_many_names(store: Any, name: str) -> None:
    """More names than one response holds are read completely."""
    store.create(name, {}, [])

    assert [name] == [found.name for found in store.read([*(f"{n}" for n in range(450)), name])]


def test_find_by_tag(store: Any, name: str) -> None:
    """Values are found by exact tag, names in descending order, up to the limit."""
    for suffix in ("01", "03", "02"):
        store.create(f"{name}-{suffix}", {}, ["collibra", name])
    store.create(f"{name}-other", {}, [f"{name}-x"])

    assert ["03", "02", "01"] == [found.name[-2:] for found in store.find(name)]
    assert ["03"] == [found.name[-2:] for found in store.find(name, limit=1)]


def test_update_and_delete_of_a_missing_name(store: Any, name: str) -> None:
    """An update of a missing value fails; its deletion is no error."""
    with pytest.raises(MissingValueError, match=name):
        store.update(name, {}, [])
    store.delete(name)


def test_create_too_large(store: Any, name: str) -> None:
    """A value that Prefect would refuse is refused before the request."""
    with pytest.raises(ValueError, match="bytes"):
        store.create(name, {"text": "x" * 5_000}, [])
    assert store.create(name, {"text": "x" * 4_880}, [])


def test_update_renews_an_equal_value(store: Any, name: str) -> None:
    """Writing an equal value again changes its time, which renews a lock."""
    store.create(name, {"a": 1}, [])
    (before,) = store.read([name])
    time.sleep(0.01)
    store.update(name, {"a": 1}, [])
    (after,) = store.read([name])

    assert after.updated_on > before.updated_on


def test_store_unreachable(store: Any) -> None:
    """A server that does not respond is one kind of error, without a traceback of its client."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(StoreUnavailableError, match="Prefect server"),
    ):
        store.read(["a"])


def test_is_shared(store: Any) -> None:
    """A server of its own, which Prefect starts for one process, is not shared."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    assert store.is_shared
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert not store.is_shared


def test_in_an_async_flow(store: Any, name: str, tmp_path: Path, limit: Any) -> None:
    """Store, lock, storage and slots work inside of a running event loop."""
    from prefect.filesystems import LocalFileSystem

    from collibra_tasks.ledger.storage import BlockStorage

    LocalFileSystem(basepath=str(tmp_path)).save(name)
    checkpoint = Checkpoint(generation=1, content_digest="c", token="t")

    async def cycle() -> None:
        storage = BlockStorage("env", name, f"local-file-system/{name}", log=print)
        with (
            lock(store, name, "a").acquire(timeout_seconds=0, purpose="upload") as held,
            limit.acquire(2, wait_seconds=5) as slots,
        ):
            held.check()
            storage.write_checkpoint(checkpoint)
            assert (2, checkpoint) == (slots, storage.read_checkpoint())

    asyncio.run(cycle())

    (path,) = tmp_path.rglob("checkpoint.json")
    assert path.parent.name == resource_name("cycle", "env", name)


def test_lock_race_after_expiry(store: Any, name: str) -> None:
    """Of three flow runs that wait for a dead holder, one takes over, and the others wait on."""
    with ExitStack() as stack:
        dead = lock(store, name, "dead", renew_in_background=False)
        stack.enter_context(dead.acquire(timeout_seconds=0, purpose="upload"))

        def contend(run: str) -> bool:
            try:
                with lock(store, name, run).acquire(timeout_seconds=6, purpose="upload") as held:
                    time.sleep(6)  # longer than the others wait
                    held.check()
            except OverlapError:
                return False
            return True

        with ThreadPoolExecutor(3) as pool:
            contexts = [copy_context() for _ in range(3)]
            won = [pool.submit(context.run, contend, f"{n}") for n, context in enumerate(contexts)]

    assert 1 == sum(each.result() for each in won)


def test_lock_renewal_keeps_the_lock(store: Any, name: str) -> None:
    """The thread renews the lock on the server while the flow's own thread waits."""
    tag = resource_name("lock", "environment", name)
    renewing = lock(store, name, "a", expiry=90, renew=0.2)

    def wait_for_renewal() -> None:
        before = store.find(tag)[0].updated_on
        until(lambda: store.find(tag)[0].updated_on > before, 60)

    with renewing.acquire(timeout_seconds=0, purpose="upload") as held:
        wait_for_renewal()
        wait_for_renewal()
        other = lock(store, name, "b", expiry=90).acquire(timeout_seconds=0, purpose="upload")
        with pytest.raises(OverlapError), other:
            pass
        held.check()


def test_slots_respect_a_lower_limit(limit: Any) -> None:
    """A limit that a user has set is respected."""
    limit.ensure_limit(2)

    with limit.acquire(4, wait_seconds=5) as slots:
        assert 2 == slots


def test_slots_of_a_limit_of_zero(limit: Any) -> None:
    """A limit of 0 stops all uploads, in one sentence with its name."""
    limit.ensure_limit(0)

    with (
        pytest.raises(FinalizationRefusedError, match=limit.name),
        limit.acquire(1, wait_seconds=1),
    ):
        pass


def test_slots_left_taken(limit: Any) -> None:
    """Slots that stayed taken on a restarted server are named, with the command that frees them."""
    limit.ensure_limit(1)
    refused = pytest.raises(FinalizationRefusedError, match="--active-slots 0")
    with limit.acquire(1, wait_seconds=5), refused, limit.acquire(1, wait_seconds=1):
        pass


def test_now_by_the_server(store: Any) -> None:
    """The store's clock is in UTC, and near ours on one machine."""
    now = store.now()

    assert UTC == now.tzinfo
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)
