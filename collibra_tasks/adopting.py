"""Whose job is it: find, among an account's jobs, the one that a lost answer had started.

Names and types of finalization jobs are not documented, so they prove nothing alone: they can only
speak against a job, or decide between jobs of the right account at the right time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from collibra_tasks.ledger import ID_IN_NAME, Entry, shape_of
from collibra_tasks.models import Job

MOST_JOBS = 5_000
"""How many of an account's jobs are read; with more since the intent, nothing is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What an account's job list says of an intent.

    Attributes:
        named: The jobs that may be ours and name the synchronization.
        others: The jobs that may be ours and name nothing.
        known: Whether an earlier finalization shows what ours are called; before, a job that names
            nothing can be anybody's.
        telling: Whether a name that fits can be no other's: earlier finalizations were called so,
            they named the synchronization, and no batch was called so.
        vague: Whether something speaks against trusting any other.
    """

    named: tuple[Job, ...] = ()
    others: tuple[Job, ...] = ()
    known: bool = False
    telling: bool = False
    vague: bool = False

    @property
    def certain(self) -> Job | None:
        """The one job that has the name of our finalizations: no later one can speak against it."""
        return self.named[0] if self.telling and len(self.named) == 1 else None

    @property
    def only(self) -> Job | None:
        """The only job that may be ours; to be trusted once no other can turn up any more."""
        if self.vague:
            return self.certain
        trusted = self.named or (self.others if self.known else ())
        return trusted[0] if len(trusted) == 1 else None

    @property
    def candidates(self) -> tuple[Job, ...]:
        """All jobs that may be ours."""
        return self.named + self.others


def judge_jobs(
    jobs: Iterable[Job], entry: Entry, *, longest_request_seconds: float, records: Collection[Entry]
) -> Findings:
    """Tell which of an account's jobs an intent may have started.

    Args:
        jobs: The account's jobs, newest first.
        entry: The intent.
        longest_request_seconds: How long after the intent its request may have arrived.
        records: All entries of the tenant: their jobs are not ours, and where another one is open
            too, a job without a name may be either's.
    """
    if entry.intended_on is None:
        return Findings(vague=True)
    start, end = entry.intended_on, entry.intended_on + timedelta(seconds=longest_request_seconds)
    recent = [job for job in jobs if not (job.created_on and job.created_on < start)]
    known = set(entry.batch_job_ids) | set(entry.past.batch_job_ids)
    known |= {each.job_id for each in records if each.job_id and not _same(each, entry)}
    known |= {job_id for each in records for job_id in each.batch_job_ids}
    ours = [
        job
        for job in recent
        if job.id not in known and not (job.created_on and job.created_on > end)
    ]
    possible = [job for job in ours if not _speaks_against(job, entry)]
    named = [job for job in possible if ID_IN_NAME in _shape(job, entry)]
    rivals = any(_rival(each, entry, start, end) for each in records)
    undated = any(job.created_on is None for job in ours)
    alike = entry.past.job_name == _batch_name(entry)  # or nothing is known of either
    return Findings(
        named=tuple(named),
        others=tuple(job for job in possible if job not in named),
        known=entry.past.job_name is not None,
        telling=ID_IN_NAME in (entry.past.job_name or "") and not alike,
        vague=rivals or undated or alike or len(recent) >= MOST_JOBS,
    )


def _same(one: Entry, other: Entry) -> bool:
    return (one.synchronization_id, one.number) == (other.synchronization_id, other.number)


def _rival(other: Entry, entry: Entry, start: datetime, end: datetime) -> bool:
    if _same(other, entry) or other.job_id is not None or not other.open:
        return False
    span = end - start
    return other.intended_on is None or abs(other.intended_on - start) <= span


def _shape(job: Job, entry: Entry) -> str:
    return shape_of(job, entry.synchronization_id) or ""


def _batch_name(entry: Entry) -> str | None:
    return entry.batch_name or entry.past.batch_name


def _speaks_against(job: Job, entry: Entry) -> bool:
    """Whether it is called otherwise than finalizations here, or just like the batches.

    Where no finalization was seen yet, but batches are named after their synchronization, a
    finalization will be too, and at the same end of its name.
    """
    shape, past, batch = _shape(job, entry), entry.past, _batch_name(entry)
    if past.job_name is not None:
        return shape != past.job_name or (past.job_type or job.type) != job.type
    if batch is None or shape == batch:
        return shape == batch
    return ID_IN_NAME in batch and _ends(shape) != _ends(batch)


def _ends(shape: str) -> tuple[bool, bool, bool]:
    at_start, at_end = shape.startswith(ID_IN_NAME), shape.endswith(ID_IN_NAME)
    return ID_IN_NAME in shape, at_start, at_end
