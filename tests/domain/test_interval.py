"""Half-open intervals, and the instants that lie in all of several."""

from hypothesis import given
from hypothesis import strategies as st

from service.domain.interval import NEVER, Interval, intersection

_ends = st.none() | st.integers(0, 12)
_intervals = st.builds(Interval, _ends, _ends)


def test_an_interval_holds_its_start_but_not_its_end() -> None:
    """From an instant on, and before another."""
    interval = Interval(3, 5)
    assert [instant in interval for instant in range(2, 7)] == [False, True, True, False, False]


def test_an_interval_may_be_empty_or_without_end() -> None:
    """Never holds nothing; without an end it holds everything from its start on."""
    assert 0 not in NEVER
    assert 10**18 in Interval(3)


def test_intervals_that_only_touch_have_nothing_in_common() -> None:
    """The end of the one is the start of the other, and belongs to the other alone."""
    assert intersection([Interval(1, 3), Interval(3, 5)]) == NEVER
    assert intersection([Interval(1, 3), Interval(2)]) == Interval(2, 3)
    assert intersection([Interval(1), Interval(2)]) == Interval(2)


@given(st.lists(_intervals, min_size=1, max_size=4))
def test_the_intersection_holds_what_all_hold(intervals: list[Interval]) -> None:
    """At every instant, and no interval without instants is anything but never."""
    common = intersection(intervals)
    for instant in range(-1, 14):
        assert (instant in common) == all(instant in interval for interval in intervals)
    assert common == NEVER or any(instant in common for instant in range(14))
