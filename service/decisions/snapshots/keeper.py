"""The keeper: it has a snapshot written when the newest is too old, and none outlive an erasure.

A process of its own writes, at the lowest claim to the processor: a service never stops answering
to write, and nobody changes an index that is being written. It reads the last snapshot and the
ledger as a starting service does, so writing one also proves that it can be read.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from service.beside import Beside
from service.clock import Clock
from service.decisions.index import Index
from service.decisions.snapshots.file import reach_of
from service.decisions.snapshots.folder import FolderBusy, SnapshotFolder
from service.decisions.snapshots.sealed import Reach
from service.domain.instant import SECOND, Duration
from service.settings import Settings

_log = logging.getLogger(__name__)

_LOOKS_EVERY: Final = 1
"""Seconds. So long an erasure may go unnoticed here."""

_SETTLING: Final[Duration] = 30 * SECOND
"""A service that has just started has better things to do."""

_RETRY_AFTER: Final[Duration] = 300 * SECOND
_LONGEST_WRITE: Final = 3_600
"""Seconds. A writer that takes longer is stopped."""

_IDS_AN_EVENT: Final = 100


def snapshot_process(settings: Settings) -> Beside:
    """Return the command that writes a snapshot where this service's settings say."""
    told = settings.environment("database_url", "key_encryption_key", "snapshot_dir")
    return Beside.module(told, "service.cli.snapshot")


@dataclass(frozen=True, slots=True)
class Pace:
    """How far the newest snapshot may be behind: in events, and in the ledger's own time.

    A hundred new ids count as one event more: a bulk event brings ten thousand.
    """

    events: int
    interval: Duration

    def is_behind(self, newest: Reach | None, now: Reach) -> bool:
        """Tell whether it is time for another."""
        if newest is None or now.revision <= newest.revision:
            return newest is None and now.revision > 0
        events = now.revision - newest.revision + (now.ids - newest.ids) // _IDS_AN_EVENT
        return events >= self.events or now.recorded_at - newest.recorded_at >= self.interval


@dataclass(slots=True)
class SnapshotKeeper:
    """Keeps the snapshots of one folder for a service that answers from `index`.

    async with SnapshotKeeper(folder, index, writer, pace, clock, follower.caught_up): ...

    Nobody has to tell it anything: it looks once a second at where the index stands and at
    `last_erasure`. Any number of services may keep the same folder; one of them writes at a time.
    Nothing that fails here is more than a warning in the log.
    """

    folder: Path
    index: Index
    writer: Beside
    pace: Pace
    clock: Clock
    caught_up: asyncio.Event
    """Set once the index has held all there was: there is nothing to keep before."""

    _not_before: int = 0
    _keeping: asyncio.Task[None] | None = None
    _writing: asyncio.Task[None] | None = field(default=None)

    async def __aenter__(self) -> Self:
        """Start looking."""
        self._keeping = asyncio.create_task(self._keep(), name="fermata-snapshot-keeper")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop looking, and a writer that is at work."""
        for task in (self._keeping, self._writing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def look(self) -> None:
        """Remove what an erasure has overtaken, and have a snapshot written if it is time."""
        snapshots = SnapshotFolder(self.folder)
        if self.index.last_erasure:
            await asyncio.to_thread(snapshots.discard_before, self.index.last_erasure)
        newest = await asyncio.to_thread(snapshots.newest)
        if (
            self.pace.is_behind(newest, reach_of(self.index))
            and (self._writing is None or self._writing.done())
            and self.clock.monotonic() >= self._not_before
            and not await asyncio.to_thread(lambda: snapshots.busy)
        ):
            self._writing = asyncio.create_task(self._write(), name="fermata-snapshot-writer")

    async def written(self) -> None:
        """Return when no writer of ours is at work."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _keep(self) -> None:
        await self.caught_up.wait()
        self._not_before = self.clock.monotonic() + _SETTLING
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it was, answers do not rest on it
                _log.warning("cannot look after the snapshots in %s: %s", self.folder, error)
            await asyncio.sleep(_LOOKS_EVERY)

    async def _write(self) -> None:
        try:
            with SnapshotFolder(self.folder).turn():
                async with asyncio.timeout(_LONGEST_WRITE):
                    status, said = await self.writer.run()
        except FolderBusy:  # another service's keeper was quicker
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, try again later
            status, said = 1, str(error) or "it took too long"
        if status:
            self._not_before = self.clock.monotonic() + _RETRY_AFTER
            _log.warning("no snapshot was written, trying again in some minutes: %s", said)
        else:
            _log.info("%s", said)
