"""The only writer of the ledger.

One committer per process takes the writes that are queued, locks the head row, numbers their
events from it, writes them with everything derived from them, commits, and only then answers. The
lock makes the order of events the order of commits, so no reader ever sees a gap.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

from sqlalchemy import insert, select, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from service.db.engine import LOCALLY_ONLY, Database, write_session
from service.db.tables import IdempotencyKey
from service.domain.refusal import RefusalKind, Refused, refuse
from service.ledger.events import Json
from service.ledger.ledger_clock import LedgerClock
from service.ledger.transaction import Transaction, lock_head
from service.ledger.turns import Turns
from service.ledger.vault import RandomBytes, Vault

_log = logging.getLogger(__name__)

Write: TypeAlias = Callable[[Transaction], Awaitable[Json]]
"""A change: it reads, refuses or records, derives, and returns what its caller is answered.

It raises Refused before it has written anything, or not at all.
"""

LARGEST_GROUP: Final = 500
PATIENCE_SECONDS: Final = 20
"""How long one group may take before its connection is given up.

The connection is dropped, never cancelled: a cancelled COMMIT that waits for a standby succeeds.
"""


class OutcomeUnknown(Exception):  # noqa: N818 - neither success nor failure
    """The connection broke around the commit: the write may or may not have happened.

    Asking again with the same idempotency key tells, and does it if it did not.
    """


class AppenderDown(Exception):  # noqa: N818 - names a state
    """The appender does not run: nothing is written."""


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """Whose key it is, the key, and a digest of the request it stands for."""

    client: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A write's answer. It is durable. `replayed` where an earlier request already did it."""

    body: Json
    replayed: bool = False


@dataclass(slots=True)
class _Queued:
    write: Write
    claim: IdempotencyClaim | None
    answer: asyncio.Future[Answered]

    def settle(self, outcome: Answered | BaseException) -> None:
        """Tell whoever waits; nobody may be waiting any more."""
        if self.answer.done():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Appender:
    """The committer of one process. Any number of processes may run one over one database."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        random_bytes: RandomBytes,
        clock: LedgerClock,
        *,
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what it writes with; `on_commit` is called after each commit that added events."""
        self._database = database
        self._vault = vault
        self._random = random_bytes
        self._clock = clock
        self._on_commit = on_commit
        self._queue: Turns[_Queued] = Turns()
        self._connection: AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._unconfirmed = asyncio.Event()
        self._give_up: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        """Start the committer."""
        self._task = asyncio.create_task(self._run(), name="fermata-appender")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it; what is still queued is told so and has not happened."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._turn_away("the service is shutting down")
        await self._disconnect()

    async def submit(
        self, write: Write, claim: IdempotencyClaim | None = None, *, large: bool = False
    ) -> Answered:
        """Do a write; when this returns it is durable, and later strong checks see it.

        A `large` one, of very many rows, has a transaction to itself: nobody waits beside it.
        Raises Refused where the write does, and where the claim's key was used for another
        request; OutcomeUnknown where the connection broke around the commit; ClocksDisagree where
        the time is not known; AppenderDown where no write can be taken.
        """
        self.require_running()
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Queued(write, claim, answer), large=large)
        try:
            async with asyncio.timeout(2 * PATIENCE_SECONDS):
                return await answer
        except TimeoutError:
            message = "the database has not answered in time: the write may or may not happen"
            raise OutcomeUnknown(message) from None

    def require_running(self) -> None:
        """Raise AppenderDown while no write can be taken."""
        if self._task is None or self._task.done():
            message = "writes are stopped; see the service's log for why"
            raise AppenderDown(message)

    async def _run(self) -> None:
        while not self._unconfirmed.is_set():
            await self._commit_group(await self._queue.next_group(LARGEST_GROUP))
        message = "the standby has not confirmed a commit: restart once it has"
        _log.critical("writes are stopped: %s", message)
        self._turn_away(message)

    def _turn_away(self, why: str) -> None:
        """Tell everybody who is still queued that their write has not happened."""
        for queued in self._queue.drain():
            queued.settle(AppenderDown(why))

    async def _commit_group(self, group: Sequence[_Queued]) -> None:
        """Commit a group at once; if one write breaks it, commit each of them on its own."""
        try:
            outcomes = await self._commit(group)
        except asyncio.CancelledError:
            for queued in group:
                queued.settle(OutcomeUnknown("the service stopped while it was writing"))
            raise
        except Exception as error:  # noqa: BLE001 - any failure is an answer to its write
            await self._disconnect()
            if len(group) > 1 and not isinstance(error, OutcomeUnknown):
                await self._commit_one_by_one(group)
                return
            outcomes = [error] * len(group)
        for queued, outcome in zip(group, outcomes, strict=True):
            queued.settle(outcome)

    async def _commit_one_by_one(self, group: Sequence[_Queued]) -> None:
        """Give each its own transaction; whoever's turn does not come any more is told so."""
        left = list(group)
        try:
            while left and not self._unconfirmed.is_set():
                await self._commit_group([left.pop(0)])
        finally:
            for queued in left:
                queued.settle(AppenderDown("writes were stopped before this one's turn came"))

    async def _commit(self, group: Sequence[_Queued]) -> list[Answered | BaseException]:
        connection = await self._connected()
        watchdog = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._give_up)
        sent = False
        try:
            async with write_session(connection) as session:
                transaction = await lock_head(session, self._clock, self._vault, self._random)
                before = transaction.revision
                known = await _known_answers(transaction, group)
                outcomes = [await _do(transaction, queued, known) for queued in group]
                await transaction.flush()
                sent = True
                await session.commit()
        except Exception as error:
            if not sent:
                raise
            # Whatever broke, even the session's own end: the commit may have happened.
            message = "the database went away while the write was being committed"
            raise OutcomeUnknown(message) from error
        finally:
            watchdog.cancel()
        if self._unconfirmed.is_set():
            message = "the database committed the write, but its standby has not confirmed it"
            raise OutcomeUnknown(message)
        if transaction.revision > before:
            self._on_commit()
        return outcomes

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._database.connection()
            raw = await self._connection.get_raw_connection()
            driver: Any = raw.driver_connection
            driver.add_log_listener(self._heed)
            self._give_up = driver.terminate
            await self._connection.rollback()
        return self._connection

    def _heed(self, _connection: object, message: Any) -> None:
        """Stop on "committed locally, but might not have been replicated"."""
        if message.sqlstate == LOCALLY_ONLY:
            self._unconfirmed.set()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, DBAPIError):
                await connection.invalidate()
                await connection.close()


