"""Asking over HTTP as fast as one thread can: requests are ready, answers are counted, not read.

The client must not be what is measured. So a request is bytes made beforehand, an answer is read by
its Content-Length into a buffer that is used again, and one loop serves all connections.
"""

import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

PATIENCE_SECONDS: Final = 120

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)
_ROOM: Final = 1 << 16
_UNKNOWN: Final = -1


class Refused(Exception):  # noqa: N818 - what the service did
    """The answer was not 200 (or 2xx where that was asked for)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """Return the address in a URL such as http://127.0.0.1:8080."""
        host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
        return cls(host, int(port))

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: bytes = b"",
        media: str = "application/json",
        headers: str = "",
    ) -> bytes:
        """Return one request, ready to send."""
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        typed = f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{authorization}{typed}{headers}"
        return head.encode() + b"\r\n" + body


class Line:
    """One connection that asks one thing at a time."""

    def __init__(self, address: Address) -> None:
        """Connect."""
        self.socket = socket.create_connection(
            (address.host, address.port), timeout=PATIENCE_SECONDS
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(_ROOM)
        self._filled = 0
        self._head = 0
        self._size = _UNKNOWN
        self._chunked = False
        self.number = 0
        """Which of the requests is under way."""
        self.began = 0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._filled, self._head, self._size, self._chunked = 0, 0, _UNKNOWN, False
        self.began = time.perf_counter_ns()
        self.socket.sendall(request)

    def take(self) -> bool:
        """Take what has come of the answer, and tell whether that is all of it. Raises Refused."""
        if self._filled == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        got = self.socket.recv_into(memoryview(self._buffer)[self._filled :])
        if not got:
            raise ConnectionError("the service closed the connection in the middle of an answer")
        self._filled += got
        if self._size == _UNKNOWN and not self._read_head():
            return False
        if self._chunked:
            return self._buffer.endswith(b"0" + _HEAD_END, self._head, self._filled)
        return self._filled >= self._size

    def _read_head(self) -> bool:
        end = self._buffer.find(_HEAD_END, 0, self._filled)
        if end < 0:
            return False
        head = bytes(self._buffer[:end])
        if head[9:10] != b"2":
            said = bytes(self._buffer[: self._filled]).decode(errors="replace")
            raise Refused(said[:2_000])
        self._head = end + len(_HEAD_END)
        length = _LENGTH.search(head)
        if length is None:
            self._chunked = _CHUNKED.search(head) is not None
            if not self._chunked:
                raise ConnectionError(f"an answer of no known length: {head!r}")
            self._size = 0
            return True
        self._size = self._head + int(length[1])
        if self._size > len(self._buffer):
            self._buffer.extend(bytes(self._size - len(self._buffer)))
        return True

    def body(self) -> bytes:
        """Return the body of the answer that has come."""
        body = bytes(self._buffer[self._head : self._filled])
        return b"".join(_chunks(body)) if self._chunked else body

    def ask(self, request: bytes) -> bytes:
        """Send a request, wait for its answer and return its body. Raises Refused."""
        self.send(request)
        while not self.take():
            pass
        return self.body()

    def close(self) -> None:
        """Disconnect."""
        self.socket.close()


def _chunks(body: bytes) -> Iterator[bytes]:
    start = 0
    while True:
        end = body.index(b"\r\n", start)
        size = int(body[start:end], 16)
        if not size:
            return
        yield body[end + 2 : end + 2 + size]
        start = end + 2 + size + 2


@contextmanager
def lines(address: Address, number: int) -> Iterator[list[Line]]:
    """Connect so often, and disconnect in the end."""
    connected = [Line(address) for _ in range(number)]
    try:
        yield connected
    finally:
        for line in connected:
            line.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """How long the whole took in seconds, how long each answer did in nanoseconds, and some."""

    seconds: float
    took: list[int]
    last: dict[int, bytes]
    """The last answer on each connection, by the number of its request."""

    def per_second(self, each: int) -> float:
        """Return checks a second, with so many a request."""
        return len(self.took) * each / self.seconds

    def quantile_ms(self, part: float) -> float:
        """Return how long so many of them took at the most."""
        return sorted(self.took)[min(int(len(self.took) * part), len(self.took) - 1)] / 1e6


def ask_for(
    address: Address, requests: Sequence[bytes], *, connections: int, seconds: float
) -> Asked:
    """Ask for some seconds over some connections, each with the next request when answered."""
    with lines(address, connections) as crowd:
        until = time.perf_counter_ns() + int(seconds * 1e9)
        return _drive(crowd, requests, lambda _: time.perf_counter_ns() < until)


def ask_each(
    address: Address,
    requests: Sequence[bytes],
    *,
    connections: int,
    heard: Callable[[int, bytes], None] = lambda *_: None,
) -> Asked:
    """Ask every one of the requests once; `heard` takes each answer."""
    with lines(address, min(connections, len(requests))) as crowd:
        return _drive(crowd, requests, lambda asked: asked < len(requests), heard)


def _drive(
    crowd: Sequence[Line],
    requests: Sequence[bytes],
    go_on: Callable[[int], bool],
    heard: Callable[[int, bytes], None] | None = None,
) -> Asked:
    """Keep every connection busy for as long as `go_on`, then wait for what is under way."""
    took: list[int] = []
    asked = 0
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter_ns()
        for line in crowd:
            selector.register(line.socket, selectors.EVENT_READ, line)
            line.number, asked = asked, asked + 1
            line.send(requests[line.number % len(requests)])
        busy = len(crowd)
        while busy:
            ready = selector.select(PATIENCE_SECONDS)
            if not ready:
                raise TimeoutError(f"no answer for {PATIENCE_SECONDS} seconds")
            for key, _ in ready:
                line = key.data
                if not line.take():
                    continue
                took.append(time.perf_counter_ns() - line.began)
                if heard is not None:
                    heard(line.number, line.body())
                if go_on(asked):
                    line.number, asked = asked, asked + 1
                    line.send(requests[line.number % len(requests)])
                else:
                    busy -= 1
        ended = time.perf_counter_ns()
    last = {line.number % len(requests): line.body() for line in crowd}
    return Asked((ended - began) / 1e9, took, last)
