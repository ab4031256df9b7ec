"""Whole days that somebody looks at."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.period import Period
from service.domain.instant import DAY, parse_instant

DATES = st.dates(date(1970, 1, 1), date(2200, 1, 1))


def test_a_period_is_whole_days_in_utc() -> None:
    """The last of them part of it."""
    period = Period(date(2026, 3, 1), date(2026, 3, 3))
    assert period.days == 3
    assert period.since == parse_instant("2026-03-01T00:00:00Z")
    assert period.until == parse_instant("2026-03-04T00:00:00Z")


def test_the_last_days_end_today() -> None:
    """However late it is."""
    now = parse_instant("2026-03-07T23:59:59.999999Z")
    assert Period.ending(now, 7) == Period(date(2026, 3, 1), date(2026, 3, 7))
    assert Period.ending(DAY, 30).first == date(1970, 1, 1)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 3, 2), date(2026, 3, 1)),
        (date(1969, 12, 31), date(2026, 3, 1)),
        (date(2026, 3, 1), date(9999, 12, 31)),
    ],
)
def test_what_ends_before_it_begins_is_none(first: date, last: date) -> None:
    """Nor is what lies where no instant is."""
    with pytest.raises(ValueError, match="a period ends"):
        Period(first, last)


@given(DATES, st.integers(0, 1_000))
def test_every_day_belongs_to_one_thing_that_is_drawn(first: date, more: int) -> None:
    """By days up to two months, by weeks from their Monday on beyond."""
    period = Period(first, first + timedelta(days=more))
    drawn = list(period.begins())
    days = [first + timedelta(days=n) for n in range(more + 1)]
    assert sorted({period.begin_of(day) for day in days}) == drawn
    assert all(day.weekday() == 0 for day in drawn[1:] if period.by_weeks)
    assert len(drawn) == (more + 1 if not period.by_weeks else len(drawn))
