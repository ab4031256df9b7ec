"""Confirming in bulk what became of a notice. Only a first confirmed delivery starts a window.

What needs no lock is done before the ledger's head is locked, and held against what has happened
meanwhile; and many reports are recorded a part at a time, an event each, so that they keep nobody
from opting out for longer than a moment.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter
from typing import Final

from sqlalchemy import ARRAY, Text, bindparam, select, text
from sqlmodel import col

from service.catalog.artists import refuse_repeated
from service.consents.authority import Actor, artist_named, role_of
from service.db.engine import Database, ReadSession
from service.db.in_bulk import insert_in_bulk
from service.db.tables import Bounce, Delivery, LedgerHead, Notice, Policy
from service.domain.instant import Duration, Instant, format_instant
from service.domain.refusal import Refusal, RefusalKind, Refused, refuse
from service.ledger.append import Write
from service.ledger.events import Json, Kind
from service.ledger.facts import delivery_event
from service.ledger.transaction import Transaction
from service.notices.channels.return_path import ReturnPath
from service.notices.messages import message_named, told_by

IN_APP: Final = "in_app"
"""The channel of a notice that was read, and acknowledged, on a settings page."""

PART: Final = 2_000
"""Reports recorded in one event: opt-outs come between one part and the next."""

_CHANGES_WHOM: Final = frozenset({Kind.ARTIST_ERASED})
"""What can happen between preparing reports and recording them that changes whom they mean."""

_MAKES_KNOWN: Final = frozenset({Kind.NOTICE_DELIVERED})
"""What can happen between the two after which fewer of them are news."""


class Outcome(StrEnum):
    """What became of a notice at one artist."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One report, about an artist, a message, or one artist of those a message was for.

    `message` is the id that the send had, or the address that its bounces go to. `reported_at` is
    what the channel claims; the window ignores it (R6).
    """

    artist_id: str | None
    outcome: Outcome
    channel: str
    reported_at: Instant | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Reports:
    """Reports about one notice. `return_path` reads bounce addresses, where they are used.

    `first` is the number that the first row has for whoever sent it.
    """

    notice_id: str
    rows: Sequence[DeliveryRow]
    return_path: ReturnPath | None = None
    first: int = 0

    def parts(self) -> "list[Reports]":
        """Return the same reports, a part at a time."""
        return [
            replace(self, rows=self.rows[start : start + PART], first=start)
            for start in range(0, len(self.rows), PART)
        ]


@dataclass(frozen=True, slots=True)
class Plan:
    """What recording reports means at one revision: who is concerned, and what is new of it."""

    revision: int
    notice: Notice
    period: Duration
    delivered: Sequence[tuple[str, DeliveryRow]]
    bounced: Sequence[tuple[str, DeliveryRow]]
    event_rows: Sequence[Json]


async def require_notice(session: ReadSession, notice_id: str) -> Notice:
    """Return a notice. Raises Refused where there is none."""
    notice = await session.get(Notice, notice_id)
    if notice is None:
        raise refuse(
            "notice", "unknown_notice", "no notice of this id was announced", RefusalKind.UNKNOWN
        )
    return notice


async def divide_deliveries(database: Database, reports: Reports) -> list[Reports]:
    """Return the parts to record one after the other; the whole where any of it will be refused.

    So reports that are refused leave no trace, whichever row it is for.
    """
    if len(reports.rows) > PART:
        async with database.read() as session:
            try:
                await require_notice(session, reports.notice_id)
                refuse_repeated("deliveries", await _subjects(session, reports))
            except Refused:
                return [reports]
    return reports.parts()


def sum_up(answers: Sequence[Json]) -> Json:
    """Return the answer to a whole whose parts were answered so."""
    counted = ("delivered", "bounced", "already_known")
    return {**answers[-1], **{name: sum(one[name] for one in answers) for name in counted}}


async def prepare_deliveries(database: Database, reports: Reports) -> Write:
    """Return the write that records the reports, with all done that needs no lock.

    It raises no refusal: whether one is due is for the write to say, once it is known that an
    earlier request with the same idempotency key has not been answered.
    """
    async with database.read() as session:
        try:
            revision = (await session.execute(select(col(LedgerHead.size)))).scalar_one()
            plan = await _plan(session, reports, revision)
        except Refused:
            plan = None
    return _recording(reports, plan)


def record_deliveries(
    notice_id: str, rows: Sequence[DeliveryRow], return_path: ReturnPath | None = None
) -> Write:
    """Record what became of a notice; reports of what is known already change nothing.

    A delivery counts for whoever is registered, at whatever time and under whatever version governs
    by then: it is a fact about the past, and the rules say what follows (R6, R7). A bounce starts
    nothing and ends nothing; after a delivery it is not even news. It is one for each channel, for
    an artist is unreachable only once every way to them has come back.
    """
    return _recording(Reports(notice_id, rows, return_path), None)


def _recording(reports: Reports, prepared: Plan | None) -> Write:
    async def write(transaction: Transaction) -> Json:
        plan, session = prepared, transaction.session
        if plan is None or await transaction.happened_since(plan.revision, _CHANGES_WHOM):
            plan = await _plan(session, reports, transaction.revision)
        elif await transaction.happened_since(plan.revision, _MAKES_KNOWN):
            plan = await _still_news(session, plan)
        if plan.event_rows:
            await _record(transaction, plan)
        return {
            "notice": reports.notice_id,
            "delivered": len(plan.delivered),
            "bounced": len(plan.bounced),
            "already_known": len(reports.rows) - len(plan.event_rows),
            "revision": transaction.revision,
        }

    return write


async def _plan(session: ReadSession, reports: Reports, revision: int) -> Plan:
    """Find out whom the reports are about and what is new. Raises Refused naming the rows."""
    notice = await require_notice(session, reports.notice_id)
    subjects = await _subjects(session, reports)
    refuse_repeated("deliveries", subjects)
    told = await _delivered_to(session, notice.notice_id, subjects)
    failed = [
        subject
        for subject, row in zip(subjects, reports.rows, strict=True)
        if row.outcome is Outcome.BOUNCED
    ]
    returned = await _bounced_from(session, notice.notice_id, failed)
    fresh = [
        (subject, row)
        for subject, row in zip(subjects, reports.rows, strict=True)
        if subject not in told
        and (row.outcome is Outcome.DELIVERED or (subject, row.channel) not in returned)
    ]
    period = await _period(session, notice)
    await asyncio.sleep(0)  # ten thousand rows take their time: others are answered in between
    return Plan(
        revision=revision,
        notice=notice,
        period=period,
        delivered=_those(fresh, Outcome.DELIVERED),
        bounced=_those(fresh, Outcome.BOUNCED),
        event_rows=[_event_row(subject, row) for subject, row in fresh],
    )


async def _still_news(session: ReadSession, plan: Plan) -> Plan:
    """Return the plan without what others have reported since: that alone can have changed."""
    bounced_subjects = [subject for subject, _ in plan.bounced]
    subjects = [*(subject for subject, _ in plan.delivered), *bounced_subjects]
    told = await _delivered_to(session, plan.notice.notice_id, subjects)
    returned = await _bounced_from(session, plan.notice.notice_id, bounced_subjects)
    if not told and not returned:
        return plan
    delivered = [one for one in plan.delivered if one[0] not in told]
    bounced = [
        (subject, row)
        for subject, row in plan.bounced
        if subject not in told and (subject, row.channel) not in returned
    ]
    left = {subject for subject, _ in (*delivered, *bounced)}
    event_rows = [row for row in plan.event_rows if row["subject"] in left]
    return replace(plan, delivered=delivered, bounced=bounced, event_rows=event_rows)


def _those(
    fresh: Sequence[tuple[str, DeliveryRow]], outcome: Outcome
) -> list[tuple[str, DeliveryRow]]:
    """Return those with this outcome in the order of the indexes they go into: that is faster."""
    return sorted(
        ((subject, row) for subject, row in fresh if row.outcome is outcome),
        key=itemgetter(0),
    )


async def _period(session: ReadSession, notice: Notice) -> Duration:
    found = await session.execute(
        select(col(Policy.notice_period)).where(
            col(Policy.use) == notice.use, col(Policy.version) == notice.version
        )
    )
    return found.scalar_one()


async def _subjects(session: ReadSession, reports: Reports) -> list[str]:
    """Return whom each row is about. Raises Refused naming every row that is about nobody."""
    artists = await _artists(session, {r.artist_id for r in reports.rows if r.artist_id})
    messages = [
        None
        if row.message is None
        else message_named(row.message, reports.notice_id, reports.return_path)
        for row in reports.rows
    ]
    named = {message for message in messages if message is not None}
    told = await told_by(session, reports.notice_id, named) if named else {}
    found = [
        _subject(reports.first + n, row, artists, told.get(message or "", ()))
        for n, (row, message) in enumerate(zip(reports.rows, messages, strict=True))
    ]
    refusals = [one for one in found if isinstance(one, Refusal)]
    if refusals:
        raise Refused(refusals)
    return [one for one in found if isinstance(one, str)]


def _subject(
    n: int, row: DeliveryRow, artists: Mapping[str, str], told: Sequence[str]
) -> str | Refusal:
    """Return the one artist a row is about, or why there is none."""
    field = f"deliveries[{n}]"
    subject = artists.get(row.artist_id) if row.artist_id is not None else None
    if row.artist_id is not None and subject is None:
        message = "no artist of this id is registered"
        return Refusal(f"{field}.artist", "unknown_artist", message)
    if row.message is None:
        return subject or Refusal(field, "names_nobody", "name an artist or a message")
    if not told:
        message = "no message of this id was sent about this notice"
        return Refusal(f"{field}.message", "unknown_message", message)
    if subject is None and len(told) > 1:
        message = f"this message told {len(told)} artists: name the artist too"
        return Refusal(f"{field}.artist", "message_names_several", message)
    if subject is not None and subject not in told:
        message = "this message was not for this artist"
        return Refusal(f"{field}.artist", "not_in_message", message)
    return subject or told[0]


# One row of arrays each: ten thousand rows would be ten thousand objects on the way.
_ARTISTS: Final = text("""
SELECT coalesce(array_agg(artist_id), '{}'), coalesce(array_agg(subject), '{}')
FROM artists WHERE artist_id = ANY(:ids)
""").bindparams(bindparam("ids", type_=ARRAY(Text)))
_DELIVERED: Final = text("""
SELECT coalesce(array_agg(subject), '{}')
FROM deliveries WHERE notice_id = :notice AND subject = ANY(:subjects)
""").bindparams(bindparam("subjects", type_=ARRAY(Text)))
_BOUNCED: Final = text("""
SELECT coalesce(array_agg(subject), '{}'), coalesce(array_agg(channel), '{}')
FROM bounces WHERE notice_id = :notice AND subject = ANY(:subjects)
""").bindparams(bindparam("subjects", type_=ARRAY(Text)))


async def _artists(session: ReadSession, ids: Collection[str]) -> Mapping[str, str]:
    known, subjects = (await session.execute(_ARTISTS, {"ids": list(ids)})).one()
    return dict(zip(known, subjects, strict=True))


async def _delivered_to(session: ReadSession, notice_id: str, subjects: Sequence[str]) -> set[str]:
    """Return who has been delivered the notice: no report changes anything for them."""
    asked = {"notice": notice_id, "subjects": list(subjects)}
    return set(await session.scalar(_DELIVERED, asked))


async def _bounced_from(
    session: ReadSession, notice_id: str, subjects: Sequence[str]
) -> set[tuple[str, str]]:
    """Return for whom it is known by which channel the notice came back."""
    if not subjects:
        return set()
    asked = {"notice": notice_id, "subjects": list(subjects)}
    returned, channels = (await session.execute(_BOUNCED, asked)).one()
    return set(zip(returned, channels, strict=True))


async def _record(transaction: Transaction, plan: Plan) -> None:
    notice = plan.notice
    recorded = await transaction.record(delivery_event(notice.use, notice.version, plan.event_rows))
    at = recorded.recorded_at
    same = {"notice_id": notice.notice_id, "revision": recorded.revision}
    for table, rows, times in (
        (Delivery, plan.delivered, {"delivered_at": at, "closes_at": at + plan.period}),
        (Bounce, plan.bounced, {"bounced_at": at}),
    ):
        each = {"subject": [one for one, _ in rows], "channel": [row.channel for _, row in rows]}
        await insert_in_bulk(transaction.session, table, each, {**same, **times})


def _event_row(subject: str, row: DeliveryRow) -> Json:
    reported_at = None if row.reported_at is None else format_instant(row.reported_at)
    return {
        "subject": subject,
        "outcome": row.outcome.value,
        "channel": row.channel,
        "reported_at": reported_at,
    }


def acknowledge(artist_id: str, notice_id: str, actor: Actor) -> Write:
    """Record that an artist, or somebody who may say yes for them, has the notice before them.

    It is a delivery by the channel `in_app`: the first one opens the window, others change nothing.
    Raises Refused for a stranger, in the same words as where there is no such artist; and for a
    delegate who may only say no, for a window that runs can only permit more.
    """

    async def write(transaction: Transaction) -> Json:
        session = transaction.session
        artist = await artist_named(session, artist_id)
        _, covers_yes = await role_of(session, actor, artist)
        if not covers_yes:
            message = "this artist has let you say no for them: they read what they are told"
            raise refuse("artist", "delegate_may_not_opt_in", message, RefusalKind.NOT_ALLOWED)
        row = DeliveryRow(artist_id, Outcome.DELIVERED, IN_APP)
        await record_deliveries(notice_id, [row])(transaction)
        transaction.subject = artist.subject  # whom the answer is about
        delivery = await session.get(Delivery, (notice_id, artist.subject))
        if delivery is None:
            message = f"the delivery of {notice_id} is not among those just recorded"
            raise LookupError(message)
        return {
            "notice": notice_id,
            "artist": artist_id,
            "channel": delivery.channel,
            "delivered_at": format_instant(delivery.delivered_at),
            "closes_at": format_instant(delivery.closes_at),
            "revision": delivery.revision,
        }

    return write
