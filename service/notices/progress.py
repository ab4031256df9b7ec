"""How far the telling of notices has come, counted from what is recorded, for people to look at.

    list_notices(session, before=…, limit=…)       # all notices, newest first
    count_notice(session, looking, notice_id)      # one of them, in numbers
    count_days(session, looking, notice_id)        # the same by UTC day
    list_told(session, looking, notice_id, page)   # every artist concerned, one by one

What the numbers of a notice mean:

- `needs_telling`: whether its version waits for windows at all (R7): `opt_out`, with recipients,
  neither launch terms nor editorial.
- `state`: `not_needed`; else `ended` once a later version that is not editorial exists; else
  `waiting` until the worker has begun, then `current`.
- `audience`: artists found to be in need of telling so far; `audience_complete` once everybody who
  is registered has been looked at.
- `delivered`, `bounced`: artists with a recorded delivery, or bounce, whatever else came of it.
- `reach`: everybody concerned, each in one state (see `reached.py`).
- `window_open`, `bound`, `overtaken`: what has become of the windows of all who were delivered, by
  the rules and the ledger's time now (see `windows.py`); together they are `delivered`. `bound`
  says nothing of what they answered. All three are null where there is no need of telling: such a
  version binds without a window.
- `opted_out`: of those concerned, whose no stands in its way on every recipient that it lists (see
  `objections.py`), whether given in answer to this notice or years before.
- `sends`: by channel and state; `reminders` by themselves. `sending`: whether anything is left to
  do here: somebody has not been looked at, or a batch is still due. Once the notice has ended
  only its reminders are: what else is left is put away unsent.
- `ended_at`: when that later version took its place.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from sqlalchemy import text

from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.domain.instant import Instant, format_instant, to_datetime
from service.domain.policy import PolicyVersion
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json
from service.notices.cursor import Cursors
from service.notices.objections import count_objections, objecting
from service.notices.reach import reach_now
from service.notices.reached import Asked, State, Told, count_unreached, page_of_told
from service.notices.windows import Windows, count_windows
from service.policies.versions import load_versions
from service.settings import Settings


class NoticeState(StrEnum):
    """How far a notice is; see above."""

    NOT_NEEDED = "not_needed"
    WAITING = "waiting"
    CURRENT = "current"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Looking:
    """At what time of the ledger's somebody looks, and by what this service can reach artists."""

    now: Instant
    settings: Settings
    cursors: Cursors


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the artists concerned somebody wants to see. `after` is the cursor to go on from."""

    state: State | None
    after: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class _Head:
    """A notice, and what its version and those after it make of it."""

    notice_id: str
    use: str
    version: int
    announced_at: Instant
    revision: int
    needs_telling: bool
    begun: bool
    ended_at: Instant | None

    @property
    def state(self) -> NoticeState:
        if not self.needs_telling:
            return NoticeState.NOT_NEEDED
        if self.ended_at is not None:
            return NoticeState.ENDED
        return NoticeState.CURRENT if self.begun else NoticeState.WAITING

    def as_json(self) -> Json:
        """Return it as the API shows it."""
        ended = self.state is NoticeState.ENDED
        return {
            "notice": self.notice_id,
            "use": self.use,
            "version": self.version,
            "announced_at": format_instant(self.announced_at),
            "revision": self.revision,
            "needs_telling": self.needs_telling,
            "state": self.state.value,
            "ended_at": None if not ended else format_instant(self.ended_at or 0),
        }


_HEADS: Final = """
SELECT n.notice_id, n.use, n.version, n.announced_at, n.revision,
    p.mode = 'opt_out' AND p.recipients <> '{}' AND NOT p.launch AND NOT p.editorial
        AS needs_telling,
    a.notice_id IS NOT NULL AS begun,
    later.published_at AS ended_at
FROM notices AS n
JOIN policies AS p USING (use, version)
LEFT JOIN announcements AS a USING (notice_id)
LEFT JOIN LATERAL (
    SELECT published_at FROM policies AS l
    WHERE l.use = n.use AND l.version > n.version AND NOT l.editorial
    ORDER BY l.version LIMIT 1
) AS later ON true
"""
_TIMES: Final = {"announced_at": InstantType(), "ended_at": InstantType()}
_ONE: Final = text(_HEADS + "WHERE n.notice_id = :notice").columns(**_TIMES)
_NEWEST: Final = text(
    _HEADS + "WHERE n.revision < :before ORDER BY n.revision DESC LIMIT :limit"
).columns(**_TIMES)
_LARGEST: Final = 2**63 - 1


async def list_notices(session: ReadSession, *, before: int | None, limit: int) -> Json:
    """Return a page of all notices, newest first."""
    rows = (
        await session.execute(_NEWEST, {"before": before or _LARGEST, "limit": limit + 1})
    ).all()
    heads = [_Head(*row) for row in rows[:limit]]
    return {
        "notices": [head.as_json() for head in heads],
        "next_before": heads[-1].revision if len(rows) > limit else None,
    }


async def count_notice(session: ReadSession, looking: Looking, notice_id: str) -> Json:
    """Return a notice in numbers. Raises Refused where there is none."""
    head = await _head(session, notice_id)
    versions = await _versions(session, head)
    windows = await count_windows(session, notice_id, versions, head.version, looking.now)
    asked = await _asked(session, looking, head)
    unreached = await count_unreached(session, asked)
    objections = await count_objections(session, notice_id, versions, head.version, looking.now)
    return {
        **head.as_json(),
        **await _audience(session, head),
        "delivered": windows.delivered,
        "bounced": await session.scalar(_BOUNCED, {"notice": notice_id}),
        "reach": {State.REACHED.value: windows.delivered}
        | {state.value: count for state, count in unreached.items()},
        **_windows_json(head, windows),
        "opted_out": objections.total(),
        **await _sends(session, notice_id),
    }


_AUDIENCE: Final = text("""
SELECT
    (SELECT count(*) FROM audience WHERE notice_id = :notice) AS audience,
    a.notice_id IS NOT NULL AND a.ended_at IS NULL AND EXISTS (
        SELECT FROM artists AS r WHERE (r.revision, r.subject) > (a.after_revision, a.after_subject)
    ) AS behind,
    EXISTS (
        SELECT FROM send_batches AS b WHERE b.notice_id = :notice AND b.due_at IS NOT NULL
            AND (a.ended_at IS NULL OR b.reminder > 0)
    ) AS due
