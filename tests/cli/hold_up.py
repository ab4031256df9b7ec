"""A layer over the app that holds one request up until whoever sent it is gone."""

import threading

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HoldUp:
    """Never answers the `nth` POST to `path`, whether it lets it happen (`after`) or not."""

    def __init__(self, path: str, nth: int, *, after: bool) -> None:
        self.reached = threading.Event()
        self._path = path
        self._left = nth
        self._after = after

    def over(self, app: ASGIApp) -> ASGIApp:
        """Put the layer around an app."""

        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not self._is_it(scope):
                await app(scope, receive, send)
                return
            if self._after:
                await app(scope, receive, _swallow)
            self.reached.set()
            while (await receive())["type"] != "http.disconnect":
                pass

        return layer

    def _is_it(self, scope: Scope) -> bool:
        if (scope["method"], scope["path"]) != ("POST", self._path):
            return False
        self._left -= 1
        return self._left == 0


async def _swallow(_: Message) -> None:
    """Answer nobody."""
