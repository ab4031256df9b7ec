"""The events that one answer rests on, and the history that they alone add up to.

Tables say which events these are; what is known of them is read from the ledger, each held against
its leaf, and folded by the rules as a whole ledger would be. So an answer that is recomputed here
rests on nothing but bytes that are proven.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Select, func, literal_column, select, text
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Artist as ArtistRow
from service.db.tables import (
    Charter,
    Consent,
    ContentHistory,
    Delivery,
    LedgerEvent,
    Notice,
    Policy,
)
from service.domain.decision import Query
from service.domain.events import ArtistsRegistered, ContentPut, Fact, NoticeDelivered
from service.domain.history import History
from service.domain.instant import Instant
from service.ledger.events import Json, Kind, StoredEvent
from service.ledger.facts import fact_of
from service.ledger.read import read_event
from service.ledger.vault import Vault

_EVENTS: Final = text("""
SELECT l.revision, l.recorded_at, l.kind, l.leaf, l.leaf_hash, b.body, d.ciphertext, s.wrapped_key
FROM ledger l
LEFT JOIN ledger_batches b ON b.revision = l.revision
LEFT JOIN private.event_details d ON d.revision = l.revision
LEFT JOIN private.subjects s ON s.subject = d.subject
WHERE l.revision = ANY(:revisions) ORDER BY l.revision
""")
# Whoever is erased is in no table any more; the reference is in the leaf.
_SAID_BEFORE_ERASURE: Final = text("""
SELECT revision FROM ledger
WHERE kind = :kind AND revision <= :revision AND position(:subject IN leaf) > 0
ORDER BY revision
""")


@dataclass(frozen=True, slots=True)
class Rightsholder:
    """The events about one artist: revisions, None or none where there are no such events.

    `erased` is the erasure, whenever it was. `gone` are those in which the artist said what an
    erasure after the decision has destroyed.
    """

    artist_id: str | None
    registered: int | None = None
    erased: int | None = None
    said: Sequence[int] = ()
    told: Sequence[int] = ()
    gone: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Rests:
    """The revisions of all events that an answer may rest on.

    `first_artists` is the ledger's first registration: before it, terms are launch terms.
    """

    charter: int | None
    policies: Sequence[int]
    first_artists: int | None
    content: int | None
    rightsholders: Mapping[str, Rightsholder]

    def revisions(self) -> list[int]:
        """Return all of them that can be read, in order."""
        found = {self.charter, self.first_artists, self.content, *self.policies}
        for one in self.rightsholders.values():
            found |= {one.registered, one.erased, *one.said, *one.told, *one.gone}
        return sorted(one for one in found if one is not None)


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """One event, its leaf's bytes, and those of its batch if it has one."""

    event: StoredEvent
    leaf: bytes
    body: bytes | None


async def rests_of(session: ReadSession, query: Query, revision: int) -> Rests:
    """Return which events the answer to a question at a revision may rest on."""
    put = None if query.content is None else await _content(session, query.content, revision)
    holders = (query.artist,) if query.content is None else () if put is None else put[1]
    policies = select(col(Policy.revision)).where(
        col(Policy.use) == query.use, col(Policy.revision) <= revision
    )
    charter = select(func.max(col(Charter.revision))).where(col(Charter.revision) <= revision)
    first = select(func.min(col(ArtistRow.revision))).where(col(ArtistRow.revision) <= revision)
    return Rests(
        charter=await session.scalar(charter),
        policies=[*(await session.scalars(policies.order_by(col(Policy.revision))))],
        first_artists=await session.scalar(first),
        content=None if put is None else put[0],
        rightsholders=await _rightsholders(
            session, [one for one in holders if one is not None], query.use, revision
        ),
    )


async def _content(
    session: ReadSession, content: str, revision: int
) -> tuple[int, Sequence[str]] | None:
    newest = (
        select(col(ContentHistory.revision), col(ContentHistory.rightsholders))
        .where(col(ContentHistory.content_id) == content)
        .where(col(ContentHistory.revision) <= revision)
        .order_by(col(ContentHistory.revision).desc())
        .limit(1)
    )
    row = (await session.execute(newest)).first()
    return None if row is None else (row[0], row[1])


