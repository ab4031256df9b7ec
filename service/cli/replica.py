"""One of several processes that answer at one address: a whole replica, with an index of its own.

It listens nowhere. Its parent hands it connections, and hears from it how far it is; both over one
pair of sockets, whose end is the sign to stop. So it stops, too, when its parent is killed.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from service.api.changes import send_readers_away
from service.auth.local_codes import CodesInFolder
from service.auth.local_issuer import LocalIssuer
from service.cli.http_server import HttpServer, config_for
from service.cli.local import Database, app_for, local_issuer
from service.cli.shared_metrics import AnswersForAll, SharedMetrics
from service.settings import Settings
from service.telemetry import configure_logging

_SENDER: Final = 0
"""The number of the one process that sends notices: the others would only look for the same work,
each with connections to the database of its own."""


class Stage(IntEnum):
    """How far a replica is; what it tells its parent."""

    BEGUN = 0
    STARTED = 1
    """It answers, as long as nobody else can: that it is alive, and that it is not ready yet."""
    READY = 2
    """Its index has held the whole ledger."""
    LEAVING = 3
    """It takes no more connections."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one replica is told by its parent, which has prepared everything they share."""

    number: int
    settings: Settings
    where: Database
    shared: Path
    """A private folder of them all, which goes when they do."""
    issuer_port: int | None
    """Where the local issuer is to be; None: there is none."""


def shared_issuer(
    settings: Settings, where: Database, shared: Path, port: int
) -> tuple[LocalIssuer, str]:
    """Return the local issuer and its clients' secret, the same ones to every process that asks."""
    codes = CodesInFolder(shared / "sign-ins")
    return local_issuer(settings, where.data_dir or shared, port, codes)


def answer(part: Part, channel: socket.socket) -> None:
    """Answer until the channel ends or a signal comes: what the process does."""
    configure_logging(part.settings.log_level)
    sends = part.settings.send_notices and part.number == _SENDER
    settings = part.settings.model_copy(update={"send_notices": sends})
    issuer = None
    if part.issuer_port is not None:
        issuer, _ = shared_issuer(settings, part.where, part.shared, part.issuer_port)
    app = app_for(settings, part.where, issuer)
    metrics = SharedMetrics(part.shared / "metrics", part.number, lambda: _counted(app))
    server = HandedServer(
        config_for(AnswersForAll(app, metrics)),
        channel,
        caught_up=lambda: _caught_up(app),
        beside=metrics.publish,
    )
    server.leave = partial(send_readers_away, app)
    server.run()


async def _caught_up(app: FastAPI) -> None:
    await app.state.services.follower.caught_up.wait()


def _counted(app: FastAPI) -> bytes:
    counted: bytes = app.state.services.telemetry.exposition()
    return counted


class HandedServer(HttpServer):
    """A server whose connections come out of a channel, one with each byte."""

    def __init__(
        self,
        config: uvicorn.Config,
        channel: socket.socket,
        *,
        caught_up: Callable[[], Awaitable[object]],
        beside: Callable[[], Awaitable[None]],
    ) -> None:
        """Take the channel; `caught_up` and `beside` are asked for once the app has started."""
        super().__init__(config)
        self._channel = channel
        self._caught_up = caught_up
        self._beside = beside
        self._tasks: set[asyncio.Task[None]] = set()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, then tell the parent, then again when the index is whole."""
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel, self._take)
        await super().startup(sockets=[])
        self._tell(Stage.STARTED)
        self._run(self._tell_when_ready())
        self._run(self._beside())

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take what has been handed over already, and stop as uvicorn does."""
        self._tell(Stage.LEAVING)
        self._take()
        asyncio.get_running_loop().remove_reader(self._channel)
        await super().shutdown(sockets=[])
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self) -> None:
        """Take the connections that are there; at the channel's end, stop."""
        while True:
            try:
                told, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
            except BlockingIOError:
                return
            except OSError:  # the parent was killed before it had read what we told
                told, descriptors = b"", []
            for descriptor in descriptors:
                self._run(self._serve_one(socket.socket(fileno=descriptor)))
            if not told:
                asyncio.get_running_loop().remove_reader(self._channel)
                self.should_exit = True
                return

    async def _serve_one(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        try:
            await loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # whoever it was has gone already
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def _tell_when_ready(self) -> None:
        await self._caught_up()
        self._tell(Stage.READY)

    def _tell(self, stage: Stage) -> None:
        with contextlib.suppress(OSError):  # without a parent it ends anyway
            self._channel.send(bytes([stage]))

    def _run(self, doing: Awaitable[None]) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
