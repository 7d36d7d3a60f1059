"""What can go wrong, split by what the caller must do next.

CollibraError
├ NotSentError              not reached: nothing happened                    safe to repeat
├ OutcomeUnknownError       sent, no clear answer                            never repeat a write
├ RefusedError              4xx: the tenant said no
│  ├ AccessDeniedError      401, 403
│  ├ NotFoundError          404
│  ├ BusyError              429                                              safe to repeat
│  └ TenantFaultError       5xx, as the answer to a read
├ UnexpectedAnswerError     not what the documents say: HTML, broken JSON, a new state word
├ JobError                  ended, not well
│  ├ JobFailedError  JobIncompleteError  JobAbortedError  JobCanceledError
├ JobTimedOutError          we stopped looking; the job goes on
├ FinalizationRefusedError  our own guard said no; nothing was sent
│  └ OverlapError           another run is finalizing, and we were told not to follow it
└ SourceError               the source is no list of import commands; nothing was finalized
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

from collibra_tasks.models import ImportFailure, ImportSummary, Job


class CollibraError(Exception):
    """Anything that this library raises about a tenant, a job or a source.

    Attributes:
        safe_to_repeat: Whether a write that ended so may be sent again; true only where it is
            certain that the tenant did not act.
        transient: Whether asking again may help, where asking changes nothing.
        job_id: The job that this is about, where there is one.
    """

    safe_to_repeat = False
    transient = False

    def __init__(self, message: str, *, job_id: str | None = None) -> None:
        """Keep the one sentence that a person reads."""
        super().__init__(message)
        self.job_id = job_id

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive pickle, whatever keywords a subclass asks for."""
        return _restore, (type(self), self.args, vars(self))


def _restore(
    kind: type[CollibraError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> CollibraError:
    error = kind.__new__(kind, *args)
    vars(error).update(attributes)
    return error


class NotSentError(CollibraError):
    """The tenant was not reached, so it cannot have acted."""

    safe_to_repeat = True
    transient = True


class OutcomeUnknownError(CollibraError):
    """The request left, and nobody can say what became of it.

    A write that ends so is never repeated. Find out first: look at the tenant's job list, or
    settle it with the flow ``resolve-finalization``.
    """

    transient = True


class RefusedError(CollibraError):
    """The tenant answered no, clearly.

    Attributes:
        status_code: The HTTP status.
        error_code: Collibra's own word for the refusal, such as ``notFound``.
        user_message: Collibra's sentence for people.
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
        """Keep what the tenant's error envelope said."""
        super().__init__(message, job_id=job_id)
        self.status_code = status_code
        self.error_code = error_code
        self.user_message = user_message


class AccessDeniedError(RefusedError):
    """The account is not known (401) or not allowed to (403)."""


class NotFoundError(RefusedError):
    """There is no such thing, or no such API, on this tenant (404)."""


class BusyError(RefusedError):
    """The tenant took nothing because it has too much to do (429).

    Attributes:
        retry_after_seconds: How long the tenant asked to be left alone, 0 or more; ``None`` if it
            did not say.
    """

    safe_to_repeat = True
    transient = True

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        **refusal: Any,  # noqa: ANN401 - whatever any refusal has
    ) -> None:
        """Keep the pause that the tenant asked for."""
        super().__init__(message, **refusal)
        self.retry_after_seconds = retry_after_seconds


class TenantFaultError(RefusedError):
    """The tenant, or a gateway before it, broke over a question (5xx)."""

    transient = True


class UnexpectedAnswerError(CollibraError):
    """The answer is not what Collibra documents.

    Garbled answers (HTML from a gateway, broken JSON) pass; a word that this library does not know
    does not.
    """

    def __init__(self, message: str, *, transient: bool = True, job_id: str | None = None) -> None:
        """Keep whether asking again may help."""
        super().__init__(message, job_id=job_id)
        self.transient = transient


class JobError(CollibraError):
    """The job has ended, and not well.

    Attributes:
        job: The job as the tenant last described it.
        summary: Collibra's counters, where the tenant keeps them.
        failures: Collibra's own list of what went wrong, possibly cut short.
    """

    def __init__(self, message: str, *, job: Job) -> None:
        """Keep the job that ended."""
        super().__init__(message, job_id=job.id)
        self.job = job
        self.summary: ImportSummary | None = None
        self.failures: tuple[ImportFailure, ...] = ()

    def with_results(
        self, summary: ImportSummary | None, failures: Iterable[ImportFailure]
    ) -> Self:
        """Add what the tenant kept of the job's results."""
        self.summary, self.failures = summary, tuple(failures)
        return self


class JobFailedError(JobError):
    """The job broke (ERROR, FAILED, or the result FAILURE)."""


class JobIncompleteError(JobError):
    """The job came to its end and left something undone (COMPLETED_WITH_ERROR, or no result)."""


class JobAbortedError(JobError):
    """The tenant stopped the job after too many failed commands (ABORTED)."""


class JobCanceledError(JobError):
    """Somebody stopped the job (CANCELED, DELETED)."""


class JobTimedOutError(CollibraError):
    """We stopped looking; the job goes on. Its id is in ``job_id``."""


class FinalizationRefusedError(CollibraError):
    """Our own guard said no, and nothing was sent.

    Attributes:
        reasons: One sentence for each thing that speaks against it.
    """

    def __init__(self, message: str, *, reasons: Sequence[str] = ()) -> None:
        """Keep the reasons one by one."""
        super().__init__(message)
        self.reasons = tuple(reasons) or (message,)


class OverlapError(FinalizationRefusedError):
    """Another run is finalizing, and we were told not to follow it; nothing was sent.

    Its job, where it is known, is in ``job_id``.
    """

    def __init__(self, message: str, *, job_id: str | None = None) -> None:
        """Keep whose finalization it is."""
        super().__init__(message)
        self.job_id = job_id


class SourceError(CollibraError):
    """The source is no list of import commands; nothing was finalized.

    Where it was so from the beginning, nothing was sent either; a file that changes while its
    batches are sent is found out later.
    """

    def __init__(self, message: str) -> None:
        """Keep what is wrong and where, and what it means."""
        super().__init__(f"{message}; nothing was finalized")


def may_repeat(error: BaseException, *, write: bool) -> bool:
    """Tell whether to try again: the one rule for every task.

    A write is repeated only where it is certain that the tenant did not act; a read wherever asking
    again may help.
    """
    if not isinstance(error, CollibraError):
        return False
    return error.safe_to_repeat if write else error.transient
