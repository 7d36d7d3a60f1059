"""Whatever an input holds, the job comes to an end."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collibra_tasks.sandbox.catalog import Catalog
from collibra_tasks.sandbox.commands import RESOURCE_TYPES, read_commands
from collibra_tasks.sandbox.importing import Terms, run_import

NAMES = st.sampled_from(
    ["id", "name", "domain", "community", "externalSystemId", "externalEntityId", "value", "values"]
)
FIELDS = st.sampled_from(
    ["type", "status", "attributes", "relations", "tags", "asset", "name", "displayName", "domain"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "Candidate"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
COMMANDS = VALUES | st.builds(
    lambda resource_type, identifier, more: {
        **more,
        "resourceType": resource_type,
        "identifier": identifier,
    },
    st.sampled_from([*RESOURCE_TYPES, "Planet"]),
    VALUES,
    st.dictionaries(FIELDS, VALUES, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(COMMANDS, max_size=5))
def test_no_input_breaks_the_sandbox(bodies: list[Any]) -> None:
    """Any JSON at all is either executed or told as an error."""
    commands = read_commands(bodies)
    outcome = run_import(commands, catalog=Catalog(), terms=Terms(continue_on_error=True))

    assert "COMPLETED" == outcome.state
    assert len(commands) >= len(outcome.errors)
