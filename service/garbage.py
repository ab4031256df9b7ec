"""What the garbage collector is spared: a large index that stays, walked in every full collection.

A cycle that is frozen and dies later is never collected. Little is: whatever lives only as long as
a request has gone before the collector has walked for so long.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from service.clock import Clock
from service.domain.instant import SECOND, Duration

_LONG_WALK: Final[Duration] = SECOND // 50
"""A walk through so much is worth being spared from now on: some 200,000 objects."""


class _Sparing:
    """Freezes whatever has survived a full collection that took long: the index has grown by it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = 0

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        """Hear of a collection, as `gc.callbacks` tell of it."""
        if info["generation"] < len(gc.get_threshold()) - 1:
            return
        if phase == "start":
            self._began = self._clock.monotonic()
        elif self._clock.monotonic() - self._began > _LONG_WALK:
            gc.freeze()


@asynccontextmanager
async def spared_from_collection(loaded: asyncio.Event, clock: Clock) -> AsyncIterator[None]:
    """Keep the collector from walking the index again and again, once `loaded` and as it grows."""
    sparing = _Sparing(clock)

    async def freeze() -> None:
        await loaded.wait()
        gc.collect()
        gc.freeze()
        gc.callbacks.append(sparing)

    task = asyncio.create_task(freeze(), name="fermata-gc-freeze")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if sparing in gc.callbacks:
            gc.callbacks.remove(sparing)
        gc.unfreeze()  # or what lies frozen is taken for a leak by libraries that count at the end
