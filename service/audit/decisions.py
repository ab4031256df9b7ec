"""Decisions wherever they lie: in the log's table, or in the files of months that are sealed.

Each takes a session that has read nothing yet: see `service.sealing.period`.
"""

from typing import Final

from sqlalchemy import text

from service.db.engine import ReadSession
from service.decisions.log.find import FoundPage, Wanted
from service.decisions.log.name import is_name
from service.decisions.log.theirs import MOST_STRETCHES, Theirs, theirs_of
from service.sealing.find import SealedLog
from service.sealing.period import hold_log, sealed_periods

_PARTS: Final = text("""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'decisions'::regclass
""")


async def newest_decisions(
    session: ReadSession, sealed: SealedLog, wanted: Wanted, *, limit: int
) -> FoundPage:
    """Return the newest decisions that are wanted. Raises Damaged and SealedUnreadable."""
    periods = await hold_log(session)
    return await sealed.find(session, periods, wanted, below=None, limit=limit)


async def newest_about_artist(
    session: ReadSession, sealed: SealedLog, subject: str, *, limit: int
) -> tuple[FoundPage, Theirs]:
    """Return the newest decisions about an artist and what they held, and what that is and was.

    Raises Damaged and SealedUnreadable.
    """
    periods = await hold_log(session)
    theirs = await theirs_of(session, subject, most=MOST_STRETCHES)
    wanted = Wanted(theirs=theirs)
    return await sealed.find(session, periods, wanted, below=None, limit=limit), theirs


async def decisions_in_files(session: ReadSession) -> int:
    """Return how many decisions are in sealed months that are no part of the table any more."""
    there = set(await session.scalars(_PARTS))
    periods = await sealed_periods(session)
    return sum(one.decisions for one in periods if one.month.partition not in there)


async def has_decision(session: ReadSession, sealed: SealedLog, name: str) -> bool:
    """Tell whether there is a decision of this name. Raises Damaged and SealedUnreadable."""
    if not is_name(name):
        return False
    periods = await hold_log(session)
    return await sealed.read(session, periods, name, first=0, most=0) is not None
