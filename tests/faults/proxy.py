"""A TCP proxy in front of PostgreSQL that can hold answers back, lose them, or cut everything off.

It carries bytes as they are; it reads along only what clients send, to count the queries and to
find the one whose answer shall be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

_CHUNK: Final = 65_536
_UNTYPED: Final = {80_877_102, 80_877_103, 80_877_104}
"""The requests that come before the startup message: cancel, SSL, GSS (PostgreSQL, "Flow")."""
_ASKS: Final = {b"E"[0], b"Q"[0]}
"""Execute and simple Query: each is one question to the server."""


class Proxy:
    """Stands before one server; `url` leads through it for as long as the block lasts."""

    def __init__(self, url: str) -> None:
        """Take the server's address."""
        self._target = url
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open = True
        self._asked = asyncio.Condition()
        self._links: set[asyncio.Task[None]] = set()
        self._losing: bytes | None = None
        self._server: asyncio.Server | None = None
        self.questions = 0
        """How many queries have been sent to the server through this proxy."""

    @property
    def url(self) -> str:
        """The database's address, through the proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(self._target)
        user = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}"))

    async def __aenter__(self) -> Self:
        """Start to listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        await self.cut()
        await self._server.wait_closed()

    def stall(self) -> None:
        """Hold back every answer from now on. Questions still reach the server."""
        self._flowing.clear()

    def release(self) -> None:
        """Let go of what was held back."""
        self._flowing.set()

    def freeze(self) -> None:
        """Never answer on any connection there is, as if the other end were gone without a word."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def lose_the_answer_to(self, words: bytes) -> None:
        """Let the next question with these words through, and cut its asker off when it is done."""
        self._losing = words

    async def cut(self) -> None:
        """Close every connection there is; new ones are taken."""
        links, self._links = self._links, set()
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def shut(self) -> None:
        """Close every connection there is, and every new one, until `retarget`."""
        self._open = False
        await self.cut()

    def retarget(self, url: str) -> None:
        """Lead to another server from now on."""
        self._target = url
        self._open = True

    async def until_asked(self, questions: int) -> None:
        """Return once this many queries have been sent to the server."""
        async with self._asked:
            await self._asked.wait_for(lambda: self.questions >= questions)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            await _end(writer)
            return
        link = asyncio.create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = urlsplit(self._target)
        doomed = asyncio.Event()
        try:
            with contextlib.suppress(OSError):
                upstream = await asyncio.open_connection(target.hostname, target.port)
                try:
                    await _first_of(
                        self._questions(reader, upstream[1], doomed),
                        self._answers(upstream[0], writer, doomed),
                    )
                finally:
                    await _end(upstream[1])
        finally:
            await _end(writer)

    async def _questions(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        messages = _Messages()
        while data := await reader.read(_CHUNK):
            if self._losing is not None and self._losing in data:
                self._losing = None
                doomed.set()
            writer.write(data)
            await writer.drain()
            asked = sum(kind in _ASKS for kind in messages.feed(data))
            async with self._asked:
                self.questions += asked
                self._asked.notify_all()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        flowing = self._flowing
        while data := await reader.read(_CHUNK):
            if doomed.is_set():
                return
            await flowing.wait()
            writer.write(data)
            await writer.drain()


class _Messages:
    """Finds the messages in what a client sends (PostgreSQL, "Message Formats")."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False

    def feed(self, data: bytes) -> Iterator[int]:
        """Yield the kind of each message that this data completes."""
        self._rest += data
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> int | None:
        head = 1 if self._started else 0
        if len(self._rest) < head + 4:
            return None
        length = head + int.from_bytes(self._rest[head : head + 4], "big")
        if len(self._rest) < length:
            return None
        message, self._rest = self._rest[:length], self._rest[length:]
        if self._started:
            return message[0]
        self._started = int.from_bytes(message[4:8], "big") not in _UNTYPED
        return 0


async def _end(writer: asyncio.StreamWriter) -> None:
    """Close at once, whatever is still to be sent."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, however it ends, and end the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
