"""Sealing months, step by step; each can be broken off anywhere, and is completed by the next run.

What a run finds says where to go on, and nothing else is remembered:

1. there is a table and no event: it is closed, files are made and stored, and the event appended;
2. there is an event and nobody reads the files yet: they are read again, every byte, and from
   then on the log is read from them;
3. that is so, and there is still a table: it is taken out and dropped.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import pyarrow.parquet as pq
from sqlalchemy import insert, select
from sqlmodel import col

from service.db.engine import Database, connect
from service.db.tables import SealedPeriod
from service.domain.instant import Instant
from service.ledger.append import Appender, Write
from service.ledger.events import Json, Kind, NewEvent
from service.ledger.transaction import Transaction, require_opened
from service.sealing import partition
from service.sealing.building import Built, build
from service.sealing.leaves import leaf_hashes
from service.sealing.month import Month
from service.sealing.parquet import Holds, SealedFile, sha256_of
from service.sealing.period import Period, SealedUnreadable, sealed_periods
from service.sealing.reading import extent_of, pages_of
from service.sealing.tree import root_of
from service.storage.objects import NotStored, Objects
from service.storage.scratch import working_folder

FORMAT: Final = 1
"""Of the files and the tree, as docs/decision-log.md describes them."""

_WORK: Final = "sealing"
_LOCK: Final = "SELECT pg_try_advisory_lock(5, 8)"
_BEGUN: Final = "SELECT size > 0 FROM ledger_head"
_SEALED: Final = "SELECT period FROM sealed_periods"
_MOVED: Final = """
UPDATE sealed_periods SET moved_at = clock_timestamp() WHERE period = $1 AND moved_at IS NULL
"""

_log = logging.getLogger(__name__)


class SealingElsewhere(Exception):  # noqa: N818 - names a state
    """Another process is sealing at this moment."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """What sealing works with: the database, who appends, where files go, and room for them."""

    database: Database
    appender: Appender
    objects: Objects
    scratch: Path

    async def seal(
        self,
        until: Instant,
        *,
        through: Month | None = None,
        tell: Callable[[str], None] = _log.info,
    ) -> Sequence[Month]:
        """Seal every month that is closed at `until`, the ledger's time now; return which were.

        When it returns they are read from their files, and their tables are gone. `through` is the
        last month to take. Raises SealingElsewhere, SealedUnreadable where what was stored does not
        come back as it was, Refused where the ledger has no first event yet, and whatever database
        and storage raise: what is finished stays so, and the rest is as it was.
        """
        async with self._alone() as connection:
            done = []
            for month in await due(connection, until):
                if through is None or month <= through:
                    await self._seal(connection, month, tell)
                    done.append(month)
            return done

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a connection that nobody else seals beside, for as long as it lives."""
        connection = await connect(self.database.url, writable=True)
        try:
            if not await connection.fetchval(_LOCK):
                message = "another process is sealing: it does everything that there is to do"
                raise SealingElsewhere(message)
            yield connection
        finally:
            with contextlib.suppress(Exception):
                await connection.close()

    async def _seal(
        self, connection: asyncpg.Connection, month: Month, tell: Callable[[str], None]
    ) -> None:
        period = await self._period(month)
        if period is None:
            tell(f"{month}: writing its files")
            await partition.close(connection, month)
            await self._write(connection, month)
            period = await self._required(month)
        if not period.moved:
            tell(f"{month}: reading {len(period.files)} files again")
            try:
                await self._require_stored(connection, period)
            except SealedUnreadable as unreadable:
                tell(f"{unreadable}; writing them once more")
                await self._write(connection, month)
                await self._require_stored(connection, period)
            await move(connection, month)
        await partition.detach(connection, month)
        await partition.drop(connection, month)
        tell(f"{month}: sealed, {period.decisions} decisions, at revision {period.revision}")

    async def _write(self, connection: asyncpg.Connection, month: Month) -> None:
        """Make and store a month's files, and see to it that there is the event."""
        with working_folder(self.scratch, _WORK) as folder:
            extent = await extent_of(connection, month)
            built = await build(str(month), pages_of(connection, month), extent, folder)
            for file, path in built.files:
                await self.objects.put(file.name, path)
        await self.appender.submit(sealing(month, built))

    async def _require_stored(self, connection: asyncpg.Connection, period: Period) -> None:
        """Read every stored file again, and count the table. Raises SealedUnreadable."""
        roots: list[bytes] = []
        for file in period.files:
            with working_folder(self.scratch, _WORK) as folder:
                try:
                    await self.objects.fetch(file.name, folder / "again.parquet")
                except NotStored as error:
                    raise _not_moved(period, f"{file.name} is missing") from error
                roots += await asyncio.to_thread(
                    _read_again, period, file, folder / "again.parquet"
                )
        if root_of(roots) != period.root:
            raise _not_moved(period, "the files do not have the root that the ledger has")
        there = (await extent_of(connection, period.month)).decisions
        if there != period.decisions:
            raise _not_moved(period, f"the table has {there} decisions, not {period.decisions}")

    async def _period(self, month: Month) -> Period | None:
        return next((one for one in await self._periods() if one.month == month), None)

    async def _required(self, month: Month) -> Period:
        period = await self._period(month)
        if period is None:
            raise LookupError(f"{month} was sealed, and nobody knows of it")
        return period

    async def _periods(self) -> list[Period]:
        async with self.database.read() as session:
            return await sealed_periods(session)


