"""Instants and fixed-length durations, both in whole microseconds."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

Instant: TypeAlias = int
"""Microseconds since 1970-01-01T00:00:00Z."""

Duration: TypeAlias = int
"""A length of time in microseconds."""

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
LONGEST: Final = 36_500 * DAY
"""No duration may be longer: about a century, so that adding one to an instant stays a date."""

EARLIEST: Final[Instant] = 0
LATEST: Final[Instant] = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z, the last instant that a date can be written for."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_MICROSECOND = timedelta(microseconds=1)
_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,8})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,11})S)?)?",
    re.ASCII,
)


def to_instant(moment: datetime) -> Instant:
    """Return the instant of an aware datetime, exact to the microsecond.

    Raises ValueError for a naive one: whose midnight it means cannot be known.
    """
    if moment.tzinfo is None:
        message = "a date and time needs its offset from UTC, such as 2026-03-01T00:00:00Z"
        raise ValueError(message)
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(instant: Instant) -> datetime:
    """Return the instant as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def parse_instant(text: str) -> Instant:
    """Read an RFC 3339 date and time (section 5.6), of at most six decimals, from 1970 to 9999.

    Raises ValueError with what to write instead.
    """
    advice = f"{text[:40]!r} is not a date and time with its offset from UTC: 2026-03-01T00:00:00Z"
    if _DATE_TIME.fullmatch(text) is None:
        raise ValueError(advice)
    try:
        instant = to_instant(datetime.fromisoformat(text.upper()))
    except ValueError:
        raise ValueError(advice) from None
    if not EARLIEST <= instant <= LATEST:
        raise ValueError(f"{text!r} is not between the years 1970 and 9999")
    return instant


def format_instant(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC with all six decimals, so that texts sort as times do."""
    return to_datetime(instant).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_duration(text: str) -> Duration:
    """Read an ISO 8601 duration of fixed length: weeks, days, hours, minutes, whole seconds.

    Years and months are refused, since their length depends on where they start (R6 asks for an
    exact window). Raises ValueError with what to write instead.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        message = f"{text!r} is not a duration of fixed length; write it as P30D or PT12H"
        raise ValueError(message)
    parts = {unit: int(number) for unit, number in match.groupdict(default="0").items()}
    length = timedelta(**parts) // _MICROSECOND
    if length > LONGEST:
        message = f"{text!r} is longer than the longest duration, P36500D"
        raise ValueError(message)
    return length


def format_duration(length: Duration) -> str:
    """Write a duration of whole seconds in its one canonical form: days, then time."""
    days, rest = divmod(length // SECOND, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    clock = "".join(
        f"{number}{unit}"
        for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S"))
        if number
    )
    date = f"{days}D" if days else ""
    return f"P{date}{'T' + clock if clock else ''}" if date or clock else "PT0S"
