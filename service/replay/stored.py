"""What a replay reads of a database: logged decisions in order of revision, and the ledger.

Decisions come from one snapshot, sorted by the database, by COPY: nothing costs less for each of a
million rows. The ledger is read as far as it had got by then: it only grows, so no decision of the
snapshot names more.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, Final

import asyncpg
import msgspec

from service.db.engine import Database
from service.decisions.log.copying import HEADER, TRAILER
from service.decisions.log.name import answered_at
from service.decisions.log.packing import Damaged
from service.domain.instant import to_datetime, to_instant
from service.ledger.events import Kind, LedgerBroken
from service.ledger.read import TailRow, read_event, tail_rows
from service.ledger.vault import Vault
from service.replay.copied import COLUMNS, copied_rows, rows_in
from service.replay.logged import Logged
from service.replay.steps import Erasure, Erasures, Step, step_of
from service.replay.wanted import Wanted
from service.sealing.period import Period, hold_log

_AT_ONCE: Final = 4 << 20
"""Bytes of rows that are judged together, unless one row alone is larger."""
_ONE_BY_ONE: Final = 1_024
"""Bytes of a row from which on it may be about very many, and is judged by itself."""
_EVENTS_AT_ONCE: Final = 1_000

_SETTINGS: Final = (
    # The ledger may have to be read for minutes before the first decision is asked for.
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL work_mem = '64MB'",
)
_ERASURES: Final = (
    "SELECT revision, recorded_at, leaf FROM ledger WHERE kind = $1 ORDER BY revision"
)


class StoredDecisions:
    """The decisions that are wanted, as they were when it was opened."""

    def __init__(
        self, connection: asyncpg.Connection, periods: Sequence[Period], wanted: Wanted
    ) -> None:
        """Take a connection in a transaction that sees one snapshot, and the months sealed by then.

        Those that are moved are not in the table any more, or no longer read from it.
        """
        self._connection = connection
        self.moved = [period for period in periods if period.moved and wanted.spans(period)]
        """The sealed months that are to be read from their files."""
        self._where, self._arguments = _conditions(wanted, self.moved)

    async def count(self) -> int:
        """Return how many decisions there are."""
        found: int = await self._connection.fetchval(
            f"SELECT count(*) FROM decisions WHERE {self._where}",  # noqa: S608 - our own words
            *self._arguments,
        )
        return found

    async def rows(self) -> AsyncIterator[bytes]:
        """Read all of them in order of revision, as COPY sends `COLUMNS`: blocks of bytes.

        Blocks end wherever they do. The database is a few blocks ahead, and then waits.
        """
        query = (
            f"SELECT {COLUMNS} FROM decisions WHERE {self._where} "  # noqa: S608 - our own words
            "ORDER BY revision"
        )
        blocks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=2)
        copying = asyncio.create_task(self._copy(query, blocks), name="fermata-replay-copy")
        try:
            while (block := await blocks.get()) is not None:
                yield block
            await copying
        finally:
            copying.cancel()

    async def _copy(self, query: str, blocks: "asyncio.Queue[bytes | None]") -> None:
        gathered = bytearray()

        async def take(data: bytes) -> None:
            gathered.extend(data)
            if len(gathered) >= _AT_ONCE:
                block = bytes(gathered)
                gathered.clear()
                await blocks.put(block)

        try:
            await self._connection.copy_from_query(
                query, *self._arguments, output=take, format="binary"
            )
            await blocks.put(bytes(gathered))
        finally:
            await blocks.put(None)


@asynccontextmanager
async def stored_decisions(url: str, wanted: Wanted) -> AsyncIterator[StoredDecisions]:
    """Open one snapshot of the log, beside which no month is taken out."""
    async with Database(url, pool_size=1) as database, database.read() as session:
        periods = await hold_log(session)
        raw: Any = await (await session.connection()).get_raw_connection()
        connection: asyncpg.Connection = raw.driver_connection
        for setting in _SETTINGS:
            await connection.execute(setting)
        yield StoredDecisions(connection, periods, wanted)


def outcomes_of(blocks: Iterable[bytes]) -> Iterator[Logged]:
    """Yield the outcomes of blocks as `StoredDecisions.rows` reads them, long rows by themselves.

    Raises Damaged for what is no such rows.
    """
    left, header = b"", len(HEADER)
    for block in blocks:
        data = (left + block)[header:]
        header = 0
        starts, end = rows_in(data)
        left = data[end:]
        for some in _apart(starts, end):
            yield copied_rows(data[some[0] : some[-1]], [one - some[0] for one in some[:-1]])
    if left != TRAILER:
        raise Damaged("the log ends in the middle of a row")


def _apart(starts: Sequence[int], end: int) -> Iterator[list[int]]:
    """Return where rows begin that are judged together, and where the last of them ends."""
    together = list[int]()
    for start, following in pairwise([*starts, end]):
        together.append(start)
        if following - start > _ONE_BY_ONE:
            yield [*together, following]
            together = []
    if together:
        yield [*together, end]


async def stored_events(
    connection: asyncpg.Connection, until: int
) -> AsyncIterator[Sequence[TailRow]]:
    """Read the ledger's events up to a revision. Raises LedgerBroken where one is missing."""
    after = 0
    while after < until:
        rows = await tail_rows(connection, after, limit=min(_EVENTS_AT_ONCE, until - after))
        if not rows:
            raise LedgerBroken(f"the ledger ends at {after}, before its head")
        after = rows[-1]["revision"]
        yield rows


def steps_of(blocks: Iterable[Sequence[TailRow]], vault: Vault) -> Iterator[Step]:
    """Yield what events mean, each held against its leaf. Raises LedgerBroken."""
    for rows in blocks:
        for row in rows:
            yield step_of(read_event(row, vault))


async def read_erasures(connection: asyncpg.Connection) -> Erasures:
    """Return every erasure that the ledger tells of, by the artist's reference."""
    rows = await connection.fetch(_ERASURES, Kind.ARTIST_ERASED.value)
    return {
        msgspec.json.decode(row["leaf"])["subject"]: Erasure(
            row["revision"], to_instant(row["recorded_at"])
        )
        for row in reversed(rows)  # the first counts
    }


def _conditions(wanted: Wanted, moved: Sequence[Period]) -> tuple[str, list[Any]]:
    """Return what a row of `decisions` has to fulfil, and the arguments of that."""
    conditions, arguments = ["true"], list[Any]()

    def add(condition: str, *given: object) -> None:
        first = len(arguments) + 1
        arguments.extend(given)
        conditions.append(condition.format(*(f"${first + n}" for n in range(len(given)))))

    for period in moved:
        ends = (to_datetime(period.month.begins), to_datetime(period.month.ends))
        add("NOT (answered_at >= {} AND answered_at < {})", *ends)

    if wanted.since is not None:
        add("answered_at >= {}", to_datetime(wanted.since))
    if wanted.until is not None:
        add("answered_at < {}", to_datetime(wanted.until))
    if wanted.decisions:
        add("decision_id = ANY({})", list(wanted.decisions))
        # Their names tell when, which spares looking through every month.
        told = [answered_at(one) for one in wanted.decisions]
        if None not in told:
            add("answered_at = ANY({})", [to_datetime(one) for one in told if one is not None])
    return " AND ".join(conditions), arguments
