"""A sealed month's files deleted, once nobody has to keep them any more.

That there was one, how much was in it and its root stay in the ledger and in `sealed_periods`.
Whoever decides that it is time records why; nothing here does.
"""

from typing import Final

from sqlalchemy import func, update
from sqlmodel import col

from service.db.engine import Database
from service.db.instants import InstantType
from service.db.tables import SealedPeriod
from service.sealing.month import Month
from service.sealing.period import sealed_periods
from service.storage.objects import Objects

_NOW: Final = func.clock_timestamp(type_=InstantType())


async def discard(database: Database, objects: Objects, month: Month) -> int:
    """Delete the files of a sealed month; return how many decisions were in it.

    What was begun of it and never finished goes with them. It is marked first, so that nobody
    looks for a file that is gone; broken off, it is completed when it is called again. Nothing
    happens where the month is not sealed, or not read from its files yet: then 0 is returned.
    """
    async with database.read() as session:
        found = [one for one in await sealed_periods(session) if one.month == month and one.moved]
    if not found:
        return 0
    (period,) = found
    if not period.discarded:
        async with database.keep() as session:
            await session.execute(
                update(SealedPeriod)
                .where(col(SealedPeriod.period) == str(month))
                .values(discarded_at=_NOW)
            )
    await objects.clear(str(month))
    return period.decisions
