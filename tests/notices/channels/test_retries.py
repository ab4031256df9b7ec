"""When to try again, and when to give up."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.instant import SECOND, to_datetime
from service.notices.channels.retries import (
    HOUR,
    LONGEST_WAIT,
    MINUTE,
    MOST_JITTER,
    SCHEDULE,
    pause_before,
    read_retry_after,
)
from tests.notices.channels.telling import ANY_TEXT, NOW


def test_the_schedule_is_the_published_one() -> None:
    """Ten tries over 75 hours, 35 minutes and 5 seconds, the first at once."""
    assert [pause_before(n, 0.0) for n in range(10)] == list(SCHEDULE)
    assert SCHEDULE[:4] == (0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE)
    assert sum(SCHEDULE) == 75 * HOUR + 35 * MINUTE + 5 * SECOND


def test_after_the_last_try_it_is_given_up() -> None:
    """Whatever the receiver asks for."""
    assert pause_before(10, 0.5) is None
    assert pause_before(11, 0.5, asked=HOUR) is None


@given(st.integers(0, 9), st.floats(0, 1, exclude_max=True), st.integers(0, 10**13))
def test_nobody_is_asked_too_early(tries: int, jitter: float, asked: int) -> None:
    """Never before the schedule, never before the receiver wants (up to a day), never far off."""
    pause = pause_before(tries, jitter, asked)
    assert pause is not None
    least = max(SCHEDULE[tries], min(asked, LONGEST_WAIT))

    assert least <= pause <= least * (1 + MOST_JITTER)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0),
        ("120", 120 * SECOND),
        (" 7 ", 7 * SECOND),
        ("999999999", LONGEST_WAIT),
        ("Sun, 01 Mar 2026 12:01:00 GMT", MINUTE),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", MINUTE),
        ("Fri, 01 Jan 2100 00:00:00 GMT", LONGEST_WAIT),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, wait: int | None) -> None:
    """A past date means now; a day is the most; what cannot be read asks for nothing."""
    assert read_retry_after(value, NOW) == wait


@given(ANY_TEXT)
def test_any_header_can_be_read(value: str) -> None:
    """A stranger's header never raises."""
    wait = read_retry_after(value, NOW)

    assert wait is None or 0 <= wait <= LONGEST_WAIT


@given(st.integers(-(10**6), 10**6))
def test_dates_are_exact_to_the_second(seconds: int) -> None:
    """A date so many seconds ahead asks for so many seconds."""
    moment = to_datetime(NOW) + timedelta(seconds=seconds)

    wait = read_retry_after(moment.strftime("%a, %d %b %Y %H:%M:%S GMT"), NOW)

    assert wait == max(0, min(seconds * SECOND, LONGEST_WAIT))
