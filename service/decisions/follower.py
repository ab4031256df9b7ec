"""The follower: it feeds the index with the ledger's tail, and audits what it reads on the way."""

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Self

import asyncpg

from service.clock import Clock
from service.db.engine import connect
from service.decisions.index import Index
from service.decisions.named_events import named_event
from service.decisions.stillness import Stillness
from service.ledger.events import LedgerBroken
from service.ledger.head import HeadReader, HeadUnknown
from service.ledger.read import TailRow, tail_rows
from service.ledger.vault import Vault

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 100
_PATIENCE_SECONDS: Final = 10
_HEAD = "SELECT size, stack FROM ledger_head"
_PASSING: Final = (
    HeadUnknown,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
)
"""What goes away when the database is back, or is the primary again."""


class NotThereYet(Exception):  # noqa: N818 - names a state
    """The index has not reached the revision that the answer must not be older than."""


class News:
    """Wakes one who waits for events; they are not queued, only that there were some."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - a promise of this method
        """Return True once an event was taken in since the last time, False after `timeout`."""
        try:
            async with asyncio.timeout(timeout):
                await self.arrived.wait()
        except TimeoutError:
            return False
        self.arrived.clear()
        return True


class Follower:
    """Keeps one index at the ledger's tail. It never skips: a gap stops it for good."""

    def __init__(
        self,
        url: str,
        vault: Vault,
        index: Index,
        heads: HeadReader,
        clock: Clock,
        *,
        interval: float,
    ) -> None:
        """Take the database's address; `interval` in seconds is how often it looks by itself."""
        self._url = url
        self._vault = vault
        self._index = index
        self._heads = heads
        self._clock = clock
        self._interval = interval
        self._connection: asyncpg.Connection | None = None
        self._wake = asyncio.Event()
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._news: set[News] = set()
        self.stillness = Stillness()
        """Whoever holds it keeps the index at its revision."""
        self._task: asyncio.Task[None] | None = None
        self.broken: LedgerBroken | None = None
        """What is wrong with the ledger; while it is set nothing may be answered."""
        self.fresh_at: int | None = None
        """The monotonic instant at which the index was last known to hold all there was."""
        self.caught_up = asyncio.Event()
        """Set once the index has held all there was for the first time."""

    async def __aenter__(self) -> Self:
        """Start following."""
        self._task = asyncio.create_task(self._run(), name="fermata-follower")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._disconnect()

    def look(self) -> None:
        """Say that there is something new, so that it is fetched now."""
        self._wake.set()

    def require_whole(self) -> None:
        """Raise LedgerBroken once the ledger has been found to be, each time a new one.

        An exception that is raised again and again would keep every frame it has passed.
        """
        if self.broken is not None:
            raise LedgerBroken(*self.broken.args) from self.broken.__cause__

    @contextmanager
    def subscribe(self) -> Iterator[News]:
        """Hear of it when events are taken in, and when the ledger is found to be broken."""
        news = News()
        self._news.add(news)
        try:
            yield news
        finally:
            self._news.discard(news)

    async def reach(self, revision: int, *, timeout: float) -> None:  # noqa: ASYNC109 - a promise of this method
        """Return once the index holds `revision`. Raises NotThereYet, LedgerBroken."""
        self.require_whole()
        if self._index.revision >= revision:
            return
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (revision, id(arrived), arrived))
        self._wake.set()
        try:
            async with asyncio.timeout(timeout):
                await arrived
        except TimeoutError:
            self._forget_waiters()
            message = f"revision {revision} has not arrived here; this replica is behind"
            raise NotThereYet(message) from None
        self.require_whole()

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except LedgerBroken as broken:
                self._stop_for_good(broken)
                return
            except _PASSING as error:
                _log.warning("cannot follow the ledger, trying again: %s", error)
                await self._disconnect()
                await asyncio.sleep(max(self._interval, 0.1))
            except Exception as error:  # noqa: BLE001 - nobody foresaw it: the index may be wrong
                unknown = LedgerBroken(f"event {self._index.revision + 1} cannot be understood")
                unknown.__cause__ = error
                self._stop_for_good(unknown)
                return

    async def _follow(self) -> None:
        while True:
            self._wake.clear()
            asked_at = self._clock.monotonic()
            head = (await self._heads.read()).size
            if head < self._index.revision:
                message = f"the ledger went back from {self._index.revision} events to {head}"
                raise LedgerBroken(message)
            while self._index.revision < head:
                await self._fetch(head)
            self._tell_waiters()
            self.fresh_at = asked_at
            self.caught_up.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._wake.wait()

    async def _fetch(self, head: int) -> None:
        if self._connection is None:
            self._connection = await connect(
                self._url, writable=True, command_timeout=_PATIENCE_SECONDS
            )
        after = self._index.revision
        rows = await tail_rows(self._connection, after, limit=_AT_ONCE)
        if not rows:
            message = f"the ledger should hold {head} events and ends at {after}"
            raise LedgerBroken(message)
        await self._take(self._connection, rows)
        await self._compare_trees(self._connection)
        self._tell_waiters()
        self._spread_news()

    async def _take(self, connection: asyncpg.Connection, rows: Sequence[TailRow]) -> None:
        for row in rows:
            event, names = await named_event(connection, row, self._vault)
            await self.stillness.leave_to_move()
            try:
                self._index.take(event, names)
            except ValueError as error:
                raise LedgerBroken(str(error)) from error

    async def _compare_trees(self, connection: asyncpg.Connection) -> None:
        row = await connection.fetchrow(_HEAD)
        if row is None or row["size"] != self._index.revision:
            return
        if row["stack"] != self._index.range.to_bytes():
            message = f"the tree at revision {row['size']} is not that of the events read"
            raise LedgerBroken(message)

    def _tell_waiters(self) -> None:
        while self._waiters and self._waiters[0][0] <= self._index.revision:
            arrived = heapq.heappop(self._waiters)[2]
            if not arrived.done():
                arrived.set_result(None)

    def _spread_news(self) -> None:
        for news in self._news:
            news.arrived.set()

    def _forget_waiters(self) -> None:
        """Let go of those who have given up: revisions that never come can be asked for."""
        self._waiters = [waiter for waiter in self._waiters if not waiter[2].done()]
        heapq.heapify(self._waiters)

    def _stop_for_good(self, broken: LedgerBroken) -> None:
        message = "the ledger cannot be trusted, nothing is answered from it: %s"
        _log.critical(message, broken, exc_info=broken.__cause__)
        self.broken = broken
        self._spread_news()
        for _, _, arrived in self._waiters:
            if not arrived.done():
                arrived.set_result(None)
        self._waiters.clear()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
