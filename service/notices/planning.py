"""Making the sends of those who are to be told, in bulk: each artist once by each channel.

- `make_batches(session, plan, subjects, now)`: who is told by one channel, a batch a call;
- `without_send`, `addressed_since`, `in_audience`: whom to look at again, for a channel may reach
  them only since lately.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ARRAY, Text, TextClause, bindparam, text

from service.db.engine import ReadSession, WriteSession
from service.db.instants import InstantType
from service.domain.instant import Instant
from service.notices.batches import FURTHEST
from service.notices.reach import ChannelName


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be told by which channel, at most `size` artists a call."""

    notice_id: str
    channel: ChannelName
    size: int
    occurred_at: Instant
    reminder: int = 0


# The batches of one statement get their numbers in one go, and members are dealt out in order.
# OFFSET 0 keeps the planner from making joins of the look-ups: it thinks that a list has ten
# members, and of new tables it knows nothing, so it would compare everybody with everybody.
# A letter that came back, or was given up, says nothing of an address that was said after it.
_STANDS: Final = """
    s.state <> 'not_needed' AND NOT (
        s.channel = 'email' AND s.reminder = 0 AND s.settled_at IS NOT NULL
        AND (s.state IN ('bounced', 'failed') OR EXISTS (
            SELECT FROM bounces AS b
            WHERE b.notice_id = s.notice_id AND b.subject = s.subject AND b.channel = 'email'
        ))
        AND EXISTS (
            SELECT FROM private.contacts AS c
            WHERE c.subject = s.subject AND c.updated_at > s.settled_at AND c.updated_at <= :now
        )
    )
"""
_MEMBERS: Final = f"""
WITH chosen AS (
    SELECT m.subject, row_number() OVER (ORDER BY m.place) - 1 AS place
    FROM unnest(:subjects) WITH ORDINALITY AS m (subject, place)
    WHERE NOT EXISTS (
        SELECT FROM sends AS s WHERE s.notice_id = :notice AND s.subject = m.subject
            AND s.channel = :channel AND s.reminder = :reminder AND {_STANDS}
        OFFSET 0
    )
"""  # noqa: S608 - constants of this file
_TOLD: Final = """
    AND NOT EXISTS (
        SELECT FROM deliveries AS d WHERE d.notice_id = :notice AND d.subject = m.subject
        OFFSET 0
    )
"""
_ADDRESS: Final = """
    AND EXISTS (
        SELECT FROM private.contacts AS c WHERE c.subject = m.subject AND c.email IS NOT NULL
        OFFSET 0
    )
"""
_BATCHES: Final = """
), made AS (
    INSERT INTO send_batches
        (notice_id, channel, reminder, occurred_at, tries, due_at, fence)
    SELECT :notice, :channel, :reminder, :occurred_at, 0, :due_at, 0
    FROM generate_series(0, (SELECT max(place) FROM chosen) / :size)
    RETURNING batch_id
), numbers AS (
    SELECT array_agg(batch_id ORDER BY batch_id) AS ids FROM made
)
INSERT INTO sends (notice_id, subject, channel, reminder, batch_id, position, state)
SELECT :notice, subject, :channel, :reminder, (SELECT ids FROM numbers)[place / :size + 1],
    place % :size, 'waiting'
FROM chosen
ORDER BY place
ON CONFLICT (notice_id, subject, channel, reminder) DO UPDATE
SET batch_id = excluded.batch_id, position = excluded.position, state = 'waiting',
    reason = NULL, settled_at = NULL
WHERE sends.state <> 'waiting'
"""


def _making(*conditions: str) -> TextClause:
    return text("".join([_MEMBERS, *conditions, _BATCHES])).bindparams(
        bindparam("subjects", type_=ARRAY(Text)),
        bindparam("occurred_at", type_=InstantType()),
        bindparam("due_at", type_=InstantType()),
        bindparam("now", type_=InstantType()),
    )


_MAKE: Final = {
    (channel, reminds): _making(
        *([] if reminds else [_TOLD]), *([_ADDRESS] if channel is ChannelName.EMAIL else [])
    )
    for channel in ChannelName
    for reminds in (False, True)
}


async def make_batches(
    session: WriteSession, plan: Plan, subjects: Sequence[str], now: Instant
) -> int:
    """Make the sends of those among the artists whom the channel can reach; return how many.

    Whoever has a send of this kind already gets no other, nor does anybody who has been delivered
    the notice, but for its reminders. One that was not needed when its turn came, for want of an
    address perhaps, is made again; so is a letter that came back or was given up, once another
    address has been said. Reminders go before notices. The caller
    holds the notice's announcement (`alone_with`).
    """
    if not subjects:
        return 0
    made = await session.execute(
        _MAKE[plan.channel, plan.reminder > 0],
        {
            "subjects": list(subjects),
            "notice": plan.notice_id,
            "channel": plan.channel.value,
            "reminder": plan.reminder,
            "size": plan.size,
            "occurred_at": plan.occurred_at,
            # A mailing to a million takes days; a window would close before its reminder's turn.
            "due_at": now - FURTHEST if plan.reminder else now,
            "now": now,
        },
    )
    count: int = made.rowcount  # type: ignore[attr-defined]  # of a cursor, which this is
    return count


_ADDRESSED_SINCE: Final = text("""
SELECT coalesce(array_agg(subject), '{}') FROM private.contacts
WHERE updated_at > :since AND email IS NOT NULL
""").bindparams(bindparam("since", type_=InstantType()))
_OF_AUDIENCE: Final = text("""
SELECT coalesce(array_agg(subject), '{}') FROM audience
WHERE notice_id = :notice AND subject = ANY(:subjects)
""").bindparams(bindparam("subjects", type_=ARRAY(Text)))


async def addressed_since(session: ReadSession, since: Instant) -> list[str]:
    """Return everybody with an e-mail address of whom something new was said since then."""
    return list(await session.scalar(_ADDRESSED_SINCE, {"since": since}))


async def in_audience(session: ReadSession, notice_id: str, subjects: Sequence[str]) -> list[str]:
    """Return those of the artists who are to be told of a notice."""
    given = {"notice": notice_id, "subjects": list(subjects)}
    return list(await session.scalar(_OF_AUDIENCE, given))


_WITHOUT: Final = text(f"""
WITH page AS (
    SELECT subject FROM audience
    WHERE notice_id = :notice AND subject > :after ORDER BY subject LIMIT :most
)
SELECT
    (SELECT max(subject) FROM page),
    ARRAY(
        SELECT subject FROM page WHERE NOT EXISTS (
            SELECT FROM sends AS s WHERE s.notice_id = :notice AND s.subject = page.subject
                AND s.channel = :channel AND s.reminder = 0 AND {_STANDS}
            OFFSET 0
        )
        ORDER BY subject
    )
""").bindparams(  # noqa: S608 - constants of this file
    bindparam("after", type_=Text()), bindparam("now", type_=InstantType())
)


async def without_send(
    session: ReadSession, plan: Plan, after: str, most: int, now: Instant
) -> tuple[str | None, list[str]]:
    """Look at the next `most` of an audience, and return the last and those with no send by this.

    Returns None for the last where nobody comes after `after`.
    """
    last, subjects = (
        await session.execute(
            _WITHOUT,
            {
                "notice": plan.notice_id,
                "channel": plan.channel.value,
                "after": after,
                "most": most,
                "now": now,
            },
        )
    ).one()
    return last, list(subjects)
