"""Reading what an artist said."""

from sqlalchemy import select
from sqlmodel import col

from service.consents.authority import Actor, artist_named, role_of
from service.consents.delegates import names_of_delegates
from service.consents.records import record_json
from service.db.engine import ReadSession
from service.db.tables import Artist, Consent
from service.ledger.events import Json


async def artist_heard_by(session: ReadSession, artist_id: str, actor: Actor | None) -> Artist:
    """Return the artist if the actor may read what they said; None reads for an audit.

    Raises Refused otherwise, the same for an artist who does not exist.
    """
    artist = await artist_named(session, artist_id)
    if actor is not None:
        await role_of(session, actor, artist)
    return artist


async def list_consents(
    session: ReadSession, artist: Artist, *, before: int | None, limit: int
) -> Json:
    """Return a page of an artist's records, newest first."""
    said = (
        select(Consent)
        .where(col(Consent.subject) == artist.subject)
        .order_by(col(Consent.revision).desc())
        .limit(limit + 1)
    )
    if before is not None:
        said = said.where(col(Consent.revision) < before)
    rows = list((await session.execute(said)).scalars())
    page = rows[:limit]
    delegates = await names_of_delegates(session, artist.subject)
    return {
        "consents": [record_json(row, artist.artist_id or "", delegates) for row in page],
        "next_before": page[-1].revision if len(rows) > limit else None,
    }
