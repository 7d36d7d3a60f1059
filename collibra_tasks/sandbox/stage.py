"""Stage directions for requests: what goes wrong between the tenant and its caller.

Each concerns the next requests of its kind and is over then. Verdicts (lost, busy, failed, HTML,
broken, redirected) queue: a request plays one, in the order in which they were staged. A delay
and a hold compose with a verdict and with each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collibra_tasks.sandbox import kinds
from collibra_tasks.sandbox.faults import Change, Delay, Hold, Verdict
from collibra_tasks.sandbox.messages import Answer, Headers, empty_answer, html_answer
from collibra_tasks.sandbox.refusals import refuse
from collibra_tasks.sandbox.tenant import Tenant

TOO_MANY_REQUESTS = 429


class RequestStage:
    """Stage directions for requests.

    In all of them ``on`` is a kind of request (`kinds.REQUEST_KINDS`) or ``any``, and ``times``
    is for how many requests the direction holds.
    """

    _tenant: Tenant

    def lose_next_answer(
        self, *, before_commit: bool = False, on: str = kinds.FINALIZE, times: int = 1
    ) -> None:
        """Cut the connection without an answer, after the tenant acted or before."""
        self._judge(on, times, lambda _: None, after_commit=not before_commit)

    def be_busy(
        self, *, times: int = 1, retry_after: str | None = "2", on: str = kinds.FINALIZE
    ) -> None:
        """Answer 429 and do nothing; ``retry_after`` is seconds, an HTTP date or None."""
        headers = None if retry_after is None else {"Retry-After": retry_after}
        self.fail_next(TOO_MANY_REQUESTS, times=times, on=on, headers=headers)

    def fail_next(
        self,
        status: int = 503,
        *,
        times: int = 1,
        on: str = kinds.FINALIZE,
        after_commit: bool = False,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with a failure, in Collibra's envelope unless a body is given."""
        failure = _failure(status, body, headers)
        self._judge(on, times, lambda _: failure, after_commit=after_commit)

    def answer_html_next(
        self,
        *,
        on: str = kinds.FINALIZE,
        times: int = 1,
        after_commit: bool = False,
        status: int = 200,
    ) -> None:
        """Answer with a page of HTML, as a login screen or a gateway does."""
        page = html_answer("Sign in", status=status)
        self._judge(on, times, lambda _: page, after_commit=after_commit)

    def break_json_next(
        self, *, on: str = kinds.FINALIZE, times: int = 1, after_commit: bool = False
    ) -> None:
        """Answer with JSON that breaks off."""
        self._judge(on, times, _broken, after_commit=after_commit)

    def redirect_next(
        self, to_url: str, *, on: str = kinds.FINALIZE, times: int = 1, status: int = 302
    ) -> None:
        """Answer with a redirection, and do nothing."""
        answer = replace(empty_answer(status), headers=Headers({"Location": to_url}))
        self._judge(on, times, lambda _: answer, after_commit=False)

    def answer_slowly(
        self, seconds: float, *, on: str = kinds.FINALIZE, times: int = 1, drip: bool = False
    ) -> None:
        """Act at once, but answer late; or answer at once, with a body that drips over the time.

        These are real seconds, not the tenant's.
        """
        self._tenant.script.delays.append(
            Delay(kind=kinds.known(on), times=times, seconds=seconds, drip=drip)
        )

    def hold_next_answer(self, *, before_commit: bool = False, on: str = kinds.FINALIZE) -> Hold:
        """Keep the request waiting until it is released, after the tenant acted or before."""
        hold = Hold(kinds.known(on), before_commit=before_commit)
        self._tenant.script.holds.append(hold)
        return hold

    def forbid(self, on: str = kinds.FINALIZE) -> None:
        """Answer 403 to every request of a kind from now on, whoever asks."""
        self._tenant.script.forbidden.add(kinds.known(on))

    def allow(self, on: str = kinds.FINALIZE) -> None:
        """Take a `forbid` of the same kind back."""
        self._tenant.script.forbidden.discard(kinds.known(on))

    def expire_tokens(self) -> None:
        """Let every OAuth token end that was handed out so far."""
        self._tenant.state.accounts.expire_tokens()

    def _judge(self, on: str, times: int, change: Change, *, after_commit: bool) -> None:
        verdict = Verdict(
            kind=kinds.known(on), times=times, change=change, after_commit=after_commit
        )
        self._tenant.script.verdicts.append(verdict)


def _failure(status: int, body: str | bytes | None, headers: Mapping[str, str] | None) -> Answer:
    answer = refuse(status, "The tenant was told to fail.")
    if body is not None:
        answer = replace(answer, body=body.encode() if isinstance(body, str) else body)
    return replace(answer, headers=Headers({**answer.headers, **(headers or {})}))


def _broken(answer: Answer | None) -> Answer:
    whole = answer or replace(empty_answer(200), body=b'{"id": "00000000-0000')
    json_type = Headers({**whole.headers, "Content-Type": "application/json"})
    return replace(whole, headers=json_type, body=whole.body[: len(whole.body) // 2] or b"{")
