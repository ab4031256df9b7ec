"""After an erasure: what lies outside of the ledger's transaction follows, until nothing is left.

Files cannot be destroyed in a transaction. So each erasure stays on a list until every forgetter
has done its part, whatever stops in between, and until whatever was under way has come to rest.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import select, update
from sqlmodel import col

from service.db.engine import Database
from service.db.tables import Erasure
from service.domain.instant import SECOND, Duration, Instant
from service.rights.destroying import AGAIN

_log = logging.getLogger(__name__)

COMES_TO_REST: Final[Duration] = 3_600 * SECOND
"""How long after an erasure a letter may still come back, or a file be written, that was begun."""

_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Erased:
    """Who was erased, by their reference, and when. Who they were, nobody knows any more."""

    subject: str
    revision: int
    erased_at: Instant


class Forgetter(Protocol):
    """Something that keeps copies of what artists said outside of the ledger's tables."""

    async def forget(self, erased: Erased) -> None:
        """Destroy every copy from before the erasure in which the artist can be.

        It may be asked again, and then does nothing. Raises whatever stops it: it is asked again.
        """


Forgetters = Mapping[str, Forgetter]
"""Everything that keeps copies, by a name for the service's log."""


async def forget_erased(database: Database, forgetters: Forgetters, now: Instant) -> bool:
    """Have everything forgotten of those who were erased; return whether anybody is done with now.

    What fails is left for the next time, and keeps nothing else from being done.
    """
    finished = []
    for erased in await _unfinished(database):
        done = await _forget(database, forgetters, erased)
        if done and now >= erased.erased_at + COMES_TO_REST:
            finished.append(erased.revision)
    if finished:
        async with database.keep() as session:
            await session.execute(
                update(Erasure).where(col(Erasure.revision).in_(finished)).values(finished_at=now)
            )
    return bool(finished)


async def _unfinished(database: Database) -> Sequence[Erased]:
    async with database.read() as session:
        rows = await session.execute(
            select(Erasure)
            .where(col(Erasure.finished_at).is_(None))
            .order_by(col(Erasure.revision))
            .limit(_AT_ONCE)
        )
        return [Erased(row.subject, row.revision, row.erased_at) for row in rows.scalars()]


async def _forget(database: Database, forgetters: Forgetters, erased: Erased) -> bool:
    async with database.keep() as session:
        for again in AGAIN:
            await session.execute(again, {"subject": erased.subject})
    done = True
    for name, forgetter in forgetters.items():
        try:
            await forgetter.forget(erased)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
            done = False
            _log.warning(
                "%s: who was erased at revision %d is not forgotten yet (%s)",
                name,
                erased.revision,
                type(error).__name__,  # its words may be about them
            )
    return done
