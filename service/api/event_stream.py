"""A response that goes on until the reader leaves, is too slow, or the process ends."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from service.decisions.changes.places import Place

_log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 60.0
"""How long a reader may take in nothing at all."""

_FAREWELL_SECONDS: Final = 1.0
"""How long a reader is given to take in the rest when the process ends."""


class EventStream(Response):
    """Server-sent events, sent one after the other: the next is made when the last has gone.

    So nothing piles up for a reader that is slow, but for what lies in the connection itself.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[bytes], place: Place, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        """Send these events, and leave the place in the end."""
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._place = place
        self._patience = patience

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until there is nothing more to send, or nobody to send it to."""
        ended = asyncio.Event()
        self._place.on_end(ended.set)
        writing = asyncio.create_task(self._write(send))
        others = [asyncio.create_task(_gone(receive)), asyncio.create_task(ended.wait())]
        try:
            await asyncio.wait([writing, *others], return_when=asyncio.FIRST_COMPLETED)
            if ended.is_set():
                await asyncio.wait([writing], timeout=_FAREWELL_SECONDS)
        finally:
            for task in (writing, *others):
                task.cancel()
            await asyncio.gather(writing, *others, return_exceptions=True)
            await self._events.aclose()
            self._place.leave()

    async def _write(self, send: Send) -> None:
        try:
            await self._send(send, {"type": "http.response.start", "status": 200})
            async for event in self._events:
                await self._send(send, {"type": "http.response.body", "body": event})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            _log.info("a reader of changes has taken in nothing for %s s", self._patience)

    async def _send(self, send: Send, message: dict[str, object]) -> None:
        rest: dict[str, object] = {"more_body": True}
        if message["type"] == "http.response.start":
            rest = {"headers": self.raw_headers}
        async with asyncio.timeout(self._patience):
            await send({**message, **rest})


async def _gone(receive: Receive) -> None:
    """Return when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
