"""uvicorn's HTTP/1.1 with bounds on a request's head, which it keeps in memory before we see any.

It has none of its own: an endless header would fill the memory, and half of a head would keep its
connection for ever, both without a token. So would trailers, which it takes for headers. (Bodies
are the app's to bound.)
"""

import asyncio
from typing import Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 1024
"""Bytes; a little more passes, for they are counted by what is read at once. It is as well the most
that may come between two pieces of a body, or behind it: trailers above all."""

HEAD_MAY_TAKE_S: Final = 30.0
"""For a whole head to arrive, on a new connection or once it has begun."""

_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    _head_due: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = False
    _in_message = False
    _beside_body = 0

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._head_arrived()
        super().connection_lost(exc)

    @override
    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = self._in_message = True
        self._head_bytes = 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        """End a head."""
        self._in_head = False
        self._beside_body = 0
        self._head_arrived()
        super().on_headers_complete()
        # What comes behind the body goes nowhere: the app has the list of before.
        self.headers = []

    @override
    def on_body(self, body: bytes) -> None:
        """Go on with a body."""
        self._beside_body = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        """End a request."""
        self._in_message = False
        super().on_message_complete()

    @override
    def data_received(self, data: bytes) -> None:
        """Read on, and refuse a head that does not end, or trailers that do not."""
        went_on = self._in_head
        self._beside_body += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_message and not self._in_head and self._beside_body > LARGEST_HEAD:
            self.transport.close()
        if self._in_head:
            # How much of the first piece is the head's is not known: requests may come before it.
            self._head_bytes += len(data) if went_on else 0
            if self._head_bytes > LARGEST_HEAD:
                self._refuse_head()
            elif self._head_due is None:
                self._await_head()

    def _refuse_head(self) -> None:
        if not self.pipeline and getattr(self.cycle, "response_complete", True):
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _await_head(self) -> None:
        self._head_due = self.loop.call_later(HEAD_MAY_TAKE_S, self.transport.close)

    def _head_arrived(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
