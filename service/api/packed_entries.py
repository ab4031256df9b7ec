"""Entries of the log go out with gzip to whoever asks for it, as C2SP tlog-tiles wants it.

Tiles do not: they are hashes, which nothing makes smaller.
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.media import takes_gzip

_ENTRIES: Final = "/log/tile/entries/"
_WISH: Final = b"accept-encoding"
_LEVEL: Final = 6
_IN_THE_LOOP: Final = 4_096
"""Bytes; what is larger is packed in a thread, so that no check waits for it."""


class PackedEntries:
    """An ASGI layer around the log's entries. Unpacked, they are the very bytes that are stored.

    Whatever a cache keeps for ever is told apart by `Vary`; there is no ETag, for the address
    already names the bytes.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Take the app."""
        self._app = app
        self._packing = GZipMiddleware(
            app, minimum_size=0, compresslevel=_LEVEL, thread_minimum_size=_IN_THE_LOOP
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; pack what is answered about entries where that is asked for."""
        if scope["type"] != "http" or not scope["path"].startswith(_ENTRIES):
            await self._app(scope, receive, send)
            return
        # The layer beneath takes any mention of gzip for a wish, `gzip;q=0` too.
        wished = takes_gzip(",".join(Headers(scope=scope).getlist("accept-encoding")))
        headers = [(name, value) for name, value in scope["headers"] if name != _WISH]
        if wished:
            headers.append((_WISH, b"gzip"))
        await self._packing({**scope, "headers": headers}, receive, send)
