"""Any input: the job ends."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collibra_tasks.sandbox import Sandbox

RESOURCE_TYPES = ("Community", "Domain", "Asset", "Mapping", "Complex Relation", "Planet")
NAMES = st.sampled_from(
    [
        "id",
        "name",
        "domain",
        "community",
        "externalSystemId",
        "externalEntityId",
        "value",
        "values",
        "relations",
        "asset",
        "r:SOURCE",
        "publicId",
    ]
)
FIELDS = st.sampled_from(
    [
        "type",
        "status",
        "attributes",
        "relations",
        "tags",
        "asset",
        "name",
        "displayName",
        "domain",
        "complexRelationType",
        "dgcId",
        "complexRelation",
        "parent",
        "responsibilities",
    ]
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
    st.sampled_from(RESOURCE_TYPES),
    VALUES,
    st.dictionaries(FIELDS, VALUES, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(COMMANDS, max_size=5))
def test_import_of_any_json_ends(bodies: list[Any]) -> None:
    """Any JSON is either executed or reported as an error."""
    tenant = Sandbox()
    json.dumps(bodies)
    tenant.import_by_hand("nightly", bodies)

    assert ["COMPLETED"] == [job.state for job in tenant.jobs]
