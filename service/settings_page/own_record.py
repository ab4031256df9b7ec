"""All there is about one artist, for them to keep (GDPR articles 15 and 20)."""

from typing import Any

from sqlalchemy import select
from sqlmodel import col

from service.consents.delegates import delegate_json, names_of_delegates
from service.consents.records import record_json
from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import (
    Artist,
    Bounce,
    Consent,
    Contact,
    Delegate,
    Delivery,
    Notice,
    PolicyText,
    Send,
)
from service.domain.instant import format_instant
from service.ledger.events import Json

FORMAT: str = "fermata-own-record/1"


async def record_of(session: ReadSession, artist: Artist) -> Json:
    """Return what this artist was told, has said and has allowed, oldest first, with the words."""
    notices = await _notices(session, artist)
    delegates = await names_of_delegates(session, artist.subject)
    return {
        "format": FORMAT,
        "artist": artist.artist_id,
        "name": artist.name,
        "registered_at": format_instant(artist.registered_at),
        "contact": await _contact(session, artist),
        "told": [
            {**_delivered(row), **notices[row.notice_id]}
            for row in await _all(session, Delivery, artist)
        ],
        "not_reached": [_bounced(row) for row in await _all(session, Bounce, artist)],
        "sent": [_sent(row) for row in await _sends(session, artist)],
        "said": [
            record_json(row, artist.artist_id or "", delegates)
            for row in await _all(session, Consent, artist)
        ],
        "delegates": [
            delegate_json(row, artist.artist_id or "")
            for row in await _all(session, Delegate, artist)
        ],
    }


async def _all(session: ReadSession, table: Any, artist: Artist) -> list[Any]:
    rows = select(table).where(table.subject == artist.subject).order_by(table.revision)
    return list((await session.execute(rows)).scalars())


async def _sends(session: ReadSession, artist: Artist) -> list[Send]:
    rows = (
        select(Send)
        .where(col(Send.subject) == artist.subject)
        .order_by(col(Send.settled_at), col(Send.notice_id), col(Send.channel), col(Send.reminder))
    )
    return list((await session.execute(rows)).scalars())


async def _contact(session: ReadSession, artist: Artist) -> Json | None:
    known = await session.get(Contact, artist.subject)
    return None if known is None else {"email": known.email, "locale": known.locale}


async def _notices(session: ReadSession, artist: Artist) -> dict[str, Json]:
    """Return every notice that reached the artist, with the words it announced."""
    told = select(col(Delivery.notice_id)).where(col(Delivery.subject) == artist.subject)
    rows = select(Notice).where(col(Notice.notice_id).in_(told))
    found: dict[str, Json] = {
        row.notice_id: {"use": row.use, "version": row.version, "texts": {}}
        for row in (await session.execute(rows)).scalars()
    }
    uses = {one["use"] for one in found.values()}
    words = (
        select(PolicyText).where(among(col(PolicyText.use), uses)).order_by(col(PolicyText.locale))
    )
    by_version = {(one["use"], one["version"]): one for one in found.values()}
    for row in (await session.execute(words)).scalars():
        if (row.use, row.version) in by_version:
            texts = by_version[row.use, row.version]["texts"]
            texts[row.locale] = {"text": row.text, "sha256": row.sha256}
    return found


def _delivered(row: Delivery) -> Json:
    return {
        "notice": row.notice_id,
        "channel": row.channel,
        "delivered_at": format_instant(row.delivered_at),
        "closes_at": format_instant(row.closes_at),
        "revision": row.revision,
    }


def _bounced(row: Bounce) -> Json:
    return {
        "notice": row.notice_id,
        "channel": row.channel,
        "bounced_at": format_instant(row.bounced_at),
        "revision": row.revision,
    }


def _sent(row: Send) -> Json:
    return {
        "notice": row.notice_id,
        "channel": row.channel,
        "reminder": row.reminder,
        "state": row.state,
        "settled_at": None if row.settled_at is None else format_instant(row.settled_at),
    }
