"""Whom a notice has reached, and whom it has not: one state for each artist concerned.

*Concerned* is the notice's audience, and whoever was reported about outside it. Each of them is

- `reached`: a delivery is recorded, by whatever channel;
- else `unreachable`: nothing is under way. There is no channel to this artist, or every way that
  there was has ended: bounced, given up, or called off because the notice has ended;
- else `bounced`: something has come back, and another way is still under way;
- else `waiting`: something is under way and nothing has come back.

*Under way* is a send by a channel that waits its turn (while the notice is current), or that the
channel has taken and nobody has reported as bounced; and, while the notice is current, a channel
that could reach an artist of the audience and has no send yet. Reminders count for nothing here.
The settings page, which everybody has, is not under way: there nobody is told who does not come.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ARRAY, Boolean, Text, TextClause, bindparam, text

from service.db.engine import ReadSession
from service.db.instants import InstantType
from service.domain.instant import Instant
from service.notices.batches import SendState
from service.notices.reach import Reach


class State(StrEnum):
    """What has become of a notice at one artist; see above for what each means."""

    REACHED = "reached"
    BOUNCED = "bounced"
    WAITING = "waiting"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which notice, whether it has ended, and by what artists can be reached now."""

    notice_id: str
    ended: bool
    reach: Reach

    def parameters(self) -> dict[str, object]:
        """Return what the queries take."""
        handed_over = [SendState.HANDED_OVER.value]
        return {
            "notice": self.notice_id,
            "by_webhook": self.reach.webhook and not self.ended,
            "by_email": self.reach.email and not self.ended,
            "under_way": handed_over if self.ended else [SendState.WAITING.value, *handed_over],
        }


@dataclass(frozen=True, slots=True)
class Told:
    """One artist concerned. `artist_id` is None once erased; `sends` has each channel's state.

    Of a send that was reported as bounced the state is `bounced`, whatever the sender last knew.
    """

    subject: str
    artist_id: str | None
    state: State
    channel: str | None
    delivered_at: Instant | None
    closes_at: Instant | None
    sends: Mapping[str, str]


# `u` has the artists and whether they are in the audience.
_JOINED: Final = """
LEFT JOIN sends AS w ON w.notice_id = :notice AND w.subject = u.subject
    AND w.channel = 'webhook' AND w.reminder = 0
LEFT JOIN sends AS e ON e.notice_id = :notice AND e.subject = u.subject
    AND e.channel = 'email' AND e.reminder = 0
LEFT JOIN (
    SELECT subject, bool_or(channel = 'webhook') AS webhook, bool_or(channel = 'email') AS email
    FROM bounces WHERE notice_id = :notice{among} GROUP BY subject
) AS b ON b.subject = u.subject
"""
_UNDER_WAY: Final = """(
    (w.state = ANY(:under_way) AND b.webhook IS NOT TRUE)
    OR (e.state = ANY(:under_way) AND b.email IS NOT TRUE)
    OR (u.expected AND (
        (:by_webhook AND w.subject IS NULL)
        OR (:by_email AND e.subject IS NULL AND EXISTS (
            SELECT FROM private.contacts AS c WHERE c.subject = u.subject AND c.email IS NOT NULL
        ))
    ))
) IS TRUE"""
_CAME_BACK: Final = """(
    w.state IN ('bounced', 'failed') OR e.state IN ('bounced', 'failed') OR b.subject IS NOT NULL
) IS TRUE"""


def _asking(statement: str) -> TextClause:
    return text(statement).bindparams(
        bindparam("under_way", type_=ARRAY(Text)),
        bindparam("by_webhook", type_=Boolean()),
        bindparam("by_email", type_=Boolean()),
    )


# Most of those reached are not even looked at: only for the others it matters what was tried.
_UNREACHED: Final = _asking(f"""
WITH u AS (
    SELECT a.subject, true AS expected FROM audience AS a
    WHERE a.notice_id = :notice AND NOT EXISTS (
        SELECT FROM deliveries AS d WHERE d.notice_id = :notice AND d.subject = a.subject
    )
    UNION ALL
    SELECT DISTINCT x.subject, false FROM bounces AS x
    WHERE x.notice_id = :notice
        AND NOT EXISTS (
            SELECT FROM deliveries AS d WHERE d.notice_id = :notice AND d.subject = x.subject
        )
        AND NOT EXISTS (
            SELECT FROM audience AS a WHERE a.notice_id = :notice AND a.subject = x.subject
        )
)
SELECT {_UNDER_WAY}, {_CAME_BACK}, count(*) FROM u {_JOINED.format(among="")} GROUP BY 1, 2
""")  # noqa: S608 - constants of this file

