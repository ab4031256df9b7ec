"""Instants and durations are exact, and their texts say one thing only."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.instant import (
    DAY,
    LONGEST,
    SECOND,
    Instant,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
    to_datetime,
    to_instant,
)

MARCH = parse_instant("2026-03-01T00:00:00Z")

_instants = st.integers(0, to_instant(datetime(9998, 12, 31, tzinfo=UTC)))
_offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def test_the_epoch_is_zero() -> None:
    """Instants count microseconds from 1970-01-01T00:00:00Z."""
    assert parse_instant("1970-01-01T00:00:00Z") == 0
    assert parse_instant("1970-01-01T00:00:00.000001Z") == 1
    assert to_instant(to_datetime(-1)) == -1


@given(_instants)
def test_an_instant_survives_being_written(instant: Instant) -> None:
    """Writing and reading an instant gives it back, to the microsecond."""
    assert parse_instant(format_instant(instant)) == instant
    assert to_instant(to_datetime(instant)) == instant


@given(_instants, _instants)
def test_texts_sort_as_times_do(one: Instant, other: Instant) -> None:
    """A column of written instants can be sorted as text."""
    assert (format_instant(one) < format_instant(other)) == (one < other)


@given(_instants, _offsets)
def test_an_offset_is_taken_into_account(instant: Instant, offset: timezone) -> None:
    """The same moment said in any offset from UTC is the same instant."""
    elsewhere = to_datetime(instant).astimezone(offset)
    assert to_instant(elsewhere) == instant
    assert parse_instant(elsewhere.isoformat()) == instant


def test_an_instant_is_written_with_all_six_decimals() -> None:
    """Whole seconds have their decimals too, and the offset is always Z."""
    assert format_instant(MARCH) == "2026-03-01T00:00:00.000000Z"
    assert format_instant(MARCH - 1) == "2026-02-28T23:59:59.999999Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1772323200",
        "2026-03",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "20260301T000000Z",
        "2026-W09-7T00:00:00Z",
        "2026-03-01T00Z",
        "2026-03-01T00:00:00.1234567Z",
        "2026-03-01T00:00:00Z\n",
    ],
)
def test_what_is_no_date_and_time_is_refused(text: str) -> None:
    """The message shows what to write."""
    with pytest.raises(ValueError, match="2026-03-01T00:00:00Z"):
        parse_instant(text)


@pytest.mark.parametrize(
    "text",
    ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"],
)
def test_a_time_that_could_not_be_written_again_is_refused(text: str) -> None:
    """Whatever is read can be written: the years are 1970 to 9999, in UTC."""
    with pytest.raises(ValueError, match=r"with its offset|between the years"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["2026-03-01t00:00:00z", "2026-03-01T01:00:00+01:00"])
def test_small_letters_and_offsets_say_the_same_moment(text: str) -> None:
    """RFC 3339 takes `t` and `z`, and any offset."""
    assert parse_instant(text) == MARCH


@pytest.mark.parametrize("text", ["2026-03-01", "2026-03-01T00:00:00"])
def test_a_time_without_its_offset_is_refused(text: str) -> None:
    """Whose midnight is meant cannot be known."""
    with pytest.raises(ValueError, match="offset from UTC"):
        parse_instant(text)


def test_a_naive_datetime_is_refused() -> None:
    """Not even a program may leave the offset out."""
    with pytest.raises(ValueError, match="offset from UTC"):
        to_instant(datetime(2026, 3, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P30D", 30 * DAY),
        ("P4W", 28 * DAY),
        ("P1W2D", 9 * DAY),
        ("PT12H", DAY // 2),
        ("PT90M", 5_400 * SECOND),
        ("PT1S", SECOND),
        ("P1DT2H3M4S", DAY + 7_384 * SECOND),
        ("P0D", 0),
        ("PT0S", 0),
        ("P36500D", LONGEST),
    ],
)
def test_a_duration_of_fixed_length_is_read(text: str, length: int) -> None:
    """Weeks, days, hours, minutes and whole seconds each have one length."""
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["P1Y", "P1M", "P1Y6M", "P1M15D", "P1YT1H"])
def test_years_and_months_are_refused(text: str) -> None:
    """Their length depends on where they start, and a window lasts exactly its period (R6)."""
    with pytest.raises(ValueError, match="P30D or PT12H"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "30",
        "30D",
        "p30d",
        " P1D",
        "P1D\n",
        "-P1D",
        "P-1D",
        "P1.5D",
        "PT1.5S",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Neither blanks nor signs, neither fractions nor small letters."""
    with pytest.raises(ValueError, match="not a duration of fixed length"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["PT1S1M", "P1D2W", "P\N{ARABIC-INDIC DIGIT THREE}D", "P1234567D"])
def test_units_out_of_order_and_odd_numbers_are_refused(text: str) -> None:
    """Neither other orders nor other digits, nor too many of them."""
    with pytest.raises(ValueError, match="not a duration of fixed length"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["P36500DT1S", "P36501D", "PT99999999999S"])
def test_a_duration_beyond_a_century_is_refused(text: str) -> None:
    """Added to an instant it might be no date any more."""
    with pytest.raises(ValueError, match="P36500D"):
        parse_duration(text)


@given(st.integers(0, LONGEST // SECOND).map(lambda seconds: seconds * SECOND))
def test_a_duration_survives_being_written(length: int) -> None:
    """Writing and reading a duration gives it back."""
    assert parse_duration(format_duration(length)) == length


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("P4W", "P28D"),
        ("PT36H", "P1DT12H"),
        ("PT86400S", "P1D"),
        ("PT61M1S", "PT1H1M1S"),
        ("P0D", "PT0S"),
        ("P0030D", "P30D"),
    ],
)
def test_a_duration_has_one_canonical_form(text: str, canonical: str) -> None:
    """However it was written, the same length is written alike."""
    assert format_duration(parse_duration(text)) == canonical
