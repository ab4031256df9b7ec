"""What a thread takes from the event loop that reads for it, always one piece ahead."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def pulled(pieces: AsyncIterator[T], loop: asyncio.AbstractEventLoop) -> Iterator[T]:
    """Yield, in another thread, what the loop reads; the next piece is read meanwhile.

    Nothing is read before the first piece is asked for.
    """
    coming: Future[tuple[T] | None] = asyncio.run_coroutine_threadsafe(_next(pieces), loop)
    while (piece := coming.result()) is not None:
        coming = asyncio.run_coroutine_threadsafe(_next(pieces), loop)
        yield piece[0]


async def _next(pieces: AsyncIterator[T]) -> tuple[T] | None:
    async for piece in pieces:
        return (piece,)
    return None
