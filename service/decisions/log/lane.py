"""One connection over which rows are written in groups: one commit serves all that wait for it."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg

from service.db.engine import LOCALLY_ONLY, connect
from service.decisions.log import months
from service.decisions.log.copying import COLUMNS, HEADER, TABLE, TRAILER
from service.decisions.log.row import LogUnavailable
from service.domain.instant import Instant

LARGEST_GROUP: Final = 500
LARGEST_GROUP_BYTES: Final = 4 << 20
_SHUTTING_DOWN: Final = "the service is shutting down"


class _Waiting:
    """A row, and what its writer waits for."""

    __slots__ = ("answered_at", "durable", "row")

    def __init__(self, row: bytes, answered_at: Instant, durable: asyncio.Future[None]) -> None:
        self.row = row
        self.answered_at = answered_at
        self.durable = durable


class Lane:
    """Takes rows, and says of each when it is durable."""

    def __init__(self, url: str, *, timeout: float) -> None:
        """Take the database's address; `timeout` in seconds bounds every write."""
        self._url = url
        self._timeout = timeout
        self._waiting: deque[_Waiting] = deque()
        self._news = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._months = months.Months()
        self._unconfirmed = False
        self._task: asyncio.Task[None] | None = None

    def start(self, name: str) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name=name)

    async def stop(self) -> None:
        """Stop it. What still waits was not answered and is not logged."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        _fail(self._waiting, _SHUTTING_DOWN)
        self._waiting.clear()
        self._disconnect()

    def require_running(self) -> None:
        """Return if rows are being written. Raises LogUnavailable."""
        if self._task is None or self._task.done():
            message = "the decision log does not run"
            raise LogUnavailable(message)

    async def write(self, row: bytes, answered_at: Instant) -> None:
        """Return once the row is durable. Raises LogUnavailable where nobody knows that it is."""
        self.require_running()
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(row, answered_at, durable))
        self._news.set()
        await durable

    async def _run(self) -> None:
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            group = self._next_group()
            try:
                await self._write(group)
            except asyncio.CancelledError:
                _fail(group, _SHUTTING_DOWN)
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, it is not durable
                self._disconnect()
                _fail(group, "the decision could not be logged", error)
            else:
                for one in group:
                    if not one.durable.done():
                        one.durable.set_result(None)

    def _next_group(self) -> list[_Waiting]:
        """Take what waits, up to a size that the next ones need not wait for long."""
        group: list[_Waiting] = []
        size = 0
        while self._waiting and len(group) < LARGEST_GROUP and size < LARGEST_GROUP_BYTES:
            one = self._waiting.popleft()
            if not one.durable.done():  # whoever has gone away is not answered
                group.append(one)
                size += len(one.row)
        return group

    async def _write(self, group: list[_Waiting]) -> None:
        if not group:
            return
        async with asyncio.timeout(self._timeout):
            connection = self._connection
            if connection is None or connection.is_closed():
                connection = await self._connect()
            await self._months.make_ahead(connection, group[-1].answered_at)
            self._unconfirmed = False
            try:
                await _copy(connection, group)
            except asyncpg.CheckViolationError as error:
                if not months.is_missing(error):
                    raise
                await months.make(connection, {one.answered_at for one in group})
                await _copy(connection, group)
        if self._unconfirmed:
            message = "the standby has not confirmed the decisions"
            raise LogUnavailable(message)

    async def _connect(self) -> asyncpg.Connection:
        connection = self._connection = await connect(self._url, writable=True)
        connection.add_log_listener(self._heed)
        self._months = months.Months()
        return connection

    def _heed(self, _connection: object, message: Any) -> None:
        """Take "committed locally, but might not have been replicated" for what it is."""
        self._unconfirmed = self._unconfirmed or message.sqlstate == LOCALLY_ONLY

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def _copy(connection: asyncpg.Connection, group: list[_Waiting]) -> None:
    """Write a group. Outside of a block this is a transaction of its own, committed at its end."""

    async def rows() -> AsyncIterator[bytes]:
        yield b"".join((HEADER, *(one.row for one in group), TRAILER))

    await connection.copy_to_table(TABLE, source=rows(), columns=COLUMNS, format="binary")


def _fail(
    group: "deque[_Waiting] | list[_Waiting]", message: str, cause: BaseException | None = None
) -> None:
    for one in group:
        if not one.durable.done():
            failure = LogUnavailable(message)
            failure.__cause__ = cause
            one.durable.set_exception(failure)
