"""The state at an instant in the past, read from the tables for just what is asked about."""

from bisect import bisect_right
from collections.abc import Sequence

from sqlalchemy import Select, select

from service.db.engine import ReadSession
from service.db.tables import Artist as ArtistRow
from service.db.tables import Consent, ContentHistory, Delivery, LedgerEvent, Notice
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.events import ContentItem, ContentStatus
from service.domain.history import Artist, History
from service.domain.instant import Instant


async def past_history(
    session: ReadSession,
    present: History,
    instant: Instant,
    *,
    content: Sequence[str],
    subjects: Sequence[str],
) -> History:
    """Return the history as it stood at an instant, holding only what is asked about.

    An erased artist stays erased: what they said is gone, so nothing is permitted on its account.
    """
    past = History()
    row = (await session.execute(_last_event(instant))).first()
    if row is not None:
        past.revision, past.recorded_at = row
    for use, versions in present.versions.items():
        known = versions[: bisect_right(versions, past.revision, key=lambda v: v.revision)]
        if known:
            past.versions[use] = known
    past.content = await _content(session, past.revision, content)
    wanted = {*subjects, *(a for item, _ in past.content.values() for a in item.rightsholders)}
    past.artists = await _artists(session, past.revision, sorted(wanted))
    return past


def _last_event(instant: Instant) -> Select[tuple[int, Instant]]:
    return (
        select(LedgerEvent.revision, LedgerEvent.recorded_at)  # type: ignore[call-overload]
        .where(LedgerEvent.recorded_at <= instant)
        .order_by(LedgerEvent.revision.desc())  # type: ignore[attr-defined]
        .limit(1)
    )


async def _content(
    session: ReadSession, revision: int, ids: Sequence[str]
) -> dict[str, tuple[ContentItem, Instant]]:
    newest = (
        select(ContentHistory)
        .where(ContentHistory.content_id.in_(ids), ContentHistory.revision <= revision)  # type: ignore[attr-defined, arg-type]
        .distinct(ContentHistory.content_id)  # type: ignore[arg-type]
        .order_by(ContentHistory.content_id, ContentHistory.revision.desc())  # type: ignore[arg-type, attr-defined]
    )
    return {
        row.content_id: (
            ContentItem(row.content_id, tuple(row.rightsholders), ContentStatus(row.status)),
            row.put_at,
        )
        for row in (await session.execute(newest)).scalars()
    }


async def _artists(
    session: ReadSession, revision: int, subjects: Sequence[str]
) -> dict[str, Artist]:
    registered = select(ArtistRow).where(
        ArtistRow.subject.in_(subjects),  # type: ignore[attr-defined]
        ArtistRow.revision <= revision,  # type: ignore[arg-type]
    )
    artists = {
        row.subject: Artist(row.registered_at, erased=row.erased_at is not None)
        for row in (await session.execute(registered)).scalars()
    }
    await _add_records(session, revision, artists)
    await _add_deliveries(session, revision, artists)
    return artists


async def _add_records(session: ReadSession, revision: int, artists: dict[str, Artist]) -> None:
    said = (
        select(Consent)
        .where(Consent.subject.in_(artists), Consent.revision <= revision)  # type: ignore[attr-defined, arg-type]
        .order_by(Consent.revision)  # type: ignore[arg-type]
    )
    for row in (await session.execute(said)).scalars():
        scope = Scope(row.use, row.content, row.recipient)
        artists[row.subject].records[scope] = ConsentRecord(
            row.revision, row.recorded_at, Answer(row.answer), scope, row.expires_at
        )


async def _add_deliveries(session: ReadSession, revision: int, artists: dict[str, Artist]) -> None:
    delivered = (
        select(Delivery.subject, Notice.use, Notice.version, Delivery.delivered_at)  # type: ignore[call-overload]
        .join(Notice, Notice.notice_id == Delivery.notice_id)
        .where(Delivery.subject.in_(artists), Delivery.revision <= revision)  # type: ignore[attr-defined]
    )
    for subject, use, version, delivered_at in await session.execute(delivered):
        artists[subject].delivered.setdefault(use, {})[version] = delivered_at
