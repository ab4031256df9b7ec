"""Reminders: those whose window will close are told so once more, each lead once.

`Reminders(leads)` remembers how far it has come within one worker; who has been reminded stands in
`sends`, so nobody is reminded twice by two workers or after a restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sqlalchemy import BigInteger, Text, bindparam, text

from service.db.engine import ReadSession, WriteSession
from service.db.instants import InstantType
from service.domain.instant import Duration, Instant
from service.notices.audience import Telling, alone_with, still_there, waiting_for
from service.notices.objections import objecting
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

    def start_over(self) -> None:
        """Look at all windows again: those that were looked at could be reminded by less."""
        self._reached.clear()

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
    answered = await objecting(session, versions, telling.version, sorted(waiting), now)
    return [one for one in subjects if one in waiting and one not in answered]
