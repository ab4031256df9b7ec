"""uvicorn as this service runs it. What is set and why: docs/decisions/0024."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

STOPPING_MAY_TAKE_S: Final = 10
"""For answers that have been begun; then their connections are cut."""

BACKLOG: Final = 2_048
"""Connections that wait to be taken."""

_KEPT_ALIVE_S: Final = 75
"""Longer than the minute for which load balancers and clients keep an idle connection by default:
whoever closes it first must be the one who would have used it next."""

_TURN_S: Final = 0.0005
"""For a thread that reads or writes a large body, before the loop gets the interpreter back: a
small check takes several turns of the loop, and would wait for Python's own 5 ms in each."""


class HttpServer(uvicorn.Server):
    """A server that returns when it was told to stop; uvicorn's own then dies of the signal."""

    leave: Callable[[], None] = staticmethod(lambda: None)
    """Called when it stops, before it waits for answers that were begun: some have no end."""

    @override
    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        sys.setswitchinterval(_TURN_S)
        await super().serve(sockets)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what has no end by itself, and stop as uvicorn does."""
        self.leave()
        await super().shutdown(sockets)

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, in good order, and take it for obeyed."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def config_for(app: ASGIApp) -> uvicorn.Config:
    """Return how to serve an app."""
    return uvicorn.Config(
        app,
        http=_protocol(),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEPT_ALIVE_S,
        timeout_graceful_shutdown=STOPPING_MAY_TAKE_S,
        backlog=BACKLOG,
    )


def _protocol() -> type[asyncio.Protocol] | str:
    try:
        from service.cli.bounded_http import BoundedHttp  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return "h11"  # slower, with bounds of its own
    return BoundedHttp


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Return sockets that hold the address and do not listen yet, one for each that it means.

    Port 0 takes a free one, the same for all. Raises OSError where somebody else has it.
    """
    flags = socket.AI_PASSIVE
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags)
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as unless_all:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = unless_all.enter_context(socket.socket(family, kind, protocol))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = sockets[0].getsockname()[1] if sockets else port
            one.bind((address[0], taken, *address[2:]))
            sockets.append(one)
        unless_all.pop_all()
    return sockets
