"""The lock of a synchronization: one holder, renewed, taken over after its end, fenced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from collibra_tasks.errors import OverlapError
from collibra_tasks.ledger.identity import resource_name
from collibra_tasks.ledger.lock import CycleLock, HeldLock
from collibra_tasks.ledger.store import StoreUnavailableError
from collibra_tasks.models import FlowRunInfo
from collibra_tasks.options import Timing
from tests.support.memory_store import CrashError, ManualClock, MemoryStore

ENVIRONMENT, SYNCHRONIZATION = "acme.collibra.com", "nightly"
TAG = resource_name("lock", ENVIRONMENT, SYNCHRONIZATION)


class Runs:
    """Flow runs that compete for one lock in one store."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.ended: set[str] = set()
        self.logged: list[str] = []
        # Contexts that are neither left nor collected, as those of a killed process.
        self._contexts: list[Any] = []

    def lock(
        self,
        run: str | None,
        synchronization_id: str = SYNCHRONIZATION,
        *,
        has_ended: Callable[[str], bool] | None = None,
        timing: Timing | None = None,
        in_background: bool = False,
    ) -> CycleLock:
        return CycleLock(
            self.store,
            ENVIRONMENT,
            synchronization_id,
            flow_run=FlowRunInfo(id=run, name=run and f"run-{run}"),
            has_ended=has_ended or self.ended.__contains__,
            timing=timing or Timing(),
            clock=self.clock,
            log=self.logged.append,
            renew_in_background=in_background,
        )

    def take(self, run: str | None, timeout_seconds: float = 0, **options: Any) -> HeldLock:
        """Take the lock as a process does that never comes to its release."""
        context = self.lock(run, **options).acquire(
            timeout_seconds=timeout_seconds, purpose="upload"
        )
        self._contexts.append(context)
        return context.__enter__()

    def close(self) -> None:
        """End all processes."""
        self.store.clear_hooks()
        self.store.heal()
        for context in self._contexts:
            context.gen.close()

    def refused(self, run: str | None, timeout_seconds: float = 0) -> str:
        with pytest.raises(OverlapError) as refusal:
            self.take(run, timeout_seconds)
        return str(refusal.value)

    def before(self, operation: str, action: Callable[[], object]) -> None:
        """Run something before the next call of a store operation, once."""
        self._hook("before", operation, action)

    def after(self, operation: str, action: Callable[[], object]) -> None:
        """Run something after the next call of a store operation, once."""
        self._hook("after", operation, action)

    def _hook(self, moment: Any, operation: str, action: Callable[[], object]) -> None:
        def hook(called: str, _: str) -> None:
            if called == operation:
                self.store.hooks[moment] = None
                action()

        self.store.hooks[moment] = hook


@pytest.fixture
def runs() -> Iterator[Runs]:
    runs = Runs()
    yield runs
    runs.close()


def holders(*locks: HeldLock) -> list[bool]:
    """Return for each lock whether its check passes."""
    return [_passes(lock) for lock in locks]


def _passes(lock: HeldLock) -> bool:
    try:
        lock.check()
    except OverlapError:
        return False
    return True


def test_acquire_while_held(runs: Runs) -> None:
    """A second flow run gets one sentence: who holds the lock, since when, and what to do."""
    runs.take("a")
    runs.clock.advance(60)

    message = runs.refused("b", 10)

    for part in ("nightly", "run-a", "upload", "2026-01-01 12:00:00", "10 seconds", "Run again"):
        assert part in message


def test_acquire_after_release(runs: Runs) -> None:
    """A released lock is free at once, also after an error."""
    with pytest.raises(ZeroDivisionError), runs.lock("a").acquire(timeout_seconds=0, purpose=""):
        _ = 1 / 0

    assert [True] == holders(runs.take("b"))


def test_acquire_waits_for_the_release(runs: Runs) -> None:
    """A flow run that waits takes the lock when the holder releases it, and logs its wait once."""
    first = runs.take("a")
    runs.clock.call_later(45, first.release)

    runs.take("b", 60)

    assert 45 <= runs.clock.monotonic() <= 45 + Timing().lock_poll
    assert 1 == len(runs.logged)
    assert f"until {runs.clock.now() + timedelta(seconds=15):%H:%M}" in runs.logged[0]
    assert "run-a" in runs.logged[0]


def test_acquire_of_two_synchronizations(runs: Runs) -> None:
    """Each synchronization has its own lock, however similar the names are."""
    locks = [runs.take("a", synchronization_id=name) for name in ("s.eu", "s-eu", "s_eu")]

    assert [True] * 3 == holders(*locks)


