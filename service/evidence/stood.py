"""What stood when content was permitted: its rightsholders, what they had said, what had reached.

Decisions are made at many revisions, and each is looked at as of its own: nothing said later counts
for it, whatever it says. So all that was ever said, put and delivered up to the pack's revision is
read, for some thousand content at a time: it takes the same memory for a corpus as for a track.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ARRAY, Text, bindparam, select, text
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.db.tables import Artist as ArtistRow
from service.db.tables import Consent, Content, Delivery
from service.domain import uses
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.events import ContentStatus
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
    """Whose content was from a revision on, and its status."""

    revision: int
    put_at: Instant
    rightsholders: tuple[str, ...]
    status: ContentStatus


class Stood:
    """What bears on one column for some content, up to the pack's revision."""

    def __init__(self) -> None:
        """Hold nothing; `read_stood` fills it."""
        self.puts: dict[str, list[Put]] = {}
        self.named: dict[str, tuple[str | None, str | None]] = {}
        """Title and ISRC of each content, as they are registered now."""
        self.artists: dict[str, Registered] = {}
        self.said: dict[str, list[Said]] = {}
        self.arrived: dict[str, list[Arrived]] = {}
        self._made: dict[tuple[str, str | None, int, int], Artist] = {}

    def put(self, content: str, revision: int) -> Put | None:
        """Return whose content was at a revision, or None where nobody had put it."""
        puts = self.puts.get(content, [])
        until = bisect_right(puts, revision, key=lambda one: one.revision)
        return puts[until - 1] if until else None

    def rightsholders(self, content: str) -> set[str]:
        """Return everybody who ever had a right in it."""
        return {one for put in self.puts.get(content, ()) for one in put.rightsholders}

    def artist(self, subject: str, content: str | None, revision: int, use: str) -> Artist | None:
        """Return an artist as the rules saw them at a revision, or None where there was nobody.

        Asking for the same state again returns the same object.
        """
        known = self.artists.get(subject)
        if known is None or known.revision > revision:
            return None
        said = [
            one.record
            for one in self.said_about(subject, content)
            if one.record.revision <= revision
        ]
        arrived = self.arrived.get(subject, [])
        until = bisect_right(arrived, revision, key=lambda one: one.revision)
        about = content if any(one.scope.content is not None for one in said) else None
        key = (subject, about, said[-1].revision if said else 0, until)
        if key not in self._made:
            self._made[key] = _artist(known, said, arrived[:until], use)
        return self._made[key]

    def said_about(self, subject: str, content: str | None) -> list[Said]:
        """Return what an artist ever said of a content, or of all, in order."""
        said = self.said.get(subject, ())
        return [one for one in said if one.record.scope.content in {None, content}]

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


async def read_stood(session: ReadSession, wanted: PackWanted, content: Sequence[str]) -> Stood:
    """Return what ever stood for these content."""
    stood = Stood()
    await read_content(session, wanted, content, stood)
    subjects = {subject for one in stood.puts for subject in stood.rightsholders(one)}
    await read_voices(session, wanted, sorted(subjects), content, stood)
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


# Content may be put every night as it was: rows that change nothing are left out.
_PUTS: Final = (
    text("""
SELECT content_id, revision, put_at, rightsholders, status
FROM (
    SELECT *, lag(rightsholders) OVER each AS whose_before, lag(status) OVER each AS status_before
    FROM content_history WHERE content_id = ANY (:content) AND revision <= :until
    WINDOW each AS (PARTITION BY content_id ORDER BY revision)
) AS h
WHERE whose_before IS DISTINCT FROM rightsholders OR status_before IS DISTINCT FROM status
ORDER BY content_id, revision
""")
    .bindparams(bindparam("content", type_=ARRAY(Text)))
    .columns(put_at=InstantType())
)


async def read_content(
    session: ReadSession, wanted: PackWanted, content: Sequence[str], stood: Stood
) -> None:
    """Add these content: what they are called, and whose they were when."""
    values = {"content": list(content), "until": wanted.until_revision}
    for row in await session.execute(_PUTS, values):
        put = Put(row.revision, row.put_at, tuple(row.rightsholders), ContentStatus(row.status))
        stood.puts.setdefault(row.content_id, []).append(put)
    named = select(col(Content.content_id), col(Content.title), col(Content.isrc)).where(
        among(col(Content.content_id), content), col(Content.revision) <= wanted.until_revision
    )
    for content_id, title, isrc in await session.execute(named):
        stood.named[content_id] = (title, isrc)


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
