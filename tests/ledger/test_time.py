"""The ledger's own clock: strictly increasing whatever the database's clock does."""

import asyncio
from itertools import pairwise

from service.clock import SystemClock
from service.domain.instant import SECOND, to_datetime
from service.ledger.head import HeadReader
from tests.ledger.writing import appending, connected, kept, open_ledger, recording_only

HOUR = 3_600 * SECOND


async def put_clock_back(url: str, by: int) -> int:
    """Let the last event have been recorded that much later than now; return when."""
    found = await kept(url)
    ahead = to_datetime(found.last_at + by)
    async with connected(url) as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # no triggers
        await connection.execute("UPDATE ledger_head SET recorded_at = $1", ahead)
        await connection.execute(
            "UPDATE ledger SET recorded_at = $1 WHERE revision = $2", ahead, found.size
        )
    return found.last_at + by


async def test_time_goes_on_when_the_clock_was_put_back(database_url: str) -> None:
    """With the clock an hour behind the last event, later ones are still later, each of them."""
    async with appending(database_url) as appender:
        await open_ledger(appender)
        last = await put_clock_back(database_url, HOUR)
        await appender.submit(recording_only("alone"))
        await asyncio.gather(*(appender.submit(recording_only(f"u{n}")) for n in range(50)))

    times = [event.recorded_at for event in (await kept(database_url)).events]
    assert times[:2] == [last, last + 1]
    assert all(earlier < later for earlier, later in pairwise(times))


async def test_a_head_is_never_earlier_than_the_last_event(database_url: str) -> None:
    """A check is judged no earlier than what it sees, and the clocks are seen to disagree."""
    async with appending(database_url) as appender:
        await open_ledger(appender)
    last = await put_clock_back(database_url, HOUR)
    reader = HeadReader(database_url, SystemClock(), timeout=10, max_disagreement=5 * SECOND)

    assert (await reader.read()).now == last
    assert not reader.time().agrees
    await reader.close()


async def until_somebody_waits(url: str) -> None:
    """Return once a connection to this database waits for a lock."""
    async with connected(url) as connection:
        while not await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            pass


async def test_writes_are_timed_after_their_turn_has_come(database_url: str) -> None:
    """A write that waits for the head's lock is timed when it gets it, not when it asked."""
    async with appending(database_url) as appender, connected(database_url) as other:
        await open_ledger(appender)
        async with other.transaction():
            await other.execute("SELECT FROM ledger_head FOR UPDATE")
            waiting = asyncio.create_task(appender.submit(recording_only("u")))
            await until_somebody_waits(database_url)
            released = await other.fetchval("SELECT clock_timestamp()")
        await waiting

    assert to_datetime((await kept(database_url)).last_at) > released
