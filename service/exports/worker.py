"""The worker: takes exports one at a time, has them built, finishes them, and clears up after them.

It runs inside of a service; any number of services share the work through the table. Building goes
on in a process of its own where the service has one to itself (`child`), so that checks do not wait
for it. Nothing that fails here is more than a warning in the log and a word in the export's row.
"""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Self, TypeAlias

from service.domain.instant import SECOND
from service.domain.refusal import Refused
from service.exports.build import WORK
from service.exports.expiry import clear, discard_files, expire_due, expire_erased, sweep
from service.exports.finish import Desk, finish_bundle
from service.exports.jobs import (
    LEASE,
    LeaseLost,
    Taken,
    extend,
    give_up,
    put_back,
    read_export,
    take,
    try_later,
)
from service.sealing.period import SealedUnreadable
from service.storage.objects import StoreUnavailable
from service.storage.scratch import sweep as sweep_scratch
from service.transparency.signer import NotSignedYet

_log = logging.getLogger(__name__)

Build: TypeAlias = Callable[[Taken], Awaitable[None]]
"""Makes every file of an export that is not there yet; `taken.progress` has them when it returns.

It raises LeaseLost, Refused, or whatever else went wrong.
"""

MOST_TRIES: Final = 5
_LOOKS_EVERY: Final = 1.0
_RESTS: Final = 30 * SECOND
_EXTENDS_EVERY: Final = LEASE / SECOND / 4
_BROKEN: Final = "something went wrong, and the service's log says what; it is tried again"
_TOO_OFTEN: Final = (
    f"it was begun {MOST_TRIES} times and never finished: the service's log says why. Ask for it "
    "again once that is mended"
)


class ExportWorker:
    """Builds what is asked for. Entering it starts its loop, leaving it stops it."""

    def __init__(self, desk: Desk, build: Build) -> None:
        """Take what it works with. The desk's database should have a pool of its own."""
        self._desk = desk
        self._database = desk.database
        self._build = build
        self._news = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start to work."""
        self._loop = asyncio.create_task(self._for_ever(), name="fermata-exports")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop. What is under way is taken up again by another, or when it is back."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop

    def look(self) -> None:
        """Look now whether there is anything to do."""
        self._news.set()

    async def work(self) -> bool:
        """Clear up, take an export, and do it; return whether there was one."""
        await self.tidy()
        async with self._database.keep() as session:
            taken = await take(session)
        if taken is not None:
            await self._do(taken)
        return taken is not None

    async def tidy(self) -> None:
        """Let bundles expire that are due, or overtaken by an erasure, and delete their files."""
        async with self._database.keep() as session:
            expired = await expire_due(session)
            forgotten = await expire_erased(session)
        if expired or forgotten:
            _log.info("exports: %d expired, %d by an erasure", len(expired), len(forgotten))
        await discard_files(self._database, self._desk.objects)

    async def sweep(self) -> None:
        """Delete what those who were killed have left, on this machine and where bundles are kept.

        Where that is out of reach it raises StoreUnavailable.
        """
        await asyncio.to_thread(sweep_scratch, Path(tempfile.gettempdir()), WORK)
        await sweep(self._database, self._desk.objects)

    async def _for_ever(self) -> None:
        failing, is_swept = False, False
        while True:
            try:
                if not is_swept:
                    await self.sweep()
                    is_swept = True
                while await self.work():
                    pass
                failing = False
            except Exception as error:  # noqa: BLE001 - a worker outlives whatever fails
                if not failing:
                    _log.warning("exports cannot be worked on now: %s", error, exc_info=error)
                failing = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOKS_EVERY):
                    await self._news.wait()
            self._news.clear()

    async def _do(self, taken: Taken) -> None:
        try:
            await self._try(taken)
        except LeaseLost:
            _log.info("export %s is not this worker's any more", taken.export_id)
            await self._leave_nothing(taken)

    async def _try(self, taken: Taken) -> None:
        """Make an export, or settle what is to become of it. Raises LeaseLost."""
        if taken.tries > MOST_TRIES:
            await self._settle(taken, _TOO_OFTEN, is_final=True)
            return
        try:
            await self._held(taken)
        except LeaseLost:
            raise
        except Refused as refused:
            await self._settle(taken, str(refused), is_final=True)
        except asyncio.CancelledError:
            await self._hand_back(taken)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the row tells
            _log.exception("export %s could not be made", taken.export_id)
            is_final = taken.tries >= MOST_TRIES
            await self._settle(taken, _TOO_OFTEN if is_final else _said(error), is_final=is_final)
        else:
            _log.info("export %s is ready", taken.export_id)

    async def _held(self, taken: Taken) -> None:
        """Build and finish an export while it is held. Raises LeaseLost and whatever breaks."""
        making = asyncio.create_task(self._make(taken), name="fermata-export")
        holding = asyncio.create_task(self._hold(taken), name="fermata-export-lease")
        try:
            await asyncio.wait({making, holding}, return_when=asyncio.FIRST_COMPLETED)
            await (making if making.done() else holding)
        finally:
            for task in (making, holding):
                task.cancel()
            await asyncio.gather(making, holding, return_exceptions=True)

    async def _make(self, taken: Taken) -> None:
        await self._build(taken)
        await finish_bundle(self._desk, taken)

    async def _hold(self, taken: Taken) -> None:
        while True:
            await asyncio.sleep(_EXTENDS_EVERY)
            async with self._database.keep() as session:
                await extend(session, taken)

    async def _settle(self, taken: Taken, error: str, *, is_final: bool) -> None:
        async with self._database.keep() as session:
            if is_final:
                await give_up(session, taken, error)
            else:
                await try_later(session, taken, error, _RESTS)

    async def _hand_back(self, taken: Taken) -> None:
        """Let another go on at once, if the database is still there to be told."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1), self._database.keep() as session:
                await put_back(session, taken)

    async def _leave_nothing(self, taken: Taken) -> None:
        """Delete what this worker has written and nobody goes on with."""
        async with self._database.read() as session:
            row = await read_export(session, taken.export_id)
        used = () if row is None else row.progress["keys"].values()
        await clear(self._desk.objects, taken.export_id, taken.fence, keep=used)


def _said(error: Exception) -> str:
    """Return what may be told of an error: only what no artist's words can be in."""
    if isinstance(error, SealedUnreadable | StoreUnavailable | NotSignedYet):
        return f"{error}; it is tried again"
    return f"{_BROKEN} ({type(error).__name__})"
