"""The log of decisions: every answer is durable before it leaves."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, Final, Self

import asyncpg
import msgspec

from service.db.engine import LOCALLY_ONLY, connect
from service.domain.instant import Instant, to_datetime
from service.ledger.events import Json

LARGEST_GROUP: Final = 500
_COLUMNS = (
    "decision_id",
    "answered_at",
    "evaluated_at",
    "revision",
    "client",
    "caller",
    "request",
    "outcomes",
)


class LogUnavailable(Exception):  # noqa: N818 - names a state
    """A decision could not be made durable, so it may not be answered."""


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """One answered check. `outcomes` is the compressed list of every result, in the order asked."""

    decision_id: str
    answered_at: Instant
    evaluated_at: Instant
    revision: int
    client: str
    caller: str
    request: Json
    outcomes: bytes

    def as_record(self) -> tuple[object, ...]:
        """Return the row as PostgreSQL's COPY takes it."""
        return (
            self.decision_id,
            to_datetime(self.answered_at),
            to_datetime(self.evaluated_at),
            self.revision,
            self.client,
            self.caller,
            msgspec.json.encode(self.request).decode(),
            self.outcomes,
        )


class DecisionLog:
    """Writes decisions in groups: one commit serves all that wait at that moment."""

    def __init__(self, url: str, *, timeout: float) -> None:
        """Take the database's address; `timeout` in seconds bounds every write."""
        self._url = url
        self._timeout = timeout
        self._unconfirmed = False
        self._queue: asyncio.Queue[tuple[LoggedDecision, asyncio.Future[None]]] = asyncio.Queue()
        self._connection: asyncpg.Connection | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the writer."""
        self._task = asyncio.create_task(self._run(), name="fermata-decision-log")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it. What is still queued was not answered and is not logged."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while not self._queue.empty():
            _fail(self._queue.get_nowait()[1], "the service is shutting down")
        await self._disconnect()

    async def record(self, decision: LoggedDecision) -> None:
        """Return once the decision is durable. Raises LogUnavailable: then it must not be given."""
        self._require_running()
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((decision, durable))
        await durable

    async def require_writable(self) -> None:
        """Return if decisions can be logged. Raises LogUnavailable.

        It asks on a connection of its own: the writer's is the writer's alone.
        """
        self._require_running()
        try:
            async with asyncio.timeout(self._timeout):
                probe = await connect(self._url, writable=True)
                await probe.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            message = "the decision log cannot be reached"
            raise LogUnavailable(message) from error

    def _require_running(self) -> None:
        if self._task is None or self._task.done():
            message = "the decision log does not run"
            raise LogUnavailable(message)

    async def _run(self) -> None:
        while True:
            group = [await self._queue.get()]
            while len(group) < LARGEST_GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            try:
                await self._write([decision for decision, _ in group])
            except asyncio.CancelledError:
                for _, durable in group:
                    _fail(durable, "the service is shutting down")
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, it is not durable
                await self._disconnect()
                for _, durable in group:
                    _fail(durable, "the decision could not be logged", error)
            else:
                for _, durable in group:
                    if not durable.done():
                        durable.set_result(None)

    async def _write(self, decisions: list[LoggedDecision]) -> None:
        async with asyncio.timeout(self._timeout):
            connection = self._connection
            if connection is None or connection.is_closed():
                connection = await self._connect()
            self._unconfirmed = False
            async with connection.transaction():
                await connection.executemany(_INSERT, [d.as_record() for d in decisions])
        if self._unconfirmed:
            message = "the standby has not confirmed the decisions"
            raise LogUnavailable(message)

    async def _connect(self) -> asyncpg.Connection:
        connection = self._connection = await connect(self._url, writable=True)
        await connection.set_type_codec(
            "jsonb", encoder=str, decoder=str, schema="pg_catalog", format="text"
        )
        connection.add_log_listener(self._heed)
        return connection

    def _heed(self, _connection: object, message: Any) -> None:
        """Take "committed locally, but might not have been replicated" for what it is."""
        self._unconfirmed = self._unconfirmed or message.sqlstate == LOCALLY_ONLY

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


_INSERT = (
    f"INSERT INTO decisions ({', '.join(_COLUMNS)}) "  # noqa: S608 - names of our own
    f"VALUES ({', '.join(f'${n}' for n in range(1, len(_COLUMNS) + 1))})"
)


def _fail(durable: asyncio.Future[None], message: str, cause: BaseException | None = None) -> None:
    if not durable.done():
        failure = LogUnavailable(message)
        failure.__cause__ = cause
        durable.set_exception(failure)