# The next `scan` artists of the three sources, in the one order that all their keys have.
_PAGE: Final = (
    _asking(f"""
WITH u AS (
    SELECT subject, bool_or(expected) AS expected FROM (
        (SELECT subject, true AS expected FROM audience
            WHERE notice_id = :notice AND subject > :after ORDER BY subject LIMIT :scan)
        UNION ALL
        (SELECT subject, false FROM deliveries
            WHERE notice_id = :notice AND subject > :after ORDER BY subject LIMIT :scan)
        UNION ALL
        (SELECT DISTINCT subject, false FROM bounces
            WHERE notice_id = :notice AND subject > :after ORDER BY subject LIMIT :scan)
    ) AS found GROUP BY subject ORDER BY subject LIMIT :scan
), judged AS (
    SELECT u.subject, d.channel, d.delivered_at, d.closes_at,
        CASE
            WHEN d.subject IS NOT NULL THEN 'reached'
            WHEN NOT {_UNDER_WAY} THEN 'unreachable'
            WHEN {_CAME_BACK} THEN 'bounced'
            ELSE 'waiting'
        END AS state,
        CASE WHEN b.webhook THEN 'bounced' ELSE w.state END AS webhook,
        CASE WHEN b.email THEN 'bounced' ELSE e.state END AS email
    FROM u
    LEFT JOIN deliveries AS d ON d.notice_id = :notice AND d.subject = u.subject
    {_JOINED.format(among=" AND subject IN (SELECT subject FROM u)")}
), chosen AS (
    SELECT * FROM judged WHERE cast(:state AS text) IS NULL OR state = :state
    ORDER BY subject LIMIT :most
)
SELECT chosen.*, r.artist_id, scanned.last, scanned.artists
FROM (SELECT max(subject) AS last, count(*) AS artists FROM u) AS scanned
LEFT JOIN chosen ON true
LEFT JOIN artists AS r ON r.subject = chosen.subject
ORDER BY chosen.subject
""")  # noqa: S608 - constants of this file
    .bindparams(bindparam("state", type_=Text()), bindparam("after", type_=Text()))
    .columns(delivered_at=InstantType(), closes_at=InstantType())
)

_SCAN: Final = 10_000
_MOST_SCANS: Final = 10
"""Queries that one page takes at most: looking for few among a million is left and taken up."""


async def count_unreached(session: ReadSession, asked: Asked) -> dict[State, int]:
    """Return how many of those concerned have not been reached, by state."""
    found = dict.fromkeys((State.BOUNCED, State.WAITING, State.UNREACHABLE), 0)
    for under_way, came_back, count in await session.execute(_UNREACHED, asked.parameters()):
        if not under_way:
            found[State.UNREACHABLE] += count
        else:
            found[State.BOUNCED if came_back else State.WAITING] += count
    return found


_WITH_EMAIL: Final = text("""
SELECT count(*) FROM private.contacts WHERE subject = ANY(:subjects) AND email IS NOT NULL
""").bindparams(bindparam("subjects", type_=ARRAY(Text)))


async def count_unreachable(session: ReadSession, reach: Reach, subjects: Collection[str]) -> int:
    """Return how many of these artists nothing but the settings page reaches now."""
    if reach.webhook:
        return 0
    reached = 0
    if reach.email:
        for some in _in_parts(list(subjects)):
            reached += await session.scalar(_WITH_EMAIL, {"subjects": some}) or 0
    return len(subjects) - reached


async def page_of_told(
    session: ReadSession, asked: Asked, *, state: State | None, after: str, most: int
) -> tuple[list[Told], str | None]:
    """Return the next artists concerned, and after whom to go on, or None where nobody is left.

    With a state the page may be short, or even empty, while there is still somebody to come.
    """
    found: list[Told] = []
    for _ in range(_MOST_SCANS):
        wanted = most + 1 - len(found)  # one more tells whether anybody follows
        scan = _SCAN if state is not None else wanted
        rows = (
            await session.execute(
                _PAGE,
                {
                    **asked.parameters(),
                    "state": None if state is None else state.value,
                    "after": after,
                    "scan": scan,
                    "most": wanted,
                },
            )
        ).all()
        found += [_told(row) for row in rows if row.subject is not None]
        if len(found) > most:
            return found[:most], found[most - 1].subject
        if rows[0].artists < scan:
            return found, None
        after = rows[0].last
    return found, after


def _in_parts(subjects: Sequence[str]) -> Iterator[Sequence[str]]:
    return (subjects[n : n + _SCAN] for n in range(0, len(subjects), _SCAN))


def _told(row: Any) -> Told:
    sends = {"webhook": row.webhook, "email": row.email}
    return Told(
        subject=row.subject,
        artist_id=row.artist_id,
        state=State(row.state),
        channel=row.channel,
        delivered_at=row.delivered_at,
        closes_at=row.closes_at,
        sends={channel: state for channel, state in sends.items() if state is not None},
    )
