"""The bytes that a bulk event's digest is taken over are RFC 8785 canonical JSON."""

from typing import Any

import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from service.ledger.events import batch_body

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1)
ROWS = st.lists(st.dictionaries(NAMES, TEXTS | st.none() | st.lists(TEXTS)))


@given(rows=ROWS)
@example(rows=[{"b": "".join(map(chr, range(0x120))), "a": "\u2028\u2029\ufeff\U0001f3b5/\\"}])
def test_rows_are_written_canonically(rows: list[dict[str, Any]]) -> None:
    """Whatever platforms call their content: an auditor's other tool gets the same digest."""
    assert batch_body(rows) == rfc8785.dumps(rows)
