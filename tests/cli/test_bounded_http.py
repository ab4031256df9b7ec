"""What a connection may send before it has to say what it wants."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from service.cli import bounded_http
from service.cli.http_server import HttpServer, bound_sockets, config_for

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with how long the body was."""
    message = await receive()
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    length = len(message["body"])
    while message["more_body"]:
        message = await receive()
        length += len(message["body"])
    body = str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port() -> Iterator[int]:
    """Where the app is served."""
    sockets = bound_sockets("127.0.0.1", 0)
    found: int = sockets[0].getsockname()[1]
    server = HttpServer(config_for(app))
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield found
    server.should_exit = True
    thread.join()


async def sent(port: int, *pieces: bytes) -> bytes:
    """Send some pieces and return everything that is answered until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.read())
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await answer
    finally:
        answer.cancel()
        await asyncio.wait([answer])
        writer.close()


async def test_an_endless_header_is_refused(port: int) -> None:
    """Long before it has filled the memory."""
    with pytest.raises(ConnectionError):
        await sent(port, b"GET / HTTP/1.1\r\nA: ", *[b"x" * 16_384] * 1_000)


@pytest.mark.parametrize("trailer", [b"A: %s\r\n" % (b"x" * 1_000), b"x" * 16_384, b"a:\r\n" * 999])
async def test_endless_trailers_are_refused(port: int, trailer: bytes) -> None:
    """They come behind the body, and would be kept as headers are."""
    begin = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: x"
    with pytest.raises(ConnectionError):
        await sent(port, begin, b"\r\n", *[trailer] * 20_000)


async def test_a_body_may_come_in_chunks_with_trailers_behind(port: int) -> None:
    """As long as they are few; and however many the chunks are."""
    head = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n"
    body = b"1\r\nb\r\n" * 100_000 + b"0\r\nA: b\r\n\r\n"
    pieces = [body[start : start + 777] for start in range(0, len(body), 777)]
    answer = await sent(port, head, b"\r\n", *pieces, head + b"Connection: close\r\n\r\n", *pieces)
    assert answer.count(b"100000") == 2


async def test_whoever_sends_a_head_too_large_is_told(port: int) -> None:
    """With the status that is meant for it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n")
    await asyncio.sleep(0.05)  # so that it is read by itself: of the first piece nothing is counted
    writer.write(b"A: %s\r\n" % (b"x" * 70_000))
    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    writer.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost:", REQUEST + b"GET /"])
async def test_a_head_that_does_not_come_is_not_waited_for(
    port: int, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on a new connection, not half-way, not on one that has been answered before."""
    monkeypatch.setattr(bounded_http, "HEAD_MAY_TAKE_S", 0.2)
    answer = await sent(port, begun)
    assert answer.count(b"HTTP/1.1 200 ") == (1 if begun.startswith(REQUEST) else 0)


async def test_requests_in_a_row_are_all_answered(port: int) -> None:
    """However many come at once, and wherever what is read at once ends."""
    closing = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = await sent(port, REQUEST * 5_000, closing)
    assert answer.count(b"HTTP/1.1 200 ") == 5_001


async def test_bodies_are_not_its_business(port: int) -> None:
    """A large one passes, in as many pieces as it comes, and the next head may be large again."""
    head = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\nA: %s\r\n"
    head %= b"x" * 60_000
    post = head + b"\r\n" + b"b" * 1_000_000
    answer = await sent(port, post, head + b"Connection: close\r\n\r\n" + b"b" * 1_000_000)
    assert answer.count(b"1000000") == 2
