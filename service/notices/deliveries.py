"""Confirming in bulk what became of a notice. Only a first confirmed delivery starts a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, insert, select
from sqlmodel import col

from service.catalog.artists import refuse_repeated, subjects_of
from service.db.among import among
from service.db.engine import ReadSession
from service.db.tables import Bounce, Delivery, Notice, Policy
from service.domain.instant import Instant, format_instant
from service.domain.refusal import Refusal, RefusalKind, Refused, refuse
from service.ledger.append import Write
from service.ledger.events import Json, Recorded
from service.ledger.facts import delivery_event
from service.ledger.transaction import Transaction


class Outcome(StrEnum):
    """What became of a notice at one artist."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One report. `reported_at` is what the channel claims; the window ignores it (R6)."""

    artist_id: str
    outcome: Outcome
    channel: str
    reported_at: Instant | None = None


async def require_notice(session: ReadSession, notice_id: str) -> Notice:
    """Return a notice. Raises Refused where there is none."""
    notice = await session.get(Notice, notice_id)
    if notice is None:
        raise refuse(
            "notice", "unknown_notice", "no notice of this id was announced", RefusalKind.UNKNOWN
        )
    return notice


async def count_notice(session: ReadSession, notice_id: str) -> Json:
    """Return a notice as the API shows it, with how many artists it reached or failed to reach."""
    notice = await require_notice(session, notice_id)
    delivered, bounced = [
        await session.scalar(
            select(func.count(func.distinct(col(table.subject)))).where(
                col(table.notice_id) == notice_id
            )
        )
        for table in (Delivery, Bounce)
    ]
    return {
        "notice": notice_id,
        "use": notice.use,
        "version": notice.version,
        "announced_at": format_instant(notice.announced_at),
        "delivered": delivered,
        "bounced": bounced,
        "revision": notice.revision,
    }


def record_deliveries(notice_id: str, rows: Sequence[DeliveryRow]) -> Write:
    """Record what became of a notice; reports of what is known already change nothing."""

    async def write(transaction: Transaction) -> Json:
        session = transaction.session
        refuse_repeated("deliveries", [row.artist_id for row in rows])
        notice = await require_notice(session, notice_id)
        subjects = await _known_artists(session, rows)
        told = await _reported(session, Delivery, notice_id, list(subjects.values()))
        bounced = await _reported(session, Bounce, notice_id, list(subjects.values()))
        known = {Outcome.DELIVERED: told, Outcome.BOUNCED: told | bounced}
        fresh = [row for row in rows if subjects[row.artist_id] not in known[row.outcome]]
        if fresh:
            await _record(transaction, notice, fresh, subjects)
        delivered = sum(row.outcome is Outcome.DELIVERED for row in fresh)
        return {
            "notice": notice_id,
            "delivered": delivered,
            "bounced": len(fresh) - delivered,
            "already_known": len(rows) - len(fresh),
            "revision": transaction.revision,
        }

    return write


async def _known_artists(session: ReadSession, rows: Sequence[DeliveryRow]) -> dict[str, str]:
    subjects = await subjects_of(session, [row.artist_id for row in rows])
    refusals = [
        Refusal(f"deliveries[{n}].artist", "unknown_artist", "no artist of this id is registered")
        for n, row in enumerate(rows)
        if row.artist_id not in subjects
    ]
    if refusals:
        raise Refused(refusals)
    return subjects


async def _reported(
    session: ReadSession,
    table: type[Delivery | Bounce],
    notice_id: str,
    subjects: Sequence[str],
) -> set[str]:
    """Return for whom this outcome is known: reporting it again changes nothing."""
    reported = select(col(table.subject)).where(
        col(table.notice_id) == notice_id, among(col(table.subject), subjects)
    )
    return set((await session.execute(reported)).scalars())


async def _record(
    transaction: Transaction,
    notice: Notice,
    rows: Sequence[DeliveryRow],
    subjects: dict[str, str],
) -> None:
    recorded = await transaction.record(
        delivery_event(notice.use, notice.version, [_event_row(row, subjects) for row in rows])
    )
    found = await transaction.session.execute(
        select(col(Policy.notice_period)).where(
            col(Policy.use) == notice.use, col(Policy.version) == notice.version
        )
    )
    period = found.scalar_one()
    delivered = [
        {
            **_derived(notice, row, subjects, recorded),
            "delivered_at": recorded.recorded_at,
            "closes_at": recorded.recorded_at + period,
        }
        for row in rows
        if row.outcome is Outcome.DELIVERED
    ]
    bounced = [
        {**_derived(notice, row, subjects, recorded), "bounced_at": recorded.recorded_at}
        for row in rows
        if row.outcome is Outcome.BOUNCED
    ]
    for table, values in ((Delivery, delivered), (Bounce, bounced)):
        if values:
            await transaction.session.execute(insert(table), values)


def _event_row(row: DeliveryRow, subjects: dict[str, str]) -> Json:
    reported_at = None if row.reported_at is None else format_instant(row.reported_at)
    return {
        "subject": subjects[row.artist_id],
        "outcome": row.outcome.value,
        "channel": row.channel,
        "reported_at": reported_at,
    }


def _derived(
    notice: Notice, row: DeliveryRow, subjects: dict[str, str], recorded: Recorded
) -> Json:
    return {
        "notice_id": notice.notice_id,
        "subject": subjects[row.artist_id],
        "channel": row.channel,
        "revision": recorded.revision,
    }
