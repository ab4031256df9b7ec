"""Waiting for what happens in another process, of which nobody tells this one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

_LOOK_EVERY_S: Final = 0.02


async def until(seen: Callable[[], bool]) -> None:
    """Return once it is so. The test's own time limit is what ends a wait in vain."""
    while not seen():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_LOOK_EVERY_S)


async def until_found(seen: Callable[[], Awaitable[bool]]) -> None:
    """Return once it is so, where finding out takes asking somebody."""
    while not await seen():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_LOOK_EVERY_S)
