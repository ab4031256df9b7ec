"""Reminders: those whose window will close are told so once more, each lead once.

`Reminders(leads)` remembers how far it has come within one worker; who has been reminded stands in
`sends`, so nobody is reminded twice by two workers or after a restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sqlalchemy import BigInteger, Text, bindparam, select, text
from sqlmodel import col

from service.db.among import among
from service.db.engine import ReadSession, WriteSession
from service.db.instants import InstantType
from service.db.tables import Consent
from service.domain import uses
from service.domain.assessment import Column
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.history import Artist
from service.domain.instant import Duration, Instant
from service.domain.policy import PolicyVersion
from service.notices.audience import (
    Registered,
    Telling,
    alone_with,
    deliveries_of,
    still_there,
    waiting_for,
)
from service.policies.versions import load_versions

PAGE: Final = 2_000
"""Windows looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class Due:
    """One reminder of one notice: for windows that close after `after` and not after `until`."""

    telling: Telling
    number: int
    lead: Duration
    after: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class Page:
    """Whom to remind now, since when that has been due for the last of them, and where it ends."""

    subjects: list[str]
    fell_due_at: Instant
    end: tuple[Instant, str]


_OPEN: Final = (
    text("""
SELECT a.notice_id, n.use, n.version, n.announced_at, p.notice_period
FROM announcements AS a
    JOIN notices AS n USING (notice_id)
    JOIN policies AS p USING (use, version)
WHERE EXISTS (
    SELECT FROM deliveries AS d WHERE d.notice_id = a.notice_id AND d.closes_at > :now
)
ORDER BY n.revision
""")
    .bindparams(bindparam("now", type_=InstantType()))
    .columns(announced_at=InstantType())
)
_CLOSING: Final = (
    text("""
SELECT subject, closes_at FROM deliveries
WHERE notice_id = :notice AND (closes_at, subject) > (:after, :subject) AND closes_at <= :until
ORDER BY closes_at, subject LIMIT :most
""")
    .bindparams(
        bindparam("after", type_=InstantType()),
        bindparam("subject", type_=Text()),
        bindparam("until", type_=InstantType()),
        bindparam("most", type_=BigInteger()),
    )
    .columns(closes_at=InstantType())
)


class Reminders:
    """Finds who is to be reminded of what, in the order in which windows close."""

    def __init__(self, leads: Sequence[Duration]) -> None:
        """Take how long before its closing a window's artist is reminded, in any order."""
        self._leads = sorted(set(leads), reverse=True)
        self._reached: dict[tuple[str, int], tuple[Instant, str]] = {}

    async def due(self, session: ReadSession, now: Instant) -> list[Due]:
        """Return the reminders that there are windows for.

        A lead as long as the window or longer is none: the notice itself has just come. Nor is a
        reminder sent after the next one has fallen due, when a worker has not run for long.
        """
        found = []
        for *telling, period in await session.execute(_OPEN, {"now": now}):
            leads = [lead for lead in self._leads if lead < period]
            for number, (lead, following) in enumerate(pairwise([*leads, 0]), start=1):
                due = Due(Telling(*telling), number, lead, now + following, now + lead)
                if self._start(due)[0] < due.until:
                    found.append(due)
        return found

    def _start(self, due: Due) -> tuple[Instant, str]:
        """Return where to go on: windows that were looked at once are never looked at again.

        None can come between them, for one that opens now closes after the lead.
        """
        return max((due.after, ""), self._reached.get((due.telling.notice_id, due.number), (0, "")))

    async def page(self, session: WriteSession, due: Due, now: Instant) -> Page | None:
        """Look at the next page of windows and return who is to be reminded.

        Returns None where none is left, or while another worker is at this notice. Call `done` once
        what it returned is durable.
        """
        notice_id = due.telling.notice_id
        if await alone_with(session, notice_id) is None:
            return None
        after, subject = self._start(due)
        rows = (
            await session.execute(
                _CLOSING,
                {
                    "notice": notice_id,
                    "after": after,
                    "subject": subject,
                    "until": due.until,
                    "most": PAGE,
                },
            )
        ).all()
        if not rows:
            self._reached[notice_id, due.number] = (due.until, "")
            return None
        subjects = await _to_remind(session, due.telling, [row.subject for row in rows], now)
        last = rows[-1].closes_at
        return Page(subjects, last - due.lead, (last, rows[-1].subject))

    def done(self, due: Due, page: Page) -> None:
        """Go on after this page from now on."""
        self._reached[due.telling.notice_id, due.number] = page.end


async def _to_remind(
    session: ReadSession, telling: Telling, subjects: Sequence[str], now: Instant
) -> list[str]:
    """Return those for whom the window still decides something that they have not said no to."""
    versions = (await load_versions(session, telling.use))[telling.use]
    artists = await still_there(session, subjects)
    waiting = set(await waiting_for(session, versions, telling.version, artists, now))
    answered = await _answered(session, versions, telling.version, artists, now)
    return [subject for subject in subjects if subject in waiting - answered]


async def _answered(
    session: ReadSession,
    versions: Sequence[PolicyVersion],
    number: int,
    artists: Sequence[Registered],
    now: Instant,
) -> set[str]:
    """Return the artists whose no stands in the way on every recipient of a version already."""
    use = versions[0].use
    said = await _said(session, use, [one.subject for one in artists])
    speaking = [one for one in artists if one.subject in said]
    told = await deliveries_of(session, use, [one.subject for one in speaking])
    answered = set()
    for one in speaking:
        artist = Artist(one.registered_at, delivered={use: told.get(one.subject, {})})
        for record in said[one.subject]:
            artist.say(record)
        columns = (
            Column(artist, versions, recipient, None)
            for recipient in versions[number - 1].recipients
        )
        if all(_denied(column, now) for column in columns):
            answered.add(one.subject)
    return answered


def _denied(column: Column, now: Instant) -> bool:
    applied = column.assess(max(now, column.settled_at)).applied
    return any(one.denies_since is not None and one.lifted_by is None for one in applied)


async def _said(
    session: ReadSession, use: str, subjects: Sequence[str]
) -> dict[str, list[ConsentRecord]]:
    """Return what the artists said of a use, or of what it lies beneath, about all tracks."""
    steps = use.split(".")
    nodes = [uses.ROOT, *(".".join(steps[:length]) for length in range(1, len(steps) + 1))]
    rows = await session.execute(
        select(Consent)
        .where(
            among(col(Consent.use), nodes),
            among(col(Consent.subject), subjects),
            col(Consent.content).is_(None),
        )
        .order_by(col(Consent.revision))
    )
    said: dict[str, list[ConsentRecord]] = {}
    for row in rows.scalars():
        scope = Scope(row.use, row.content, row.recipient)
        said.setdefault(row.subject, []).append(
            ConsentRecord(row.revision, row.recorded_at, Answer(row.answer), scope, row.expires_at)
        )
    return said
