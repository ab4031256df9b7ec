"""`X-Request-ID`: what a request is called comes back with its answer (section 10.1.3)."""

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAME: Final = b"x-request-id"
_PATHS: Final = ("/access/v1/", "/.well-known/authzen-")


class RequestIds:
    """An ASGI layer that sends AuthZEN's request ids back, byte for byte, whatever is answered."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the app whose answers are marked."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark its answer."""
        if scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
            return
        ids = [header for header in scope["headers"] if header[0].lower() == _NAME]
        started = False

        async def marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *ids]}
            await send(message)

        try:
            await self._app(scope, receive, marked)
        except Exception as error:
            # What breaks unforeseen is answered outside of all layers, which know no ids.
            if ids and not started:
                answer = await scope["app"].exception_handlers[Exception](Request(scope), error)
                await answer(scope, receive, marked)
            raise
