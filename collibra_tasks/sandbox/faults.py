"""Faults of requests: responses that are lost, replaced, late or held.

Replaced responses (lost, busy, failed, HTML, broken, redirected) queue: each request uses one, in
the sequence in which they were planned. Delays, holds and hooks combine with them and with each
other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import httpx

from collibra_tasks.sandbox.fault_plan import Change, Delay, Fault, Hold, Hook, check_operation
from collibra_tasks.sandbox.http import error_response, html_response, replace_body
from collibra_tasks.sandbox.jobs import FINALIZE

if TYPE_CHECKING:
    from collibra_tasks.sandbox.tenant import Tenant

JSON_DEPTH = 200_000


class RequestFaults:
    """Methods that plan faults of requests.

    In all of them ``on`` is an operation (`OPERATIONS`) or ``any``, and ``times`` is the number
    of requests that the fault concerns.
    """

    _tenant: Tenant

    def lose_next_answer(
        self, *, before_commit: bool = False, on: str = FINALIZE, times: int = 1
    ) -> None:
        """Cut the connection without a response, after the commit or before it."""
        self._plan(on, times, lambda _: None, after_commit=not before_commit)

    def be_busy(
        self,
        *,
        times: int = 1,
        retry_after: str | None = "2",
        on: str = FINALIZE,
        after_commit: bool = False,
    ) -> None:
        """Send a 429; ``retry_after`` is seconds, an HTTP date or None."""
        headers = None if retry_after is None else {"Retry-After": retry_after}
        self.fail_next(429, times=times, on=on, after_commit=after_commit, headers=headers)

    def fail_next(
        self,
        status: int = 503,
        *,
        times: int = 1,
        on: str = FINALIZE,
        after_commit: bool = False,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        """Send a failure: Collibra's envelope with an error code, or a given body."""

        def fail(_: httpx.Response | None) -> httpx.Response:
            envelope = error_response(status, "The sandbox was set to fail.", code=code)
            content = envelope.content if body is None else body
            raw = content.encode() if isinstance(content, str) else content
            return replace_body(envelope, raw, headers)

        self._plan(on, times, fail, after_commit=after_commit)

    def answer_html_next(
        self,
        *,
        on: str = FINALIZE,
        times: int = 1,
        after_commit: bool = False,
        status: int = 200,
    ) -> None:
        """Send an HTML page, as a login screen or a gateway does."""
        page = lambda _: html_response("Sign in", status=status)  # noqa: E731
        self._plan(on, times, page, after_commit=after_commit)

    def break_json_next(
        self, *, on: str = FINALIZE, times: int = 1, after_commit: bool = False
    ) -> None:
        """Send JSON that breaks off."""
        self._plan(on, times, _break_json, after_commit=after_commit)

    def nest_json_next(
        self,
        *,
        on: str = FINALIZE,
        times: int = 1,
        after_commit: bool = False,
        depth: int = JSON_DEPTH,
    ) -> None:
        """Send JSON lists that are nested too deeply for a recursive parser."""

        def nest(response: httpx.Response | None) -> httpx.Response:
            return _with_json(response, b"[" * depth + b"]" * depth)

        self._plan(on, times, nest, after_commit=after_commit)

    def redirect_next(
        self, to_url: str, *, on: str = FINALIZE, times: int = 1, status: int = 302
    ) -> None:
        """Send a redirection, and commit nothing."""
        redirect = lambda _: httpx.Response(status, headers={"Location": to_url})  # noqa: E731
        self._plan(on, times, redirect, after_commit=False)

    def answer_slowly(
        self, seconds: float, *, on: str = FINALIZE, times: int = 1, drip: bool = False
    ) -> None:
        """Commit at once and send the response late; or drip its body over the time.

        These are real seconds, not those of the tenant's clock.
        """
        delay = Delay(operation=check_operation(on), times=times, seconds=seconds, drip=drip)
        self._tenant.plan.delays.append(delay)

    def hold_next_answer(self, *, before_commit: bool = False, on: str = FINALIZE) -> Hold:
        """Hold the request until it is released, after the commit or before it."""
        hold = Hold(check_operation(on), before_commit=before_commit)
        self._tenant.plan.holds.append(hold)
        return hold

    def call_next(
        self,
        action: Callable[[], object],
        *,
        on: str = FINALIZE,
        times: int = 1,
        before_commit: bool = True,
    ) -> None:
        """Call a function in the thread of the request, before the commit or after it.

        The function can act on the sandbox, or raise to stand for a crash of the caller if the
        request came through `Sandbox.transport`.
        """
        hook = Hook(
            operation=check_operation(on), times=times, action=action, before_commit=before_commit
        )
        self._tenant.plan.hooks.append(hook)

    def forbid(self, on: str = FINALIZE) -> None:
        """Refuse every further request of an operation with a 403."""
        self._tenant.plan.forbidden.add(check_operation(on))

    def allow(self, on: str = FINALIZE) -> None:
        """Undo a `forbid` of the same operation."""
        self._tenant.plan.forbidden.discard(check_operation(on))

    def expire_tokens(self, *, fixed: bool = False) -> None:
        """Expire every token that was issued so far; with ``fixed`` also those of accounts."""
        self._tenant.state.accounts.expire_tokens(fixed=fixed)

    def _plan(self, on: str, times: int, change: Change, *, after_commit: bool) -> None:
        fault = Fault(
            operation=check_operation(on), times=times, change=change, after_commit=after_commit
        )
        self._tenant.plan.faults.append(fault)


def _with_json(response: httpx.Response | None, body: bytes) -> httpx.Response:
    whole = response if response is not None else httpx.Response(200)
    return replace_body(whole, body, {"Content-Type": "application/json"})


def _break_json(response: httpx.Response | None) -> httpx.Response:
    whole = response.content if response is not None else b'{"id": "00000000-0000'
    return _with_json(response, whole[: len(whole) // 2] or b"{")
