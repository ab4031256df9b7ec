"""Charts: what is drawn is what the numbers say."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web.audit_charts import HEIGHT, STEP, Series, draw

DAY = date(2026, 3, 1)
UP_AND_DOWN = (Series("yes", "yes"), Series("wait", "maybe"), Series("no", "no", down=True))


def test_bars_grow_from_the_line_in_both_directions() -> None:
    """The longest fill the chart; what is nothing is not drawn."""
    rows = [(DAY, (3, 0, 1)), (DAY + timedelta(days=1), (1, 1, 0))]
    chart = draw("k", "Said", UP_AND_DOWN, rows, by_weeks=False)
    assert (chart.top, chart.bottom, chart.zero, chart.width) == (3, 1, 75.0, 2 * STEP)
    first, second = chart.bars
    assert [(one.kind, one.y, one.height) for one in first.rects] == [
        ("yes", 0.0, 75.0),
        ("no", 75.0, 25.0),
    ]
    assert [(one.kind, one.y, one.height) for one in second.rects] == [
        ("yes", 50.0, 25.0),
        ("wait", 25.0, 25.0),
    ]


def test_a_chart_says_what_the_eye_would_see() -> None:
    """Totals, and the day or week that stands out."""
    rows = [(DAY, (1_000, 0, 1)), (DAY + timedelta(days=1), (1, 0, 2))]
    by_day = draw("k", "Said", UP_AND_DOWN, rows, by_weeks=False)
    assert (
        by_day.says == "In all: 1,001 yes, 0 maybe, 3 no. Most in one day: 1,001, on Mar 1, 2026."
    )
    by_week = draw("k", "Said", UP_AND_DOWN, rows, by_weeks=True)
    assert "Most in one week: 1,001, from Mar 1, 2026." in by_week.says
    assert by_week.heading == "Week from"


@pytest.mark.parametrize("rows", [[], [(DAY, (0, 0, 0))]])
def test_nothing_is_drawn_of_nothing(rows: list[tuple[date, tuple[int, ...]]]) -> None:
    """And it is said."""
    chart = draw("k", "Said", UP_AND_DOWN, rows, by_weeks=False)
    assert not any(bar.rects for bar in chart.bars)
    assert chart.says == "Nothing in any day."


@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), max_size=90))
def test_nothing_is_drawn_beyond_the_edges(numbers: list[tuple[int, int, int]]) -> None:
    """And heights are as the numbers are."""
    rows = [(DAY + timedelta(days=n), row) for n, row in enumerate(numbers)]
    chart = draw("k", "Said", UP_AND_DOWN, rows, by_weeks=False)
    for bar in chart.bars:
        assert all(one.y >= -0.01 and one.y + one.height <= HEIGHT + 0.01 for one in bar.rects)
        drawn = sum(one.height for one in bar.rects)
        whole = max(1, chart.top + chart.bottom)
        assert drawn == pytest.approx(HEIGHT * sum(bar.numbers) / whole, abs=0.01)
