"""The parent of several processes that answer at one address.

It listens, hands each connection to one of them in turn, and answers nothing itself. Those whose
index is whole come first; while there is none, whoever has started can at least say so. Whoever
ends without being told to is started again.
"""

import asyncio
import contextlib
import itertools
import logging
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import Final

from service.cli.child import Child
from service.cli.http_server import BACKLOG, STOPPING_MAY_TAKE_S
from service.cli.replica import Part, Stage

_log = logging.getLogger(__name__)

_PATIENCE_S: Final = STOPPING_MAY_TAKE_S + 10
"""For a replica to stop: its answers, then its services. Then it is killed."""
_LONG_S: Final = 60.0
"""Whoever has run for so long has not failed to run."""
_MOST_FAILURES: Final = 5
_LONGEST_PAUSE_S: Final = 30.0
_BREATH_S: Final = 0.02
_ENDINGS: Final = (signal.SIGTERM, signal.SIGINT)


class CannotServe(Exception):  # noqa: N818 - names an outcome
    """Processes end before they can answer, and starting them again would not help."""


class Replicas:
    """Several processes, from when they are run until they are told to stop."""

    def __init__(self, parts: Sequence[Part], sockets: Sequence[socket.socket]) -> None:
        """Take what each is to do, and the sockets that hold the address."""
        self._parts = parts
        self._sockets = sockets
        self._running: set[Child] = set()
        self._somebody_takes = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failure: CannotServe | None = None
        self._turns = itertools.count(1)

    async def run(self) -> None:
        """Run them until a signal comes. Raises CannotServe.

        When it returns none is left, and they have had time to finish what they were answering; a
        second signal cuts that short.
        """
        loop = asyncio.get_running_loop()
        for ending in _ENDINGS:
            loop.add_signal_handler(ending, self._stop)
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(self._keep(part))
            accepting = [group.create_task(self._accept(one)) for one in self._sockets]
            await self._stopping.wait()
            for task in accepting:
                task.cancel()
            for one in self._sockets:
                one.close()
            for replica in self._running:
                replica.stop()
            last_resort = loop.call_later(_PATIENCE_S, self._kill)
        last_resort.cancel()
        if self._failure is not None:
            raise self._failure

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._kill()
        self._stopping.set()

    def _kill(self) -> None:
        for replica in self._running:
            replica.kill()

    async def _keep(self, part: Part) -> None:
        """Keep one replica running."""
        failures = 0
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            replica = Child(part, told=self._look)
            self._running.add(replica)
            status = await replica.ended()
            self._running.discard(replica)
            self._look()
            if self._stopping.is_set():
                return
            long = asyncio.get_running_loop().time() - began > _LONG_S
            failures = 1 if long else failures + 1
            self._judge(replica, status, failures)
            await self._rest(min(2.0 ** (failures - 2), _LONGEST_PAUSE_S) if failures > 1 else 0)

    def _judge(self, replica: Child, status: int | None, failures: int) -> None:
        """Let it be started again, or give up where that would go on for ever."""
        what = f"worker {replica.number} (process {replica.pid}) ended with status {status}"
        first = not replica.has_started and not any(one.has_started for one in self._running)
        if first or failures >= _MOST_FAILURES:
            times = "" if first else f", {failures} times in a row"
            self._give_up(f"{what}{times}; its log says why")
        else:
            _log.error("%s; another is started", what)

    def _give_up(self, why: str) -> None:
        self._failure = CannotServe(why)
        self._stopping.set()

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _look(self) -> None:
        """See whether there is anybody who takes connections."""
        if any(replica.takes for replica in self._running):
            self._somebody_takes.set()
        else:
            self._somebody_takes.clear()

    async def _accept(self, listening: socket.socket) -> None:
        """Hand out connections, from when somebody takes them on."""
        await self._somebody_takes.wait()
        listening.setblocking(False)
        try:
            listening.listen(BACKLOG)
        except OSError as error:  # two may hold an address until one of them listens
            self._give_up(f"nothing can listen there any more: {error.strerror or error}")
            return
        _log.info("answering at %s port %d", *listening.getsockname()[:2])
        while True:
            await self._somebody_takes.wait()
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(listening)
            except OSError as error:  # no more files may be open, say; or the client has left
                _log.warning("a connection could not be taken: %s", error)
                await asyncio.sleep(_BREATH_S)
                continue
            with connection:
                await self._hand_over(connection)

    async def _hand_over(self, connection: socket.socket) -> None:
        while True:
            await self._somebody_takes.wait()
            for replica in self._in_turn():
                if replica.hand(connection):
                    replica.turn = next(self._turns)
                    return
            await asyncio.sleep(_BREATH_S)  # nobody is as quick as connections come

    def _in_turn(self) -> Iterator[Child]:
        """Return who takes connections, of the highest stage; whoever had one last comes last."""
        taking = [replica for replica in self._running if replica.takes]
        stage = max((replica.stage for replica in taking), default=Stage.READY)
        best = [replica for replica in taking if replica.stage == stage]
        yield from sorted(best, key=lambda replica: replica.turn)
