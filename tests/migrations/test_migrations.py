"""Migrations: up, down and up again on an empty database; never down over anything that happened.

That there is one head and that the models agree with it is `tools/check_migrations.py`'s to see.
"""

import asyncio
from typing import Final

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from service.db.migrate import config, upgrade
from tests.ledger.writing import appending, connected, open_ledger

# Everything in the database that is not PostgreSQL's own nor Alembic's, each as one line.
_SCHEMA: Final = """
SELECT format('%s %s.%s', c.relkind, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'private') AND c.relname NOT LIKE 'alembic%'
UNION ALL
SELECT format('column %s %s %s %s %s', a.attrelid::regclass,
              row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attname,
              format_type(a.atttypid, a.atttypmod), a.attnotnull)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'private') AND a.attnum > 0 AND NOT a.attisdropped
    AND c.relname NOT LIKE 'alembic%'
UNION ALL
SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(o.oid))
FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace
WHERE n.nspname IN ('public', 'private') AND conname NOT LIKE 'alembic%'
UNION ALL
SELECT format('trigger %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT format('function %s', pg_get_functiondef(p.oid))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('public', 'private')
UNION ALL
SELECT format('schema %s', nspname) FROM pg_namespace
WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('public', 'information_schema')
ORDER BY 1
"""


def schema(url: str) -> list[str]:
    """Return what there is in a database."""

    async def read() -> list[str]:
        async with connected(url) as connection:
            return [row[0] for row in await connection.fetch(_SCHEMA)]

    return asyncio.run(read())


def revisions() -> list[str]:
    """Return every migration, oldest first."""
    script = ScriptDirectory.from_config(config())
    return [one.revision for one in script.walk_revisions()][::-1]


def test_every_migration_goes_up_and_down_and_up_again(empty_database_url: str) -> None:
    """One step at a time; each way down leads back to exactly what was there before."""
    settings = config(empty_database_url)
    there = [schema(empty_database_url)]
    for revision in revisions():
        command.upgrade(settings, revision)
        there.append(schema(empty_database_url))
    assert there[0] == []
    for number, revision in reversed(list(enumerate(["base", *revisions()]))[:-1]):
        command.downgrade(settings, revision)
        assert schema(empty_database_url) == there[number]
    upgrade(empty_database_url)
    assert schema(empty_database_url) == there[-1]


def test_a_database_that_is_up_to_date_is_left_alone(database_url: str) -> None:
    """Running the migrations again changes nothing, whatever the ledger holds."""
    asyncio.run(open_the_ledger(database_url))
    before = schema(database_url)
    upgrade(database_url)
    assert schema(database_url) == before
    assert asyncio.run(events(database_url)) == 1


def test_a_ledger_that_holds_events_is_not_dropped(database_url: str) -> None:
    """The way down ends before the first of its tables is gone."""
    asyncio.run(open_the_ledger(database_url))
    command.downgrade(config(database_url), "0001")
    before = schema(database_url)
    with pytest.raises(DBAPIError, match="this ledger holds events"):
        command.downgrade(config(database_url), "base")
    assert schema(database_url) == before
    assert asyncio.run(events(database_url)) == 1


async def test_a_migration_gives_up_rather_than_wait_behind_somebody(database_url: str) -> None:
    """A lock that somebody holds on the ledger makes it fail soon, with nothing half done."""
    async with connected(database_url) as other, other.transaction():
        await other.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DBAPIError, match="lock timeout"):
            await asyncio.to_thread(command.downgrade, config(database_url), "base")
    await asyncio.to_thread(upgrade, database_url)
    assert await events(database_url) == 0


async def open_the_ledger(url: str) -> None:
    """Let something happen."""
    async with appending(url) as appender:
        await open_ledger(appender)


async def events(url: str) -> int:
    """Return how many events there are."""
    connection: asyncpg.Connection
    async with connected(url) as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM ledger")
    return count
