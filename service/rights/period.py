"""Periods by the calendar: seven years end on the same day of the year, six months of the month.

Retention is said so by those who set it. (Windows are not: they have an exact length, R6.)
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from typing import Final, Self

from service.domain.instant import DAY, EARLIEST, Instant, to_datetime, to_instant

PATTERN: Final = r"^P(?=[0-9])([0-9]{1,2}Y)?([0-9]{1,3}M)?([0-9]{1,5}D)?$"
_PERIOD: Final = re.compile(
    r"P(?=\d)(?:(?P<years>\d{1,2})Y)?(?:(?P<months>\d{1,3})M)?(?:(?P<days>\d{1,5})D)?", re.ASCII
)
_MONTHS: Final = 12
_SHORTEST_MONTH: Final = 28
_LONGEST_MONTH: Final = 31


@dataclass(frozen=True, slots=True)
class Period:
    """Some years, months and days."""

    years: int = 0
    months: int = 0
    days: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an ISO 8601 period such as P7Y. Raises ValueError with what to write instead."""
        match = _PERIOD.fullmatch(text)
        if match is None:
            message = f"{text[:40]!r} is no period by the calendar: write it as P7Y, P6M or P90D"
            raise ValueError(message)
        return cls(**{unit: int(number) for unit, number in match.groupdict(default="0").items()})

    def before(self, instant: Instant) -> Instant:
        """Return the instant so long before another, at the same time of the day (UTC).

        Where that month has no such day it is its last one; nothing is before 1970.
        """
        moment = to_datetime(instant)
        month = moment.year * _MONTHS + moment.month - 1 - self.years * _MONTHS - self.months
        year, month = divmod(month, _MONTHS)
        if year < to_datetime(EARLIEST).year:
            return EARLIEST
        day = min(moment.day, monthrange(year, month + 1)[1])
        there = to_instant(moment.replace(year=year, month=month + 1, day=day))
        return max(there - self.days * DAY, EARLIEST)

    def is_ever_shorter_than(self, other: Self) -> bool:
        """Tell whether it may be the shorter one, depending on when both end."""
        months = (self.years - other.years) * _MONTHS + self.months - other.months
        days = months * (_SHORTEST_MONTH if months > 0 else _LONGEST_MONTH)
        return days + self.days < other.days

    def __str__(self) -> str:
        parts = ((self.years, "Y"), (self.months, "M"), (self.days, "D"))
        return "P" + ("".join(f"{n}{unit}" for n, unit in parts if n) or "0D")
