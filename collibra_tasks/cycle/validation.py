"""Check of a source by Collibra itself: simulated plain imports that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collibra_tasks.errors import JobError
from collibra_tasks.finalization.session import Session
from collibra_tasks.jobs.polling import describe_state
from collibra_tasks.jobs.results import count_failed_commands, fetch_job_error
from collibra_tasks.models import Upload
from collibra_tasks.options import MAX_COMMANDS_PER_BATCH
from collibra_tasks.sources.batches import Batch
from collibra_tasks.sources.ordering import OrderedContent
from collibra_tasks.wording import count_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Findings of a simulated import.

    Attributes:
        reasons: Commands that Collibra certainly rejects.
        notes: Commands that Collibra may reject only because the simulation stored nothing of
            earlier batches.
    """

    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def validate_content(
    session: Session, content: OrderedContent, *, wait_seconds: float
) -> Validation:
    """Let Collibra check each batch, one after the other, with the fewest possible batches.

    Args:
        session: Access to Collibra.
        content: The source in the order of sending.
        wait_seconds: Maximum wait for each job in seconds, 0 or more.

    Raises:
        JobTimedOutError: If a job does not end in time.
        OutcomeUnknownError: If Collibra's response was lost; nothing was changed.
    """
    reasons: list[str] = []
    notes: list[str] = []
    for batch in content.iter_batches(MAX_COMMANDS_PER_BATCH):
        for sentence in _validate(session, batch, wait_seconds):
            if batch.number == 1:
                reasons.append(sentence)
            else:
                notes.append(
                    f"{sentence} (in batch {batch.number}; a simulation stores nothing, so assets "
                    "of earlier batches may be the cause)"
                )
    return Validation(reasons=tuple(reasons), notes=tuple(notes))


def _validate(session: Session, batch: Batch, wait_seconds: float) -> Iterator[str]:
    upload = Upload(batch.content, f"validation-{batch.number}.json")
    submitted = session.client.submit_validation(upload)
    session.ledger.explain_validation(submitted.id)
    session.log(f"Validation of {count_of(batch.command_count, 'command')}: job {submitted.id}.")
    job = session.follow_job(submitted.id, wait_seconds=wait_seconds, name="the validation")
    session.log(f"Validation: job {submitted.id} ended as {describe_state(job)}.")
    if error := fetch_job_error(session.client, job):
        yield _describe(batch, error)


def _describe(batch: Batch, error: JobError) -> str:
    if not error.failures:
        return f"Collibra rejected the commands: {error}"
    first = error.failures[0]
    count = count_of(count_failed_commands(error), "command")
    return f"Collibra rejected {count}: first {_place(batch, first.indices)}" + (
        f"{first.identifier}: {first.message}" if first.identifier else first.message
    )


def _place(batch: Batch, indices: tuple[int, ...]) -> str:
    if not indices or not 0 <= indices[0] < batch.command_count:
        return ""
    position = batch.position_of(indices[0])
    return f"{position} ({position.identifier}): " if position.identifier else f"{position}: "
