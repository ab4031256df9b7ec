"""What stood when content was permitted: its rightsholders, what they had said, what had reached.

Decisions are made at many revisions, and each is looked at as of its own: nothing said later counts
for it, whatever it says. It is read for some thousand content at a time, so that it takes the same
memory for a corpus as for a track.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, select, text
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.db.tables import Artist as ArtistRow
from service.db.tables import Consent, Delivery
from service.domain import uses
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.history import Artist
from service.domain.instant import Instant
from service.evidence.wanted import PackWanted


@dataclass(frozen=True, slots=True)
class Registered:
    """An artist as registered. `artist_id` is None once they are erased."""

    artist_id: str | None
    registered_at: Instant
    revision: int
    erased: bool


@dataclass(frozen=True, slots=True)
class Said:
    """One consent record, who gave it, and in what role."""

    record: ConsentRecord
    actor: str
    acting_as: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A delivery of the notice of one version."""

    version: int
    revision: int
    delivered_at: Instant


@dataclass(frozen=True, slots=True)
class Put:
    """Whose content was at a revision, and when it was registered first."""

    rightsholders: tuple[str, ...]
    first_put_at: Instant


class Stood:
    """What bears on one column, for some content at the revision of each one's decision."""

    def __init__(self) -> None:
        """Hold nothing; `read_stood` fills it."""
        self.content: dict[str, Put] = {}
        self.named: dict[str, tuple[str | None, str | None]] = {}
        """Title and ISRC of each content, as they are registered now."""
        self.artists: dict[str, Registered] = {}
        self.said: dict[str, list[Said]] = {}
        self.arrived: dict[str, list[Arrived]] = {}
        self._made: dict[tuple[str, str | None, int, int], Artist] = {}

    def artist(self, subject: str, content: str | None, revision: int, use: str) -> Artist | None:
        """Return an artist as the rules saw them at a revision, or None where there was nobody.

        Asking for the same state again returns the same object.
        """
        known = self.artists.get(subject)
        if known is None or known.revision > revision:
            return None
        said = [
            one.record
            for one in self.said.get(subject, ())
            if one.record.revision <= revision and one.record.scope.content in {None, content}
        ]
        arrived = self.arrived.get(subject, [])
        until = bisect_right(arrived, revision, key=lambda one: one.revision)
        about = content if any(one.scope.content is not None for one in said) else None
        key = (subject, about, said[-1].revision if said else 0, until)
        if key not in self._made:
            self._made[key] = _artist(known, said, arrived[:until], use)
        return self._made[key]

    def saying(self, subject: str, revision: int) -> Said:
        """Return what an artist said at a revision, with who said it."""
        return next(one for one in self.said[subject] if one.record.revision == revision)

    def arrival(self, subject: str, version: int) -> Arrived:
        """Return the delivery of a version's notice to an artist."""
        return next(one for one in self.arrived[subject] if one.version == version)


def _artist(
    known: Registered, said: Sequence[ConsentRecord], arrived: Sequence[Arrived], use: str
) -> Artist:
    artist = Artist(known.registered_at, erased=known.erased)
    for record in said:
        artist.say(record)
    artist.delivered[use] = {one.version: one.delivered_at for one in arrived}
    return artist


async def read_stood(session: ReadSession, wanted: PackWanted, at: Mapping[str, int]) -> Stood:
    """Return what stood for these content, each at the revision beside it."""
    stood = Stood()
    await read_content(session, wanted, at, stood)
    subjects = {one for put in stood.content.values() for one in put.rightsholders}
    await read_voices(session, wanted, sorted(subjects), list(at), stood)
    return stood


async def read_voices(
    session: ReadSession,
    wanted: PackWanted,
    subjects: Sequence[str],
    content: Sequence[str],
    stood: Stood,
) -> None:
    """Add these artists, what they have said of all content and of this, and what reached them."""
    await _read_artists(session, subjects, stood)
    await _read_said(session, wanted, subjects, content, stood)
    await _read_arrived(session, wanted, subjects, stood)


# For each content the row of its decision's revision, and its very first one.
_CONTENT: Final = (
    text("""
SELECT w.content_id, h.rightsholders, f.put_at AS first_put_at, c.title, c.isrc
FROM unnest(:content, :revisions) AS w (content_id, revision)
CROSS JOIN LATERAL (
    SELECT rightsholders FROM content_history AS h
    WHERE h.content_id = w.content_id AND h.revision <= w.revision
    ORDER BY h.revision DESC LIMIT 1
) AS h
CROSS JOIN LATERAL (
    SELECT put_at FROM content_history AS h
    WHERE h.content_id = w.content_id ORDER BY h.revision LIMIT 1
) AS f
LEFT JOIN content AS c ON c.content_id = w.content_id AND c.revision <= :until
""")
    .bindparams(
        bindparam("content", type_=ARRAY(Text)), bindparam("revisions", type_=ARRAY(BigInteger))
    )
    .columns(first_put_at=InstantType())
)


async def read_content(
    session: ReadSession, wanted: PackWanted, at: Mapping[str, int], stood: Stood
) -> None:
    """Add these content, each as it stood at the revision beside it."""
    values = {"content": list(at), "revisions": list(at.values()), "until": wanted.until_revision}
    for row in await session.execute(_CONTENT, values):
        stood.content[row.content_id] = Put(tuple(row.rightsholders), row.first_put_at)
        stood.named[row.content_id] = (row.title, row.isrc)


async def _read_artists(session: ReadSession, subjects: Sequence[str], stood: Stood) -> None:
    registered = select(
        col(ArtistRow.subject),
        col(ArtistRow.artist_id),
        col(ArtistRow.registered_at),
        col(ArtistRow.revision),
        col(ArtistRow.erased_at),
    ).where(among(col(ArtistRow.subject), subjects))
    for subject, artist_id, registered_at, revision, erased_at in await session.execute(registered):
        erased = erased_at is not None
        stood.artists[subject] = Registered(artist_id, registered_at, revision, erased)


async def _read_said(
    session: ReadSession,
    wanted: PackWanted,
    subjects: Sequence[str],
    content: Sequence[str],
    stood: Stood,
) -> None:
    said = (
        select(Consent)
        .where(
            among(col(Consent.use), uses.above(wanted.use)),
            among(col(Consent.subject), subjects),
            col(Consent.recipient).is_(None) | (col(Consent.recipient) == wanted.recipient),
            col(Consent.content).is_(None) | among(col(Consent.content), content),
            col(Consent.revision) <= wanted.until_revision,
        )
        .order_by(col(Consent.revision))
    )
    for row in (await session.execute(said)).scalars():
        scope = Scope(row.use, row.content, row.recipient)
        record = ConsentRecord(
            row.revision, row.recorded_at, Answer(row.answer), scope, row.expires_at
        )
        stood.said.setdefault(row.subject, []).append(Said(record, row.actor, row.acting_as))


async def _read_arrived(
    session: ReadSession, wanted: PackWanted, subjects: Sequence[str], stood: Stood
) -> None:
    delivered = (
        select(
            col(Delivery.notice_id),
            col(Delivery.subject),
            col(Delivery.revision),
            col(Delivery.delivered_at),
        )
        .where(
            col(Delivery.notice_id).startswith(f"{wanted.use}:", autoescape=True),
            among(col(Delivery.subject), subjects),
            col(Delivery.revision) <= wanted.until_revision,
        )
        .order_by(col(Delivery.revision))
    )
    for notice, subject, revision, delivered_at in await session.execute(delivered):
        version = int(notice.rpartition(":")[2])
        stood.arrived.setdefault(subject, []).append(Arrived(version, revision, delivered_at))
