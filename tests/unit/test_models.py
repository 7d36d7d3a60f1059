"""Promises of the values: a finalization request means one thing or does not exist."""

import pytest

from collibra_tasks.errors import FinalizationRefusedError
from collibra_tasks.models import (
    MISSING_FROM_SOURCE,
    CollibraVersion,
    FinalizationRequest,
    FinalizationStrategy,
    Job,
    Upload,
)


@pytest.mark.parametrize(
    ("synchronization_id", "strategy", "status_id", "reason"),
    [
        ("nightly", "CHANGE_STATUS", None, "missing_asset_status_id"),
        ("nightly", "CHANGE_STATUS", "", "missing_asset_status_id"),
        ("nightly", "CHANGE_STATUS", "Obsolete", "'Obsolete' is not a UUID"),
        ("nightly", "DELETE", None, "'DELETE'"),
        ("", "IGNORE", None, "0 characters"),
        ("x" * 51, "IGNORE", None, "51 characters"),
        ("a/b", "IGNORE", None, "slash"),
        ("a\\b", "IGNORE", None, "slash"),
        ("exists", "IGNORE", None, "another meaning"),
        ("..", "IGNORE", None, "another meaning"),
        (" nightly", "IGNORE", None, "whitespace"),
        ("night\nly", "IGNORE", None, "control character"),
        ("night\x00ly", "IGNORE", None, "control character"),
    ],
)
def test_finalization_request_refuses_ambiguous_parameters(
    synchronization_id: str, strategy: str, status_id: str | None, reason: str
) -> None:
    """Parameters that do not mean one thing to Collibra are refused with one reason each."""
    with pytest.raises(FinalizationRefusedError) as caught:
        FinalizationRequest(synchronization_id, strategy, status_id)  # type: ignore[arg-type] # forms pass text

    assert 1 == len(caught.value.reasons)
    assert reason in caught.value.reasons[0]
    assert "Nothing was sent" in str(caught.value)


def test_finalization_request_lists_all_reasons() -> None:
    """All faults are reported at once."""
    with pytest.raises(FinalizationRefusedError) as caught:
        FinalizationRequest("", FinalizationStrategy.CHANGE_STATUS)

    assert 2 == len(caught.value.reasons)


@pytest.mark.parametrize("length", [1, 50])
def test_finalization_request_accepts_length_limits(length: int) -> None:
    """Synchronization IDs of 1 and of 50 characters are accepted."""
    request = FinalizationRequest("x" * length, FinalizationStrategy.IGNORE)

    assert length == len(request.synchronization_id)


@pytest.mark.parametrize("strategy", ["REMOVE_RESOURCES", "IGNORE"])
@pytest.mark.parametrize("status_id", [MISSING_FROM_SOURCE, "nonsense", ""])
def test_finalization_request_drops_unused_status(strategy: str, status_id: str) -> None:
    """A status without CHANGE_STATUS has no meaning, so equal requests compare equal."""
    request = FinalizationRequest("nightly", FinalizationStrategy(strategy), status_id)

    assert request == FinalizationRequest("nightly", FinalizationStrategy(strategy))


def test_finalization_request_normalizes_values() -> None:
    """A strategy as text and a status in upper case equal their usual forms."""
    status_id = "AAAAAAAA-0000-0000-0000-00000000506B"
    request = FinalizationRequest("a", "CHANGE_STATUS", status_id)  # type: ignore[arg-type] # forms pass text

    assert FinalizationStrategy.CHANGE_STATUS is request.strategy
    assert status_id.lower() == request.missing_asset_status_id


@pytest.mark.parametrize(
    ("major", "minor", "older"),
    [
        (2022, 7, True),
        (2022, 8, False),
        (2026, 7, False),
        (5, 9, True),
        (6, 0, False),
        (1, 0, True),
    ],
)
def test_version_wants_finalization_parameters_before_2022_08(
    major: int,
    minor: int,
    older: bool,  # noqa: FBT001 - a case
) -> None:
    """Releases before 2022.08 need the former field of the status."""
    version = CollibraVersion(major=major, minor=minor, text="")

    assert older == version.wants_finalization_parameters


def test_version_release_has_major_and_minor_number() -> None:
    """A release is named by two numbers, and versions compare by them."""
    assert "2026.7" == CollibraVersion(major=2026, minor=7, text="2026.07.3-47").release
    assert CollibraVersion(major=2026, minor=7, text="b") < CollibraVersion(
        major=2026, minor=10, text="a"
    )


@pytest.mark.parametrize(
    ("state", "result", "ended", "succeeded"),
    [
        ("COMPLETED", "SUCCESS", True, True),
        ("COMPLETED", "NOT_SET", True, False),
        ("CANCELING", "SUCCESS", False, False),
        ("FAILED", "SUCCESS", True, False),
        (None, None, False, False),
    ],
)
def test_job_succeeds_only_if_completed_with_success(
    state: str | None,
    result: str | None,
    ended: bool,  # noqa: FBT001 - a case
    succeeded: bool,  # noqa: FBT001 - a case
) -> None:
    """COMPLETED alone does not prove success."""
    job = Job(id="1", state=state, result=result)

    assert (ended, succeeded) == (job.ended, job.succeeded)


def test_upload_repr_hides_content() -> None:
    """Uploaded content does not appear in logs."""
    assert "canary" not in repr(Upload(b"canary", "a.json"))
