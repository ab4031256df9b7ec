"""There is always a month to write into, whoever has or has not made it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import asyncpg
import pytest

from service.decisions.log import DecisionLog, LogUnavailable
from service.domain.instant import DAY, parse_instant
from tests.api.door import connected
from tests.decisions.log.deciding import LAUNCH, decision

ENDS = parse_instant("2031-01-01T00:00:00Z")
"""The end of a year and of a month that nobody has made."""


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect beside the log."""
    async with connected(database_url) as connection:
        yield connection


async def months(admin: asyncpg.Connection) -> set[str]:
    """Return the months there are."""
    found = await admin.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
        " WHERE inhparent = 'decisions'::regclass"
    )
    return {row["name"] for row in found}


async def placed(admin: asyncpg.Connection) -> Sequence[tuple[str, str]]:
    """Return each logged id with the month it lies in, oldest first."""
    found = await admin.fetch(
        "SELECT one, tableoid::regclass::text AS month FROM decisions ORDER BY answered_at"
    )
    return [(row["one"], row["month"]) for row in found]


async def test_a_new_database_has_this_month_and_the_next(admin: asyncpg.Connection) -> None:
    """So that the release before this one, which makes none, can go on for a while."""
    expected = await admin.fetch(
        "SELECT to_char(now() AT TIME ZONE 'UTC' + months * interval '1 month', 'YYYY_MM')"
        " FROM generate_series(0, 1) AS months"
    )
    assert await months(admin) == {f"decisions_{row[0]}" for row in expected}


async def test_a_month_that_nobody_made_is_made(
    database_url: str, admin: asyncpg.Connection
) -> None:
    """Decisions of several such months in one group are all recorded, each in its own."""
    instants = [LAUNCH, ENDS - 1, ENDS, ENDS + 45 * DAY]
    async with DecisionLog(database_url, timeout=10) as log:
        await log.record(decision(["now"], at=LAUNCH + DAY))
        await asyncio.gather(
            *(log.record(decision([f"t{n}"], at=at)) for n, at in enumerate(instants))
        )
    assert await placed(admin) == [
        ("t0", "decisions_2026_03"),
        ("now", "decisions_2026_03"),
        ("t1", "decisions_2030_12"),
        ("t2", "decisions_2031_01"),
        ("t3", "decisions_2031_02"),
    ]


async def test_the_next_month_is_made_ahead(database_url: str, admin: asyncpg.Connection) -> None:
    """Ten days before it begins, so that its first decision waits for nothing."""
    async with DecisionLog(database_url, timeout=10) as log:
        await log.record(decision(["t"], at=ENDS - 20 * DAY))
        assert "decisions_2031_01" not in await months(admin)
        await log.record(decision(["t"], at=ENDS - 9 * DAY))
        assert "decisions_2031_01" in await months(admin)


async def test_replicas_that_make_the_same_month_do_not_get_in_each_others_way(
    database_url: str, admin: asyncpg.Connection
) -> None:
    """Eight logs write the first decisions of a month at once, beside a ninth that goes on."""
    async with AsyncExitStack() as stack:
        logs = [
            await stack.enter_async_context(DecisionLog(database_url, timeout=10)) for _ in range(9)
        ]
        await asyncio.gather(*(log.record(decision(["before"], at=LAUNCH)) for log in logs))
        await asyncio.gather(
            *(
                log.record(decision([f"{n}-{m}"], at=ENDS + m))
                for n, log in enumerate(logs[:8])
                for m in range(20)
            ),
            *(logs[8].record(decision([f"8-{m}"], at=LAUNCH + m)) for m in range(200)),
        )
    assert await admin.fetchval("SELECT count(*) FROM decisions_2031_01") == 160
    assert await admin.fetchval("SELECT count(*) FROM decisions_2026_03") == 209


async def test_while_it_cannot_be_made_ahead_decisions_are_recorded(
    database_url: str, admin: asyncpg.Connection
) -> None:
    """Somebody holds the lock that it takes: what has a month is written all the same."""
    async with DecisionLog(database_url, timeout=10) as log:
        await log.record(decision(["t0"], at=ENDS - 30 * DAY))
        async with admin.transaction():
            await admin.execute("LOCK TABLE decisions IN SHARE UPDATE EXCLUSIVE MODE")
            await log.record(decision(["t1"], at=ENDS - DAY))
            with pytest.raises(LogUnavailable):
                await log.record(decision(["t2"], at=ENDS))
        await log.record(decision(["t3"], at=ENDS))
    assert [one for one, _ in await placed(admin)] == ["t0", "t1", "t3"]


async def test_a_month_cannot_be_edited_past_its_table(
    database_url: str, admin: asyncpg.Connection
) -> None:
    """What refuses changes stands on every month as well, made by whomever."""
    async with DecisionLog(database_url, timeout=10) as log:
        await log.record(decision(["t"], at=ENDS))
    for table in ("decisions", "decisions_2031_01"):
        for change in (
            f"UPDATE {table} SET one = 'x'",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
        ):
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await admin.execute(change)
    assert await placed(admin) == [("t", "decisions_2031_01")]


async def test_a_month_can_be_taken_out_beside_running_checks(
    database_url: str, admin: asyncpg.Connection
) -> None:
    """For sealing: it leaves without a lock on the log, stays as it was, and is not made again."""
    async with DecisionLog(database_url, timeout=10) as log:
        await log.record(decision(["old"], at=ENDS - DAY))
        await admin.execute("ALTER TABLE decisions DETACH PARTITION decisions_2030_12 CONCURRENTLY")
        await log.record(decision(["new"], at=ENDS))
        with pytest.raises(LogUnavailable):
            await log.record(decision(["late"], at=ENDS - DAY))
    assert await placed(admin) == [("new", "decisions_2031_01")]
    assert await admin.fetchval("SELECT one FROM decisions_2030_12") == "old"
    with pytest.raises(asyncpg.RestrictViolationError):
        await admin.execute("DELETE FROM decisions_2030_12")


async def test_outcomes_are_kept_as_they_are_packed(admin: asyncpg.Connection) -> None:
    """They are compressed already: PostgreSQL does not try again, in any month."""
    await admin.execute("SELECT make_month_of_decisions('2031-01-01')")
    storage = await admin.fetch(
        "SELECT attstorage FROM pg_attribute WHERE attname = 'outcomes'"
        " AND attrelid IN ('decisions'::regclass, 'decisions_2031_01'::regclass)"
    )
    assert [row[0] for row in storage] == [b"e", b"e"]
