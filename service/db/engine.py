"""Connections: read sessions and write sessions are different types."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Self

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


LOCALLY_ONLY: Final = "01000"
"""The warning that a commit may not have reached the standby that it should have waited for."""

_SERVER_SETTINGS: Final = {
    "application_name": "fermata",
    # Whoever stops in the middle of a transaction, holding the head row, must not stop everybody.
    "idle_in_transaction_session_timeout": "15s",
    # What is written out as text is the same whatever a database, a role or a machine is set to.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_DURABLE: Final = """
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off'
"""
_SILENCE: Final = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 25_000,
}


async def connect(
    url: str,
    *,
    writable: bool = False,
    command_timeout: float | None = None,
    ahead: int | None = None,
) -> asyncpg.Connection:
    """Open one plain connection, for the paths that touch no table model.

    `writable` insists on the primary: a standby may be behind what was acknowledged. A commit on it
    is durable whatever the role's default says. `command_timeout` in seconds bounds each statement;
    a peer that falls silent is noticed by the operating system. `ahead` in bytes bounds what lies
    here unread: the database waits while there is more.
    """
    connection = await asyncpg.connect(
        plain_url(url),
        timeout=10,
        command_timeout=command_timeout,
        target_session_attrs="read-write" if writable else "any",
        server_settings=_SERVER_SETTINGS,
    )
    try:
        _set_up(connection, ahead)
        await connection.execute(_DURABLE)
    except BaseException:  # whoever goes away in between would leave it open
        connection.terminate()
        raise
    return connection


def own_port(connection: asyncpg.Connection) -> int:
    """Return the port that our end of a connection has; 0 where it has none (a local socket)."""
    peer = _socket_of(connection)
    return 0 if peer is None or peer.family == socket.AF_UNIX else int(peer.getsockname()[1])


def _socket_of(connection: asyncpg.Connection) -> socket.socket | None:
    found: socket.socket | None = connection._transport.get_extra_info("socket")  # noqa: SLF001 - it is shown nowhere else
    return found


def _set_up(connection: asyncpg.Connection, ahead: int | None) -> None:
    peer = _socket_of(connection)
    if peer is None:
        return
    if ahead is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ahead)
    if peer.family != socket.AF_UNIX:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _SILENCE.items():
            if hasattr(socket, name):  # not every system has each of them
                peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Database:
    """The pools of one process over one PostgreSQL."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        """Take the address; nothing connects before it is needed."""
        self.url = url
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(connect, url, writable=True),
            pool_size=pool_size,
            max_overflow=5,
            pool_pre_ping=True,
            hide_parameters=True,  # an error must not carry what an artist said into a log
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

    @asynccontextmanager
    async def keep(self) -> AsyncIterator[WriteSession]:
        """Open a session for what is no part of the ledger and changes no answer.

        What it wrote is durable when the block has ended without an error, and undone otherwise.
        """
        async with WriteSession(self._engine, expire_on_commit=False) as session:
            yield session
            await session.commit()

    async def connection(self) -> AsyncConnection:
        """Open a connection that its holder keeps and closes."""
        return await self._engine.connect()


def write_session(connection: AsyncConnection) -> WriteSession:
    """Return a session on a held connection; the holder commits."""
    return WriteSession(connection, expire_on_commit=False)
