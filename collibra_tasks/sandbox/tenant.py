"""The tenant itself: a request in, an answer out, no socket anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import format_datetime
from threading import Event, RLock

from collibra_tasks.sandbox import kinds
from collibra_tasks.sandbox.faults import Cue, Delay, Script
from collibra_tasks.sandbox.form import Part, read_form
from collibra_tasks.sandbox.messages import Answer, Headers, Request, html_answer
from collibra_tasks.sandbox.refusals import RefusalError
from collibra_tasks.sandbox.routes import Route, find_route
from collibra_tasks.sandbox.state import Call, State

FORBIDDEN, NOT_FOUND = 403, 404


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalizationRequest:
    """A finalization that arrived, whether or not it was taken.

    Attributes:
        parts: The form's parts by name; none where it could not be read.
    """

    synchronization_id: str
    parts: Mapping[str, Part]
    headers: Headers


@dataclass(slots=True)
class Tenant:
    """Answers requests, as staged.

    A request goes through here in this order: it is recorded; what is staged for it is drawn;
    a hold or a verdict from before the commit comes first; then the endpoint acts, alone under
    the lock; then come the verdict, the hold and the delay from after the commit.
    """

    state: State
    lock: RLock = field(default_factory=RLock)
    script: Script = field(default_factory=Script)
    requests: list[Request] = field(default_factory=list)
    finalization_requests: list[FinalizationRequest] = field(default_factory=list)
    closing: Event = field(default_factory=Event)

    def answer(self, request: Request) -> Answer | None:
        """Answer a request; None means that the connection is cut."""
        with self.lock:
            found = find_route(request, self.state)
            self._record(request, found)
            cue = self.script.draw(found[0].kind if found else kinds.ANY)
        answer = self._play(cue, request, found)
        return self._dated(answer) if answer else None

    def close(self) -> None:
        """Let every held or slow request go unanswered."""
        self.closing.set()
        self.script.drop_holds()

    def _record(self, request: Request, found: tuple[Route, tuple[str, ...]] | None) -> None:
        self.requests.append(request)
        if found and found[0].kind == kinds.FINALIZE:
            self.finalization_requests.append(
                FinalizationRequest(
                    synchronization_id=found[1][0],
                    parts=_readable_parts(request),
                    headers=request.headers,
                )
            )

    def _play(
        self, cue: Cue, request: Request, found: tuple[Route, tuple[str, ...]] | None
    ) -> Answer | None:
        hold, verdict = cue.hold, cue.verdict
        if hold and hold.before_commit and not hold.wait():
            return None
        acts = verdict is None or verdict.after_commit
        answer = self._act(request, found) if acts else None
        if verdict:
            answer = verdict.change(answer)
        if hold and not hold.before_commit and not hold.wait():
            return None
        return self._delayed(answer, cue.delay) if cue.delay else answer

    def _act(self, request: Request, found: tuple[Route, tuple[str, ...]] | None) -> Answer:
        if found is None:
            return html_answer("404 Not Found", status=NOT_FOUND)
        route, arguments = found
        with self.lock:
            try:
                return route.endpoint(self._call(request, route, arguments))
            except RefusalError as refusal:
                return refusal.answer()

    def _call(self, request: Request, route: Route, arguments: tuple[str, ...]) -> Call:
        now = self.state.settle()
        user_id = "" if route.anonymous else self.state.accounts.who_asks(request)
        if self.script.forbids(route.kind):
            raise RefusalError(FORBIDDEN, "The account may not do this.")
        return Call(
            state=self.state, request=request, arguments=arguments, user_id=user_id, now=now
        )

    def _delayed(self, answer: Answer | None, delay: Delay) -> Answer | None:
        if answer and delay.drip:
            return replace(answer, drip_seconds=delay.seconds)
        return None if self.closing.wait(delay.seconds) else answer

    def _dated(self, answer: Answer) -> Answer:
        date = format_datetime(self.state.clock().astimezone(UTC), usegmt=True)
        return replace(answer, headers=Headers({"Date": date, **answer.headers}))


def _readable_parts(request: Request) -> Mapping[str, Part]:
    try:
        return read_form(request).parts
    except RefusalError:
        return {}
