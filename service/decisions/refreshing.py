"""Compiling in the background what events made stale, so that few checks have to."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from service.clock import Clock
from service.decisions.follower import Follower
from service.decisions.index import Index
from service.domain.instant import SECOND

_log = logging.getLogger(__name__)

_REST: Final = 2
"""Times as long as a slice took, nothing is compiled: everybody else comes first."""

_IDLE_SECONDS: Final = 1.0


@asynccontextmanager
async def refreshed(index: Index, follower: Follower, clock: Clock) -> AsyncIterator[None]:
    """Keep the index compiled, in slices between which everybody else has their turn."""
    task = asyncio.create_task(_refresh(index, follower, clock), name="fermata-refresh")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _refresh(index: Index, follower: Follower, clock: Clock) -> None:
    with follower.subscribe() as news:
        try:
            while True:
                began = clock.monotonic()
                if index.refresh():
                    await asyncio.sleep(_REST * (clock.monotonic() - began) / SECOND)
                else:
                    await news.wait(_IDLE_SECONDS)
        except Exception:  # noqa: BLE001 - whatever it was, no answer rests on it
            _log.exception("nothing is compiled ahead any more; checks compile what they ask about")
