"""What every connection of ours is, and what the database itself refuses on all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.catalog.artists import ArtistRow, register_artists
from service.catalog.content import ContentRow, put_content
from service.db import engine
from service.db.engine import Database, connect
from service.db.migrate import needs_upgrade, upgrade
from service.domain.instant import SECOND
from service.domain.policy import Mode, PolicyDraft
from service.policies.publish import publish_policy
from tests.ledger.writing import appending, connected, open_ledger

SECRET: Final = "what an artist said"
_OURS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'fermata' AND state LIKE $1
"""


async def settings_of(url: str, name: str) -> list[Any]:
    """Return a setting as the pool's readers, its holders and plain connections have it."""
    found = []
    async with Database(url, pool_size=1) as database:
        async with database.read() as session:
            found.append(await session.scalar(text(f"SHOW {name}")))
        held = await database.connection()
        found.append(await held.scalar(text(f"SHOW {name}")))
        await held.close()
    for writable in (False, True):
        connection = await connect(url, writable=writable)
        found.append(await connection.fetchval(f"SHOW {name}"))
        await connection.close()
    return found


@asynccontextmanager
async def set_by_default(url: str, setting: str) -> AsyncIterator[None]:
    """Let a setting be the role's default in this database."""
    async with connected(url) as database:
        await database.execute(
            "DO $$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I SET "
            f"{setting}', current_user, current_database()); END $$"
        )
    yield


@pytest.mark.parametrize("query", ["sslmode=prefer", "sslmode=disable", "application_name=mine"])
async def test_an_address_may_carry_what_libpq_takes(database_url: str, query: str) -> None:
    """The pools and the plain connections read the same address in the same way."""
    url = f"{database_url}{'&' if '?' in database_url else '?'}{query}"
    (name,) = set(await settings_of(url, "application_name"))
    assert name == "fermata"


async def test_the_same_address_is_migrated(database_url: str) -> None:
    """`fermata migrate` takes the address that the service takes."""
    url = f"{database_url}{'&' if '?' in database_url else '?'}sslmode=prefer"
    await asyncio.to_thread(upgrade, url)
    assert not await needs_upgrade(url)


async def test_a_commit_is_durable_whatever_the_roles_default(database_url: str) -> None:
    """A role that does not wait for the disk is made to; one that waits for more still does."""
    for default, ours in (("off", "on"), ("remote_apply", "remote_apply"), ("on", "on")):
        async with set_by_default(database_url, f"synchronous_commit = {default}"):
            async with connected(database_url) as other:
                assert await other.fetchval("SHOW synchronous_commit") == default
            assert set(await settings_of(database_url, "synchronous_commit")) == {ours}


async def test_durability_outlives_the_return_to_the_pool(database_url: str) -> None:
    """The second and every later use of a pooled connection is as durable as the first."""
    async with (
        set_by_default(database_url, "synchronous_commit = off"),
        Database(database_url, pool_size=1) as database,
    ):
        for _ in range(3):
            async with database.read() as session:
                assert await session.scalar(text("SHOW synchronous_commit")) == "on"


async def test_nobody_holds_a_transaction_open_for_long(database_url: str) -> None:
    """Whoever stops in the middle of one is cut off by the server, after seconds."""
    for found in await settings_of(database_url, "idle_in_transaction_session_timeout"):
        assert found == "15s"


async def test_an_error_does_not_carry_what_it_was_about(database_url: str) -> None:
    """It ends in a log, where nothing that an artist said may be."""
    async with Database(database_url) as database, database.read() as session:
        with pytest.raises(DBAPIError) as caught:
            await session.execute(text("SELECT 1 / 0 WHERE :said <> ''"), {"said": SECRET})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


CHANGED: Final = {
    "charter": "platform = 'Other'",
    "notices": "announced_at = now()",
    "deliveries": "closes_at = now()",
}


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect as the owner to a ledger with a row in each of these tables."""
    terms = PolicyDraft("discovery", Mode.OPT_OUT, frozenset({"internal"}), SECOND, {"en": "A"})
    async with appending(database_url) as appender:
        await open_ledger(appender)
        await appender.submit(publish_policy(terms))
        await appender.submit(register_artists([ArtistRow("ana")]))
        await appender.submit(put_content([ContentRow("song", ("ana",))]))
    async with connected(database_url) as database:
        await database.execute(
            "INSERT INTO deliveries SELECT 'n', subject, 'email', now(), now(), 1 FROM artists"
        )
        yield database


@pytest.mark.parametrize("table", CHANGED)
async def test_what_was_told_to_artists_is_never_rewritten(
    owner: asyncpg.Connection, table: str
) -> None:
    """Terms, announcements and the ends of windows are read from these rows."""
    before = await owner.fetch(f"SELECT * FROM {table}")
    assert before
    for change in (
        f"UPDATE {table} SET {CHANGED[table]}",
        f"UPDATE {table} SET {CHANGED[table]} WHERE false",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(change)
    assert await owner.fetch(f"SELECT * FROM {table}") == before


_FAR: Final = "UPDATE ledger_head SET size = {size}, recorded_at = now() + interval '1 day'"


@pytest.mark.parametrize("size", ["size + 1", "size + 1000000", "9223372036854775807"])
async def test_the_head_is_never_beyond_the_events(owner: asyncpg.Connection, size: str) -> None:
    """A head that counts events which are not there would stop every replica."""
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(_FAR.format(size=size))


async def test_the_head_of_an_empty_ledger_stays_at_nothing(database_url: str) -> None:
    """Where there is no event at all, either."""
    async with connected(database_url) as database:
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(_FAR.format(size="size + 1"))


async def test_what_an_artist_said_can_be_erased_but_not_rewritten(
    owner: asyncpg.Connection,
) -> None:
    """Answers about the past rest on these rows; only erasing a person may take them away."""
    await owner.execute(
        "INSERT INTO consents (revision, subject, answer, use, recorded_at, actor, acting_as,"
        " channel, shown)"
        " SELECT 5, subject, 'opt_out', '*', now(), 'ana', 'artist', 'email', '{}' FROM artists"
    )
    for change in ("UPDATE consents SET answer = 'opt_in'", "TRUNCATE consents"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(change)
    assert await owner.fetchval("SELECT answer FROM consents") == "opt_out"
    await owner.execute("DELETE FROM consents")


@pytest.mark.parametrize("pooled", [False, True])
async def test_who_goes_away_while_a_connection_opens_does_not_leave_it_open(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, pooled: bool
) -> None:
    """Nobody would ever close it: the database would run out of them."""
    monkeypatch.setattr(engine, "_DURABLE", "SELECT pg_sleep(0.2)")
    async with Database(database_url) as database, connected(database_url) as watcher:

        async def wait_for(number: int, state: str) -> None:
            async with asyncio.timeout(10):
                while await watcher.fetchval(_OURS, state) != number:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.01)

        opening = asyncio.ensure_future(database.connection() if pooled else connect(database_url))
        await wait_for(1, "active")
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert opening.cancelled()
        await wait_for(0, "%")
