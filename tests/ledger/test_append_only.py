"""The database itself refuses to edit what is final, even for the owner of the tables."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.catalog.artists import ArtistRow, register_artists
from service.catalog.content import ContentRow, put_content
from service.domain.instant import SECOND
from service.domain.policy import Mode, PolicyDraft
from service.policies.publish import publish_policy
from tests.ledger.writing import appending, connected, open_ledger

FINAL = (
    "ledger",
    "ledger_batches",
    "policies",
    "policy_texts",
    "content_history",
    "decisions",
)
CHANGES = (
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
    "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {column} = NULL",
    "MERGE INTO {table} USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
)
_DECISION = "INSERT INTO decisions VALUES ('d', now(), now(), 4, 'c', 's', '{}', '')"


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect as the owner to a ledger with a row in every table that is final."""
    recommendation = PolicyDraft(
        "discovery", Mode.OPT_OUT, frozenset({"internal"}), SECOND, {"en": "We recommend."}
    )
    async with appending(database_url) as appender:
        await open_ledger(appender)
        await appender.submit(publish_policy(recommendation))
        await appender.submit(register_artists([ArtistRow("ana")]))
        await appender.submit(put_content([ContentRow("t1", ("ana",))]))
    async with connected(database_url) as connection:
        await connection.execute(_DECISION)
        yield connection


async def columns(owner: asyncpg.Connection, table: str) -> tuple[str, str]:
    """Return the columns of the table's primary key, and the name of its last column."""
    key = await owner.fetchval(
        "SELECT string_agg(attname, ', ') FROM pg_index JOIN pg_attribute"
        " ON attrelid = indrelid AND attnum = ANY (indkey)"
        " WHERE indisprimary AND indrelid = $1::text::regclass",
        table,
    )
    last = await owner.fetchval(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass"
        " ORDER BY attnum DESC LIMIT 1",
        table,
    )
    return key, last


async def contents(owner: asyncpg.Connection) -> dict[str, list[str]]:
    """Return every row of every table that is final."""
    return {
        table: [row[0] for row in await owner.fetch(f"SELECT t::text FROM {table} t")]
        for table in (*FINAL, "ledger_head")
    }


async def test_what_is_final_is_not_changed(owner: asyncpg.Connection) -> None:
    """No UPDATE, DELETE, TRUNCATE, upsert or MERGE gets through on any of these tables."""
    before = await contents(owner)
    assert all(before.values())
    for table in FINAL:
        key, last = await columns(owner, table)
        for change in CHANGES:
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await owner.execute(change.format(table=table, key=key, column=last))
    assert await contents(owner) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_head SET size = size - 1",
        "UPDATE ledger_head SET size = 0, stack = ''",
        "UPDATE ledger_head SET stack = ''",
        "UPDATE ledger_head SET size = size + 1",  # and no later
        "UPDATE ledger_head SET size = size + 1, recorded_at = recorded_at - interval '1 second'",
        "DELETE FROM ledger_head",
        "TRUNCATE ledger_head",
    ],
)
async def test_the_head_never_goes_back(owner: asyncpg.Connection, change: str) -> None:
    """The head only grows, in size and in time, and is never removed."""
    before = await contents(owner)
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(change)
    assert await contents(owner) == before


async def test_there_is_one_head(owner: asyncpg.Connection) -> None:
    """A second head row, from which somebody else could number events, is not possible."""
    for number, error in ((1, asyncpg.UniqueViolationError), (2, asyncpg.CheckViolationError)):
        with pytest.raises(error):
            await owner.execute(f"INSERT INTO ledger_head VALUES ({number}, 9, '', now())")


async def test_an_event_is_numbered_and_timed_once(owner: asyncpg.Connection) -> None:
    """Two events never share a revision or an instant, whoever inserts them."""
    for revision, at in (("4", "now()"), ("9", "(SELECT max(recorded_at) FROM ledger)")):
        with pytest.raises(asyncpg.UniqueViolationError):
            await owner.execute(f"INSERT INTO ledger VALUES ({revision}, {at}, 'k', '', '')")
