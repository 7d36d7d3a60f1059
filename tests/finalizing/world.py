"""A tenant, a store and some runs, of which a scheduler moves one at a time.

Each run stops before and after whatever the others could notice: a request, a look into the store,
a pause. Time is the world's own and passes only when it is told to.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from greenlet import getcurrent, greenlet

from collibra_tasks.client import CollibraClient
from collibra_tasks.finalizing import LONGEST_STALL_SECONDS, Finalizer, Order, Run
from collibra_tasks.ledger import Entry, Kept, Ledger
from collibra_tasks.models import FinalizationStrategy, Job, OnOverlap
from collibra_tasks.sandbox import Answer, Sandbox
from collibra_tasks.settings import CollibraConnection

NAME = "nightly"
TENANT = "http://127.0.0.1:1"
REQUEST_SECONDS = 9.0
GRACE_SECONDS = 6.0
LONGEST_WAY = timedelta(seconds=REQUEST_SECONDS + LONGEST_STALL_SECONDS)


class KilledError(BaseException):
    """The process is gone; nothing that it does afterwards has an effect."""


class StoreAwayError(Exception):
    """The store is not reached."""


class Process:
    """A run, as the scheduler sees it."""

    def __init__(self, world: "World", run: Run, order: Order, on_overlap: OnOverlap) -> None:
        self.world, self.run, self.order, self.on_overlap = world, run, order, on_overlap
        self.job: Job | None = None
        self.error: BaseException | None = None
        self.dead = False
        self.wakes_at = world.now
        self.point = "not begun"
        self.on_the_wire: Callable[[], object] | None = None
        self._greenlet = greenlet(self._work)

    @property
    def over(self) -> bool:
        return self.dead or self._greenlet.dead

    def step(self) -> None:
        """Go on to the next thing that others could notice; a sleeper lets the time pass."""
        if not self.over:
            self.world.now = max(self.world.now, self.wakes_at)
            self.world.tick()
            self._greenlet.switch()

    def go_to(self, point: str) -> None:
        """Go on to a point that matters, or to the end."""
        self.step()
        while not self.over and self.point != point:
            self.step()

    def finish(self) -> None:
        while not self.over:
            self.step()

    def kill(self, *, request_arrives: bool) -> None:
        """End it where it stands; what it has on the wire may arrive all the same."""
        if self.over:
            return
        self.dead = True
        if self.on_the_wire and request_arrives:
            self.on_the_wire()
        with suppress(KilledError):  # it may not have begun
            self._greenlet.throw(KilledError)

    def stop(self, point: str = "elsewhere") -> None:
        """Let others move, and tell where this one stands."""
        self.point = point
        scheduler = getcurrent().parent
        assert scheduler is not None
        scheduler.switch()
        self.check()

    def check(self) -> None:
        if self.dead:
            raise KilledError

    def _work(self) -> None:
        try:
            self.job = self.world.finalizer(self).finalize(self.order)
        except (Exception, KilledError) as error:  # noqa: BLE001 - judged by the tests
            self.error = error

    def monotonic(self) -> float:
        return self.world.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.wakes_at = self.world.now + timedelta(seconds=seconds)
        self.stop("asleep")


class SharedStore:
    """The store as one process reaches it."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world

    def create(self, name: str, value: dict[str, Any]) -> bool:
        created: bool = self._act(lambda: self._world.create(name, value), "claim")
        return created

    def update(self, name: str, value: dict[str, Any]) -> None:
        self._act(lambda: self._world.write(name, value), "record")

    def delete(self, name: str) -> None:
        self._act(lambda: self._world.values.pop(name, None))

    def find(self, prefix: str) -> Iterator[Kept]:
        return iter(self._act(lambda: self._world.read(prefix)))

    def _act(self, act: Callable[[], Any], what: str = "look") -> Any:
        self._process.stop(f"before the {what}")
        if self._world.store_away_for > 0:
            self._world.store_away_for -= 1
            raise StoreAwayError
        done = act()
        self._process.stop(f"after the {what}")
        return done


class Wire(httpx.BaseTransport):
    """The network as one process reaches it."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        process = self._process
        body = request.read()
        headers = dict(request.headers)
        target = request.url.raw_path.decode()
        process.on_the_wire = lambda: self._world.ask(request.method, target, headers, body)
        what = "finalization" if "finalize" in target else "question"
        process.stop(f"before the {what}")
        answer = process.on_the_wire()
        process.on_the_wire = None
        process.stop(f"after the {what}")
        return respond(request, answer)


def respond(request: httpx.Request, answer: Answer | None) -> httpx.Response:
    """Carry the tenant's answer; without one, the line was cut."""
    if answer is None:
        message = "Server disconnected without sending a response."
        raise httpx.RemoteProtocolError(message)
    return httpx.Response(
        answer.status, headers=dict(answer.headers), content=answer.body, request=request
    )


