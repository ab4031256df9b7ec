"""The ledger's head and its clock, as a strong check learns them."""

import asyncio
import contextlib
from dataclasses import dataclass

import asyncpg

from service.clock import Clock
from service.db.engine import connect
from service.domain.instant import Duration, Instant, to_instant
from service.ledger.ledger_clock import LedgerClock

_HEAD = "SELECT size, recorded_at, clock_timestamp() FROM ledger_head"


class HeadUnknown(Exception):  # noqa: N818 - "cannot tell" is an outcome of its own
    """The ledger's head could not be learnt. Nothing may be permitted on its account."""


@dataclass(frozen=True, slots=True)
class Head:
    """The ledger's size and time at one moment after the question was asked."""

    size: int
    now: Instant


@dataclass(frozen=True, slots=True)
class LedgerTime:
    """The ledger's time now, by the monotonic clock since the last head, and whether to trust it.

    `agrees` is False while the ledger's clock and this machine's are further apart than allowed;
    `age` is how long ago the head was learnt.
    """

    now: Instant
    agrees: bool
    age: Duration


class HeadReader:
    """Asks the primary for the head, once for all who wait at that moment.

    Whoever asks while a question is in flight waits for the next one: the answer to a question
    sent before they asked could be older than what they must see.
    """

    def __init__(
        self, url: str, clock: Clock, *, timeout: float, max_disagreement: Duration
    ) -> None:
        """Take the database's address; `timeout` in seconds bounds every question."""
        self._url = url
        self._clock = clock
        self._timeout = timeout
        self.ledger_clock = LedgerClock(clock, max_disagreement)
        """Whether the database's clock is to be believed."""
        self._connection: asyncpg.Connection | None = None
        self._waiting: asyncio.Future[Head] | None = None
        self._task: asyncio.Task[None] | None = None
        self._learnt: tuple[Head, int] | None = None
        self._believed: tuple[Instant, int] | None = None

    async def read(self) -> Head:
        """Return a head learnt after this call started. Raises HeadUnknown."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._ask(), name="fermata-head")
        return await asyncio.shield(self._waiting)

    def time(self) -> LedgerTime:
        """Return the ledger's time as it runs on since the last head. Raises HeadUnknown."""
        if self._learnt is None:
            message = "the ledger's clock has not been read yet"
            raise HeadUnknown(message)
        head, monotonic = self._learnt
        age = self._clock.monotonic() - monotonic
        return LedgerTime(head.now + age, self.ledger_clock.agrees, age)

    async def close(self) -> None:
        """Give up the connection; whoever still waits for a head is told that there is none."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            _fail(waiting, asyncio.CancelledError())
        await self._disconnect()

    async def _ask(self) -> None:
        while (waiting := self._waiting) is not None:
            self._waiting = None
            try:
                head = await asyncio.wait_for(self._query(), self._timeout)
            except asyncio.CancelledError as error:
                _fail(waiting, error)
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, the head is not known
                await self._disconnect()
                _fail(waiting, error)
            else:
                waiting.set_result(head)

    async def _query(self) -> Head:
        if self._connection is None:
            self._connection = await connect(self._url, writable=True)
        row = await self._connection.fetchrow(_HEAD)
        if row is None:
            message = "the ledger has no head: run `fermata migrate`"
            raise HeadUnknown(message)
        head = Head(row[0], self._judge(said=to_instant(row[2]), recorded_at=to_instant(row[1])))
        # Counted from the answer on: no window ends at an instant in the ledger's future.
        self._learnt = (head, self._clock.monotonic())
        return head

    def _judge(self, *, said: Instant, recorded_at: Instant) -> Instant:
        """Return the ledger's time: what its clock says, unless that cannot be believed.

        Time that was given once is never taken back, nor what is recorded undone by a clock that
        steps back. While the clock is not believed, time runs on from when it was.
        """
        monotonic = self._clock.monotonic()
        before, passed = self._believed or (said, monotonic)
        if not self.ledger_clock.observe(said, recorded_at):
            return max(recorded_at, before + monotonic - passed)
        now = max(said, recorded_at, before)
        self._believed = (now, monotonic)
        return now

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _fail(waiting: asyncio.Future[Head], error: BaseException) -> None:
    failure = HeadUnknown("the ledger's head cannot be read from the database")
    failure.__cause__ = error
    waiting.set_exception(failure)
    waiting.exception()  # those who gave up waiting need no warning
