"""Batches of sends: taken by one worker at a time, and settled once.

- `take(session, channel, now)`: the next batch that is due, on a lease, or how long there is none;
- `drop`, `finish`: members of a batch just taken whom there is nothing to tell any more;
- `charge(session, channel, until)`: when the channel is free again, for all workers;
- `keep_lease(session, batch, now)`: while the call takes its time;
- `settle(session, batch, results, …)`: what became of each, once;
- `close_channel(session, …)`: the receiver wants no more;
- `take_up_again(session, channel, now)`: a person has acted, so what was given up is due again.

A batch's members and their order never change, so that a worker that takes it up after another
was killed sends what that one sent, under the same message id. The lease says who sends; the fence
tells a worker that another one has taken over, and then it records nothing. `planning` makes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import ARRAY, Text, TextClause, bindparam, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import col

from service.db.engine import ReadSession, WriteSession
from service.db.instants import InstantType
from service.db.tables import SendBatch, SendChannel
from service.domain.instant import SECOND, Duration, Instant
from service.notices.channels.channel import Fate, plain
from service.notices.channels.retries import LONGEST_WAIT, pause_before
from service.notices.reach import ChannelName

LEASE: Final[Duration] = 30 * SECOND
"""How long a batch is one worker's alone; it is renewed while the call lasts."""

FURTHEST: Final[Duration] = LONGEST_WAIT + LONGEST_WAIT // 4
"""Nothing is put off for longer: what seems to be was written by a clock that has gone back."""


class SendState(StrEnum):
    """What has become of one send. Only a confirmed delivery says that it arrived."""

    WAITING = "waiting"
    HANDED_OVER = "handed_over"
    """The channel has taken it from here."""
    BOUNCED = "bounced"
    """It cannot arrive; the ledger has it too."""
    FAILED = "failed"
    """It was tried as often as the schedule says, and given up until a person acts."""
    NOT_NEEDED = "not_needed"
    """When its turn came there was nothing left to tell."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that this worker holds. `tries` counts the tries that ended.

    `heard` tells whether one before this may have reached the receiver.
    """

    batch_id: int
    notice_id: str
    channel: ChannelName
    reminder: int
    occurred_at: Instant
    tries: int
    fence: int
    heard: bool


@dataclass(frozen=True, slots=True)
class NotNow:
    """Nothing to take. `pause` is how long it lasts at least."""

    pause: Duration


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one member in one call."""

    subject: str
    fate: Fate
    message_id: str
    reason: str = ""
    not_before: Duration = 0


async def take(session: WriteSession, channel: ChannelName, now: Instant) -> Batch | NotNow:
    """Take the batch that has been due longest, on a lease, or say how long there is none to take.

    All takers of a channel queue at its row for the moment that this takes, so the rate that they
    keep to together is one. Whoever takes charges it in the same transaction (`charge`).
    """
    row = await _channel_row(session, channel)
    if row.closed_at is not None:
        return NotNow(SECOND)
    if now < row.free_at <= now + FURTHEST:
        return NotNow(row.free_at - now)
    leased = col(SendBatch.leased_until)
    free = or_(leased.is_(None), leased <= now, leased > now + LEASE)
    found = await session.execute(
        select(SendBatch)
        .where(col(SendBatch.channel) == channel.value, col(SendBatch.due_at) <= now, free)
        .order_by(col(SendBatch.due_at), col(SendBatch.batch_id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    batch = found.scalar_one_or_none()
    if batch is None:
        return NotNow(SECOND)
    heard = batch.fence > 0
    batch.fence += 1
    batch.leased_until = now + LEASE
    await session.flush()
    assert batch.batch_id is not None  # noqa: S101 - it is read from the table
    return Batch(
        batch_id=batch.batch_id,
        notice_id=batch.notice_id,
        channel=channel,
        reminder=batch.reminder,
        occurred_at=batch.occurred_at,
        tries=batch.tries,
        fence=batch.fence,
        heard=heard,
    )


async def _channel_row(session: WriteSession, channel: ChannelName) -> SendChannel:
    locked = select(SendChannel).where(col(SendChannel.channel) == channel.value).with_for_update()
    row = (await session.execute(locked)).scalar_one_or_none()
    if row is None:
        await session.execute(
            upsert(SendChannel).values(channel=channel.value, free_at=0).on_conflict_do_nothing()
        )
        row = (await session.execute(locked)).scalar_one()
    return row


async def charge(session: WriteSession, channel: ChannelName, until: Instant) -> None:
    """Let nobody take from the channel before this instant, nor sooner than was said before."""
    free_at = col(SendChannel.free_at)
    await session.execute(
        update(SendChannel)
        .where(col(SendChannel.channel) == channel.value, free_at < until)
        .values(free_at=until)
    )


async def close_channel(
    session: WriteSession, channel: ChannelName, reason: str, now: Instant
) -> None:
    """Send nothing more here until a person acts: the receiver has said so."""
    await session.execute(
        update(SendChannel)
        .where(col(SendChannel.channel) == channel.value, col(SendChannel.closed_at).is_(None))
        .values(closed_at=now, closed_reason=plain(reason))
    )


# The batches are locked before their members, as whoever settles does.
_TAKE_UP_AGAIN: Final = text("""
WITH given_up AS (
    SELECT b.batch_id
    FROM send_batches AS b JOIN announcements AS a USING (notice_id)
    WHERE b.channel = :channel AND b.due_at IS NULL AND (a.ended_at IS NULL OR b.reminder > 0)
        AND EXISTS (SELECT FROM sends AS s WHERE s.batch_id = b.batch_id AND s.state = 'failed')
    FOR UPDATE OF b
), waiting AS (
    UPDATE sends AS s SET state = 'waiting', settled_at = NULL
    FROM given_up WHERE s.batch_id = given_up.batch_id AND s.state = 'failed'
)
UPDATE send_batches AS b SET tries = 0, due_at = :now, leased_until = NULL
FROM given_up WHERE b.batch_id = given_up.batch_id
""").bindparams(bindparam("now", type_=InstantType()))


async def take_up_again(session: WriteSession, channel: ChannelName, now: Instant) -> None:
    """Let what was given up on a channel be tried anew: the same batches, members and ids."""
    await session.execute(_TAKE_UP_AGAIN, {"channel": channel.value, "now": now})


async def mend(session: WriteSession, now: Instant) -> None:
    """Undo what a clock that ran ahead has put off for longer than anything ever is."""
    furthest = now + FURTHEST
    await session.execute(
        update(SendBatch)
        .where(
            col(SendBatch.channel).in_([channel.value for channel in ChannelName]),
            col(SendBatch.due_at) > furthest,
        )
        .values(due_at=now)
    )
    await session.execute(
        update(SendChannel).where(col(SendChannel.free_at) > furthest).values(free_at=now)
    )


def _held(batch: Batch) -> TextClause:
    return text(_HELD).bindparams(batch=batch.batch_id, fence=batch.fence)


_HELD: Final = """
SELECT batch_id FROM send_batches
WHERE batch_id = :batch AND fence = :fence AND leased_until IS NOT NULL
FOR UPDATE NOWAIT
"""


async def keep_lease(session: WriteSession, batch: Batch, now: Instant) -> None:
    """Hold the batch for another while, unless somebody else has taken it."""
    await session.execute(
        update(SendBatch)
        .where(
            col(SendBatch.batch_id) == batch.batch_id,
            col(SendBatch.fence) == batch.fence,
            col(SendBatch.leased_until).is_not(None),
        )
        .values(leased_until=now + LEASE)
    )


_SETTLE: Final = text("""
UPDATE sends AS s
SET state = r.state, message_id = coalesce(r.message_id, s.message_id), reason = r.reason,
    settled_at = CASE WHEN r.state = 'waiting' THEN NULL ELSE :now END
