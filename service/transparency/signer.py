"""The signer: it verifies what the ledger has become, and only then signs that it is so.

One process at a time signs, whichever comes first. Nothing is signed that does not go on from what
was signed before, here, in the file outside of the database or where a witness shows it: two
checkpoints that contradict each other prove to every outsider that the past was changed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import asyncpg

from service.clock import Clock
from service.db.engine import LOCALLY_ONLY, Database, connect
from service.domain.instant import to_datetime
from service.domain.merkle import CompactRange
from service.domain.tiles import WIDTH
from service.ledger.events import LedgerBroken
from service.ledger.tiles import complete_tiles
from service.transparency.checkpoint import Checkpoint
from service.transparency.continuation import (
    continued,
    read_signed,
    require_consistent,
)
from service.transparency.growth import grown
from service.transparency.identity import LogIdentity
from service.transparency.kept import KeptBroken, KeptCheckpoint

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS: Final = 60
_BEFORE_STARTING: Final = 2_000
"""Events that are verified before the service starts; where there are more, while it runs."""
_STARTING_SECONDS: Final = 5
_DATABASE: Final = "the database"

_HEAD: Final = "SELECT size, stack FROM ledger_head"
_NEWEST: Final = """
SELECT note FROM ledger_checkpoints WHERE origin = $1 ORDER BY size DESC LIMIT 1
"""
_LAST_TILE: Final = "SELECT coalesce(max(number), -1) FROM ledger_tiles WHERE level = 0"
# Something is written, so that the commit waits for the standby: then all before it is there, too.
_WRITE_SOMETHING: Final = "SELECT pg_logical_emit_message(true, 'fermata', 'checkpoint')"
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(6, 962)"
_PUBLISH: Final = """
INSERT INTO ledger_checkpoints (origin, size, note, signed_at) VALUES ($1, $2, $3, $4)
"""
_PASSING: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The newest checkpoint that is published, its size, and the ledger's head after it."""

    note: str | None
    published: int | None
    size: int
    stack: bytes


class NotSignedYet(Exception):  # noqa: N818 - names a state
    """No checkpoint covers that revision yet."""


