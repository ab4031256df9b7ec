"""Gathering the access file: small parts at once, long ones row by row as they are written."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select, text, tuple_
from sqlmodel import col

from service.clock import Clock
from service.consents.delegates import delegate_json
from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.db.tables import (
    Artist,
    Bounce,
    Consent,
    Contact,
    Delegate,
    Delivery,
    LedgerHead,
    Notice,
    PolicyText,
    Send,
)
from service.decisions.log.theirs import HELD, MOST_STRETCHES, theirs_of
from service.domain.instant import Instant, format_instant
from service.ledger.events import Json
from service.rights.access.decided import decided_about
from service.rights.consent_record import SaidBefore, parties, principal
from service.rights.handling import Handling
from service.rights.holds import hold_json, holds_of
from service.rights.receipts import has_expired, telling_of
from service.rights.vocabulary import CONTEXT
from service.sealing.find import SealedLog
from service.sealing.period import Period

FORMAT: Final = "fermata-access-file/1"
_AT_ONCE: Final = 1_000

_EVENTS: Final = text("""
SELECT l.revision, l.recorded_at, l.kind FROM ledger l JOIN (
    SELECT revision FROM private.event_details WHERE subject = :subject
    UNION SELECT revision FROM artists WHERE subject = :subject
    UNION SELECT revision FROM deliveries WHERE subject = :subject
    UNION SELECT revision FROM bounces WHERE subject = :subject
        AND notice_id IN (SELECT notice_id FROM notices)
    UNION SELECT revision FROM content_history WHERE rightsholders @> ARRAY[:subject]::text[]
) theirs ON theirs.revision = l.revision ORDER BY l.revision
""")
# What a track is called now is its holder's: who sold it is told its id, and how it was then.
_CONTENT: Final = text(f"""
SELECT DISTINCT ON (content_id) content_id, theirs.status, theirs.revision, theirs.until_at,
    CASE WHEN theirs.until IS NULL THEN content.title END AS title,
    CASE WHEN theirs.until IS NULL THEN content.isrc END AS isrc