FROM (SELECT) AS always LEFT JOIN announcements AS a ON a.notice_id = :notice
""")
_BOUNCED: Final = text("SELECT count(DISTINCT subject) FROM bounces WHERE notice_id = :notice")
_SENDS: Final = text("""
SELECT channel, reminder > 0, state, count(*) FROM sends
WHERE notice_id = :notice GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")


async def _audience(session: ReadSession, head: _Head) -> Json:
    row = (await session.execute(_AUDIENCE, {"notice": head.notice_id})).one()
    behind = row.behind or head.state is NoticeState.WAITING
    return {
        "audience": row.audience,
        "audience_complete": not behind,
        "sending": behind or row.due,
    }


async def _sends(session: ReadSession, notice_id: str) -> Json:
    counts: dict[bool, dict[str, dict[str, int]]] = {False: {}, True: {}}
    for channel, reminds, state, count in await session.execute(_SENDS, {"notice": notice_id}):
        counts[reminds].setdefault(channel, {})[state] = count
    return {"sends": counts[False], "reminders": counts[True]}


def _windows_json(head: _Head, windows: Windows) -> Json:
    needed = head.needs_telling
    return {
        "window_open": windows.window_open if needed else None,
        "bound": windows.bound if needed else None,
        "overtaken": windows.overtaken if needed else None,
    }


_DELIVERED_BY_DAY: Final = text("""
SELECT (delivered_at AT TIME ZONE 'UTC')::date, (closes_at AT TIME ZONE 'UTC')::date, count(*)
FROM deliveries WHERE notice_id = :notice GROUP BY 1, 2
""")
_BOUNCED_BY_DAY: Final = text("""
SELECT (bounced_at AT TIME ZONE 'UTC')::date, count(DISTINCT subject)
FROM bounces WHERE notice_id = :notice GROUP BY 1
""")


async def count_days(session: ReadSession, looking: Looking, notice_id: str) -> Json:
    """Return a notice in numbers by UTC day, those that have any, in order.

    `windows_closing` counts every window by the day on which it closes, be that yet to come. A no
    counts on the day on which the last one that stands was given; those from before the notice's
    own day are `opted_out_before`.
    """
    head = await _head(session, notice_id)
    versions = await _versions(session, head)
    delivered, closing, bounced = Counter[date](), Counter[date](), Counter[date]()
    for day, closes_on, count in await session.execute(_DELIVERED_BY_DAY, {"notice": notice_id}):
        delivered[day] += count
        closing[closes_on] += count
    for day, count in await session.execute(_BOUNCED_BY_DAY, {"notice": notice_id}):
        bounced[day] += count
    objections = await count_objections(session, notice_id, versions, head.version, looking.now)
    first = to_datetime(head.announced_at).date()
    since = Counter({day: count for day, count in objections.items() if day >= first})
    return {
        "notice": notice_id,
        "opted_out_before": objections.total() - since.total(),
        "days": [
            {
                "day": day.isoformat(),
                "delivered": delivered[day],
                "bounced": bounced[day],
                "windows_closing": closing[day],
                "opted_out": since[day],
            }
            for day in sorted({*delivered, *closing, *bounced, *since})
        ],
    }


async def list_told(session: ReadSession, looking: Looking, notice_id: str, page: Page) -> Json:
    """Return a page of the artists concerned, in an order that means nothing and never changes.

    A page of one state may be short, or empty, and still have a `next_after` to go on from. Raises
    Refused where there is no such notice or the cursor is none.
    """
    head = await _head(session, notice_id)
    versions = await _versions(session, head)
    asked = await _asked(session, looking, head)
    after = "" if page.after is None else looking.cursors.read(page.after)
    told, last = await page_of_told(session, asked, state=page.state, after=after, most=page.limit)
    objections = await objecting(
        session, versions, head.version, [one.subject for one in told], looking.now
    )
    return {
        "notice": notice_id,
        "artists": [_told_json(one, opted_out=one.subject in objections) for one in told],
        "next_after": None if last is None else looking.cursors.write(last),
    }


def _told_json(one: Told, *, opted_out: bool) -> Json:
    return {
        "artist": one.artist_id,
        "state": one.state.value,
        "channel": one.channel,
        "delivered_at": None if one.delivered_at is None else format_instant(one.delivered_at),
        "closes_at": None if one.closes_at is None else format_instant(one.closes_at),
        "opted_out": opted_out,
        "sends": dict(one.sends),
    }


async def _head(session: ReadSession, notice_id: str) -> _Head:
    row = (await session.execute(_ONE, {"notice": notice_id})).first()
    if row is None:
        raise refuse(
            "notice", "unknown_notice", "no notice of this id was announced", RefusalKind.UNKNOWN
        )
    return _Head(*row)


async def _versions(session: ReadSession, head: _Head) -> Sequence[PolicyVersion]:
    return (await load_versions(session, head.use))[head.use]


async def _asked(session: ReadSession, looking: Looking, head: _Head) -> Asked:
    reach = await reach_now(session, looking.settings)
    return Asked(head.notice_id, head.ended_at is not None, reach)
