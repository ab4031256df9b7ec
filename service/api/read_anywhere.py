"""Who checks the log does so from anywhere, a page of their own included."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG: Final = "/log/"
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


class ReadableAnywhere:
    """An ASGI layer that lets pages of other origins read the log, refusals included.

    No cookie and no token travels along with that, so nobody reads more than everybody may.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Take the app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark the answer."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        ours = scope["type"] == "http" and scope["path"].startswith(_LOG)
        await self._app(scope, receive, sent if ours else send)