def test_release_keeps_the_number_of_values_small(runs: Runs) -> None:
    """The store holds one value per lock, however many cycles there were, for few requests."""
    for _ in range(5):
        runs.store.requests.clear()
        with runs.lock("a").acquire(timeout_seconds=0, purpose=""):
            pass

    assert [f"{TAG}-00000005"] == list(runs.store.snapshot())
    assert {"find": 2, "create": 1, "delete": 1, "update": 1} == dict(runs.store.requests)


@pytest.mark.parametrize(("age", "taken"), [(89.9, False), (90.0, True)])
def test_acquire_expires(runs: Runs, age: float, *, taken: bool) -> None:
    """A lock without renewal is taken over after exactly 90 seconds, and not before."""
    dead = runs.take("a")
    runs.clock.advance(age)

    if not taken:
        runs.refused("b")
    else:
        assert [True, False] == holders(runs.take("b"), dead)


def test_renew_extends(runs: Runs) -> None:
    """A holder that renews keeps the lock for as long as it works."""
    held = runs.take("a")
    for _ in range(20):
        runs.clock.advance(89)
        assert held.renew()

    runs.refused("b")
    assert [True] == holders(held)


def test_acquire_waits_for_expiry_at_most(runs: Runs) -> None:
    """A flow run that waits takes over a dead holder's lock 90 seconds after its last renewal."""
    runs.take("a")
    runs.clock.advance(30)

    runs.take("b", 3600)

    assert 90 <= runs.clock.monotonic() <= 90 + Timing().lock_poll


def test_acquire_after_the_holder_ended(runs: Runs) -> None:
    """The lock of a flow run that has ended, or was deleted, is taken over at once."""
    dead = runs.take("a")
    runs.ended.add("a")

    assert [True, False] == holders(runs.take("b"), dead)


def test_acquire_while_the_state_is_unknown(runs: Runs) -> None:
    """If Prefect cannot report the holder's state, the lock counts as held until it expires."""

    def fail(_: str) -> bool:
        raise RuntimeError("the server is away")

    runs.take("a")
    with pytest.raises(OverlapError):
        runs.take("b", has_ended=fail)
    runs.clock.advance(90)

    assert [True] == holders(runs.take("b", has_ended=fail))


def test_acquire_by_a_retry_of_the_same_run(runs: Runs) -> None:
    """A retry after a kill waits until the dead attempt's lock expires, then fences it."""
    dead = runs.take("a")

    retry = runs.take("a", 3600)

    assert 90 <= runs.clock.monotonic() <= 92
    assert [False, True] == holders(dead, retry)


def test_acquire_outside_of_a_flow_run(runs: Runs) -> None:
    """A process without a flow run holds the lock, and loses it by expiry only."""
    held = runs.take(None)

    assert "another process" in runs.refused(None)
    runs.clock.advance(90)
    assert [True, False] == holders(runs.take(None), held)


