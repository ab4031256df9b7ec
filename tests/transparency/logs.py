"""Ledgers of any size, signers over them, and what a superuser could do to them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from service.clock import SystemClock
from service.db.engine import Database
from service.ledger.append import LARGEST_GROUP
from service.transparency.identity import LogIdentity
from service.transparency.kept import KeptCheckpoint
from service.transparency.keys import SigningKey
from service.transparency.publication import Publication
from service.transparency.signer import Signer
from tests.ledger.writing import appending, connected, open_ledger, recording_only

ORIGIN: Final = "log.example/log"
KEY: Final = SigningKey(ORIGIN, bytes(range(32)))
IDENTITY: Final = LogIdentity(ORIGIN, KEY, (KEY.verifier(),))
NEVER: Final = 3_600.0
"""An interval in seconds that no test waits for: its signer looks when it is told to."""
_TABLES: Final = (
    "ledger",
    "ledger_head",
    "ledger_tiles",
    "ledger_checkpoints",
    "ledger_cosignatures",
)


async def grow(url: str, events: int) -> None:
    """Let a ledger grow by so many events, the opening one included where it is empty."""
    async with connected(url) as connection:
        size = await connection.fetchval("SELECT size FROM ledger_head")
    async with appending(url) as appender:
        if size == 0:
            await open_ledger(appender)
            events -= 1
        while events > 0:
            some = range(min(events, LARGEST_GROUP))
            await asyncio.gather(
                *(appender.submit(recording_only(f"use{size}.n{number}")) for number in some)
            )
            events -= len(some)


@asynccontextmanager
async def signing(
    url: str, folder: Path | None = None, identity: LogIdentity = IDENTITY, **more: Any
) -> AsyncIterator[Signer]:
    """Run a signer; as it starts it has looked once, and signed where little is to be read."""
    kept = None if folder is None else KeptCheckpoint(folder, identity.origin)
    async with (
        Database(url, pool_size=1) as database,
        Signer(
            database, identity, SystemClock(), **{"interval": NEVER, "kept": kept, **more}
        ) as signer,
    ):
        yield signer


@asynccontextmanager
async def published(url: str) -> AsyncIterator[Publication]:
    """Read the log as outsiders do."""
    async with Publication(url, ORIGIN) as publication:
        yield publication


async def entries_of(url: str) -> Sequence[bytes]:
    """Return every event's bytes, past the code that is tested."""
    async with connected(url) as connection:
        rows = await connection.fetch("SELECT leaf FROM ledger ORDER BY revision")
    return [row["leaf"] for row in rows]


async def checkpoints_of(url: str) -> list[str]:
    """Return every checkpoint that was published, oldest first."""
    async with connected(url) as connection:
        rows = await connection.fetch("SELECT note FROM ledger_checkpoints ORDER BY size")
    return [row["note"] for row in rows]


@asynccontextmanager
async def superuser(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect as somebody whom no trigger stops."""
    async with connected(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        yield connection


async def copy_of(url: str, to: str) -> None:
    """Remember a ledger's rows in tables of their own."""
    async with superuser(url) as database:
        for table in _TABLES:
            await database.execute(f"CREATE TABLE {to}_{table} AS TABLE {table}")


async def restore(url: str, to: str) -> None:
    """Put them back, as restoring a backup does."""
    async with superuser(url) as database, database.transaction():
        for table in _TABLES:
            await database.execute(f"DELETE FROM {table}")
            await database.execute(f"INSERT INTO {table} SELECT * FROM {to}_{table}")
