"""Reading a large body: into memory that is only as large as what arrived, and not for ever."""

import asyncio
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.api.problems import BodyTooLarge, BodyTooSlow

Body: TypeAlias = bytes | npt.NDArray[np.uint8]

PATIENCE_SECONDS: Final = 60
"""In which a body has to arrive: its room is taken before, and kept from others meanwhile."""


def declared_length(headers: Headers, limit: int) -> int | None:
    """Return the length that is declared, None where none is. Raises BodyTooLarge."""
    declared = headers.get("content-length", "")
    if not declared.isdecimal():
        return None
    length = int(declared)
    if length > limit:
        raise BodyTooLarge(limit)
    return length


async def read_body(
    receive: Receive, declared: int | None, limit: int, patience: float = PATIENCE_SECONDS
) -> Body:
    """Return the whole body. Raises BodyTooLarge, BodyTooSlow, or ClientDisconnect."""
    try:
        async with asyncio.timeout(patience):
            first, more = await _part(receive)
            return await _rest(receive, first, declared, limit) if more else _within(first, limit)
    except TimeoutError:
        raise BodyTooSlow(patience) from None


async def _rest(receive: Receive, first: bytes, declared: int | None, limit: int) -> Body:
    # Memory that nothing was written to takes no room, and parts are put where they belong: joined
    # in the end they would hold everybody up.
    body = np.empty(max(declared or limit, len(first)), np.uint8)
    size, part, more = 0, first, True
    while True:
        after = size + len(part)
        if after > limit:
            raise BodyTooLarge(limit)
        if after > len(body):  # servers see to it that it is as long as it says; who knows
            body = np.concatenate([body[:size], np.empty(limit - size, np.uint8)])
        body[size:after] = np.frombuffer(part, np.uint8)
        size = after
        if not more:
            return body[:size]
        part, more = await _part(receive)


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body


async def _part(receive: Receive) -> tuple[bytes, bool]:
    message: Any = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)
