"""A commit that the standby has not confirmed is no commit: whoever takes over may not have it.

PostgreSQL itself makes one of it, with a warning, when a waiting commit is cancelled.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.db.embedded import EmbeddedPostgres
from service.db.migrate import upgrade
from service.ledger.append import AppenderDown, OutcomeUnknown
from tests.ledger.writing import appending, connected, kept, naming, open_ledger

_WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
async def url(scratch_dir: Path) -> AsyncIterator[str]:
    """Run a server of the test's own, for how commits wait is a setting of the whole server."""
    postgres = EmbeddedPostgres(scratch_dir / "postgres", {"fsync": "off"})
    try:
        started = await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(upgrade, started)
        yield started
    finally:
        await asyncio.to_thread(postgres.stop)


async def demand_a_standby(url: str) -> None:
    """Let every commit wait for a standby that is not there."""
    async with connected(url) as connection:
        await connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'elsewhere'")
        await connection.execute("SELECT pg_reload_conf()")
        while not await connection.fetchval("SHOW synchronous_standby_names"):
            pass


async def backend_that_waits(connection: asyncpg.Connection) -> int:
    """Return the backend whose commit waits for the standby, once there is one."""
    while (pid := await connection.fetchval(_WAITS)) is None:
        pass
    found: int = pid
    return found


async def test_a_commit_that_is_not_confirmed_stops_the_writing(url: str) -> None:
    """Its outcome is unknown, those behind it have not happened, and no other write is taken."""
    async with appending(url) as appender, connected(url) as connection:
        await open_ledger(appender)
        await demand_a_standby(url)
        first = asyncio.create_task(appender.submit(naming("u0")))
        waiting = await backend_that_waits(connection)
        behind = [asyncio.create_task(appender.submit(naming(f"u{n}"))) for n in (1, 2)]
        await asyncio.sleep(0)
        assert not first.done()
        assert (await kept(url)).size == 1  # nor does anybody else see it

        await connection.execute("SELECT pg_cancel_backend($1)", waiting)
        with pytest.raises(OutcomeUnknown, match="standby"):
            await first
        for one in behind:
            with pytest.raises(AppenderDown):
                await one
        with pytest.raises(AppenderDown):
            await appender.submit(naming("u3"))
    assert (await kept(url)).size == 2  # committed locally: that is the trap
