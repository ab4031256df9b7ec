"""Ids in paths: opaque ones may hold a slash, which then must not end their segment."""

import re
from typing import Annotated, Final, TypeAlias
from urllib.parse import unquote

from fastapi import Path
from pydantic import BeforeValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.schemas.types import Id

_KEPT: Final = re.compile(rb"%(2[Ff]|25)")


class EncodedSlashes:
    """An ASGI layer that routes by the path as it was sent.

    Servers decode the whole path before anybody can tell `a%2Fb` from two segments. From here on
    encoded slashes, and the percent signs that could be mistaken for them, stay encoded; `IdInPath`
    decodes them.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Take the app whose routes see such paths."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its path."""
        if scope["type"] == "http":
            scope = {**scope, "path": _path(scope)}
        await self._app(scope, receive, send)


def _path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    if raw is None:  # ASGI lets servers leave it out
        path: str = scope["path"]
        return path.replace("%", "%25")
    return unquote(_KEPT.sub(rb"%25\1", raw).decode("ascii", "replace"))


IdInPath: TypeAlias = Annotated[Id, BeforeValidator(unquote), Path()]
