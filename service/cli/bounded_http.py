"""uvicorn's HTTP/1.1 with bounds on a request's head, which it keeps in memory before we see any.

It has none of its own: an endless header would fill the memory, and half of a head would keep its
connection for ever, both without a token. (Bodies are the app's to bound.)
"""

import asyncio
from typing import Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 1024
"""Bytes; a little more passes, for they are counted by what is read at once."""

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
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        """End a head."""
        self._in_head = False
        self._head_arrived()
        super().on_headers_complete()

    @override
    def data_received(self, data: bytes) -> None:
        """Read on, and refuse a head that does not end."""
        went_on = self._in_head
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
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
