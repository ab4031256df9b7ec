"""What an id could be the id of: whoever looks something up need not know what kind it is.

Decisions are another matter: `service.audit.decisions.has_decision` looks where they lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import exists, select
from sqlmodel import SQLModel, col

from service.audit.one_content import contents_by_isrc
from service.db.engine import ReadSession
from service.db.tables import Artist, Content, Export, LedgerHead, Notice

LONGEST: Final = 512
"""Characters of anything that is looked for."""

_MOST_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Found:
    """What has this id. `erased` says that it is the ledger's reference of an erased artist.

    `revision` is the number of an event, where the ledger has got that far.
    """

    artist: bool = False
    erased: bool = False
    contents: Sequence[str] = ()
    notice: bool = False
    export: bool = False
    revision: int | None = None


async def find(session: ReadSession, wanted: str) -> Found:
    """Return everything that has this id, exactly as it is written; contents by their ISRC too."""
    if not wanted or len(wanted) > LONGEST or "\0" in wanted:
        return Found()
    by_isrc = await contents_by_isrc(session, wanted.replace("-", "").upper())
    own = [wanted] if await _there(session, Content, wanted) else []
    return Found(
        artist=await _has_artist(session, wanted),
        erased=await _is_erased(session, wanted),
        contents=[*own, *(one for one in by_isrc if one != wanted)],
        notice=await _there(session, Notice, wanted),
        export=await _there(session, Export, wanted),
        revision=await _revision(session, wanted),
    )


async def _there(session: ReadSession, table: type[SQLModel], key: str) -> bool:
    return await session.get(table, key) is not None


async def _has_artist(session: ReadSession, wanted: str) -> bool:
    named = exists().where(col(Artist.artist_id) == wanted)
    return bool(await session.scalar(select(named)))


async def _is_erased(session: ReadSession, wanted: str) -> bool:
    gone = exists().where(col(Artist.subject) == wanted, col(Artist.erased_at).is_not(None))
    return bool(await session.scalar(select(gone)))


async def _revision(session: ReadSession, wanted: str) -> int | None:
    digits = wanted.isascii() and wanted.isdecimal() and len(wanted) <= _MOST_DIGITS
    if not digits:
        return None
    size = await session.scalar(select(col(LedgerHead.size))) or 0
    return int(wanted) if 0 < int(wanted) <= size else None
