"""Checkpoints: what was uploaded since the last finalization, across attempts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from collibra_tasks.ledger.checkpoint import Checkpoint, SentBatch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def batch(number: int, job_id: str | None = None, **changes: object) -> SentBatch:
    values = {"digest": f"d{number}", "intended_on": NOON + timedelta(minutes=number)} | changes
    return SentBatch(number=number, job_id=job_id, **values)  # type: ignore[arg-type]  # any case


def checkpoint(*batches: SentBatch) -> Checkpoint:
    return Checkpoint(
        generation=3,
        content_digest="content",
        token="mine",
        started_on=NOON,
        batches=batches,
        manifest="a-manifest",
    )


def test_from_bytes_restores_everything() -> None:
    """What was written is read back, dates and intents without a job included."""
    written = checkpoint(batch(1, "j1", succeeded=True), batch(2))

    assert written == Checkpoint.from_bytes(written.to_bytes())


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"format": "collibra-tasks checkpoint 2"}', b"\xff", b"not JSON"],
)
def test_from_bytes_damaged(content: bytes) -> None:
    """Content of any other kind is one kind of error."""
    with pytest.raises(ValueError):  # noqa: PT011 - json, pydantic and the format
        Checkpoint.from_bytes(content)


def test_from_bytes_with_a_missing_field() -> None:
    """An incomplete checkpoint is not read in part."""
    fields = json.loads(checkpoint().to_bytes())
    del fields["generation"]

    with pytest.raises(ValueError, match="generation"):
        Checkpoint.from_bytes(json.dumps(fields).encode())


def test_with_batch_records_the_job_of_an_intent() -> None:
    """A job that becomes known completes its intent and replaces nothing."""
    known = checkpoint(batch(1)).with_batch(batch(1, "j1"))

    assert (("j1",), (), None) == (known.job_ids, known.replaced, known.first_unknown_intent_on)


def test_with_batch_sent_again() -> None:
    """The job of a batch that is sent again stays on record as replaced."""
    again = (
        checkpoint(batch(1, "j1"), batch(2, "j2")).with_batch(batch(1)).with_batch(batch(1, "n"))
    )

    assert (("j1",), ("j1", "n", "j2")) == (again.replaced, again.job_ids)
    assert [1, 2] == [each.number for each in again.batches]


def test_find_batch_by_content() -> None:
    """A batch counts as sent only if its content is the same."""
    sent = checkpoint(batch(1, "j1"))

    assert "j1" == getattr(sent.find_batch(1, "d1"), "job_id", None)
    assert (None, None) == (sent.find_batch(1, "other"), sent.find_batch(2, "d2"))


def test_succeeded_job_ids() -> None:
    """Only batches that their jobs proved are evidence."""
    assert ("j1",) == checkpoint(
        batch(1, "j1", succeeded=True), batch(2, "j2"), batch(3)
    ).succeeded_job_ids


def test_replaced_by_keeps_what_was_uploaded() -> None:
    """A new attempt knows all jobs, unknown intents, generation and manifest of those before."""
    first = checkpoint(batch(1, "j1"), batch(2))
    second = first.replaced_by(content_digest="c2", token="t2", flow_run_id="run")
    third = second.with_batch(batch(1, "j3")).replaced_by(content_digest="c3", token="t3")

    assert (("j1", "j3"), NOON + timedelta(minutes=2)) == (
        third.job_ids,
        third.first_unknown_intent_on,
    )
    assert (3, "a-manifest", (), "run") == (
        third.generation,
        third.manifest,
        third.batches,
        second.flow_run_id,
    )


def test_first_unknown_intent_on_is_the_earliest() -> None:
    """The job list has to be searched from the earliest intent without a known job."""
    unknown = checkpoint(batch(1, "j1"), batch(2), batch(3))

    assert NOON + timedelta(minutes=2) == unknown.first_unknown_intent_on
