"""No request body larger than the limit is read, whatever its headers claim."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import BodyTooLarge


class BodyLimit:
    """An ASGI layer that raises BodyTooLarge as soon as a body is seen to be too large."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        """Let bodies of up to `limit` bytes through."""
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a body that is counted as it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        too_large = declared.isdecimal() and int(declared) > self._limit
        read = 0

        async def counted() -> Message:
            nonlocal read
            if too_large:
                raise BodyTooLarge(self._limit)
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise BodyTooLarge(self._limit)
            return message

        await self._app(scope, counted, send)