class World:
    """Everything there is."""

    def __init__(self, *, jobs_name_synchronization: bool) -> None:
        self.now = datetime(2026, 11, 1, 3, tzinfo=UTC)
        self.tenant = Sandbox(
            clock=lambda: self.now, jobs_name_synchronization=jobs_name_synchronization
        )
        self.values: dict[str, Kept] = {}
        self.store_away_for = 0
        self.processes: list[Process] = []
        self.runs = 0

    def tick(self) -> None:
        self.now += timedelta(milliseconds=7)

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer | None:
        self.tick()
        return self.tenant.ask(method, target, headers=headers, body=body)

    def create(self, name: str, value: dict[str, Any]) -> bool:
        if name in self.values:
            return False
        self.write(name, value)
        return True

    def write(self, name: str, value: dict[str, Any]) -> None:
        assert len(json.dumps(value, ensure_ascii=False).encode()) <= 5000  # as Prefect has it
        self.values[name] = Kept(name=name, value=value, written_on=self.now)

    def read(self, prefix: str) -> list[Kept]:
        names = sorted((name for name in self.values if name.startswith(prefix)), reverse=True)
        return [self.values[name] for name in names]

    def finalizer(self, process: Process) -> Finalizer:
        return Finalizer(
            client=CollibraClient(self.connection(), transport=Wire(process)),
            ledger=Ledger(SharedStore(process), TENANT, NAME),
            run=process.run,
            on_overlap=process.on_overlap,
            is_over=self.is_over,
            longest_request_seconds=REQUEST_SECONDS,
            grace_seconds=GRACE_SECONDS,
            clock=process,
        )

    def is_over(self, entry: Entry) -> bool:
        runs = [each for each in self.processes if each.run.id == entry.flow_run_id]
        return bool(runs) and all(each.over for each in runs)

    def connection(self) -> CollibraConnection:
        return CollibraConnection.model_validate(
            {
                "base_url": TENANT,
                "username": self.tenant.username,
                "password": self.tenant.password,
            }
        )

    def start(self, batch_job_ids: tuple[str, ...], on_overlap: OnOverlap) -> Process:
        order = Order(strategy=FinalizationStrategy.REMOVE_RESOURCES, batch_job_ids=batch_job_ids)
        return self.begin(self.new_run(), order, on_overlap)

    def retry(self, process: Process, batch_job_ids: tuple[str, ...] | None = None) -> Process:
        """Begin a run again, with the batches that it had, or with others that it sent anew."""
        run = replace(process.run, attempt=process.run.attempt + 1)
        batches = process.order.batch_job_ids if batch_job_ids is None else batch_job_ids
        order = replace(process.order, batch_job_ids=batches)
        return self.begin(run, order, process.on_overlap)

    def new_run(self) -> Run:
        self.runs += 1
        return Run(id=f"run-{self.runs}", name=f"run {self.runs}", attempt=1, due_on=self.now)

    def begin(self, run: Run, order: Order, on_overlap: OnOverlap = OnOverlap.ATTACH) -> Process:
        process = Process(self, run, order, on_overlap)
        self.processes.append(process)
        return process

    def import_batch(self) -> str:
        """Send a batch of the next cycle, as another program does; return its job."""
        self.now += timedelta(seconds=1)
        with CollibraClient(self.connection(), transport=httpx.MockTransport(self.reach)) as client:
            command = {
                "resourceType": "Community",
                "identifier": {"name": f"at {self.now.isoformat()}"},
            }
            return client.submit_batch(
                NAME, file_name="batch.json", content=json.dumps([command]).encode()
            ).id

    def reach(self, request: httpx.Request) -> httpx.Response:
        """Carry a request of a program that nobody interrupts."""
        answer = self.ask(
            request.method, request.url.raw_path.decode(), dict(request.headers), request.read()
        )
        return respond(request, answer)

    @property
    def ledger(self) -> Ledger:
        """The record, for one who looks from outside."""
        return Ledger(_QuietStore(self), TENANT, NAME)


class _QuietStore:
    """The store for one whom nobody interrupts."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, name: str, value: dict[str, Any]) -> bool:
        return self._world.create(name, value)

    def update(self, name: str, value: dict[str, Any]) -> None:
        self._world.write(name, value)

    def delete(self, name: str) -> None:
        self._world.values.pop(name, None)

    def find(self, prefix: str) -> Iterator[Kept]:
        return iter(self._world.read(prefix))
