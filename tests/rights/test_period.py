"""Periods by the calendar."""

import pytest

from service.domain.instant import EARLIEST, format_instant, parse_instant
from service.rights.period import Period


@pytest.mark.parametrize(
    ("period", "instant", "before"),
    [
        ("P7Y", "2033-03-01T09:30:00.5Z", "2026-03-01T09:30:00.5Z"),
        ("P1Y", "2028-02-29T00:00:00Z", "2027-02-28T00:00:00Z"),
        ("P6M", "2026-08-31T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("P14M", "2026-01-15T00:00:00Z", "2024-11-15T00:00:00Z"),
        ("P1M1D", "2026-03-31T00:00:00Z", "2026-02-27T00:00:00Z"),
        ("P30D", "2026-03-01T00:00:00Z", "2026-01-30T00:00:00Z"),
    ],
)
def test_a_period_ends_on_the_same_day(period: str, instant: str, before: str) -> None:
    """Or on the month's last, where it has no such day."""
    assert Period.parse(period).before(parse_instant(instant)) == parse_instant(before)


def test_nothing_is_before_the_first_instant() -> None:
    """A century ago nobody had recorded anything."""
    now = parse_instant("2026-03-01T00:00:00Z")
    assert format_instant(Period.parse("P99Y").before(now)) == format_instant(EARLIEST)


@pytest.mark.parametrize(
    ("text", "canonical"), [("P7Y", "P7Y"), ("P0Y18M", "P18M"), ("P0D", "P0D"), ("P1Y2M3D",) * 2]
)
def test_it_is_written_in_one_way(text: str, canonical: str) -> None:
    """Parts of nothing are left out."""
    assert str(Period.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "is_shorter"),
    [
        ("P5M", True),
        ("P168D", True),
        ("P5M30D", True),
        ("P5M31D", False),
        ("P6M", False),
        ("P186D", False),
        ("P1Y", False),
    ],
)
def test_half_a_year_is_so_in_every_year(text: str, *, is_shorter: bool) -> None:
    """Days in place of months are as many as those months can ever have."""
    assert Period.parse(text).is_ever_shorter_than(Period(months=6)) == is_shorter


@pytest.mark.parametrize("text", ["", "P", "7Y", "P1D1Y", "PT5M", "P1W", "P-1Y", "P1.5Y"])
def test_what_is_no_period_is_refused_with_what_to_write(text: str) -> None:
    """Hours are none: nothing is kept for hours."""
    with pytest.raises(ValueError, match="write it as P7Y"):
        Period.parse(text)
