"""Whose turn it is: many small writes share a transaction, and a large one has one to itself.

Whoever waits beside a large write waits as long as it takes, so small ones never share its
transaction, and between two large ones it is always theirs.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Turns(Generic[_T]):
    """A queue with one reader, who takes from it in groups."""

    def __init__(self) -> None:
        """Start empty."""
        self._small: deque[_T] = deque()
        self._large: deque[_T] = deque()
        self._turn_of_large = False
        self._filled = asyncio.Event()

    def qsize(self) -> int:
        """Return how many wait."""
        return len(self._small) + len(self._large)

    def put_nowait(self, one: _T, *, large: bool = False) -> None:
        """Queue one behind those of its kind."""
        (self._large if large else self._small).append(one)
        self._filled.set()

    async def next_group(self, most: int) -> list[_T]:
        """Wait for and take up to `most` small ones, or one large one."""
        while not self.qsize():
            self._filled.clear()
            await self._filled.wait()
        if self._large and (self._turn_of_large or not self._small):
            self._turn_of_large = False
            return [self._large.popleft()]
        self._turn_of_large = True
        return [self._small.popleft() for _ in range(min(most, len(self._small)))]

    def drain(self) -> Iterator[_T]:
        """Take all that wait, one after the other."""
        for waiting in (self._small, self._large):
            while waiting:
                yield waiting.popleft()
