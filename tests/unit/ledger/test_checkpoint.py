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
    """A checkpoint is read back as it was written, dates and intents without a job included."""
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


def test_unknown_intents_of_batches() -> None:
    """A job without a known batch may have appeared from the earliest to the latest intent."""
    unknown = checkpoint(batch(1, "j1"), batch(2), batch(3))
    known = checkpoint(batch(1, "j1"))

    assert NOON + timedelta(minutes=2) == unknown.first_unknown_intent_on
    assert NOON + timedelta(minutes=3) == unknown.last_unknown_intent_on
    assert (None, None) == (known.first_unknown_intent_on, known.last_unknown_intent_on)


def test_with_lost_request_extends_the_unknown_intents() -> None:
    """Lost requests stay on record with the first and the last time, also after a new attempt."""
    first = checkpoint(batch(1, "j1")).with_lost_request(NOON)
    again = first.with_lost_request(NOON + timedelta(hours=1))
    later = again.replaced_by(content_digest="c2", token="t2")

    assert (NOON, NOON + timedelta(hours=1)) == (
        later.first_unknown_intent_on,
        later.last_unknown_intent_on,
    )
