"""What has to be done again and again: forgetting who was erased, discarding what is old.

Any number of processes may run the chores over one database; one of them does them at a time.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Self

from service.db.engine import Database, connect
from service.domain.instant import Instant
from service.ledger.head import HeadReader
from service.rights.destroying import HOLDS_DEAD_ROWS
from service.rights.discarding import Discarders, discard_what_is_old
from service.rights.forgetting import Forgetters, forget_erased

_log = logging.getLogger(__name__)

_LOOKS_EVERY: Final = 60
_ENDS_WITHIN: Final = 5
"""Seconds."""

# Any two numbers that nothing else here locks by.
_MINE_ALONE: Final = "SELECT pg_try_advisory_lock(9, 1)"


@dataclass(slots=True)
class Chores:
    """Does them once a minute, by the ledger's clock; never while that is not to be believed.

    async with Chores(database, heads, forgetters, discarders): ...

    What goes wrong is a line in the log and tried again.
    """

    database: Database
    heads: HeadReader
    forgetters: Forgetters
    discarders: Discarders
    _task: asyncio.Task[None] | None = field(default=None)
    _soon: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    async def __aenter__(self) -> Self:
        """Start."""
        self._task = asyncio.create_task(self._run(), name="fermata-chores")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, if need be in the middle of it: all of it can be taken up again."""
        self._stopping = True
        self._soon.set()
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ENDS_WITHIN):
                    await self._task

    def soon(self) -> None:
        """Look at once: somebody was erased just now."""
        self._soon.set()

    async def look(self) -> None:
        """Do what there is to do now, unless somebody else is at it. Raises whatever stops it."""
        async with self._alone() as alone:
            now = await self._time()
            if not alone or now is None:
                return
            if await forget_erased(self.database, self.forgetters, now):
                await self._vacuum()
            await discard_what_is_old(self.database, self.discarders, now)

    async def _run(self) -> None:
        while not await self._stops():
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
                _log.warning("what is old or erased is not all gone yet: %s", type(error).__name__)

    async def _stops(self) -> bool:
        """Rest until it is time to look, or to stop, and tell which."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOKS_EVERY):
                await self._soon.wait()
        self._soon.clear()
        return self._stopping

    async def _time(self) -> Instant | None:
        head = await self.heads.read()
        return head.now if self.heads.ledger_clock.agrees else None

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        connection = await connect(self.database.url, writable=True)
        try:
            yield await connection.fetchval(_MINE_ALONE)
        finally:
            await connection.close()

    async def _vacuum(self) -> None:
        """Free what rows of the erased have left in the tables, so that it can be overwritten."""
        connection = await connect(self.database.url, writable=True)
        try:
            for table in HOLDS_DEAD_ROWS:
                await connection.execute(f"VACUUM (TRUNCATE false) {table}")
        finally:
            await connection.close()