FROM ({HELD.format(subject=":subject")}) theirs JOIN content USING (content_id)
ORDER BY content_id, theirs.revision DESC
""").columns(until_at=InstantType())  # noqa: S608 - no value stands in it
_VERSIONS: Final = text("""
SELECT names.key, names.value::int
FROM consents c, jsonb_each_text(c.shown->'names') names WHERE c.subject = :subject
UNION SELECT n.use, n.version FROM deliveries d JOIN notices n ON n.notice_id = d.notice_id
WHERE d.subject = :subject
""")


@dataclass(frozen=True, slots=True)
class AccessFile:
    """One artist's file. What is an iterator can be long, and is read once, in this order."""

    head: Json
    consents: AsyncIterator[Json]
    policies: AsyncIterator[Json]
    notices: Json
    content: AsyncIterator[Json]
    decisions: Json
    events: AsyncIterator[Json]
    locale: str | None

    def parts(self) -> Mapping[str, Any]:
        """Return everything below the head, by name."""
        return {
            "consents": self.consents,
            "policies": self.policies,
            "notices": self.notices,
            "content": self.content,
            "decisions": self.decisions,
            "events": self.events,
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose file it is, what holds for them `now`, and who is to read it.

    `for_auditors` has the reasons of legal holds in it, which may be nobody else's business.
    `sealed` are the months of the decision log that are not in the table any more.
    """

    artist: Artist
    now: Instant
    today: Sequence[Json]
    handling: Handling
    origin: str
    for_auditors: bool
    sealed: Sequence[Period]


async def gather(session: ReadSession, clock: Clock, log: SealedLog, asked: Asked) -> AccessFile:
    """Return the file as one snapshot has it; the session stays open until it is written.

    Raises Damaged where a decision cannot be read.
    """
    subject = asked.artist.subject
    contact = await session.get(Contact, subject)
    theirs = await theirs_of(session, subject, most=MOST_STRETCHES)
    decided = await decided_about(session, clock, log, theirs, sealed=asked.sealed)
    return AccessFile(
        head=await _head(session, asked, contact),
        consents=_consents(session, asked),
        policies=_policies(session, subject),
        notices=await _notices(session, subject),
        content=_content(session, subject),
        decisions=decided.to_json(),
        events=_events(session, subject),
        locale=None if contact is None else contact.locale,
    )


async def _head(session: ReadSession, asked: Asked, contact: Contact | None) -> Json:
    artist, handling = asked.artist, asked.handling
    artist_id = artist.artist_id or ""
    revision, at = (
        await session.execute(select(col(LedgerHead.size), col(LedgerHead.recorded_at)))
    ).one()
    delegates = (await _own(session, Delegate, artist.subject)).scalars()
    holds = [hold_json(hold, artist_id) for hold in await holds_of(session, artist.subject)]
    return {
        "@context": dict(CONTEXT),
        "format": FORMAT,
        "revision": revision,
        "as_of": format_instant(at),
        "party_identification": parties(handling.controller(), principal(artist_id, artist.name)),
        "pii_processing": handling.processing(),
        "artist": {
            "artist": artist_id,
            "name": artist.name,
            "reference": artist.subject,
            "registered_at": format_instant(artist.registered_at),
            "revision": artist.revision,
        },
        "contact": None
        if contact is None
        else {
            "email": contact.email,
            "locale": contact.locale,
            "updated_at": format_instant(contact.updated_at),
        },
        "delegates": [delegate_json(row, artist_id) for row in delegates],
        "acts_for": await _acts_for(session, artist_id),
        "legal_holds": holds if asked.for_auditors else [_told_to_the_artist(one) for one in holds],
        "today": list(asked.today),
    }


def _told_to_the_artist(hold: Json) -> Json:
    hidden = {"reason", "placed_by", "lifted_by"}
    return {name: value for name, value in hold.items() if name not in hidden}


async def _acts_for(session: ReadSession, artist_id: str) -> list[Json]:
    rows = await session.execute(
        select(Delegate, col(Artist.artist_id))
        .join(Artist, col(Artist.subject) == col(Delegate.subject))
        .where(col(Delegate.delegate) == artist_id)
        .order_by(col(Delegate.revision))
    )
    return [delegate_json(delegate, other or "") for delegate, other in rows]


async def _own(session: ReadSession, table: Any, subject: str) -> Any:
    rows = select(table).where(table.subject == subject).order_by(table.revision)
    return await session.execute(rows)


async def _consents(session: ReadSession, asked: Asked) -> AsyncIterator[Json]:
    """Yield every record as TS 27560 has it, oldest first, with where its receipt is."""
    telling = await telling_of(session, asked.artist, None, asked.origin)
    before = SaidBefore()
    same_scope = (col(Consent.use), col(Consent.content), col(Consent.recipient))
    replaced_at = func.lead(col(Consent.recorded_at), type_=InstantType()).over(
        partition_by=same_scope, order_by=col(Consent.revision)
    )
    said = (
        select(Consent, replaced_at)
        .where(col(Consent.subject) == asked.artist.subject)
        .order_by(col(Consent.revision))
        .execution_options(yield_per=_AT_ONCE)
    )
    async for row, replaced in await session.stream(said):
        yield telling.record(row, before, expired=has_expired(row, replaced, asked.now))
        before.add(row)
        session.expunge(row)


async def _policies(session: ReadSession, subject: str) -> AsyncIterator[Json]:
    """Yield the words of every version that the artist was told of or spoke to."""
    versions = [(use, number) for use, number in await session.execute(_VERSIONS, _of(subject))]
    texts = (
        select(PolicyText)
        .where(tuple_(col(PolicyText.use), col(PolicyText.version)).in_(versions))
        .order_by(col(PolicyText.use), col(PolicyText.version), col(PolicyText.locale))
    )
    for row in (await session.execute(texts)).scalars():
        yield {
            "use": row.use,
            "version": row.version,
            "language": row.locale,
            "text_sha256": row.sha256,
            "text": row.text,
        }


async def _notices(session: ReadSession, subject: str) -> Json:
    delivered = (await _own(session, Delivery, subject)).scalars()
    # These two tables are found into by notice first.
    some = select(col(Notice.notice_id))
    bounces = select(Bounce).where(col(Bounce.notice_id).in_(some), col(Bounce.subject) == subject)
    sends = select(Send).where(col(Send.notice_id).in_(some), col(Send.subject) == subject)
    by_notice = (col(Send.notice_id), col(Send.channel), col(Send.reminder))
    return {
        "delivered": [
            {
                "notice": row.notice_id,
                "channel": row.channel,
                "delivered_at": format_instant(row.delivered_at),
                "window_closes_at": format_instant(row.closes_at),
                "revision": row.revision,
            }
            for row in delivered
        ],
        "bounced": [
            {
                "notice": row.notice_id,
                "channel": row.channel,
                "bounced_at": format_instant(row.bounced_at),
                "revision": row.revision,
            }
            for row in await session.scalars(bounces.order_by(col(Bounce.revision)))
        ],
        "sent": [_sent(row) for row in await session.scalars(sends.order_by(*by_notice))],
    }


def _sent(row: Send) -> Json:
    return {
        "notice": row.notice_id,
        "channel": row.channel,
        "reminder": row.reminder,
        "state": row.state,
        "message_id": row.message_id,
        "reason": row.reason,
        "settled_at": None if row.settled_at is None else format_instant(row.settled_at),
    }


async def _content(session: ReadSession, subject: str) -> AsyncIterator[Json]:
    """Yield what they hold a right in, and whatever they once did."""
    found = await session.stream(_CONTENT, _of(subject), execution_options={"yield_per": _AT_ONCE})
    async for row in found:
        until = row.until_at
        yield {
            "content": row.content_id,
            "title": row.title,
            "isrc": row.isrc,
            "status": row.status,
            "revision": row.revision,
            "held_until": None if until is None else format_instant(until),
        }


async def _events(session: ReadSession, subject: str) -> AsyncIterator[Json]:
    """Yield which events speak of the artist; the ledger has their words, public or committed."""
    found = await session.stream(_EVENTS, _of(subject), execution_options={"yield_per": _AT_ONCE})
    async for revision, recorded_at, kind in found:
        yield {
            "revision": revision,
            "recorded_at": recorded_at.isoformat().replace("+00:00", "Z"),
            "kind": kind,
            "proof": f"/log/proof/{revision}",
        }


def _of(subject: str) -> Mapping[str, str]:
    return {"subject": subject}
