"""Connections that only read, all of them the same instant of the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import asyncpg

_DATABASE_EPOCH: Final = 946_684_800_000_000
"""2000-01-01T00:00:00Z, from which PostgreSQL counts."""
_SETTINGS: Final = {
    "application_name": "fermata verify",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "search_path": "public",
    "work_mem": "32MB",
    "jit": "off",
}
_CONNECT_SECONDS: Final = 10

Connection: TypeAlias = asyncpg.Connection


@asynccontextmanager
async def snapshot(url: str, exported: str | None = None) -> AsyncIterator[Connection]:
    """Open a transaction that reads one instant, that of another one where it has exported its.

    Times are read as whole microseconds since 1970, as the ledger counts.
    """
    plain = url.replace("postgresql+asyncpg://", "postgresql://", 1)
    connection = await asyncpg.connect(plain, timeout=_CONNECT_SECONDS, server_settings=_SETTINGS)
    try:
        await connection.set_type_codec(
            "timestamptz",
            schema="pg_catalog",
            format="tuple",
            encoder=_encoded,
            decoder=_decoded,
        )
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if exported is not None:
            await connection.execute(f"SET TRANSACTION SNAPSHOT '{exported}'")
        yield connection
    finally:
        connection.terminate()


async def export(connection: Connection) -> str:
    """Return the name by which other connections read the same instant, while this one lasts."""
    name: str = await connection.fetchval("SELECT pg_export_snapshot()")
    return name


async def has_table(connection: Connection, table: str) -> bool:
    """Tell whether there is such a table; an older release may not have had it."""
    there: bool = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table)
    return there


def _decoded(value: tuple[Any, ...]) -> int:
    instant: int = value[0] + _DATABASE_EPOCH
    return instant


def _encoded(instant: int) -> tuple[int]:
    return (instant - _DATABASE_EPOCH,)
