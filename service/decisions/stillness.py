"""When the index may move: long answers finish at one revision, and events wait for them.

Neither keeps the other out. While events wait, no further long answer begins.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Stillness:
    """Held by answers that pause, and asked for leave by whoever applies events."""

    def __init__(self) -> None:
        self._holders = 0
        self._moving: asyncio.Future[None] | None = None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep the index as it is for as long as the block lasts. Never hold it twice."""
        while self._moving is not None:
            await asyncio.shield(self._moving)
        self._holders += 1
        try:
            yield
        finally:
            self._let_go()

    async def leave_to_move(self) -> None:
        """Return when nobody holds the index. What follows without pause may change it."""
        while self._holders:
            if self._moving is None:
                self._moving = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._moving)

    def _let_go(self) -> None:
        self._holders -= 1
        if self._holders == 0 and self._moving is not None:
            self._moving.set_result(None)
            self._moving = None
