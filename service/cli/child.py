"""A replica's process, as its parent sees it."""

import asyncio
import contextlib
import multiprocessing
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Final

from service.cli.replica import Part, Stage, answer

_SPAWN: Final = multiprocessing.get_context("spawn")
"""A forked process would hold the database's lock and pipe, and outlive us with them."""

_CONNECTION: Final = b"."


class Child:
    """One process, running from the start."""

    def __init__(self, part: Part, told: Callable[[], None]) -> None:
        """Start it; `told` is called when it has said how far it is."""
        self._told = told
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        self.number = part.number
        self.stage = Stage.BEGUN
        self.has_started = False
        self.turn = 0
        """When it was last handed a connection; its parent's to count."""
        self._process = _SPAWN.Process(target=answer, args=(part, theirs), daemon=True)
        with theirs, _interrupts_ignored():
            self._process.start()

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid

    @property
    def takes(self) -> bool:
        """Whether it takes connections."""
        return self.stage in {Stage.STARTED, Stage.READY}

    def hand(self, connection: socket.socket) -> bool:
        """Hand a connection over; False where it cannot take one right now."""
        try:
            socket.send_fds(self._channel, [_CONNECTION], [connection.fileno()])
        except BlockingIOError:
            return False
        except OSError:  # it has ended, and we are about to hear of it
            self.stage = Stage.LEAVING
            return False
        return True

    async def ended(self) -> int | None:
        """Listen to it until it has ended; return its exit status, or minus the signal's number."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):  # killed before it had taken all it was handed
            while said := await loop.sock_recv(self._channel, 16):
                self.stage = Stage(said[-1])
                self.has_started = True
                self._told()
        self.stage = Stage.LEAVING
        self._told()
        await asyncio.to_thread(self._process.join)
        self._channel.close()
        return self._process.exitcode

    def stop(self) -> None:
        """Ask it to stop."""
        with contextlib.suppress(OSError):  # it has ended already
            self._channel.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let what is started here be deaf to Ctrl-C until it listens, for its parent hears it too."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
