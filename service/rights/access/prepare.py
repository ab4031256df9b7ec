"""Preparing the access file: for whom, and all of it before any of it is sent."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from service.clock import Clock
from service.consents.authority import ActingAs, Actor, artist_named, role_of, stranger
from service.db.engine import Database, ReadSession
from service.db.tables import Artist
from service.decisions.check import Checker, Present
from service.ledger.events import Json
from service.rights.access.gather import Asked, gather
from service.rights.access.today import columns_today
from service.rights.access.written import write_json, write_page
from service.rights.handling import Handling
from service.sealing.find import SealedLog
from service.sealing.period import hold_log
from service.settings import Settings

_IN_MEMORY: Final = 1 << 20
"""Bytes; a larger file goes to the disk, under no name."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What an access file is prepared with. `origin` is the log's name, `log` that of decisions."""

    settings: Settings
    database: Database
    checker: Checker
    clock: Clock
    origin: str
    log: SealedLog


async def prepare(
    desk: Desk, artist_id: str, listener: Actor | None, *, as_page: bool, language: str | None
) -> IO[bytes]:
    """Return the file, whole, for whoever reads and closes it.

    `listener` None reads for an audit. Raises Refused for everybody but the artist and the
    platform, delegates too; HeadUnknown, NotThereYet or LedgerBroken where the present cannot be
    known.
    """
    present = await desk.checker.present()
    async with desk.database.read() as session:
        sealed = await hold_log(session)
        artist = await _artist_for(session, artist_id, listener)
        later = desk.checker.later(present)
        asked = Asked(
            artist=artist,
            now=later.now,
            today=_today(later, artist),
            handling=await Handling.read(session, desk.settings),
            origin=desk.origin,
            for_auditors=listener is None,
            sealed=sealed,
        )
        found = await gather(session, desk.clock, desk.log, asked)
        with ExitStack() as closing:
            file: IO[bytes] = closing.enter_context(SpooledTemporaryFile(_IN_MEMORY))
            if as_page:
                await write_page(found, file, language)
            else:
                await write_json(found, file)
            file.seek(0)
            closing.pop_all()  # its reader closes it
    return file


async def _artist_for(session: ReadSession, artist_id: str, listener: Actor | None) -> Artist:
    artist = await artist_named(session, artist_id)
    if listener is not None:
        acting_as, _ = await role_of(session, listener, artist)
        if acting_as is ActingAs.DELEGATE:
            raise stranger()
    return artist


def _today(present: Present, artist: Artist) -> Sequence[Json]:
    """Return what holds for them. Raises Refused where they have been erased meanwhile."""
    known = present.history.artists.get(artist.subject)
    if known is None or known.erased:
        raise stranger()
    return columns_today(present.history, artist.subject, present.now)