_Known: TypeAlias = dict[tuple[str, str], tuple[bytes, Json]]


async def _known_answers(transaction: Transaction, group: Sequence[_Queued]) -> _Known:
    claims = {(q.claim.client, q.claim.key) for q in group if q.claim is not None}
    if not claims:
        return {}
    found = await transaction.session.execute(
        select(IdempotencyKey).where(
            tuple_(col(IdempotencyKey.client), col(IdempotencyKey.key)).in_(sorted(claims))
        )
    )
    return {(row.client, row.key): (row.fingerprint, row.answer) for row in found.scalars()}


async def _do(transaction: Transaction, queued: _Queued, known: _Known) -> Answered | BaseException:
    """Do one write of a group. A refusal is its own outcome and leaves the others alone."""
    claim, before = queued.claim, transaction.revision
    try:
        if claim is not None and (claim.client, claim.key) in known:
            return _replay(claim, *known[claim.client, claim.key])
        # What an earlier write of the group has read may have been rewritten past the session.
        transaction.session.expire_all()
        transaction.subject = None
        body = await queued.write(transaction)
    except Refused as refused:
        if transaction.revision > before:
            raise  # it has recorded already, so everything it did has to be undone
        return refused
    if claim is not None:
        known[claim.client, claim.key] = (claim.fingerprint, body)
        await transaction.session.execute(
            insert(IdempotencyKey).values(
                client=claim.client,
                key=claim.key,
                fingerprint=claim.fingerprint,
                answer=body,
                subject=transaction.subject,
                recorded_at=transaction.now,
            )
        )
    return Answered(body)


def _replay(claim: IdempotencyClaim, fingerprint: bytes, answer: Json) -> Answered:
    if fingerprint != claim.fingerprint:
        raise refuse(
            "Idempotency-Key",
            "idempotency_key_reused",
            "this key stands for another request: use a new key for a new request",
            RefusalKind.CONFLICT,
        )
    return Answered(answer, replayed=True)
