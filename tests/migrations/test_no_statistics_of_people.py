"""What the planner knew of people is forgotten, and nothing is written anew for it."""

import asyncio
from typing import Final

from alembic import command

from service.db.migrate import config
from tests.ledger.writing import connected

BEFORE, AFTER = "0010", "0011"
_KNOWN: Final = """
SELECT attname, most_common_vals::text || histogram_bounds::text FROM pg_stats
WHERE tablename = 'artists'
"""
_FILE: Final = "SELECT pg_relation_filenode('artists')"


async def analysed(url: str) -> tuple[dict[str, str | None], int]:
    """Return what the planner's statistics hold about artists, and the file that the table is."""
    async with connected(url) as connection:
        await connection.execute("ANALYZE")
        known = {row[0]: row[1] for row in await connection.fetch(_KNOWN)}
        return known, await connection.fetchval(_FILE)


async def register(url: str) -> None:
    """Let there be artists, as every release writes them."""
    async with connected(url) as connection:
        await connection.execute("SET session_replication_role = 'replica'")
        columns = "subject, artist_id, name, revision, registered_at"
        await connection.execute(
            f"INSERT INTO artists ({columns}) SELECT n, 'id-' || n, 'name', n, now()"
            " FROM generate_series(1, 5) n"
        )


def test_what_was_known_of_people_is_forgotten(empty_database_url: str) -> None:
    """The statistics that there were go as well, and their tables stay the files that they are."""
    command.upgrade(config(empty_database_url), BEFORE)
    asyncio.run(register(empty_database_url))
    known, file = asyncio.run(analysed(empty_database_url))
    assert {"artist_id", "name", "subject"} <= set(known)
    command.upgrade(config(empty_database_url), AFTER)
    left, same = asyncio.run(analysed(empty_database_url))
    assert set(known) - set(left) == {"artist_id", "name"}
    assert same == file
