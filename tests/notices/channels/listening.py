"""A real HTTP(S) server on loopback that remembers what it was sent and answers what it is told."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it came in."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Listener:
    """Answers every request with the next of `answers`, and with the last one for ever after.

    An answer is either the bytes of a whole response or something that writes them in its own way.
    """

    port: int
    names: list[str | None]
    answers: list[bytes | Answering]
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    def next_answer(self) -> bytes | Answering:
        """Take the next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """The bytes of a response, such as `answer("200 OK")`."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextlib.asynccontextmanager
async def listening(tls: ssl.SSLContext | None) -> AsyncIterator[Listener]:
    """Listen on a free port of 127.0.0.1; `names` records the server names that TLS asked for."""
    listener = Listener(0, [], [answer("200 OK")])
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: listener.names.append(name)
    open_now = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        listener.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            listener.heard.append(await _read(reader))
            reply = listener.next_answer()
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(writer)
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()
        open_now.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (header.partition(":") for header in rest)
    }
    return Heard(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
