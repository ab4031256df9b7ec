"""A month of the decision log (UTC): what is sealed, moved and kept as one."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from service.domain.instant import DAY, Duration, Instant, to_datetime, to_instant

MARGIN: Final[Duration] = DAY
"""How long after its end a month is not closed yet.

A decision is written within seconds of the ledger's time in its name, and clocks that disagree by
more than seconds answer nothing by time. Whoever writes later still, having been held up for a day,
is refused by the database: this margin only makes that rare.
"""

PARTITION: Final = "decisions_{0:04}_{1:02}"
_NAMED: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])", re.ASCII)
_DECEMBER: Final = 12


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month; months sort as they follow each other."""

    year: int
    month: int

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the month called `2026-03`. Raises ValueError saying how to write it."""
        found = _NAMED.fullmatch(name)
        if found is None:
            raise ValueError(f"{name[:20]!r} is not a month: write it as 2026-03")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, instant: Instant) -> Self:
        """Return the month that an instant is in."""
        moment = to_datetime(instant)
        return cls(moment.year, moment.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def partition(self) -> str:
        """The table of its own that PostgreSQL keeps it in."""
        return PARTITION.format(self.year, self.month)

    @property
    def begins(self) -> Instant:
        """Its first instant."""
        return to_instant(datetime(self.year, self.month, 1, tzinfo=UTC))

    @property
    def ends(self) -> Instant:
        """The first instant after it."""
        return self.after.begins

    @property
    def after(self) -> Self:
        """The next month."""
        if self.month == _DECEMBER:
            return type(self)(self.year + 1, 1)
        return type(self)(self.year, self.month + 1)

    def is_closed(self, now: Instant) -> bool:
        """Whether nobody is to write into it any more, by the ledger's clock."""
        return now >= self.ends + MARGIN
