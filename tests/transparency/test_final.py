"""What was published stays: the database refuses to edit it, even for the owner of the tables."""

import asyncpg
import pytest

from tests.ledger.writing import connected
from tests.transparency.logs import ORIGIN, grow, signing

ROWS = {
    "ledger_tiles": "hashes",
    "ledger_checkpoints": "note",
    "ledger_cosignatures": "line",
}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {table} SET {column} = {column}",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "INSERT INTO {table} TABLE {table} ON CONFLICT ({key}) DO UPDATE SET {column} = NULL",
    ],
)
async def test_what_is_published_is_not_changed(database_url: str, change: str) -> None:
    """Tiles, checkpoints, cosignatures: they are added to, and nothing else."""
    await grow(database_url, 256)
    async with signing(database_url), connected(database_url) as owner:
        await owner.execute(
            "INSERT INTO ledger_cosignatures VALUES ($1, 256, 'w', 'line', now())", ORIGIN
        )
        for table, column in ROWS.items():
            key = await owner.fetchval(
                "SELECT string_agg(attname, ', ') FROM pg_index JOIN pg_attribute"
                " ON attrelid = indrelid AND attnum = ANY (indkey)"
                " WHERE indisprimary AND indrelid = $1::text::regclass",
                table,
            )
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await owner.execute(change.format(table=table, column=column, key=key))
            assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 1
