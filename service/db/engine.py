"""Connections: read sessions and write sessions are different types."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine


class ReadSession(AsyncSession):
    """Reads one snapshot. The database refuses writes on it."""


class WriteSession(ReadSession):
    """Reads and writes. Only the ledger's appender opens one for a change that counts."""


def async_url(url: str) -> str:
    """Return the URL that SQLAlchemy's asyncpg dialect takes.

    Raises ValueError for anything but PostgreSQL, the only database.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        message = "DATABASE_URL has to be postgresql://user:password@host:port/database"
        raise ValueError(message)
    return parsed.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def plain_url(url: str) -> str:
    """Return the URL that asyncpg itself takes."""
    parsed = make_url(async_url(url)).set(drivername="postgresql")
    return parsed.render_as_string(hide_password=False)


async def connect(url: str, *, writable: bool = False) -> asyncpg.Connection:
    """Open one plain connection, for the paths that touch no table model.

    `writable` insists on the primary: a standby may be behind what was acknowledged.
    """
    target = "read-write" if writable else "any"
    return await asyncpg.connect(plain_url(url), timeout=10, target_session_attrs=target)


class Database:
    """The pools of one process over one PostgreSQL."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        """Take the address; nothing connects before it is needed."""
        self.url = url
        self._engine: AsyncEngine = create_async_engine(
            async_url(url), pool_size=pool_size, max_overflow=5, pool_pre_ping=True
        )

    async def __aenter__(self) -> Self:
        """Return itself; connections open as they are needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a session on one consistent snapshot that cannot write."""
        async with ReadSession(self._engine, expire_on_commit=False) as session:
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            yield session

    async def connection(self) -> AsyncConnection:
        """Open a connection that its holder keeps and closes."""
        return await self._engine.connect()


def write_session(connection: AsyncConnection) -> WriteSession:
    """Return a session on a held connection; the holder commits."""
    return WriteSession(connection, expire_on_commit=False)
