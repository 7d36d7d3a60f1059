"""Whole cycles on in-memory ports, with the truth of what Collibra did beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from collibra_tasks.api.client import CollibraClient
from collibra_tasks.cycle.plan import RemovalPlan
from collibra_tasks.cycle.ports import ApprovalInput
from collibra_tasks.options import CycleOptions
from tests.support.clients import client_of
from tests.support.cycle_truth import Actor, Names, Truth
from tests.support.finalizations import FinalizationWorld, outcome_of
from tests.support.memory_store import CrashError
from tests.support.sessions import Prompt, Record, tables


def commands_of(names: Names) -> list[dict[str, Any]]:
    """Return import commands; the part of a name before the hyphen is its domain."""
    return [
        command
        for name in sorted(names)
        for command in tables(name, domain=f"{domain_of(name)} schema")
    ]


def domain_of(name: str) -> str:
    """Return the domain of an asset."""
    return name.partition("-")[0]


class Person(Prompt):
    """Approval port: a person who approves, rejects, or is not there."""

    def __init__(self, actor: Actor, decision: str) -> None:
        super().__init__()
        self.actor, self.decision = actor, decision

    def ask(self, plan: RemovalPlan, *, timeout_seconds: int) -> ApprovalInput | None:
        del timeout_seconds
        self.plans.append(plan)
        if self.decision == "approve":
            self.actor.approved.append(plan)
            return ApprovalInput(plan.number, "checked")
        return ApprovalInput(plan.number + 1, "typo") if self.decision == "reject" else None


class ActorRecord(Record):
    """Reporter port: a plan with reasons becomes the plan that was shown last."""

    def __init__(self, world: CycleWorld, actor: Actor) -> None:
        super().__init__()
        self.world, self.actor = world, actor

    def show_plan(self, plan: RemovalPlan) -> None:
        self.actor.plans.append(plan)
        self.actor.planned_at = len(self.world.truth.closings)
        if plan.reasons:
            self.world.shown.append(plan)


class SteppingTransport(httpx.BaseTransport):
    """A transport on which each request is a step of the process."""

    def __init__(self, inner: httpx.BaseTransport, step: Callable[[str], None]) -> None:
        self.inner, self.step = inner, step

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        kinds = {"/batch/": "batch", "/finalize/": "finalize", "/jobs": "jobs"}
        kind = next((name for part, name in kinds.items() if part in path), "other")
        self.step(f"before {kind}")
        response = self.inner.handle_request(request)
        self.step(f"after {kind}")
        return response


@dataclass
class CycleWorld(FinalizationWorld):
    """A world that keeps the truth about each finalization of one synchronization."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shown: list[RemovalPlan] = []
        self.inner = self.sandbox.transport()
        self.truth = Truth(self.sandbox, self.entry_value)
        for port in (self.store, self.storage):
            port.hooks["before"] = lambda operation, name: self.step(f"before {operation}", name)
            port.hooks["after"] = lambda operation, name: self.step(f"after {operation}", name)
        # A client takes milliseconds to create.
        self.shared_client = client_of(self, base_url="https://collibra.example")
        with self.session() as session:
            self.tag = session.ledger.tag
            self.patterns = session.patterns.name

    @contextmanager
    def client(self) -> Iterator[CollibraClient]:
        """Yield a client whose requests are steps of the present process."""
        yield self.shared_client

    def environment(self, auth_type: str = "basic") -> dict[str, str]:
        """Return the variables of the sandbox."""
        return self.sandbox.environment(auth_type)

    def transport(self) -> httpx.BaseTransport:
        """Return a transport on which each request is a step."""
        return SteppingTransport(self.inner, self.step)

    def step(self, moment: str, name: str = "") -> None:
        """Pass a step of the present process; something may happen there."""
        actor = self.truth.actor
        if actor is None:
            return
        if actor.dead:
            raise CrashError("killed")
        if moment == "before create" and name.startswith(self.tag):
            actor.looked, actor.asked = actor.looks[-2] if len(actor.looks) > 1 else 0, None
            moment = "before claim"
        if moment == "after create" and name.startswith(self.tag):
            moment = "after claim"
        if moment == "before finalize" and actor.asked is None:
            actor.asked = self.truth.jobs.count
        if actor.act is None or actor.moment not in {moment, "any"}:
            return
        actor.passes -= 1
        if actor.passes < 0:
            act, actor.act = actor.act, None
            act()

    @contextmanager
    def acting(self, actor: Actor | None) -> Iterator[None]:
        """Run as a process, or as none; another process may stand still meanwhile."""
        before = self.truth.actor, self.prompt, self.record
        self.truth.actor = actor
        try:
            yield
        finally:
            self.truth.actor, self.prompt, self.record = before
            if actor is not None and before[0] is not None:
                before[0].shown += actor.plans

    def cycle(
        self,
        actor: Actor,
        *,
        strategy: str,
        options: CycleOptions,
        decision: str = "",
    ) -> Any:
        """Run a whole cycle as a process; return its job or error."""
        self._begin(actor)
        with self.acting(actor):
            self.prompt, self.record = Person(actor, decision), ActorRecord(self, actor)
            return outcome_of(
                lambda: self.synchronize(
                    commands_of(actor.source), run=actor.run, strategy=strategy, options=options
                )
            )

    def close_script_cycle(self, actor: Actor, *, strategy: str, **evidence: Any) -> Any:
        """Finalize the batches of a script as a process; return its job or error."""
        self._begin(actor)
        with self.acting(actor):
            return outcome_of(
                lambda: self.finalize(
                    *actor.evidence,
                    run=actor.run,
                    strategy=strategy,
                    wait_seconds=120,
                    **evidence,
                )
            )

    def _begin(self, actor: Actor) -> None:
        actor.jobs_at_start = self.truth.jobs.count
        actor.shown += self.shown[-1:]

    def kill(self) -> None:
        """End the present process."""
        assert self.truth.actor is not None
        self.truth.actor.dead = True
        raise CrashError("killed")

    def entry_value(self) -> Mapping[str, Any]:
        """Return the newest entry of the ledger as it is stored; uncounted."""
        rows = {n: v for n, v in self.store.snapshot().items() if n.startswith(f"{self.tag}-")}
        return rows[max(rows)] if rows else {}

    def is_taught(self) -> bool:
        """Whether a name of a finalization was learned."""
        return self.patterns in self.store.snapshot()
