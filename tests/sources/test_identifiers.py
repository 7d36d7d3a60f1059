"""Identifiers as one line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collibra_tasks.sources import write_identifier

UUID = "00000000-0000-0000-0000-00000000ABCD"
NAMES = st.text(alphabet="ab\\>[]{}: ", min_size=1, max_size=5)
COMMUNITIES = st.fixed_dictionaries({"name": NAMES})
DOMAINS = st.fixed_dictionaries({"name": NAMES, "community": COMMUNITIES})
EXTERNALS = st.fixed_dictionaries({"externalSystemId": NAMES, "externalEntityId": NAMES})
ASSETS = st.fixed_dictionaries({"name": NAMES, "domain": DOMAINS | EXTERNALS}) | EXTERNALS


@pytest.mark.parametrize(
    ("identifier", "line"),
    [
        ({"name": "C"}, "C"),
        ({"name": "D", "community": {"name": "C"}}, "C > D"),
        ({"name": "A", "domain": {"name": "D", "community": {"name": "C"}}}, "C > D > A"),
        ({"domain": {"community": {"name": "C"}, "name": "D"}, "name": "A"}, "C > D > A"),
        ({"name": "DB > T", "domain": {"name": "D", "community": {"name": "C"}}}, "C > D > DB > T"),
        ({"name": "A", "domain": {"name": "D>E", "community": {"name": "C"}}}, r"C > D\>E > A"),
        ({"name": "D", "community": {"name": "[1]"}}, r"\[1] > D"),
        ({"externalSystemId": "a: b", "externalEntityId": "c"}, r"[a\: b: c]"),
        ({"id": UUID}, f"[{UUID.lower()}]"),
        ({"name": "A", "domain": {"id": UUID}}, f"[{UUID.lower()}] > A"),
        ({"externalEntityId": "T1", "externalSystemId": "snow"}, "[snow: T1]"),
        ({"7088:TARGET": [{"id": "1"}]}, '{"7088:TARGET": [{"id": "1"}]}'),
        ({"dgcId": "1", "asset": {"id": "2"}}, '{"asset": {"id": "2"}, "dgcId": "1"}'),
    ],
)
def test_an_identifier_reads_as_its_path(identifier: dict[str, Any], line: str) -> None:
    """An identifier is written as a person would say it, whatever the order of its keys."""
    assert line == write_identifier(identifier)


@given(one=ASSETS, other=ASSETS)
def test_two_assets_never_share_a_line(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Different identifiers are written differently, so that no missing asset hides."""
    assert (one == other) is (write_identifier(one) == write_identifier(other))
