"""The app, and the short way to the one call that is made thousands of times a second.

Layers that a check has no use for cost more than its answer. What is exactly `POST /v1/checks` goes
past them, to the very function that the route behind them calls; refusals and failures are answered
by the app's own handlers, so that nobody can tell which way a check went.
"""

from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from service.api.checks import PATH, serve_check

_RAW_PATHS: Final = (None, PATH.encode())


class HotPath(FastAPI):
    """A FastAPI app with that short way."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a check, or pass on whatever else it is."""
        if not _is_check(scope):
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        request = Request(scope, receive)
        try:
            await serve_check(request, send)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001 - each has its handler, and 500 raises on
            await self._answer(error, request, send)

    async def _answer(self, error: Exception, request: Request, send: Send) -> None:
        """Answer as the layers would: the most special handler there is, and 500 raises on."""
        handlers: dict[Any, Any] = self.exception_handlers
        cause = next(kind for kind in type(error).__mro__ if kind in handlers)
        response = await handlers[cause](request, error)
        await response(request.scope, request.receive, send)
        if cause is Exception:
            raise error


def _is_check(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["path"] == PATH
        and scope["method"] == "POST"
        and scope.get("raw_path") in _RAW_PATHS
        and not scope.get("root_path")
    )
