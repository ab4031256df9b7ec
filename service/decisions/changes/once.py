"""Work that many ask for at once is done once, and kept for a little while."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Once(Generic[K, V]):
    """Results by key, of which only so many are kept. Whoever gives up stops nobody else."""

    def __init__(self, most: int) -> None:
        """Keep at most so many results."""
        self._most = most
        self._known: OrderedDict[K, asyncio.Task[V]] = OrderedDict()

    async def get(
        self,
        key: K,
        make: Callable[[], Coroutine[Any, Any, V]],
        is_good: Callable[[V], bool] = lambda _: True,
    ) -> V:
        """Return a result that is good for this caller: the one there is, or one made for them.

        What making it raises, everybody who waits for it gets.
        """
        known = self._known.get(key)
        if known is not None:
            result = await asyncio.shield(known)
            if is_good(result):
                return result
        # What somebody else has had made meanwhile was begun after this caller asked: it will do.
        newer = self._known.get(key)
        if newer is None or newer is known:
            newer = self._make(key, make)
        return await asyncio.shield(newer)

    async def close(self) -> None:
        """Give up what is being made."""
        unfinished = [task for task in self._known.values() if not task.done()]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    def _make(self, key: K, make: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        task = self._known[key] = asyncio.create_task(make())
        self._known.move_to_end(key)
        task.add_done_callback(lambda done: self._settle(key, done))
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return task

    def _settle(self, key: K, done: asyncio.Task[V]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if failed and self._known.get(key) is done:
            del self._known[key]