async def _rightsholders(
    session: ReadSession, subjects: Sequence[str], use: str, revision: int
) -> Mapping[str, Rightsholder]:
    rows = await session.execute(select(ArtistRow).where(among(col(ArtistRow.subject), subjects)))
    known = {row.subject: row for row in rows.scalars()}
    said = await _by_subject(session, _said(subjects, revision))
    told = await _by_subject(session, _told(subjects, use, revision))
    found: dict[str, Rightsholder] = {}
    for subject in dict.fromkeys(subjects):
        row = known.get(subject)
        erased = None if row is None else await _erasure(session, row)
        gone: Sequence[int] = ()
        if erased is not None and erased > revision:
            gone = await _said_before(session, subject, revision)
        registered = None if row is None or row.revision > revision else row.revision
        found[subject] = Rightsholder(
            artist_id=None if row is None else row.artist_id,
            registered=registered,
            erased=erased,
            said=said.get(subject, ()),
            told=told.get(subject, ()),
            gone=gone,
        )
    return found


def _said(subjects: Sequence[str], revision: int) -> Select[str, int]:
    return select(col(Consent.subject), col(Consent.revision)).where(
        among(col(Consent.subject), subjects), col(Consent.revision) <= revision
    )


def _told(subjects: Sequence[str], use: str, revision: int) -> Select[str, int]:
    return (
        select(col(Delivery.subject), col(Delivery.revision))
        .join(Notice, col(Notice.notice_id) == col(Delivery.notice_id))
        .where(among(col(Delivery.subject), subjects), col(Delivery.revision) <= revision)
        .where(col(Notice.use) == use)
    )


async def _by_subject(session: ReadSession, query: Select[str, int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for subject, revision in await session.execute(query.order_by(literal_column("2"))):
        found.setdefault(subject, []).append(revision)
    return found


async def _erasure(session: ReadSession, artist: ArtistRow) -> int | None:
    if artist.erased_at is None:
        return None
    erased = select(col(LedgerEvent.revision)).where(
        col(LedgerEvent.recorded_at) == artist.erased_at,
        col(LedgerEvent.kind) == Kind.ARTIST_ERASED.value,
    )
    revision: int | None = await session.scalar(erased)
    return revision


async def _said_before(session: ReadSession, subject: str, revision: int) -> Sequence[int]:
    values = {
        "kind": Kind.CONSENT_RECORDED.value,
        "revision": revision,
        "subject": subject.encode(),
    }
    return [*(await session.scalars(_SAID_BEFORE_ERASURE, values))]


async def read_events(
    session: ReadSession, revisions: Collection[int], vault: Vault
) -> Mapping[int, ReadEvent]:
    """Return events by their revisions. Raises LedgerBroken where one contradicts its leaf."""
    rows = await session.execute(_EVENTS, {"revisions": list(revisions)})
    return {
        row["revision"]: ReadEvent(read_event(row, vault), row["leaf"], row["body"])
        for row in rows.mappings()
    }


@dataclass(slots=True)
class Excerpt:
    """The history of some events, and which of them brought what.

    `delivered` holds by artist and version the revision of the first delivery; `published` holds
    each version's of the one use.
    """

    history: History = field(default_factory=History)
    delivered: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, revision: int, recorded_at: Instant, fact: Fact | None) -> None:
        """Take the next event that the answer rests on, passing over those in between."""
        self.history.revision = revision - 1
        self.history.apply(revision, recorded_at, fact)
        if isinstance(fact, NoticeDelivered):
            for artist in fact.artists:
                self.delivered.setdefault((artist, fact.version), revision)


def excerpt_of(
    events: Iterable[ReadEvent], query: Query, artists: Collection[str], revision: int
) -> Excerpt:
    """Return the history of events up to a revision, of just what a question is about.

    Raises ValueError where they contradict each other.
    """
    excerpt = Excerpt()
    for one in events:
        event = one.event
        if event.revision <= revision:
            fact = _about(fact_of(event), query, artists)
            excerpt.take(event.revision, event.recorded_at, fact)
    return excerpt


def _about(fact: Fact | None, query: Query, artists: Collection[str]) -> Fact | None:
    """Return what a bulk event says about what is asked, and as little else as it can."""
    match fact:
        case ArtistsRegistered(artists=all_of_them):
            some = tuple(one for one in all_of_them if one in artists)
            return ArtistsRegistered(some or all_of_them[:1])
        case ContentPut(items=items):
            return ContentPut(tuple(one for one in items if one.content == query.content))
        case NoticeDelivered(use=use, version=version, artists=all_of_them):
            some = tuple(one for one in all_of_them if one in artists)
            return NoticeDelivered(use, version, some)
        case _:
            return fact


def rows_about(event: StoredEvent, names: Collection[str]) -> list[tuple[int, Json]]:
    """Return a bulk event's rows about these content or artists, each with its place from 0 on."""
    return [
        (place, row)
        for place, row in enumerate(event.rows or ())
        if row.get("content", row.get("subject")) in names
    ]
