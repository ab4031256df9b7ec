"""Whole days in UTC that somebody looks at, and how they are put together to be drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Self

from service.domain.instant import DAY, Instant, to_datetime

_EPOCH: Final = date(1970, 1, 1)
_LAST: Final = date(9999, 12, 30)
_WEEK: Final = 7
_MOST_BARS: Final = 62
"""Days beyond which a chart is by weeks: on a phone more bars could not be told apart."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both of them part of it."""

    first: date
    last: date

    def __post_init__(self) -> None:
        """Refuse what ends before it begins, or lies where no instant is. Raises ValueError."""
        if not _EPOCH <= self.first <= self.last <= _LAST:
            message = "a period ends on the day it begins, or later"
            raise ValueError(message)

    @classmethod
    def ending(cls, now: Instant, days: int) -> Self:
        """Return so many days, the last of which is the day of `now`."""
        last = to_datetime(now).date()
        return cls(max(_EPOCH, last - timedelta(days=days - 1)), last)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def since(self) -> Instant:
        """The first instant."""
        return (self.first - _EPOCH).days * DAY

    @property
    def until(self) -> Instant:
        """The instant after the last."""
        return ((self.last - _EPOCH).days + 1) * DAY

    @property
    def by_weeks(self) -> bool:
        """Whether it is drawn by weeks: two months or less are by days."""
        return self.days > _MOST_BARS

    def begin_of(self, day: date) -> date:
        """Return the first day of what a day is drawn with: itself, or its week's Monday."""
        if not self.by_weeks:
            return day
        return max(self.first, day - timedelta(days=day.weekday()))

    def begins(self) -> Iterator[date]:
        """Yield the first day of everything that is drawn, whether anything happened or not."""
        day = self.first
        while day <= self.last:
            yield day
            step = _WEEK - day.weekday() if self.by_weeks else 1
            day += timedelta(days=step)
