"""Erasure: everything that says who an artist was, or what they said, destroyed in one transaction.

The ledger keeps that somebody was there and is erased. Its leaves hold commitments whose keys are
gone, so every tile, proof and checkpoint stays what it was; whatever was permitted on the artist's
account is not any more, at every replica that starts a check after this has returned.
"""

from sqlalchemy import insert, update
from sqlmodel import col

from service.catalog.artists import require_artist
from service.db.engine import ReadSession
from service.db.tables import Artist, Erasure
from service.domain.instant import format_instant
from service.ledger.append import Write
from service.ledger.events import Json
from service.ledger.facts import erased_event
from service.ledger.transaction import Transaction
from service.rights.destroying import count_destroyed, destroy
from service.rights.holds import refuse_held


def erase_artist(artist_id: str) -> Write:
    """Erase an artist for good. Raises Refused where there is none, or while a hold stands.

    The answer names nobody, so that it can be kept for repetitions.
    """

    async def write(transaction: Transaction) -> Json:
        session = transaction.session
        artist = await require_artist(session, artist_id)
        await refuse_held(session, artist.subject)
        recorded = await transaction.record(erased_event(artist.subject))
        destroyed = await destroy(transaction, artist, recorded.recorded_at)
        await session.execute(
            update(Artist)
            .where(col(Artist.subject) == artist.subject)
            .values(artist_id=None, name=None, erased_at=recorded.recorded_at)
        )
        await session.execute(
            insert(Erasure).values(
                revision=recorded.revision,
                subject=artist.subject,
                erased_at=recorded.recorded_at,
            )
        )
        return {
            "dry_run": False,
            "subject": artist.subject,
            "revision": recorded.revision,
            "erased_at": format_instant(recorded.recorded_at),
            "destroyed": dict(destroyed),
        }

    return write


async def try_erasing(session: ReadSession, artist_id: str) -> Json:
    """Return what erasing an artist would answer, and change nothing. Raises the same."""
    artist = await require_artist(session, artist_id)
    await refuse_held(session, artist.subject)
    return {
        "dry_run": True,
        "subject": artist.subject,
        "revision": None,
        "erased_at": None,
        "destroyed": dict(await count_destroyed(session, artist)),
    }
