"""Registering artists. Each gets a random reference that stands for them everywhere else."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.in_bulk import insert_in_bulk
from service.db.tables import Artist, metadata
from service.domain.refusal import Refusal, RefusalKind, Refused, refuse
from service.ledger.append import Write
from service.ledger.events import Json
from service.ledger.facts import artists_event
from service.ledger.transaction import Transaction, require_opened


@dataclass(frozen=True, slots=True)
class ArtistRow:
    """One artist to register: the platform's id, and a name for people to read."""

    artist_id: str
    name: str | None = None


async def subjects_of(session: ReadSession, artist_ids: Collection[str]) -> dict[str, str]:
    """Return the reference of each known artist among the ids."""
    known = select(col(Artist.artist_id), col(Artist.subject)).where(
        among(col(Artist.artist_id), artist_ids)
    )
    return {one: subject for one, subject in await session.execute(known) if one is not None}


async def require_artist(session: ReadSession, artist_id: str) -> Artist:
    """Return a registered artist. Raises Refused where there is none."""
    known = select(Artist).where(col(Artist.artist_id) == artist_id)
    artist = (await session.execute(known)).scalar_one_or_none()
    if artist is None:
        raise refuse(
            "artist", "unknown_artist", "no artist of this id is registered", RefusalKind.UNKNOWN
        )
    return artist


def refuse_repeated(field: str, ids: Sequence[str]) -> None:
    """Raise Refused naming every row whose id an earlier row of the same request has."""
    first: dict[str, int] = {}
    refusals = [
        Refusal(f"{field}[{n}]", "repeated", f"row {first[one]} of this request has the same id")
        for n, one in enumerate(ids)
        if first.setdefault(one, n) != n
    ]
    if refusals:
        raise Refused(refusals)


def register_artists(rows: Sequence[ArtistRow]) -> Write:
    """Register those artists who are not yet; repeating it changes nothing but names."""

    async def write(transaction: Transaction) -> Json:
        refuse_repeated("artists", [row.artist_id for row in rows])
        require_opened(transaction)
        known = await subjects_of(transaction.session, [row.artist_id for row in rows])
        fresh = [row for row in rows if row.artist_id not in known]
        if fresh:
            await _register(transaction, fresh)
        await _rename(transaction, [row for row in rows if row.artist_id in known])
        return {
            "registered": len(fresh),
            "already_registered": len(known),
            "revision": transaction.revision,
        }

    return write


async def _register(transaction: Transaction, rows: Sequence[ArtistRow]) -> None:
    subjects = await transaction.new_subject(len(rows))
    recorded = await transaction.record(artists_event(subjects))
    await insert_in_bulk(
        transaction.session,
        Artist,
        {
            "subject": subjects,
            "artist_id": [row.artist_id for row in rows],
            "name": [row.name for row in rows],
        },
        {"registered_at": recorded.recorded_at, "revision": recorded.revision},
    )


async def _rename(transaction: Transaction, rows: Sequence[ArtistRow]) -> None:
    """Keep the names people read up to date. They are no part of the ledger."""
    given = {row.artist_id: row.name for row in rows if row.name is not None}
    found = select(col(Artist.artist_id), col(Artist.name)).where(
        among(col(Artist.artist_id), given)
    )
    names = [
        {"known_id": artist_id, "new": given[artist_id]}
        for artist_id, name in await transaction.session.execute(found)
        if artist_id is not None and name != given[artist_id]
    ]
    if names:
        connection = await transaction.session.connection()
        table = metadata.tables["artists"]
        await connection.execute(
            update(table)
            .where(table.c.artist_id == bindparam("known_id"))
            .values(name=bindparam("new")),
            names,
        )
