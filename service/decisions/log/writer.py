"""The log itself: every answer is durable before it leaves."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

import asyncpg

from service.db.engine import connect
from service.decisions.log.copying import copied_row
from service.decisions.log.lane import Lane
from service.decisions.log.packing import pack
from service.decisions.log.row import LoggedDecision, LogUnavailable

MOST_WAITING: Final = 20_000
"""Decisions that may wait for the log at once."""

MOST_IDS_WAITING: Final = 4_000_000
"""Ids in them all; beyond either bound nobody is answered rather than many after a long time."""

_FEW: Final = 512
"""Ids that are packed sooner than handed to another thread."""

_LONG: Final = 16_384
"""Bytes of a row that others do not wait behind."""

_PACKERS: Final = 2


class DecisionLog:
    """Writes decisions in groups: one commit serves all that wait at that moment.

    Long ones go over a connection of their own, so that short ones never wait behind them.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        """Take the database's address; `timeout` in seconds bounds every write."""
        self._url = url
        self._timeout = timeout
        self._short = Lane(url, timeout=timeout)
        self._long = Lane(url, timeout=timeout)
        self._packers = ThreadPoolExecutor(_PACKERS, thread_name_prefix="fermata-packer")
        self._waiting = 0
        self._ids_waiting = 0

    async def __aenter__(self) -> Self:
        """Start to write."""
        self._short.start("fermata-decision-log")
        self._long.start("fermata-decision-log-of-many")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it. What still waits was not answered and is not logged."""
        await self._short.stop()
        await self._long.stop()
        self._packers.shutdown(wait=False, cancel_futures=True)

    async def record(self, decision: LoggedDecision) -> None:
        """Return once the decision is durable. Raises LogUnavailable: then it must not be given.

        Its ids and answers must not change meanwhile.
        """
        self._short.require_running()
        number = len(decision.ids)
        self._admit(number)
        try:
            packed = await self._packed(decision, number)
            row = copied_row(decision, packed)
            lane = self._short if len(row) < _LONG else self._long
            await lane.write(row, decision.answered_at)
        finally:
            self._waiting -= 1
            self._ids_waiting -= number

    async def require_writable(self) -> None:
        """Return if decisions can be logged. Raises LogUnavailable.

        It asks on a connection of its own: the writer's is the writer's alone.
        """
        self._short.require_running()
        self._long.require_running()
        try:
            async with asyncio.timeout(self._timeout):
                probe = await connect(self._url, writable=True)
                await probe.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            message = "the decision log cannot be reached"
            raise LogUnavailable(message) from error

    def _admit(self, number: int) -> None:
        """Let a decision wait. Raises LogUnavailable where too many do already."""
        full = self._waiting >= MOST_WAITING
        if full or (self._waiting and self._ids_waiting + number > MOST_IDS_WAITING):
            message = "the decision log is too far behind"
            raise LogUnavailable(message)
        self._waiting += 1
        self._ids_waiting += number

    async def _packed(self, decision: LoggedDecision, number: int) -> bytes:
        if number <= _FEW:
            return pack(decision.ids, decision.answers)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._packers, pack, decision.ids, decision.answers)