async def due(connection: asyncpg.Connection, until: Instant) -> list[Month]:
    """Return the months that are closed at `until` and not all sealed, oldest first.

    There are none before the ledger's first event, which has to be another.
    """
    there = {one.month for one in await partition.partitions(connection)}
    if not await connection.fetchval(_BEGUN):
        return []
    for row in await connection.fetch(_SEALED):
        month = Month.named(row["period"])
        if await partition.is_there(connection, month):
            there.add(month)
    return sorted(month for month in there if month.is_closed(until))


def sealing(month: Month, built: Built) -> Write:
    """Return the write that records a month as sealed, unless somebody else was quicker."""

    async def write(transaction: Transaction) -> Json:
        require_opened(transaction)
        known = select(col(SealedPeriod.revision)).where(col(SealedPeriod.period) == str(month))
        revision = await transaction.session.scalar(known)
        if revision is None:
            recorded = await transaction.record(sealed_event(month, built))
            revision = recorded.revision
            row = _row(month, built) | {"revision": revision, "sealed_at": recorded.recorded_at}
            await transaction.session.execute(insert(SealedPeriod).values(**row))
        return {"revision": revision}

    return write


def sealed_event(month: Month, built: Built) -> NewEvent:
    """A closed month of decisions is what these files say, and nothing else. It is all public."""
    return NewEvent(
        Kind.DECISIONS_SEALED,
        {
            "format": FORMAT,
            "period": str(month),
            "decisions": built.decisions,
            "outcomes": built.outcomes,
            "root": built.root.hex(),
            "files": [file.in_event for file, _ in built.files],
        },
    )


def _row(month: Month, built: Built) -> Json:
    return {
        "period": str(month),
        "first_at": built.first_at,
        "last_at": built.last_at,
        "decisions": built.decisions,
        "outcomes": built.outcomes,
        "root": built.root,
        "files": [file.in_row for file, _ in built.files],
    }


async def move(connection: asyncpg.Connection, month: Month) -> None:
    """Have a month read from its files from now on."""
    await connection.execute(_MOVED, str(month))


def _read_again(period: Period, file: SealedFile, path: Path) -> list[bytes]:
    """Hold a stored file against what the ledger says; return the roots of its blocks."""
    if sha256_of(path) != file.sha256:
        raise _not_moved(period, f"{file.name} is not what was stored")
    roots, rows = [], 0
    with pq.ParquetFile(path) as opened:
        for number in range(opened.num_row_groups):
            group = opened.read_row_group(number).combine_chunks()
            rows += group.num_rows
            if file.holds is Holds.OUTCOMES:
                roots.append(root_of(leaf_hashes(*group.to_batches())))
    if rows != file.rows:
        raise _not_moved(period, f"{file.name} has {rows} rows, not {file.rows}")
    return roots


def _not_moved(period: Period, why: str) -> SealedUnreadable:
    return SealedUnreadable(f"{why}: the decisions of {period.month} stay in the database as well")
