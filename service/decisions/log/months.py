"""The parts of the log, one a month (UTC), made ahead by whoever writes.

A decision of a month that nobody has made yet is refused by the database; then its month is made
and it is written again. There is no part for everything else: a month could not be taken out beside
running checks if there were one.
"""

import logging
from collections.abc import Iterable
from typing import Final

import asyncpg

from service.domain.instant import DAY, Instant, to_datetime

_LOOK_EVERY: Final = DAY
_LOOK_AGAIN: Final = DAY // 24
_AHEAD: Final = 10 * DAY
"""A month is there so long before it begins, if anything is written by then."""

_MAKE: Final = "SELECT make_month_of_decisions(moment) FROM unnest($1::timestamptz[]) AS moment"
_PATIENCE: Final = "SET LOCAL lock_timeout = '1s'"

_log = logging.getLogger(__name__)


class Months:
    """Sees to it, on one connection, that there is a month to write into."""

    def __init__(self) -> None:
        """Look at the first occasion."""
        self._look_at: Instant = 0

    async def make_ahead(self, connection: asyncpg.Connection, now: Instant) -> None:
        """Make the month of `now`, and soon before it ends the next; look once a day.

        What fails is tried again in an hour: nothing depends on it yet.
        """
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY
        try:
            await make(connection, (now, now + _AHEAD))
        except asyncpg.PostgresError as error:
            self._look_at = now + _LOOK_AGAIN
            _log.warning("the next month of the decision log is not made yet: %s", error)


async def make(connection: asyncpg.Connection, instants: Iterable[Instant]) -> None:
    """Make the months of these instants, whoever else does so at the same moment."""
    async with connection.transaction():
        await connection.execute(_PATIENCE)
        await connection.execute(_MAKE, [to_datetime(instant) for instant in instants])


def is_missing(error: BaseException) -> bool:
    """Whether a row was refused because nobody has made its month: no constraint is named then."""
    return isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None