class Signer:
    """Signs a checkpoint at most every `interval` seconds, whenever the ledger has grown.

    It stops for good where the ledger contradicts itself or what was signed, and says so loudly;
    what is published stays so.
    """

    def __init__(  # noqa: PLR0913 - what is signed, and all that it has to go on from
        self,
        database: Database,
        identity: LogIdentity,
        clock: Clock,
        *,
        interval: float,
        kept: KeptCheckpoint | None = None,
        told: Callable[[], list[tuple[Checkpoint, str]]] = list,
        on_look: Callable[["Signer"], None] = lambda _: None,
        on_signed: Callable[[], None] = lambda: None,
    ) -> None:
        """Take where the ledger is.

        `told` returns further checkpoints of this log, each with the place where it was found, that
        the ledger has to go on from; it is asked before each look. `on_look` is called after each,
        `on_signed` when a checkpoint of this process's own is published.
        """
        self._database = database
        self._identity = identity
        self._clock = clock
        self._interval = interval
        self._kept = kept
        self._told = told
        self._elsewhere: list[tuple[Checkpoint, str]] = []
        self._on_look = on_look
        self._on_signed = on_signed
        self._connection: asyncpg.Connection | None = None
        self._confirmed = True
        self._verified = CompactRange()
        self._task: asyncio.Task[None] | None = None
        self._looked = asyncio.Condition()
        self.size: int | None = None
        """The size of the newest checkpoint as of the last look; None: there is none."""
        self.refusal: LedgerBroken | None = None
        """Why nothing is signed any more."""

    async def __aenter__(self) -> Self:
        """Hold the ledger against what was signed, sign if that is soon done, and go on doing so.

        Raises LedgerBroken or KeptBroken where the service must not start, and whatever the
        database raises where that cannot be told.
        """
        try:
            seen = await self._check()
            if seen.size - self._verified.size <= _BEFORE_STARTING:
                await self._begin(seen)
        except BaseException:
            await self._disconnect()
            raise
        self._task = asyncio.create_task(self._run(), name="fermata-signer")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._disconnect()

    async def reach(self, size: int, *, timeout: float) -> None:  # noqa: ASYNC109 - a promise of this method
        """Return once a checkpoint covers `size` events. Raises NotSignedYet, LedgerBroken."""
        try:
            async with asyncio.timeout(timeout), self._looked:
                await self._looked.wait_for(lambda: self.refusal or (self.size or 0) >= size)
        except TimeoutError:
            message = f"no checkpoint covers revision {size} yet: ask again in a moment"
            raise NotSignedYet(message) from None
        if (self.size or 0) < size and self.refusal is not None:
            raise LedgerBroken(*self.refusal.args)

    async def require_continuation(self) -> None:
        """Return if the ledger goes on from what was signed; nothing is signed or started.

        Raises as starting does.
        """
        try:
            await self._check()
        finally:
            await self._disconnect()

    async def look(self) -> None:
        """Hold the ledger against what was signed, and sign a checkpoint if it has grown.

        Raises LedgerBroken, KeptBroken and whatever the database or the disk raises; nothing is
        signed then.
        """
        await self._sign_if_grown(await self._check())

    async def _begin(self, seen: _Seen) -> None:
        """Sign before anybody asks, unless a standby that is away would keep us waiting."""
        try:
            async with asyncio.timeout(_STARTING_SECONDS):
                await self._sign_if_grown(seen)
        except _PASSING as error:
            _log.warning("no checkpoint can be signed now, trying again: %s", error)
            await self._disconnect()

    async def _check(self) -> _Seen:
        """Return what there is, once it is known to go on from what was signed."""
        connection = await self._connected()
        note = await connection.fetchval(_NEWEST, self._identity.origin)
        self._elsewhere += self._told()
        signed = [*await self._signed(note), *self._elsewhere]
        head = await connection.fetchrow(_HEAD)  # read last: nothing is signed over events to come
        self._verified = await continued(connection, signed, head["size"], self._verified)
        self._elsewhere.clear()
        if note is not None and self._kept is not None:
            await asyncio.to_thread(self._kept.advance, note)
        published = None if note is None else read_signed(self._identity, note, _DATABASE).size
        await self._tell(published)
        return _Seen(note, published, head["size"], head["stack"])

    async def _sign_if_grown(self, seen: _Seen) -> None:
        if seen.size != seen.published and await self._sign(await self._connected(), seen):
            await self._tell(seen.size)

    async def _tell(self, size: int | None) -> None:
        async with self._looked:
            self.size = size
            self._looked.notify_all()
        self._on_look(self)

    async def _signed(self, note: str | None) -> list[tuple[Checkpoint, str]]:
        """Return what is published and what is kept, and where each was found."""
        found = [] if note is None else [(note, _DATABASE)]
        if self._kept is not None:
            # Not by the loop: where the folder is on a file server, checks would wait for that.
            kept = await asyncio.to_thread(self._kept.read)
            if kept is not None and kept != note:
                found.append((kept, str(self._kept.path)))
        return [(read_signed(self._identity, text, where), where) for text, where in found]

    async def _sign(self, connection: asyncpg.Connection, seen: _Seen) -> bool:
        """Verify all since what was signed, sign, publish; False: somebody else was first."""
        size = seen.size
        await self._require_confirmed(connection)
        await self._complete_tiles(connection, size)
        tree = await grown(connection, self._verified, size)
        if tree.to_bytes() != seen.stack:
            raise LedgerBroken(f"the tree at revision {size} is not that of the events")
        await require_consistent(connection, self._verified, tree)
        checkpoint = Checkpoint(self._identity.origin, size, tree.root())
        note = checkpoint.signed(self._identity.key).encode()
        read_signed(self._identity, note, "memory")
        if not await self._publish(connection, checkpoint, note, seen.note):
            return False
        self._verified = tree
        self._on_signed()
        return True

    async def _publish(
        self, connection: asyncpg.Connection, checkpoint: Checkpoint, note: str, last: str | None
    ) -> bool:
        """Keep the note outside, then publish it, unless another came after `last`.

        Another may be kept and not published: whoever shares the folder was stopped in between.
        Then the next look judges the ledger by that one first.
        """
        async with connection.transaction():
            alone = await connection.fetchval(_ALONE)
            if not alone or await connection.fetchval(_NEWEST, checkpoint.origin) != last:
                return False
            if self._kept is not None:
                kept = await asyncio.to_thread(self._kept.advance, note)
                if kept != checkpoint:
                    return False
            signed_at = to_datetime(self._clock.now())
            await connection.execute(_PUBLISH, checkpoint.origin, checkpoint.size, note, signed_at)
        return True

    async def _require_confirmed(self, connection: asyncpg.Connection) -> None:
        """Raise TimeoutError unless the standby, where there is one, has all that we have read."""
        self._confirmed = True
        await connection.execute(_WRITE_SOMETHING)
        await asyncio.sleep(0)  # what the server has told is heard now
        if not self._confirmed:
            raise TimeoutError("the standby has not confirmed what would be signed")

    async def _complete_tiles(self, connection: asyncpg.Connection, size: int) -> None:
        """Write the tiles of events that the release before this one appended."""
        while (await connection.fetchval(_LAST_TILE)) + 1 < size // WIDTH:
            async with self._database.keep() as session:
                await complete_tiles(session, size)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.look()
            except _PASSING as error:
                _log.warning("no checkpoint can be signed now, trying again: %s", error)
                await self._disconnect()
            except Exception as error:  # noqa: BLE001 - whatever it was, nothing is signed over it
                await self._refuse(error)
                return

    async def _refuse(self, why: Exception) -> None:
        cause = None if isinstance(why, LedgerBroken | KeptBroken) else why
        _log.critical("CHECKPOINTS ARE NOT SIGNED ANY MORE: %s", why, exc_info=cause)
        async with self._looked:
            self.refusal = why if isinstance(why, LedgerBroken) else LedgerBroken(str(why))
            self._looked.notify_all()
        self._on_look(self)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
                self._database.url, writable=True, command_timeout=_PATIENCE_SECONDS
            )
            self._connection.add_log_listener(self._heed)
        return self._connection

    def _heed(self, _connection: object, message: Any) -> None:
        if message.sqlstate == LOCALLY_ONLY:
            self._confirmed = False

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