@pytest.mark.parametrize("operation", ["find", "create", "delete"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("skip", [0, 1])
def test_acquire_race_after_expiry(runs: Runs, operation: str, moment: str, skip: int) -> None:
    """Of two flow runs that take over a dead holder's lock, one holds it, however they interleave.

    The second one runs completely between any two store operations of the first one.
    """
    runs.take("dead")
    runs.clock.advance(90)
    won: list[HeldLock] = []

    def contend(run: str = "b") -> None:
        with suppress(OverlapError):
            won.append(runs.take(run))

    def at(action: Callable[[], None]) -> None:
        getattr(runs, moment)(operation, action)

    at(contend if skip == 0 else lambda: at(contend))
    contend("a")

    runs.store.clear_hooks()
    assert won
    assert 1 == sum(holders(*won))
    assert 1 == len(runs.store.snapshot())


def test_acquire_by_a_frozen_contender(runs: Runs) -> None:
    """A contender that creates a number deleted long ago does not disturb the present holder."""
    runs.take("dead")
    runs.clock.advance(90)
    present: list[HeldLock] = []

    def meanwhile() -> None:
        for run in ("b", "c"):
            with runs.lock(run).acquire(timeout_seconds=0, purpose=""):
                pass
        present.append(runs.take("d"))

    runs.before("create", meanwhile)
    assert "run-d" in runs.refused("a")

    assert [True] == holders(*present)
    assert [f"{TAG}-00000004"] == list(runs.store.snapshot())


def test_check_of_a_holder_that_stood_still(runs: Runs) -> None:
    """A holder that wakes up after a takeover is stopped, and its renewal changes nothing."""
    frozen = runs.take("a")
    runs.clock.advance(100)
    present = runs.take("b")

    assert not frozen.renew()
    frozen.release()
    with pytest.raises(OverlapError, match="run-b"):
        frozen.check()
    assert [True] == holders(present)
    assert 1 == len(runs.store.snapshot())


def test_check_between_takeover_and_deletion(runs: Runs) -> None:
    """A late renewal of the old epoch does not win it back while both epochs exist."""
    frozen = runs.take("a")
    runs.clock.advance(100)

    def wake_up() -> None:
        assert frozen.renew()
        frozen.release()

    runs.before("delete", wake_up)
    present = runs.take("b")

    assert [False, True] == holders(frozen, present)


def test_check_costs_one_request(runs: Runs) -> None:
    """The check before a write is one read."""
    held = runs.take("a")
    runs.store.requests.clear()
    held.check()

    assert {"find": 1} == dict(runs.store.requests)


def test_check_while_the_store_is_away(runs: Runs) -> None:
    """A check that cannot be made does not pass."""
    held = runs.take("a")
    runs.store.fail_next("find")

    with pytest.raises(StoreUnavailableError):
        held.check()


def test_check_after_the_release(runs: Runs) -> None:
    """A released lock protects nothing."""
    held = runs.take("a")
    held.release()

    assert [False] == holders(held)
    assert not held.renew()


def test_check_after_deletion_by_a_person(runs: Runs) -> None:
    """A holder whose variable was deleted stops; the next flow run takes the lock at once."""
    held = runs.take("a")
    runs.store.remove(f"{TAG}-00000001")

    with pytest.raises(OverlapError, match="deleted"):
        held.check()
    assert [True] == holders(runs.take("b"))


UNREADABLE: list[object] = [
    "a note",
    None,
    5,
    [],
    {},
    {"token": 5},
    {"token": "t", "released": "maybe"},
]


@pytest.mark.parametrize("value", UNREADABLE)
def test_acquire_with_an_unreadable_value(runs: Runs, value: object) -> None:
    """An unreadable lock is named, counts as held for 90 seconds, and blocks only its own lock."""
    runs.store.put(f"{TAG}-00000007", value, [TAG])

    assert f"{TAG}-00000007" in runs.refused("b")
    assert f"{TAG}-00000007" in runs.logged[0]
    assert [True] == holders(runs.take("b", synchronization_id="other"))
    runs.clock.advance(90)
    assert [True] == holders(runs.take("b"))
    assert f"{TAG}-00000007" not in runs.store.snapshot()


def test_acquire_with_a_foreign_name(runs: Runs) -> None:
    """A person's variable with the lock's tag is named in the log and not touched."""
    runs.store.put("note", {"token": "x"}, [TAG])
    runs.store.put(f"{TAG}-zzz", {"token": "x"}, [TAG])

    with runs.lock("a").acquire(timeout_seconds=0, purpose="") as held:
        held.check()

    assert {"note", f"{TAG}-zzz", f"{TAG}-00000001"} == set(runs.store.snapshot())
    assert 2 == len(runs.logged)
    assert all(name in "".join(runs.logged) for name in ("note", "zzz"))


def test_acquire_after_an_edit_of_the_newest_number(runs: Runs) -> None:
    """The highest number that a person can write does not lock the synchronization out."""
    runs.store.put(f"{TAG}-99999999", "a note", [TAG])
    runs.clock.advance(90)

    held = runs.take("a")

    assert [True] == holders(held)
    held.release()
    assert [True] == holders(runs.take("b"))


@pytest.mark.parametrize("value", [{"token": "x", "released": True}, "a note"])
def test_acquire_after_an_edit_without_tag(runs: Runs, value: object) -> None:
    """A value that a person set without its tag locks no run out."""
    name = f"{TAG}-00000001"
    with runs.lock("a").acquire(timeout_seconds=0, purpose=""):
        pass
    runs.store.put(name, value)

    held = runs.take("b", timeout_seconds=100)

    assert [True] == holders(held)
    assert name not in runs.store.snapshot()


@pytest.mark.parametrize("updated_in", [timedelta(days=400), None])
def test_acquire_with_a_renewal_in_the_future(runs: Runs, updated_in: timedelta | None) -> None:
    """After a change of the server's clock, a dead holder's lock still expires within 90 s."""
    runs.take("dead")
    value = runs.store.snapshot()[f"{TAG}-00000001"]
    updated_on = runs.clock.now() + updated_in if updated_in else None
    runs.store.put(f"{TAG}-00000001", value, [TAG], updated_on=updated_on)

    runs.take("b", 3600)

    assert runs.clock.monotonic() <= 92


@pytest.mark.parametrize("operation", ["find", "create"])
@pytest.mark.parametrize("fault", ["fail_next", "lose_next"])
@pytest.mark.parametrize("skip", [0, 1])
def test_acquire_while_the_store_fails(runs: Runs, operation: str, fault: str, skip: int) -> None:
    """A lost request or response while acquiring costs a moment, not the run or the lock."""
    getattr(runs.store, fault)(operation, skip=skip)

    held = runs.take("a", 10)

    assert [True] == holders(held)
    assert runs.clock.monotonic() <= 2
    assert 1 == len(runs.store.snapshot())


def test_acquire_while_the_store_is_away(runs: Runs) -> None:
    """If the store does not come back within the wait, that is the error."""
    runs.store.fail_next("find", times=100)

    with pytest.raises(StoreUnavailableError):
        runs.take("a", 10)


def test_acquire_after_a_lost_create_response(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create that the store reports as taken, although it was ours, is recognized."""
    create = runs.store.create

    def twice(*arguments: Any) -> bool:
        create(*arguments)  # Prefect's client repeats a request whose response was lost
        return create(*arguments)

    monkeypatch.setattr(runs.store, "create", twice)

    assert [True] == holders(runs.take("a"))


def test_acquire_while_old_epochs_cannot_be_deleted(runs: Runs) -> None:
    """A failed deletion does not matter; the next holder deletes what is left."""
    with runs.lock("a").acquire(timeout_seconds=0, purpose=""):
        pass
    runs.store.fail_next("delete")
    runs.take("b").release()
    assert 2 == len(runs.store.snapshot())

    runs.take("c")

    assert 1 == len(runs.store.snapshot())


@pytest.mark.parametrize("operation", ["create", "delete"])
@pytest.mark.parametrize("crash_at", ["crash_before", "crash_after"])
def test_acquire_after_a_kill_while_acquiring(runs: Runs, operation: str, crash_at: str) -> None:
    """A process killed at any point of its acquisition keeps others out for 90 s at most."""
    with runs.lock("z").acquire(timeout_seconds=0, purpose=""):
        pass
    getattr(runs.store, crash_at)(operation)
    with pytest.raises(CrashError):
        runs.take("a")

    held = runs.take("b", 3600)

    assert runs.clock.monotonic() <= 92
    assert ([True], 1) == (holders(held), len(runs.store.snapshot()))


def test_release_while_the_store_is_away(runs: Runs) -> None:
    """A release that fails is logged and hides no error of the flow run."""
    runs.store.fail_next("update")
    with pytest.raises(ZeroDivisionError), runs.lock("a").acquire(timeout_seconds=0, purpose=""):
        _ = 1 / 0

    assert "not released" in runs.logged[-1]


def test_acquire_with_a_long_name(runs: Runs) -> None:
    """A long flow run name is cut, so that the record always fits."""
    run = "😀" * 3_000
    with runs.lock(run[:36]).acquire(timeout_seconds=0, purpose=run):
        pass
    lock = CycleLock(
        runs.store,
        ENVIRONMENT,
        SYNCHRONIZATION,
        flow_run=FlowRunInfo(id="a", name=run),
        has_ended=lambda _: False,
        timing=Timing(),
        clock=runs.clock,
        log=runs.logged.append,
        renew_in_background=False,
    )
    with lock.acquire(timeout_seconds=0, purpose=run) as held:
        held.check()


def test_acquire_renews_in_background(runs: Runs) -> None:
    """A thread renews the lock while the flow's own thread waits, also after a store error."""
    renewed = threading.Event()

    def hook(operation: str, _: str) -> None:
        if operation == "update":
            renewed.set()

    lock = runs.lock("a", timing=Timing(lock_renew=0.001), in_background=True)
    runs.store.fail_next("update", RuntimeError("the server is away"))
    runs.store.hooks["after"] = hook
    with lock.acquire(timeout_seconds=0, purpose="") as held:
        assert renewed.wait(10)
        held.check()

    assert any("not renewed" in line for line in runs.logged)
    assert [True] == [value["released"] for value in runs.store.snapshot().values()]
