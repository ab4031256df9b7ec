"""Remembering the language that somebody chose with the switch, for the pages they open next."""

from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.i18n import COOKIE, OWN_NAMES, PARAMETER

_A_YEAR: Final = 365 * 86_400  # seconds


class RememberLanguage:
    """An ASGI layer that keeps the choice of `?lang=` in a cookie, which holds nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the pages."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the cookie as the answer starts, where the choice is a new one."""
        chosen = _newly_chosen(scope) if scope["type"] == "http" else None
        if chosen is None:
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.append("set-cookie", _cookie(chosen, scope["scheme"]))
            await send(message)

        await self._app(scope, receive, sent)


def _newly_chosen(scope: Scope) -> str | None:
    wanted = parse_qs(scope["query_string"].decode("latin-1")).get(PARAMETER, [""])[0]
    known = wanted in OWN_NAMES and HTTPConnection(scope).cookies.get(COOKIE) != wanted
    return wanted if known else None


def _cookie(code: str, scheme: str) -> str:
    response = Response()
    response.set_cookie(
        COOKIE, code, max_age=_A_YEAR, secure=scheme == "https", httponly=True, samesite="lax"
    )
    return response.headers["set-cookie"]
