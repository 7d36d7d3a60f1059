"""Error tree of the library, divided by what the caller can do next.

CollibraError
├ NotSentError              Collibra was not reached                     safe to repeat
├ OutcomeUnknownError       sent, no clear response                      never repeat a write
├ RefusedError              4xx: Collibra refused the request
│  ├ AccessDeniedError      401, 403
│  ├ NotFoundError          404
│  ├ BusyError              429                                          safe to repeat
│  └ TenantFaultError       5xx, as the response to a read
├ UnexpectedAnswerError     undocumented response: HTML, invalid JSON, a new state word
├ JobError                  the job ended without full success
│  ├ JobFailedError  JobIncompleteError  JobAbortedError  JobCanceledError
├ JobTimedOutError          the wait ended; the job continues
├ FinalizationRefusedError  a check or the guard refused; nothing was sent
│  └ OverlapError           another flow run is finalizing the same synchronization
└ SourceError               the source is broken; nothing was finalized
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # models imports this module
    from collibra_tasks.models import ImportFailure, ImportSummary, Job


class CollibraError(Exception):
    """Base class of every error that this library raises.

    Attributes:
        safe_to_repeat: Whether a write that ended with this error may be sent again. True only
            where Collibra cannot have acted.
        transient: Whether repeating a read may help.
        part: Part of the connection that failed: ``token`` or ``certificate``; otherwise empty.
        job_id: ID of the job in question, or ``None``.
    """

    safe_to_repeat = False
    transient = False
    part = ""

    def __init__(self, message: str, *, job_id: str | None = None) -> None:
        """Store the message and the job ID."""
        super().__init__(message)
        self.job_id = job_id

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the state for pickle, independent of a subclass's keyword arguments."""
        return _restore, (type(self), self.args, vars(self))


def _restore(
    kind: type[CollibraError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> CollibraError:
    error = kind.__new__(kind, *args)
    vars(error).update(attributes)
    return error


class NotSentError(CollibraError):
    """Request that never reached Collibra, so Collibra cannot have acted.

    ``transient`` is false where repeating cannot help, for instance after an expired token.
    """

    safe_to_repeat = True
    transient = True

    def __init__(self, message: str, *, transient: bool = True, job_id: str | None = None) -> None:
        """Store whether repeating may help."""
        super().__init__(message, job_id=job_id)
        self.transient = transient


class OutcomeUnknownError(CollibraError):
    """Request that was sent and received no clear response.

    Never repeat a write after this error. Find out first what Collibra did: check its job list, or
    run the flow ``resolve_finalization``.
    """

    transient = True


class RefusedError(CollibraError):
    """Request that Collibra, or a gateway in front of it, refused.

    Attributes:
        status_code: HTTP status.
        error_code: Collibra's own code, such as ``notFound``. ``None`` if the response was not in
            Collibra's error format; it then came from a gateway.
        user_message: Collibra's message for users, or ``None``.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        error_code: str | None = None,
        user_message: str | None = None,
        job_id: str | None = None,
    ) -> None:
        """Store the fields of the error response."""
        super().__init__(message, job_id=job_id)
        self.status_code = status_code
        self.error_code = error_code
        self.user_message = user_message


class AccessDeniedError(RefusedError):
    """Account that Collibra does not accept (401) or does not permit to do this (403)."""


class NotFoundError(RefusedError):
    """Resource, or API, that does not exist in this Collibra environment (404)."""


class BusyError(RefusedError):
    """Request that was rejected because of too much load (429).

    A gateway may reject a request that Collibra already received; check the job list before you
    repeat a finalization. ``transient`` is false if the requested pause is too long.

    Attributes:
        retry_after_seconds: Requested pause in seconds, 0 or more; ``None`` if none was requested.
    """

    safe_to_repeat = True
    transient = True

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        **refusal: Any,  # noqa: ANN401 - the arguments of RefusedError
    ) -> None:
        """Store the requested pause."""
        super().__init__(message, **refusal)
        self.retry_after_seconds = retry_after_seconds


class TenantFaultError(RefusedError):
    """Fault of Collibra, or of a gateway in front of it, in response to a read (5xx)."""

    transient = True


class UnexpectedAnswerError(CollibraError):
    """Response that Collibra's documentation does not describe.

    ``transient`` is true for unreadable responses (a gateway's HTML page, invalid JSON) and false
    for a job state that this library does not know.
    """

    def __init__(self, message: str, *, transient: bool = True, job_id: str | None = None) -> None:
        """Store whether repeating the read may help."""
        super().__init__(message, job_id=job_id)
        self.transient = transient


class JobError(CollibraError):
    """Job that ended without full success.

    Attributes:
        job: The job in its last known state.
        summary: Collibra's counters, or ``None`` if Collibra has none.
        failures: Errors that Collibra recorded, possibly truncated.
    """

    def __init__(self, message: str, *, job: Job) -> None:
        """Store the ended job."""
        super().__init__(message, job_id=job.id)
        self.job = job
        self.summary: ImportSummary | None = None
        self.failures: tuple[ImportFailure, ...] = ()

    def with_results(
        self, summary: ImportSummary | None, failures: Iterable[ImportFailure]
    ) -> Self:
        """Add the results that Collibra recorded, and return the error itself."""
        self.summary, self.failures = summary, tuple(failures)
        return self


class JobFailedError(JobError):
    """Job that failed (ERROR, FAILED, or the result FAILURE)."""


class JobIncompleteError(JobError):
    """Job that completed with errors or without a result (COMPLETED_WITH_ERROR, NOT_SET)."""


class JobAbortedError(JobError):
    """Job that Collibra stopped after too many failed commands (ABORTED)."""


class JobCanceledError(JobError):
    """Job that a user or program canceled (CANCELED, DELETED)."""


class JobTimedOutError(CollibraError):
    """Wait that ended before the job did; the job ``job_id`` continues in Collibra."""


class FinalizationRefusedError(CollibraError):
    """Operation that a check or the guard refused; nothing was sent.

    Attributes:
        reasons: One sentence per reason.
    """

    def __init__(self, message: str, *, reasons: Sequence[str] = ()) -> None:
        """Store the reasons; without any, the message is the only reason."""
        super().__init__(message)
        self.reasons = tuple(reasons) or (message,)


class OverlapError(FinalizationRefusedError):
    """Operation refused because another flow run is finalizing the same synchronization.

    ``job_id`` is the other flow run's job, if it is known.
    """

    def __init__(self, message: str, *, job_id: str | None = None) -> None:
        """Store the other flow run's job."""
        super().__init__(message)
        self.job_id = job_id


class SourceError(CollibraError):
    """Source that is not a readable list of import commands; nothing was finalized.

    Attributes:
        faults: One sentence per fault, with file and position.
    """

    def __init__(self, message: str, *, faults: Sequence[str] = ()) -> None:
        """Store the faults; without any, the message is the only fault."""
        super().__init__(message)
        self.faults = tuple(faults) or (message,)


def may_retry(error: BaseException, *, write: bool) -> bool:
    """Return whether a request may be sent again after an error.

    This is the only retry condition of the library. A read is repeated if repeating may help, a
    write only if Collibra cannot have acted in addition.

    Args:
        error: The error that ended the request.
        write: Whether the request changes something in Collibra.

    Example:
        ```python
        may_retry(NotSentError("Collibra was not reached."), write=True)  # True
        ```
    """
    if not isinstance(error, CollibraError):
        return False
    return error.transient and (error.safe_to_repeat or not write)
