"""What the decision log holds, read in the database itself."""

import asyncio

import asyncpg


def logged_decisions(database_url: str) -> int:
    """Return how many decisions are in the log: one row each."""

    async def count() -> int:
        connection = await asyncpg.connect(database_url)
        try:
            rows: int = await connection.fetchval("SELECT count(*) FROM decisions")
            return rows
        finally:
            await connection.close()

    return asyncio.run(count())


def without_fsync(database_url: str, *, off: bool) -> None:
    """Let PostgreSQL lie about what is on the disk, or no longer; it asks for no restart."""

    async def switch() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(
                "ALTER SYSTEM SET fsync = off" if off else "ALTER SYSTEM RESET fsync"
            )
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()

    asyncio.run(switch())
