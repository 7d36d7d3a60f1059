"""Classification of the jobs in Collibra's job list; pure functions.

The names and types of finalization jobs are not documented. A name can therefore rule a job out or
make it suspicious. It never proves that a cycle is complete.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from collibra_tasks.ledger.patterns import ID_IN_NAME, LearnedPattern
from collibra_tasks.models import Job

BATCH_NAME = "Synchronization of batch for id: {}"
"""Name of a batch job. Source: one public script (observed), not documented."""
FOREIGN_TYPES = frozenset({"DELTA_INGESTION"})
"""Types that imports do not have. Source: Collibra's own tests (observed)."""
_OPENING = r"(?:^|[\s\"'`“”«»:()\[\]{}<>])"
_CLOSING = r"(?=$|[\s\"'`“”«»:()\[\]{}<>])"


class JobClass(StrEnum):
    """Meaning of a job for the cycle of one synchronization."""

    KNOWN = "known"
    BATCH_BY_OTHERS = "batch by others"
    FOREIGN_FINALIZATION = "foreign finalization"
    DOUBTFUL = "doubtful"
    NOT_OURS = "not ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchContext:
    """Facts that the classification of a job depends on.

    Attributes:
        known_ids: Our finalizations and batches, listed evidence, replaced and set-aside batches.
        lost_finalizations: Finalizations of this synchronization by this library whose ledger entry
            was lost or deleted. They closed the cycle all the same.
        owned_elsewhere: Jobs that are finalizations of other synchronizations by their ledgers.
        patterns: Names of finalization jobs, learned in this environment.
        release: Present Collibra release; ``None`` if it is not reported.
    """

    synchronization_id: str
    known_ids: Collection[str] = frozenset()
    lost_finalizations: Collection[str] = frozenset()
    owned_elsewhere: Collection[str] = frozenset()
    patterns: tuple[LearnedPattern, ...] = ()
    release: str | None = None

    @property
    def is_taught(self) -> bool:
        """Whether a name was learned for the present release."""
        return any(each.release == self.release for each in self.patterns)


@dataclass(frozen=True, slots=True)
class ClassifiedJob:
    """A job and its class."""

    job: Job
    job_class: JobClass


def name_pattern(job: Job, synchronization_id: str) -> str:
    """Return a job's name with ``{}`` in place of the synchronization ID; empty without a name."""
    name = (job.name or "").replace(ID_IN_NAME, "")
    return _id_pattern(synchronization_id).sub(
        lambda found: found[0][: -len(synchronization_id)] + ID_IN_NAME, name, count=1
    )


def holds_id(name: str | None, synchronization_id: str) -> bool:
    """Whether a name holds the ID between spaces, quotes, colons, brackets or its ends."""
    return bool(name and _id_pattern(synchronization_id).search(name))


def batch_id_of(job: Job) -> str | None:
    """Return the synchronization ID in the name of a batch job; ``None`` for other jobs."""
    prefix = BATCH_NAME.partition(ID_IN_NAME)[0]
    name = job.name or ""
    return name[len(prefix) :] if name.startswith(prefix) else None


def classify_job(job: Job, context: SearchContext) -> JobClass:
    """Return the first class that fits a job."""
    if job.id in context.known_ids:
        return JobClass.KNOWN
    if job.id in context.lost_finalizations:
        return JobClass.FOREIGN_FINALIZATION
    batch_id = batch_id_of(job)
    fits = [found for each in context.patterns if (found := each.id_in(job.name)) is not None]
    if batch_id == context.synchronization_id:
        # Where finalizations are named like batches, the name decides nothing.
        is_ambiguous = context.synchronization_id in fits
        return JobClass.DOUBTFUL if is_ambiguous else JobClass.BATCH_BY_OTHERS
    if context.synchronization_id in fits and not _is_explained(job, context):
        return JobClass.FOREIGN_FINALIZATION
    if batch_id is not None or _is_ruled_out(job, context):
        return JobClass.NOT_OURS
    return JobClass.DOUBTFUL if _is_doubtful(job, context) else JobClass.NOT_OURS


def _is_explained(job: Job, context: SearchContext) -> bool:
    """Whether another ledger or a type that imports do not have explains a job."""
    return job.id in context.owned_elsewhere or job.type in FOREIGN_TYPES


def _is_ruled_out(job: Job, context: SearchContext) -> bool:
    """Whether ledger, type or a learned name with another ID explains a job."""
    if _is_explained(job, context):
        return True
    # A short pattern such as "Import {}" fits many names; the ID in a name weighs more.
    fits = any(each.has_text and each.id_in(job.name) for each in context.patterns)
    return fits and not holds_id(job.name, context.synchronization_id)


def _is_doubtful(job: Job, context: SearchContext) -> bool:
    if holds_id(job.name, context.synchronization_id) or not context.is_taught:
        return True
    silent = {each.name for each in context.patterns if not each.holds_id}
    return (job.name or "") in silent


def classify_jobs(jobs: Iterable[Job], context: SearchContext) -> list[ClassifiedJob]:
    """Return jobs with their classes, in the given order."""
    return [ClassifiedJob(job, classify_job(job, context)) for job in jobs]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMatches:
    """Jobs that were not in the list before a request, by their likelihood of being its job.

    Attributes:
        named: Jobs that fit a learned name with this synchronization's ID.
        unlikely: Jobs that their type or name rules out; shown to a person, never adopted.
        others: Remaining jobs that may be the one.
        blind: Reason why the list is incomplete; ``None`` if it is complete.
    """

    named: tuple[Job, ...] = ()
    others: tuple[Job, ...] = ()
    unlikely: tuple[Job, ...] = ()
    blind: str | None = None

    @property
    def certain(self) -> Job | None:
        """The only candidate, if it fits a learned name with this ID."""
        if len(self.named) != 1 or self.others or self.blind:
            return None
        return self.named[0]

    @property
    def none_possible(self) -> bool:
        """Whether the request certainly created no job that is visible."""
        return not (self.named or self.others or self.blind)

    @property
    def candidates(self) -> tuple[Job, ...]:
        """All jobs that may be the one."""
        return self.named + self.others

    def with_earlier(self, earlier: JobMatches) -> JobMatches:
        """Return the matches with those of an earlier read that the list does not show now."""
        shown = {job.id for job in (*self.named, *self.others, *self.unlikely)}
        return replace(
            self,
            named=self.named + tuple(job for job in earlier.named if job.id not in shown),
            others=self.others + tuple(job for job in earlier.others if job.id not in shown),
        )


def match_new_jobs(
    jobs: Iterable[Job], context: SearchContext, *, blind: str | None = None
) -> JobMatches:
    """Sort jobs that appeared after a request by what their names and types tell.

    A job with the name of a batch of this ID is a possible candidate: the name of a finalization is
    unknown until one was seen, and a batch by others closes nothing but must be explained.
    """
    named, others, unlikely = [], [], []
    for each in classify_jobs(jobs, context):
        match each.job_class:
            case JobClass.FOREIGN_FINALIZATION:
                named.append(each.job)
            case JobClass.DOUBTFUL | JobClass.BATCH_BY_OTHERS:
                others.append(each.job)
            case JobClass.NOT_OURS:
                unlikely.append(each.job)
            case JobClass.KNOWN:
                pass
    return JobMatches(
        named=tuple(named), others=tuple(others), unlikely=tuple(unlikely), blind=blind
    )


def _id_pattern(synchronization_id: str) -> re.Pattern[str]:
    return re.compile(_OPENING + re.escape(synchronization_id) + _CLOSING)
