"""Promises of the options: every range holds when an option is created, and in run forms."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from collibra_tasks.models import RelationsAction
from collibra_tasks.options import (
    BatchOptions,
    CsvOptions,
    CycleOptions,
    OnGuard,
    OnOverlap,
    RemovalLimits,
    SourceOptions,
    Timing,
)

REFUSED: list[tuple[type[Any], str, object]] = [
    (BatchOptions, "max_commands_per_batch", 0),
    (BatchOptions, "max_commands_per_batch", 50_001),
    (BatchOptions, "max_concurrent_batches", 0),
    (BatchOptions, "max_concurrent_batches", 9),
    (BatchOptions, "relations_action", "DELETE"),
    (BatchOptions, "attributes_action", ""),
    (RemovalLimits, "max_missing_count", -1),
    (RemovalLimits, "max_missing_percent", -0.1),
    (RemovalLimits, "max_missing_percent", 100.1),
    (RemovalLimits, "max_missing_percent", float("nan")),
    (RemovalLimits, "min_population", -1),
    (RemovalLimits, "max_part_percent", 101),
    (RemovalLimits, "min_part_population", -1),
    (SourceOptions, "file_format", "xml"),
    (SourceOptions, "list_separator", ""),
    (CsvOptions, "separator", ""),
    (CsvOptions, "separator", ";;"),
    (CsvOptions, "separator", "\n"),
    (CsvOptions, "separator", '"'),
    (CsvOptions, "quote", ""),
    (CsvOptions, "escape", "\\\\"),
    (CsvOptions, "encoding", "utf-7000"),
    (CsvOptions, "encoding", "a\0b"),
    (CycleOptions, "on_guard", "maybe"),
    (CycleOptions, "on_overlap", "wait"),
    (CycleOptions, "accept_missing_count", -1),
    (CycleOptions, "approval_seconds", 59),
    (CycleOptions, "wait_seconds", -1),
    (CycleOptions, "wait_seconds", float("inf")),
    (Timing, "job_first_pause", -1),
    (Timing, "lock_expiry", float("nan")),
]


@pytest.mark.parametrize(("kind", "name", "value"), REFUSED)
def test_options_refuse_value_out_of_range(kind: type[Any], name: str, value: object) -> None:
    """A value out of range is refused in one sentence that names field and value."""
    with pytest.raises(ValueError, match=name) as caught:
        kind(**{name: value})

    assert str(caught.value).endswith(".")


ACCEPTED: list[tuple[type[Any], str, object]] = [
    (BatchOptions, "max_commands_per_batch", 1),
    (BatchOptions, "max_commands_per_batch", 50_000),
    (BatchOptions, "max_concurrent_batches", 8),
    (RemovalLimits, "max_missing_count", 0),
    (RemovalLimits, "max_missing_percent", 0),
    (RemovalLimits, "max_missing_percent", 100),
    (CsvOptions, "separator", "\t"),
    (CsvOptions, "escape", ""),
    (CsvOptions, "escape", "\\"),
    (CsvOptions, "encoding", "utf-16"),
    (CycleOptions, "approval_seconds", 60),
    (CycleOptions, "wait_seconds", 0),
    (CycleOptions, "accept_missing_count", 0),
    (Timing, "job_first_pause", 0),
]


@pytest.mark.parametrize(("kind", "name", "value"), ACCEPTED)
def test_options_accept_value_on_edge(kind: type[Any], name: str, value: object) -> None:
    """The ends of every range are accepted."""
    assert value == getattr(kind(**{name: value}), name)


def test_options_convert_text_to_enums() -> None:
    """Run forms and deployments give words, which become enumeration members."""
    cycle: Any = CycleOptions
    batches: Any = BatchOptions
    options = cycle(on_guard="ask", on_overlap="skip", batches=batches(relations_action="REPLACE"))

    assert OnGuard.ASK is options.on_guard
    assert OnOverlap.SKIP is options.on_overlap
    assert RelationsAction.REPLACE is options.batches.relations_action


@pytest.mark.parametrize("kind", [CsvOptions, SourceOptions, BatchOptions, RemovalLimits])
def test_options_describe_each_field_in_run_forms(kind: type[Any]) -> None:
    """Each field of a sub-form has a help text."""
    schema = TypeAdapter(kind).json_schema()

    assert [] == [
        name for name, field in schema["properties"].items() if "description" not in field
    ]


def test_options_ranges_are_in_run_forms() -> None:
    """A wrong number is refused when the form is submitted."""
    schema = TypeAdapter(BatchOptions).json_schema()["properties"]["max_commands_per_batch"]

    assert (1, 50_000, 10_000) == (schema["minimum"], schema["maximum"], schema["default"])


def test_timing_defaults_fit_together() -> None:
    """A lock is renewed at least twice before it expires, and a signal waits less than 30 s."""
    timing = Timing()

    assert 3 * timing.lock_renew <= timing.lock_expiry
    assert timing.signal_shield < 30
