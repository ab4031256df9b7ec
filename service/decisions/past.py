"""The state at an instant in the past, read from the tables for just what is asked about."""

from bisect import bisect_right
from collections.abc import Callable, Sequence

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col

from service.db.among import among
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
    limit: Callable[[int], None] = lambda _: None,
) -> History:
    """Return the history as it stood at an instant, holding only what is asked about.

    `limit` hears how many rightsholders there are to look at, and may refuse. An erased artist
    stays erased: what they said is gone, so nothing is permitted on its account.
    """
    past = History()
    row = (await session.execute(_last_event(instant))).first()
    if row is not None:
        past.revision, past.recorded_at = row[0], row[1]
    for use, versions in present.versions.items():
        known = versions[: bisect_right(versions, past.revision, key=lambda v: v.revision)]
        if known:
            past.versions[use] = known
    past.content = await _content(session, past.revision, content)
    limit(sum(len(item.rightsholders) for item, _ in past.content.values()))
    wanted = {*subjects, *(a for item, _ in past.content.values() for a in item.rightsholders)}
    past.artists = await _artists(session, past.revision, sorted(wanted))
    return past


def _last_event(instant: Instant) -> Select[int, Instant]:
    return (
        select(col(LedgerEvent.revision), col(LedgerEvent.recorded_at))
        .where(col(LedgerEvent.recorded_at) <= instant)
        .order_by(col(LedgerEvent.revision).desc())
        .limit(1)
    )


async def _content(
    session: ReadSession, revision: int, ids: Sequence[str]
) -> dict[str, tuple[ContentItem, Instant]]:
    newest = (
        select(ContentHistory)
        .where(among(col(ContentHistory.content_id), ids), col(ContentHistory.revision) <= revision)
        .ext(distinct_on(col(ContentHistory.content_id)))
        .order_by(col(ContentHistory.content_id), col(ContentHistory.revision).desc())
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
        among(col(ArtistRow.subject), subjects),
        col(ArtistRow.revision) <= revision,
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
        .where(among(col(Consent.subject), artists), col(Consent.revision) <= revision)
        .order_by(col(Consent.revision))
    )
    for row in (await session.execute(said)).scalars():
        scope = Scope(row.use, row.content, row.recipient)
        artists[row.subject].say(
            ConsentRecord(row.revision, row.recorded_at, Answer(row.answer), scope, row.expires_at)
        )


async def _add_deliveries(session: ReadSession, revision: int, artists: dict[str, Artist]) -> None:
    delivered = (
        select(
            col(Delivery.subject),
            col(Notice.use),
            col(Notice.version),
            col(Delivery.delivered_at),
        )
        .join(Notice, col(Notice.notice_id) == col(Delivery.notice_id))
        .where(among(col(Delivery.subject), artists), col(Delivery.revision) <= revision)
    )
    for subject, use, version, delivered_at in await session.execute(delivered):
        artists[subject].delivered.setdefault(use, {})[version] = delivered_at
