"""Everything the tables have about one artist, in one look: what compliance is asked about most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ARRAY, Text, func, literal, select, text
from sqlmodel import col

from service.consents.delegates import names_of_delegates
from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.db.tables import Artist, Consent, Content, Delegate, LegalHold
from service.domain.instant import Instant

_MOST: Final = 50
"""Of anything that one page lists."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one notice at the artist: delivered, which started a window, or bounced."""

    notice: str
    delivered_at: Instant | None
    closes_at: Instant | None
    channel: str | None
    revision: int | None
    bounced: bool
    expected: bool


@dataclass(frozen=True, slots=True)
class Track:
    """One content of the artist's."""

    content: str
    title: str | None
    status: str
    shared: bool


@dataclass(frozen=True, slots=True)
class Dossier:
    """One artist. `artist` is None once erased: then only what the ledger has to keep is here.

    Records are newest first, from below `records_before` on where there are more. `contents` are
    the first fifty of `content_total`, which stops counting at ten thousand. `speakers` names the
    delegates who said something, by their references in the records.
    """

    subject: str
    artist: str | None
    name: str | None
    registered_at: Instant
    revision: int
    erased_at: Instant | None
    records: Sequence[Consent]
    records_before: int | None
    speakers: Mapping[str, str]
    told: Sequence[Told]
    delegates: Sequence[Delegate]
    holds: Sequence[LegalHold]
    contents: Sequence[Track]
    content_total: int


async def dossier_of(
    session: ReadSession, artist_id: str, *, before: int | None = None
) -> Dossier | None:
    """Return what there is about an artist by the platform's id; None where nobody has it."""
    return await _dossier(session, await _artist(session, artist_id), before)


async def dossier_of_erased(session: ReadSession, reference: str) -> Dossier | None:
    """Return what is left of an erased artist, by the ledger's reference.

    None for anybody who has not been erased: their page is found by their own id, so that nobody
    learns here whose reference it is, which would outlast an erasure.
    """
    artist = await session.get(Artist, reference)
    erased = artist if artist is not None and artist.erased_at is not None else None
    return await _dossier(session, erased, None)


async def _artist(session: ReadSession, artist_id: str) -> Artist | None:
    named = select(Artist).where(col(Artist.artist_id) == artist_id)
    return (await session.execute(named)).scalar_one_or_none()


async def _dossier(
    session: ReadSession, artist: Artist | None, before: int | None
) -> Dossier | None:
    if artist is None:
        return None
    subject = artist.subject
    records, further = await _records(session, subject, before)
    contents, total = await _contents(session, subject)
    return Dossier(
        subject=subject,
        artist=artist.artist_id,
        name=artist.name,
        registered_at=artist.registered_at,
        revision=artist.revision,
        erased_at=artist.erased_at,
        records=records,
        records_before=further,
        speakers=await names_of_delegates(session, subject),
        told=await _told(session, subject),
        delegates=await _delegates(session, subject),
        holds=await _holds(session, subject),
        contents=contents,
        content_total=total,
    )


async def _records(
    session: ReadSession, subject: str, before: int | None
) -> tuple[Sequence[Consent], int | None]:
    said = select(Consent).where(col(Consent.subject) == subject)
    if before is not None:
        said = said.where(col(Consent.revision) < before)
    newest = said.order_by(col(Consent.revision).desc()).limit(_MOST + 1)
    found = (await session.execute(newest)).scalars().all()
    return found[:_MOST], found[_MOST - 1].revision if len(found) > _MOST else None


_TOLD: Final = text("""
SELECT notice_id, d.delivered_at, d.closes_at, d.channel, d.revision,
    b.notice_id IS NOT NULL AS bounced, a.notice_id IS NOT NULL AS expected
FROM (SELECT notice_id FROM audience WHERE subject = :subject) AS a
FULL JOIN (SELECT * FROM deliveries WHERE subject = :subject) AS d USING (notice_id)
FULL JOIN (
    SELECT b.notice_id FROM notices AS n JOIN bounces AS b USING (notice_id)
    WHERE b.subject = :subject GROUP BY b.notice_id
) AS b USING (notice_id)
LEFT JOIN notices AS n USING (notice_id)
ORDER BY n.revision DESC NULLS LAST LIMIT :most
""").columns(delivered_at=InstantType(), closes_at=InstantType())


async def _told(session: ReadSession, subject: str) -> Sequence[Told]:
    rows = await session.execute(_TOLD, {"subject": subject, "most": _MOST})
    return [
        Told(
            row.notice_id,
            row.delivered_at,
            row.closes_at,
            row.channel,
            row.revision,
            row.bounced,
            row.expected,
        )
        for row in rows
    ]


async def _delegates(session: ReadSession, subject: str) -> Sequence[Delegate]:
    granted = select(Delegate).where(col(Delegate.subject) == subject)
    newest = granted.order_by(col(Delegate.revision).desc()).limit(_MOST)
    return (await session.execute(newest)).scalars().all()


async def _holds(session: ReadSession, subject: str) -> Sequence[LegalHold]:
    placed = select(LegalHold).where(col(LegalHold.subject) == subject)
    newest = placed.order_by(col(LegalHold.revision).desc()).limit(_MOST)
    return (await session.execute(newest)).scalars().all()


_COUNTED: Final = 10_000


async def _contents(session: ReadSession, subject: str) -> tuple[Sequence[Track], int]:
    """Return some of the artist's content, and how much there is, up to ten thousand."""
    theirs = col(Content.rightsholders).bool_op("@>")(literal([subject], ARRAY(Text)))
    some = select(Content).where(theirs).limit(_COUNTED).subquery()
    total = await session.scalar(select(func.count()).select_from(some)) or 0
    listed = select(Content).where(theirs).limit(_COUNTED).subquery()
    first = (
        select(listed.c.content_id, listed.c.title, listed.c.status, listed.c.rightsholders)
        .order_by(listed.c.content_id)
        .limit(_MOST)
    )
    rows = await session.execute(first)
    tracks = [
        Track(row.content_id, row.title, row.status, len(row.rightsholders) > 1) for row in rows
    ]
    return tracks, total
