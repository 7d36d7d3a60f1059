"""Run forms of the flows."""

from typing import Any

import pytest
from prefect.flows import Flow
from prefect.utilities.callables import parameter_schema
from pydantic import ValidationError

from collibra_tasks.cycle.forms import BatchSending, GuardLimits, SourceReading
from collibra_tasks.options import BatchOptions, CycleOptions, RemovalLimits, SourceOptions
from flows.check_tenant import check_tenant
from flows.finalize_synchronization import finalize_synchronization
from flows.plan_synchronization import plan_synchronization
from flows.resolve_finalization import resolve_finalization
from flows.synchronize_source import synchronize_source

MAX_FIELDS = 17
FLOWS: list[Flow[..., Any]] = [
    check_tenant,
    finalize_synchronization,
    plan_synchronization,
    resolve_finalization,
    synchronize_source,
]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: str(flow.name))
def test_form_is_short_and_explained(flow: Flow[..., Any]) -> None:
    """A form has at most 17 fields, and each has a help line."""
    schema = parameter_schema(flow.fn)
    fields = schema.properties

    assert 3 <= len(fields) <= MAX_FIELDS
    for name, field in fields.items():
        assert field.get("description"), name


@pytest.mark.parametrize("group", ["SourceReading", "CsvOptions", "BatchSending", "GuardLimits"])
def test_form_groups_are_explained(group: str) -> None:
    """Each field of a group has a help line, and its label is the name in the reference."""
    fields = parameter_schema(synchronize_source.fn).definitions[group]["properties"]

    for name, field in fields.items():
        assert field.get("description"), name
        assert name == field.get("title")


def test_form_defaults_are_those_of_options() -> None:
    """An untouched form runs with the defaults of the library."""
    assert SourceOptions() == SourceReading().to_options("")
    assert BatchOptions() == BatchSending().to_options(10_000)
    assert RemovalLimits() == GuardLimits().to_limits(1_000, 20.0)
    assert CycleOptions().approval_seconds == GuardLimits().approval_seconds
    defaults = {
        name: field.get("default")
        for name, field in parameter_schema(synchronize_source.fn).properties.items()
    }
    assert BatchOptions().max_commands_per_batch == defaults["max_commands_per_batch"]
    assert RemovalLimits().max_missing_count == defaults["max_missing_count"]
    assert RemovalLimits().max_missing_percent == defaults["max_missing_percent"]
    assert CycleOptions().wait_seconds == defaults["wait_seconds"]


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (BatchSending, {"max_concurrent_batches": 9}),
        (BatchSending, {"max_concurrent_batches": 0}),
        (BatchSending, {"relations_action": "DELETE"}),
        (BatchSending, {"no_such_field": 1}),
        (GuardLimits, {"approval_seconds": 59}),
        (GuardLimits, {"max_part_percent": 101}),
        (SourceReading, {"file_format": "xml"}),
        (SourceReading, {"csv": {"separator": ";;"}}),
    ],
)
def test_form_groups_refuse_wrong_values(group: type[Any], values: dict[str, Any]) -> None:
    """A value out of range, or an unknown field, is refused before the flow starts."""
    with pytest.raises(ValidationError):
        group.model_validate(values)
