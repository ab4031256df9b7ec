"""What the link in a letter is about: the version, the artist, and how things stand so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlmodel import col

from service.consents.records import Shown
from service.db.engine import Database, ReadSession
from service.db.tables import Artist, Consent, Contact, Delivery, Notice, PolicyText, Use
from service.domain import uses
from service.domain.assessment import Column, Reason
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.history import Artist as Known
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.notices.channels.opt_out_link import OptOutLink
from service.policies.versions import load_versions
from service.web.i18n import Language


class Standing(StrEnum):
    """How things stand for the artist before the button is pressed."""

    SILENCE = "silence"
    """It is permitted because they said nothing: under these terms, or under those before."""
    YES = "yes"
    """They have said yes."""
    NO = "no"
    """Another no of theirs, to a wider group of uses, stops it anyway."""
    OPEN = "open"
    """The terms so far ask nobody, and go on until the new ones apply to them."""
    CLOSING = "closing"
    """Their window runs: when it closes, silence will permit it."""
    IDLE = "idle"
    """Nothing runs: their window has not begun, or the terms have been replaced."""


_BY_REASON: Final = {
    Reason.WINDOW_CLOSED: Standing.SILENCE,
    Reason.OPTED_IN: Standing.YES,
    Reason.OPEN: Standing.OPEN,
    Reason.OPTED_OUT: Standing.NO,
    Reason.OPT_IN_EXPIRED: Standing.NO,
}


@dataclass(frozen=True, slots=True)
class OptOutCase:
    """All there is to know for the page, read in one snapshot.

    `delivered` is when the artist was told of which version, `closes_at` when the window of this
    one closes. `reads` is the language they are written to in. `records` is what they said that
    covers the use, newest first.
    """

    artist: Artist
    version: PolicyVersion
    versions: Sequence[PolicyVersion]
    names: dict[str, str]
    words: dict[str, str]
    delivered: Mapping[int, Instant]
    closes_at: Instant | None
    reads: str | None
    records: Sequence[Consent]

    def shown(self, language: Language) -> Shown:
        """Return what is put before somebody who reads this language."""
        locale = language.locale_of(self.words)
        digest = dict(self.version.texts)[locale]
        return Shown(self.version.use, self.version.version, locale, digest)

    def reasons(self, instant: Instant) -> set[Reason]:
        """Return the answers at an instant, of all recipients that the version lists."""
        told = {self.version.use: dict(self.delivered)}
        artist = Known(self.artist.registered_at, delivered=told)
        for record in reversed(self.records):
            artist.say(_record(record))
        columns = [Column(artist, self.versions, to, None) for to in self.version.recipients]
        return {column.assess(max(instant, column.settled_at)).reason for column in columns}

    def standing(self, now: Instant) -> Standing:
        """Return how things stand, the most permitting of the recipients first."""
        reasons = self.reasons(now)
        for reason, standing in _BY_REASON.items():
            if reason in reasons:
                return standing
        if self.closes_at is not None and Reason.WINDOW_CLOSED in self.reasons(self.closes_at):
            return Standing.CLOSING
        return Standing.IDLE


async def read_case(database: Database, link: OptOutLink) -> OptOutCase | None:
    """Return what the link asks, or None where the artist is erased."""
    async with database.read() as session:
        artist = await session.get(Artist, link.subject)
        notice = await session.get(Notice, link.notice_id)
        if artist is None or notice is None or artist.erased_at is not None:
            return None
        contact = await session.get(Contact, link.subject)
        named = await session.get(Use, notice.use)
        versions = (await load_versions(session, notice.use))[notice.use]
        deliveries = await _deliveries(session, link.subject, notice.use)
        told = deliveries.get(notice.version)
        return OptOutCase(
            artist=artist,
            version=versions[notice.version - 1],
            versions=versions,
            names={} if named is None else named.names,
            words=await _words(session, notice),
            delivered={version: row.delivered_at for version, row in deliveries.items()},
            closes_at=None if told is None else told.closes_at,
            reads=None if contact is None else contact.locale,
            records=await records_about(session, link.subject, notice.use),
        )


async def _deliveries(session: ReadSession, subject: str, use: str) -> dict[int, Delivery]:
    """Return what the artist was told of this use, by version."""
    told = (
        select(Delivery, col(Notice.version))
        .join(Notice, col(Notice.notice_id) == col(Delivery.notice_id))
        .where(col(Delivery.subject) == subject, col(Notice.use) == use)
    )
    return {version: delivery for delivery, version in await session.execute(told)}


def _record(row: Consent) -> ConsentRecord:
    scope = Scope(row.use, row.content, row.recipient)
    return ConsentRecord(row.revision, row.recorded_at, Answer(row.answer), scope, row.expires_at)


async def _words(session: ReadSession, notice: Notice) -> dict[str, str]:
    texts = select(col(PolicyText.locale), col(PolicyText.text)).where(
        col(PolicyText.use) == notice.use, col(PolicyText.version) == notice.version
    )
    found = await session.execute(texts)
    return {row.locale: row.text for row in found}


async def records_about(session: ReadSession, subject: str, use: str) -> Sequence[Consent]:
    """Return everything the artist said that covers this use, newest first."""
    nodes = col(Consent.use).in_(uses.above(use))
    said = select(Consent).where(col(Consent.subject) == subject, nodes)
    newest_first = said.order_by(col(Consent.revision).desc())
    return (await session.execute(newest_first)).scalars().all()


def standing_no(records: Sequence[Consent], use: str) -> int | None:
    """Return which record is the no that this link would say, if it stands unnarrowed.

    A yes to this use that is later than it, for a track or a partner, narrows it (R3): then saying
    no once more means something.
    """
    for at, record in enumerate(records):
        if record.use != use:
            continue
        if record.answer == Answer.OPT_IN:
            return None
        if record.content is None and record.recipient is None:
            return at if record.answer == Answer.OPT_OUT else None
    return None


def tracks_allowed(records: Sequence[Consent]) -> int:
    """Return for how many tracks a yes was the last word, of records newest first."""
    last: dict[tuple[str, str | None, str | None], str] = {}
    for record in records:
        last.setdefault((record.use, record.content, record.recipient), record.answer)
    allowed = [scope for scope, answer in last.items() if answer == Answer.OPT_IN]
    return len({content for _, content, _ in allowed if content is not None})
