"""Positions are handed out as texts that need no escape, and come back as they were."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.changes.position import LONGEST, Place, Position, parse_position
from service.domain.refusal import Refused

revisions = st.integers(0, 2**63 - 1)
rows = st.integers(0, 10**9 - 1)
ids = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
positions = st.builds(
    Position,
    revisions,
    st.one_of(st.none(), st.builds(Place, rows), st.builds(Place, rows, rows, ids)),
)


@given(positions)
def test_a_position_comes_back_as_it_was(position: Position) -> None:
    """Whatever the ids are like, and short enough to be taken."""
    text = str(position)
    assert re.fullmatch(r"[\w.-]+", text, re.ASCII)
    assert len(text) <= LONGEST
    assert parse_position(text, "since") == position


@given(st.text("0123456789.-_Aé\n~", max_size=30))
def test_anything_else_is_refused_naming_its_field(text: str) -> None:
    """It never raises anything but a refusal."""
    fields = ["Last-Event-ID"]
    try:
        parse_position(text, "Last-Event-ID")
    except Refused as refused:
        fields = [refusal.field for refusal in refused.refusals]
    assert fields == ["Last-Event-ID"]


@pytest.mark.parametrize("after", ["AA", "_w", "gICA"])
def test_an_id_that_cannot_be_is_refused(after: str) -> None:
    """NUL, and bytes that are no text, are no part of an id."""
    with pytest.raises(Refused):
        parse_position(f"1.0-1.{after}", "since")