FROM unnest(:subjects, :states, :message_ids, :reasons) AS r (subject, state, message_id, reason)
WHERE s.batch_id = :batch AND s.subject = r.subject AND s.state = 'waiting'
""").bindparams(
    bindparam("now", type_=InstantType()),
    *(
        bindparam(name, type_=ARRAY(Text))
        for name in ("subjects", "states", "message_ids", "reasons")
    ),
)

_STATE_OF: Final = {
    Fate.HANDED_OVER: SendState.HANDED_OVER,
    Fate.DELIVERED: SendState.HANDED_OVER,
    Fate.BOUNCED: SendState.BOUNCED,
    Fate.TRY_AGAIN: SendState.WAITING,
    Fate.CLOSED: SendState.WAITING,
}


async def settle(
    session: WriteSession,
    batch: Batch,
    results: Sequence[Result],
    now: Instant,
    jitter: float,
) -> bool:
    """Record what became of the members, and when the rest is due again; give up when it is time.

    Returns False, having changed nothing, where the batch is not this worker's any more or has
    been settled before. `jitter` is a random number in [0, 1). Waits for no lock: raises DBAPIError
    where the lease is being renewed at this very moment, and then it is to be tried again.
    """
    if (await session.execute(_held(batch))).first() is None:
        return False
    again = [result for result in results if result.fate is Fate.TRY_AGAIN]
    closed = any(result.fate is Fate.CLOSED for result in results)
    tries = batch.tries + 1 if again else batch.tries
    asked = max((result.not_before for result in again), default=0)
    pause = pause_before(tries, jitter, asked) if again else 0
    states = {**_STATE_OF, **({Fate.TRY_AGAIN: SendState.FAILED} if pause is None else {})}
    await session.execute(
        _SETTLE,
        {
            "batch": batch.batch_id,
            "now": now,
            "subjects": [result.subject for result in results],
            "states": [states[result.fate].value for result in results],
            "message_ids": [result.message_id or None for result in results],
            "reasons": [result.reason or None for result in results],
        },
    )
    left = closed or (bool(again) and pause is not None)
    await session.execute(
        update(SendBatch)
        .where(col(SendBatch.batch_id) == batch.batch_id)
        .values(tries=tries, leased_until=None, due_at=now + (pause or 0) if left else None)
    )
    return True


async def drop(
    session: WriteSession, batch: Batch, reasons: Sequence[tuple[str, str]], now: Instant
) -> None:
    """Note of members of a batch just taken that there is nothing to tell them, each with why."""
    if reasons:
        await session.execute(
            _SETTLE,
            {
                "batch": batch.batch_id,
                "now": now,
                "subjects": [subject for subject, _ in reasons],
                "states": [SendState.NOT_NEEDED.value] * len(reasons),
                "message_ids": [None] * len(reasons),
                "reasons": [reason for _, reason in reasons],
            },
        )


async def finish(session: WriteSession, batch: Batch) -> None:
    """Put away a batch just taken of which nobody is left."""
    await session.execute(
        update(SendBatch)
        .where(col(SendBatch.batch_id) == batch.batch_id)
        .values(due_at=None, leased_until=None)
    )


async def waiting_batches(session: ReadSession) -> dict[ChannelName, int]:
    """Return how many batches of each channel have something left to do."""
    rows = await session.execute(
        select(col(SendBatch.channel), func.count())
        .where(col(SendBatch.due_at).is_not(None))
        .group_by(col(SendBatch.channel))
    )
    found: dict[str, int] = {channel: count for channel, count in rows}  # noqa: C416 - typed
    return {channel: found.get(channel.value, 0) for channel in ChannelName}
