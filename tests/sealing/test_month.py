"""Months follow each other without a gap, and are called as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.instant import DAY, parse_instant
from service.sealing.month import Month


@given(st.integers(0, parse_instant("9998-12-31T23:59:59Z")))
def test_every_instant_is_in_one_month(instant: int) -> None:
    """From its first microsecond up to the next one's."""
    month = Month.of(instant)
    assert month.begins <= instant < month.ends == month.after.begins
    assert Month.named(str(month)) == month < month.after
    assert month.partition == f"decisions_{str(month).replace('-', '_')}"


def test_a_month_closes_a_day_after_its_end() -> None:
    """To the microsecond."""
    month = Month(2026, 12)
    assert month.ends == parse_instant("2027-01-01T00:00:00Z")
    assert not month.is_closed(month.ends + DAY - 1)
    assert month.is_closed(month.ends + DAY)


@pytest.mark.parametrize("name", ["2026-13", "2026-3", "26-03", "2026-03-01", "2026/03", ""])
def test_what_is_no_month_is_refused(name: str) -> None:
    """With how to write it."""
    with pytest.raises(ValueError, match="write it as 2026-03"):
        Month.named(name)
